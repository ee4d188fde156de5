"""Every fact the ledger can hold. Field names are the protocol's words (Videos API) wherever it has one.

A stored type name and its fields are for ever: to change one, raise `SCHEMA`, write `upcast`, and add golden bytes
beside the old ones in tests/golden. docs/reference/events.md describes each.
"""

from types import MappingProxyType

from ledger.envelope import Fact
from ledger.events.answers import AnswerRepeated, AnswerUndelivered
from ledger.events.batches import BatchLinesDecided, BatchOpened
from ledger.events.changes import ChangeApproved, ChangeDenied, ChangeMade, ChangeProposed
from ledger.events.characters import CharacterCreated, CharacterRefused, CharacterRequested, CharacterUnknown
from ledger.events.endpoints import (
    DeliveryGivenUp,
    DeliveryScheduled,
    EndpointCreated,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointSecretRotated,
    EndpointUpdated,
)
from ledger.events.erasure import ErasureDecided, HoldLifted, HoldPlaced, SubjectErased
from ledger.events.governance import (
    CallerRecorded,
    KeyDelegated,
    KeyIssued,
    KeyRevoked,
    KeyRotated,
    PolicyPublished,
    PricesPublished,
    RendererConfigured,
    RendererResumed,
    RendererStopped,
)
from ledger.events.money import (
    BudgetOverrun,
    BudgetRemoved,
    BudgetSet,
    BudgetThreshold,
    SpendAdjusted,
    SpendCarriedForward,
    SpendReleased,
    SpendReserved,
    SpendSettled,
)
from ledger.events.once import (
    DeliveryAttempted,
    IdempotencyBound,
    JobClaimed,
    SubmissionClosed,
    SubmissionOpened,
    WebhookReceived,
)
from ledger.events.parts import (
    Asset,
    BatchLine,
    InputReference,
    Money,
    Quote,
    Reported,
    ReviewWeights,
    SourceVideo,
    Step,
    Variant,
    Verdict,
    VerdictWarning,
)
from ledger.events.proof import LogKeyPublished, LogKeyRetired
from ledger.events.recovery import RenderAbandoned, RenderAdopted, RenderResubmitted
from ledger.events.render import (
    RenderAllowed,
    RenderApprovalRequested,
    RenderApproved,
    RenderAssetLost,
    RenderAttemptFailed,
    RenderCancelled,
    RenderCompleted,
    RenderDeleted,
    RenderDenied,
    RenderDuplicateFound,
    RenderExpired,
    RenderFailed,
    RenderIntent,
    RenderJobLost,
    RenderProgress,
    RenderPurged,
    RenderQueued,
    RenderRemixed,
    RenderRerouted,
    RenderReviewed,
    RenderStored,
    RenderSubmissionAbsent,
    RenderSubmissionRefused,
    RenderSubmissionStarted,
    RenderSubmissionUnknown,
)

__all__ = [
    "LIFECYCLE",
    "TYPES",
    "AnswerRepeated",
    "AnswerUndelivered",
    "Asset",
    "BatchLine",
    "BatchLinesDecided",
    "BatchOpened",
    "BudgetOverrun",
    "BudgetRemoved",
    "BudgetSet",
    "BudgetThreshold",
    "CallerRecorded",
    "ChangeApproved",
    "ChangeDenied",
    "ChangeMade",
    "ChangeProposed",
    "CharacterCreated",
    "CharacterRefused",
    "CharacterRequested",
    "CharacterUnknown",
    "DeliveryAttempted",
    "DeliveryGivenUp",
    "DeliveryScheduled",
    "EndpointCreated",
    "EndpointDeleted",
    "EndpointDisabled",
    "EndpointEnabled",
    "EndpointSecretRotated",
    "EndpointUpdated",
    "ErasureDecided",
    "HoldLifted",
    "HoldPlaced",
    "IdempotencyBound",
    "InputReference",
    "JobClaimed",
    "KeyDelegated",
    "KeyIssued",
    "KeyRevoked",
    "KeyRotated",
    "LogKeyPublished",
    "LogKeyRetired",
    "Money",
    "PolicyPublished",
    "PricesPublished",
    "Quote",
    "RenderAbandoned",
    "RenderAdopted",
    "RenderAllowed",
    "RenderApprovalRequested",
    "RenderApproved",
    "RenderAssetLost",
    "RenderAttemptFailed",
    "RenderCancelled",
    "RenderCompleted",
    "RenderDeleted",
    "RenderDenied",
    "RenderDuplicateFound",
    "RenderExpired",
    "RenderFailed",
    "RenderIntent",
    "RenderJobLost",
    "RenderProgress",
    "RenderPurged",
    "RenderQueued",
    "RenderRemixed",
    "RenderRerouted",
    "RenderResubmitted",
    "RenderReviewed",
    "RenderStored",
    "RenderSubmissionAbsent",
    "RenderSubmissionRefused",
    "RenderSubmissionStarted",
    "RenderSubmissionUnknown",
    "RendererConfigured",
    "RendererResumed",
    "RendererStopped",
    "Reported",
    "ReviewWeights",
    "SourceVideo",
    "SpendAdjusted",
    "SpendCarriedForward",
    "SpendReleased",
    "SpendReserved",
    "SpendSettled",
    "Step",
    "SubjectErased",
    "SubmissionClosed",
    "SubmissionOpened",
    "Variant",
    "Verdict",
    "VerdictWarning",
    "WebhookReceived",
]


def _all_facts() -> dict[str, type[Fact]]:
    facts: dict[str, type[Fact]] = {}
    members: list[object] = list(globals().values())
    for member in members:
        if isinstance(member, type) and issubclass(member, Fact) and member is not Fact:
            facts[member.TYPE] = member
    return dict(sorted(facts.items()))


TYPES: MappingProxyType[str, type[Fact]] = MappingProxyType(_all_facts())
"""The closed dictionary of type names. Nothing outside it is ever read or written."""

LIFECYCLE = (
    RenderIntent.TYPE,
    RenderQueued.TYPE,
    RenderProgress.TYPE,
    RenderCompleted.TYPE,
    RenderFailed.TYPE,
    RenderStored.TYPE,
    RenderRemixed.TYPE,
)
"""The seven names that every render's history is told in."""

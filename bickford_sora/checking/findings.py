"""What a check can find, and what to do about it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

FINDINGS_MAX = 1_000
"""Most findings of one kind that are listed; the rest are counted."""


class Verdict(StrEnum):
    """What a finding comes to."""

    LOST = "lost"
    DOUBLED = "doubled"
    STUCK = "stuck"
    UNACCOUNTED = "unaccounted"


class Kind(StrEnum):
    """What can be found."""

    POSITION_MISSING = "position_missing"
    VERSION_MISSING = "version_missing"
    RENDER_MISSING = "render_missing"
    ASSET_MISSING = "asset_missing"
    ASSET_CHANGED = "asset_changed"
    JOB_FORGOTTEN = "job_forgotten"
    WEBHOOK_IGNORED = "webhook_ignored"

    RECORDED_TWICE = "recorded_twice"
    JOB_DOUBLED = "job_doubled"
    JOB_SHARED = "job_shared"
    ENDED_TWICE = "ended_twice"
    RESERVED_TWICE = "reserved_twice"
    CLOSED_TWICE = "closed_twice"
    DELIVERED_TWICE = "delivered_twice"

    UNDECIDED = "undecided"
    APPROVAL_OVERDUE = "approval_overdue"
    SUBMISSION_OPEN = "submission_open"
    RENDER_WITHOUT_END = "render_without_end"
    NOT_STORED = "not_stored"
    NOT_PURGED = "not_purged"
    RESERVATION_OPEN = "reservation_open"
    DELIVERY_OPEN = "delivery_open"
    WEBHOOK_UNMATCHED = "webhook_unmatched"

    JOB_UNCLAIMED = "job_unclaimed"
    CLAIM_UNMATCHED = "claim_unmatched"
    SETTLED_WITHOUT_VIDEO = "settled_without_video"
    RELEASED_WITH_VIDEO = "released_with_video"
    NOT_RESERVED = "not_reserved"
    TYPE_UNKNOWN = "type_unknown"


VERDICTS: Mapping[Kind, Verdict] = MappingProxyType(
    {
        Kind.POSITION_MISSING: Verdict.LOST,
        Kind.VERSION_MISSING: Verdict.LOST,
        Kind.RENDER_MISSING: Verdict.LOST,
        Kind.ASSET_MISSING: Verdict.LOST,
        Kind.ASSET_CHANGED: Verdict.LOST,
        Kind.JOB_FORGOTTEN: Verdict.LOST,
        Kind.WEBHOOK_IGNORED: Verdict.LOST,
        Kind.RECORDED_TWICE: Verdict.DOUBLED,
        Kind.JOB_DOUBLED: Verdict.DOUBLED,
        Kind.JOB_SHARED: Verdict.DOUBLED,
        Kind.ENDED_TWICE: Verdict.DOUBLED,
        Kind.RESERVED_TWICE: Verdict.DOUBLED,
        Kind.CLOSED_TWICE: Verdict.DOUBLED,
        Kind.DELIVERED_TWICE: Verdict.DOUBLED,
        Kind.UNDECIDED: Verdict.STUCK,
        Kind.APPROVAL_OVERDUE: Verdict.STUCK,
        Kind.SUBMISSION_OPEN: Verdict.STUCK,
        Kind.RENDER_WITHOUT_END: Verdict.STUCK,
        Kind.NOT_STORED: Verdict.STUCK,
        Kind.NOT_PURGED: Verdict.STUCK,
        Kind.RESERVATION_OPEN: Verdict.STUCK,
        Kind.DELIVERY_OPEN: Verdict.STUCK,
        Kind.WEBHOOK_UNMATCHED: Verdict.UNACCOUNTED,
        Kind.JOB_UNCLAIMED: Verdict.UNACCOUNTED,
        Kind.CLAIM_UNMATCHED: Verdict.UNACCOUNTED,
        Kind.SETTLED_WITHOUT_VIDEO: Verdict.UNACCOUNTED,
        Kind.RELEASED_WITH_VIDEO: Verdict.UNACCOUNTED,
        Kind.NOT_RESERVED: Verdict.UNACCOUNTED,
        Kind.TYPE_UNKNOWN: Verdict.UNACCOUNTED,
    }
)
"""What each kind comes to."""

_DAMAGED = "The ledger itself is damaged: run 'bickford-sora verify', and restore from a backup."
_RULE_BROKEN = "A rule of the ledger was broken: keep the database as it is, and report it with these positions."
_WORKERS = "See that workers run ('bickford-sora worker', /readyz) and what they log about this stream."
_INVOICE = "Hold the renderer's invoice against it ('bickford-sora spend invoice') and correct what differs."

ADVICE: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.POSITION_MISSING: _DAMAGED,
        Kind.VERSION_MISSING: _DAMAGED,
        Kind.RENDER_MISSING: _DAMAGED,
        Kind.ASSET_MISSING: "Restore the file from a backup of the asset store, under the same address.",
        Kind.ASSET_CHANGED: "Restore the file from a backup of the asset store, under the same address.",
        Kind.JOB_FORGOTTEN: "The renderer lost it, as many do at a restart. The render ends by itself; ask again.",
        Kind.WEBHOOK_IGNORED: _WORKERS,
        Kind.RECORDED_TWICE: _RULE_BROKEN,
        Kind.JOB_DOUBLED: f"{_RULE_BROKEN} Both jobs may be billed.",
        Kind.JOB_SHARED: _RULE_BROKEN,
        Kind.ENDED_TWICE: _RULE_BROKEN,
        Kind.RESERVED_TWICE: _RULE_BROKEN,
        Kind.CLOSED_TWICE: _RULE_BROKEN,
        Kind.DELIVERED_TWICE: _RULE_BROKEN,
        Kind.UNDECIDED: _RULE_BROKEN,
        Kind.APPROVAL_OVERDUE: _WORKERS,
        Kind.SUBMISSION_OPEN: (
            "Look at the renderer for a job of this prompt. It is looked for again by itself, and held as long as its "
            "list cannot tell."
        ),
        Kind.RENDER_WITHOUT_END: _WORKERS,
        Kind.NOT_STORED: f"{_WORKERS} Renderers keep a file for about an hour.",
        Kind.NOT_PURGED: f"{_WORKERS} A legal hold or a lock of the storage keeps files as well.",
        Kind.RESERVATION_OPEN: _RULE_BROKEN,
        Kind.DELIVERY_OPEN: _WORKERS,
        Kind.WEBHOOK_UNMATCHED: (
            "A webhook came for a job that no render claims: find out who else uses the renderer's credential."
        ),
        Kind.JOB_UNCLAIMED: (
            f"The renderer has, and may bill, a job that no render claims. {_INVOICE} Cancel it if nobody wants it."
        ),
        Kind.CLAIM_UNMATCHED: _RULE_BROKEN,
        Kind.SETTLED_WITHOUT_VIDEO: _INVOICE,
        Kind.RELEASED_WITH_VIDEO: _INVOICE,
        Kind.NOT_RESERVED: _RULE_BROKEN,
        Kind.TYPE_UNKNOWN: (
            "This version does not know what such a fact says, and what else it found may be wrong for it: check with "
            "the version that recorded it, or a later one."
        ),
    }
)
"""What to do about each kind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    stream: str
    """Where, empty where no stream has to do with it."""
    position: int | None
    """Of the fact it shows at; None where it is no fact that is wrong."""
    message: str

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        return VERDICTS[self.kind]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.kind]


@dataclass(slots=True)
class Findings:
    """What was found so far; of each kind at most FINDINGS_MAX are kept, and all are counted."""

    listed: list[Finding] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)

    def add(self, kind: Kind, stream: str, position: int | None, message: str) -> None:
        """Notes that something is wrong."""
        self.counts[kind] += 1
        if self.counts[kind] <= FINDINGS_MAX:
            self.listed.append(Finding(kind, stream, position, message))

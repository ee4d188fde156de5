"""Taking renderers' webhooks: verified over the raw bytes, recorded once, then acknowledged.

Nothing is asked of the renderer here. The recorded receipt is what makes a worker ask it for the truth.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from bickford_sora import webhook_signatures as signatures
from bickford_sora.decisions.drafts import Draft
from bickford_sora.errors import InvalidRequest, NotFound, ProtocolError, TooLarge, TryLater, Unauthorized
from bickford_sora.recording import Origin, Recording
from bickford_sora.webhook_signatures import VerifiedWebhook, WebhookEvent
from ledger import streams
from ledger.errors import Conflict, LedgerError
from ledger.events import WebhookReceived

ACTOR = "webhook"
"""Who a receipt is recorded by: nobody with a key."""

Status = Literal["recorded", "duplicate"]
"""What became of a webhook."""
Receipt = tuple[Draft, Origin]
"""What is to be recorded of a webhook that was verified."""


@dataclass(frozen=True, slots=True)
class WebhookSource:
    """A renderer that may send webhooks."""

    credential: str
    """Public name of the credential its jobs are made with."""
    secrets: tuple[str, ...] = field(repr=False)
    """What its webhooks are signed with; any of them may match."""


class WebhookIntake:
    """Receives webhooks. Safe to use from several threads."""

    def __init__(
        self,
        recording: Recording,
        source_of: Callable[[str], WebhookSource | None],
        *,
        tenant: str,
        webhook_tolerance_s: int,
    ) -> None:
        self._recording = recording
        self._source_of = source_of
        self._tenant = tenant
        self._webhook_tolerance_s = webhook_tolerance_s

    def checked(
        self,
        renderer: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        correlation: UUID | None = None,
        trace: str | None = None,
    ) -> Receipt:
        """What is to be recorded of a webhook that is really from the renderer. Computes only: waits for nothing.

        Raises NotFound for an unknown renderer, Unauthorized when no signature matches, TooLarge, and InvalidRequest
        for every other defect; then nothing is recorded.
        """
        source = self._source(renderer)
        try:
            verified = signatures.verify(
                body, headers, source.secrets, self._recording.clock(), webhook_tolerance_s=self._webhook_tolerance_s
            )
            event = signatures.parse_event(body)
        except signatures.WebhookError as error:
            raise _refusal(error) from error
        stream = streams.webhook(renderer, source.credential, verified.webhook_id)
        fact = _received(renderer, source, verified, event, body)
        # A head of 0: the same webhook-id is recorded once, for ever.
        return Draft(((stream, fact),), {stream: 0}), Origin(self._tenant, ACTOR, correlation, trace=trace)

    def record(self, receipts: Sequence[Receipt]) -> list[Status | LedgerError]:
        """Records those that were not recorded before, together; what became of each, in their order.

        `ledger.errors.Unavailable` is the answer to one when the database gave none: its sender tries again.
        """
        # Once this has returned the senders may forget them: a worker finds the receipts whatever dies now.
        return [_status(error) for error in self._recording.append_all(receipts)]

    def _source(self, renderer: str) -> WebhookSource:
        source = self._source_of(renderer)
        if source is None or not source.secrets:
            raise NotFound("No renderer of this name sends webhooks here.", code="renderer_not_found", param="renderer")
        return source


def _status(error: LedgerError | None) -> Status | LedgerError:
    if error is None:
        return "recorded"
    return "duplicate" if isinstance(error, Conflict) else error


def _received(
    renderer: str, source: WebhookSource, verified: VerifiedWebhook, event: WebhookEvent, body: bytes
) -> WebhookReceived:
    return WebhookReceived(
        renderer=renderer,
        webhook_event_id=verified.webhook_id,
        body_event_id=event.body_event_id,
        webhook_type=event.webhook_type,
        job_id=event.job_id,
        job_stream=streams.job(renderer, source.credential, event.job_id),
        sent_at=verified.sent_at,
        body_sha256=hashlib.sha256(body).hexdigest(),
    )


_REFUSALS: Sequence[tuple[type[signatures.WebhookError], type[ProtocolError]]] = (
    (signatures.WebhookSignatureInvalid, Unauthorized),
    (signatures.WebhookBodyTooLarge, TooLarge),
    (signatures.WebhookSecretInvalid, TryLater),  # our own mistake: the sender tries again until it is mended
)


def _refusal(error: signatures.WebhookError) -> ProtocolError:
    kind = next((refusal for cause, refusal in _REFUSALS if isinstance(error, cause)), InvalidRequest)
    return kind(str(error), code=error.code)

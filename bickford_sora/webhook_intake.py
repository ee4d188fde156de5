"""Taking renderers' webhooks: verified over the raw bytes, recorded once, then acknowledged.

Nothing is asked of the renderer here. The recorded receipt is what makes a worker ask it for the truth.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple
from uuid import UUID

import structlog

from bickford_sora import webhook_signatures as signatures
from bickford_sora.decisions.drafts import Draft
from bickford_sora.errors import InvalidRequest, NotFound, ProtocolError, TooLarge, TryLater, Unauthorized
from bickford_sora.recording import Origin, Recording
from bickford_sora.webhook_signatures import VerifiedWebhook, WebhookEvent
from ledger import streams
from ledger.errors import Conflict, LedgerError
from ledger.events import WebhookReceived

log = structlog.get_logger(__name__)

ACTOR = "webhook"
"""Who a receipt is recorded by: nobody with a key."""

CHECKED_BYTES_MAX = 256 * 1024
"""After so much of bodies the event loop does what else there is: to check that much takes it milliseconds."""

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


SourceOf = Callable[[str], WebhookSource | None]
"""A renderer by its name; None where there is none."""


class Webhook(NamedTuple):
    """A webhook as it came in. Thousands are made in a second: a named tuple, as `ledger.envelope.Context` is one."""

    renderer: str
    """Whose it claims to be."""
    headers: Mapping[str, str]
    body: bytes
    correlation: UUID | None = None
    trace: str | None = None


class WebhookIntake:
    """Receives webhooks, in an event loop."""

    def __init__(
        self,
        recording: Recording,
        source_of: SourceOf,
        *,
        tenant: str,
        webhook_tolerance_s: int,
    ) -> None:
        self._recording = recording
        self._source_of = source_of
        self._tenant = tenant
        self._webhook_tolerance_s = webhook_tolerance_s

    async def receive(self, webhooks: Sequence[Webhook]) -> list[Status | Exception]:
        """Records those that are really from their renderer and were not recorded before, in one append.

        What became of each, in their order. NotFound for an unknown renderer, Unauthorized when no signature matches,
        TooLarge, and InvalidRequest for every other defect: nothing is recorded of these. `ledger.errors.Unavailable`
        when the database gave no answer: its sender tries again.
        """
        source_of = cache(self._source_of)  # of one renderer many come together
        receipts: list[Receipt | Exception] = []
        checked_bytes = 0
        for each in webhooks:
            receipts.append(self._receipt(each, source_of))
            checked_bytes += len(each.body)
            if checked_bytes > CHECKED_BYTES_MAX:
                checked_bytes = 0
                await asyncio.sleep(0)
        # Once this has returned the senders may forget them: a worker finds the receipts whatever dies now.
        errors = iter(await self._recording.append_all([each for each in receipts if not isinstance(each, Exception)]))
        return [each if isinstance(each, Exception) else _status(next(errors)) for each in receipts]

    def _receipt(self, webhook: Webhook, source_of: SourceOf) -> Receipt | Exception:
        """What is to be recorded of a webhook. An error of one is no answer to those that came with it."""
        try:
            return self._checked(webhook, source_of(webhook.renderer))
        except ProtocolError as error:
            return error
        except Exception as error:
            log.exception("webhook_not_checked")
            return error

    def _checked(self, webhook: Webhook, source: WebhookSource | None) -> Receipt:
        renderer, body = webhook.renderer, webhook.body
        if source is None or not source.secrets:
            raise NotFound("No renderer of this name sends webhooks here.", code="renderer_not_found", param="renderer")
        try:
            verified = signatures.verify(
                body,
                webhook.headers,
                source.secrets,
                self._recording.clock(),
                webhook_tolerance_s=self._webhook_tolerance_s,
            )
            event = signatures.parse_event(body)
        except signatures.WebhookError as error:
            raise _refusal(error) from error
        stream = streams.webhook(renderer, source.credential, verified.webhook_id)
        fact = _received(renderer, source, verified, event, body)
        origin = Origin(self._tenant, ACTOR, webhook.correlation, trace=webhook.trace)
        # A head of 0: the same webhook-id is recorded once, for ever.
        return Draft(((stream, fact),), {stream: 0}), origin


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

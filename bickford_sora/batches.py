"""Many requests sent together. Each line is governed on its own, by the same intake as a single request.

A line's Idempotency-Key is the batch's id and the line's number, so a batch that is sent again after a crash finishes
what is missing and makes nothing twice. Nothing waits in memory: what was answered is recorded.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.request import create_request
from bickford_sora.decisions.requesters import PARAM as REQUESTER
from bickford_sora.decisions.requesters import on_behalf_of
from bickford_sora.errors import InvalidRequest, KeyReused, NotFound, ProtocolError, TryLater, Unauthorized
from bickford_sora.intake import Intake
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger import batches, streams
from ledger.batches import Batch
from ledger.errors import Conflict
from ledger.events import BatchLine, BatchLinesDecided, BatchOpened
from ledger.keys import Keys

BATCH_LINES_MAX = 1_000
"""Most requests of one batch."""
CUSTOM_ID_CHARS_MAX = 64
THREADS = 8
"""Lines of one batch that are decided at a time."""
LINES_RECORDED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch, as sent."""

    number: int
    """From 1."""
    fields: dict[str, object]
    custom_id: str | None = None


@dataclass(frozen=True, slots=True)
class Batches:
    """Takes batches. Safe to use from several threads."""

    recording: Recording
    keys: Keys
    intake: Intake

    def take(self, caller: Caller, lines: Sequence[Line], *, key: str | None, origin: Origin) -> Batch:
        """Decides every line that is not decided yet, and returns the batch.

        Raises InvalidRequest for no lines or too many, KeyReused for other lines under the same key, TryLater when
        renders cannot be taken at the moment, and Unauthorized when the API key is revoked meanwhile; what was decided
        until then stays.
        """
        if not 0 < len(lines) <= BATCH_LINES_MAX:
            raise InvalidRequest(f"A batch has 1 to {BATCH_LINES_MAX} lines.", code="batch_size", param="requests")
        batch = self._opened(caller, lines, key, origin)
        missing = [line for line in lines if line.number not in batch.decided]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="batch") as threads:
            for begin in range(0, len(missing), LINES_RECORDED_AT_ONCE):
                part = missing[begin : begin + LINES_RECORDED_AT_ONCE]
                decided = threads.map(lambda line: self._decided(caller, batch, line, origin), part)
                self._record(batch.stream, tuple(decided), origin)
        return self._batch(batch.stream)

    def find(self, caller: Caller, batch_id: str) -> Batch:
        """A batch the caller reads. Raises NotFound."""
        if streams.is_batch_id(batch_id):
            batch: Batch | None = self.recording.ledger.fold(streams.batch(caller.tenant, batch_id), batches.fold)
            if batch is not None and caller.reads(batch.opened.project):
                return batch
        raise NotFound("No batch with this id exists.", code="batch_not_found", param="batch_id")

    def _opened(self, caller: Caller, lines: Sequence[Line], key: str | None, origin: Origin) -> Batch:
        """The batch, opened now or when it was sent before."""
        said = json.dumps([[line.number, line.custom_id, line.fields] for line in lines], sort_keys=True)
        said += caller.named or ""
        request_hash = self.keys.digest("batch", said.encode())
        batch_id = self._id(caller, key)
        stream = streams.batch(caller.tenant, batch_id)
        opened = BatchOpened(
            batch_id=batch_id,
            project=caller.project,
            requester=caller.requester,
            lines=len(lines),
            request_hash=request_hash,
        )
        try:
            self.recording.append(Draft(((stream, opened),), {stream: 0}), origin)
        except Conflict:
            batch = self._batch(stream)
            if batch.opened.request_hash != request_hash:
                raise KeyReused(
                    "This Idempotency-Key was used with another batch. Use a new key for a new batch.",
                    code="idempotency_key_reused",
                    param="Idempotency-Key",
                ) from None
        return self._batch(stream)

    def _id(self, caller: Caller, key: str | None) -> str:
        """Made of the key, where there is one: whoever sends the batch again finds it."""
        if key is None:
            return streams.batch_id(self.recording.new_id().hex)
        told = json.dumps([caller.tenant, caller.project, key])
        return streams.batch_id(self.keys.digest("batch key", told.encode())[:32])

    def _decided(self, caller: Caller, batch: Batch, line: Line, origin: Origin) -> BatchLine:
        try:
            fields = dict(line.fields)
            named = fields.pop(REQUESTER, None)
            if named is not None:
                caller = on_behalf_of(caller, named, self.keys.digest, param=REQUESTER)
            request = create_request(fields, {})
            terms = self.intake.terms(
                origin, "create", request, key=f"{batch.opened.batch_id}:{line.number}", named=caller.named
            )
            terms = replace(terms, batch_id=batch.opened.batch_id)
            render = self.intake.ask(caller, request, terms).render
        except (TryLater, Unauthorized):
            raise  # says nothing about the line
        except ProtocolError as error:
            message = self.keys.seal(
                error.message, requester=caller.requester, subject=batch.opened.batch_id, field="batch.message"
            )
            return BatchLine(
                line=line.number,
                custom_id=line.custom_id,
                status=error.status,
                code=error.code,
                param=error.param,
                message=message,
            )
        return BatchLine(line=line.number, custom_id=line.custom_id, video_id=render.intent.video_id)

    def _record(self, stream: str, decided: tuple[BatchLine, ...], origin: Origin) -> None:
        for _ in range(DECIDE_ATTEMPTS_MAX):
            batch = self._batch(stream)
            fresh = tuple(each for each in decided if each.line not in batch.decided)
            if not fresh:
                return  # the same batch is being sent twice at a time
            try:
                self.recording.append(
                    Draft(((stream, BatchLinesDecided(lines=fresh)),), {stream: batch.version}), origin
                )
            except Conflict:
                continue
            return
        raise TryLater("The batch is being sent twice. Send it again.", code="conflict")

    def _batch(self, stream: str) -> Batch:
        batch: Batch | None = self.recording.ledger.fold(stream, batches.fold)
        assert batch is not None, stream  # noqa: S101 - it was opened
        return batch

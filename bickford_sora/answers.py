"""Answers that could not be delivered, and their one repetition.

The SDKs send a request again after a broken connection, without an Idempotency-Key, and count. Two equal requests are
two renders, unless it is on record that the answer to the first never reached anybody: then a repetition gets it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.errors import TryLater
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger import streams
from ledger.envelope import Event
from ledger.errors import Conflict
from ledger.events import AnswerRepeated, AnswerUndelivered


@dataclass(frozen=True, slots=True)
class Untold:
    """Renders of one request whose client knows nothing of them."""

    stream: str
    version: int = 0
    video_ids: tuple[str, ...] = ()

    @classmethod
    def fold(cls, state: "Untold | None", events: Iterable[Event]) -> "Untold | None":
        """The state after `events`."""
        for event in events:
            state = (state or cls(event.stream)).after(event)
        return state

    def after(self, event: Event) -> "Untold":
        """The state after one more."""
        left = self.video_ids
        if isinstance(event.fact, AnswerUndelivered):
            left = (*left, event.fact.video_id)
        elif isinstance(event.fact, AnswerRepeated):
            told = event.fact.video_id
            left = tuple(each for each in left if each != told)
        return replace(self, version=event.version, video_ids=left)


class Answers:
    """Keeps what could not be delivered. Safe to use from several threads and processes."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def undelivered(self, caller: Caller, request_hash: str, video_id: str, origin: Origin) -> None:
        """Records that the client was gone before it could be told of this render."""
        stream = streams.answer(caller.tenant, caller.project, caller.key_id, request_hash)
        fact = AnswerUndelivered(video_id=video_id, request_hash=request_hash)
        for _ in range(DECIDE_ATTEMPTS_MAX):
            untold = self._untold(stream)
            if video_id in untold.video_ids:
                return
            try:
                self._recording.append(Draft(((stream, fact),), {stream: untold.version}), origin)
            except Conflict:
                continue
            return
        raise TryLater("Too many equal requests at once. Send the request again.", code="conflict")

    def repeat(self, caller: Caller, request_hash: str, retry_count: int, origin: Origin) -> str | None:
        """The video id of an answer to this very request that was not delivered; each is given once. None: none."""
        stream = streams.answer(caller.tenant, caller.project, caller.key_id, request_hash)
        for _ in range(DECIDE_ATTEMPTS_MAX):
            untold = self._untold(stream)
            if not untold.video_ids:
                return None
            fact = AnswerRepeated(video_id=untold.video_ids[0], retry_count=retry_count)
            try:
                self._recording.append(Draft(((stream, fact),), {stream: untold.version}), origin)
            except Conflict:
                continue
            # From here on nobody else is given this answer; a crash before it is sent loses it, and a further
            # repetition makes a new render.
            return fact.video_id
        raise TryLater("Too many equal requests at once. Send the request again.", code="conflict")

    def _untold(self, stream: str) -> Untold:
        found: Untold | None = self._recording.ledger.fold(stream, Untold.fold)
        return found or Untold(stream)

"""What callers write down in their own threads (`caller.recorded`): seen, kept, and never moving a lifecycle."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.errors import InvalidRequest, TryLater
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger import streams
from ledger.errors import Conflict
from ledger.events import CallerRecorded
from ledger.keys import Keys

THREAD_ID_CHARS_MAX = 255
TEXT_CHARS_MAX = 255


Text = Annotated[str, Field(max_length=TEXT_CHARS_MAX, pattern=r"^[^\x00-\x1f]*$")]
"""Text that read models can hold and people can read: no control characters."""


class Observation(BaseModel):
    """What a caller saw of a video; every field is optional and named as in the protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    video_id: Text | None = None
    status: Text | None = None
    progress: int | None = None
    model: Text | None = None
    seconds: Text | None = None
    size: Text | None = None
    prompt: str | None = Field(default=None, max_length=32_000)
    remix_video_id: Text | None = None
    input_reference: dict[str, JsonValue] | None = None
    storage_uri: str | None = Field(default=None, max_length=2_000)
    webhook_event_id: Text | None = None


class Observations:
    """Records what callers saw. Safe to use from several threads."""

    def __init__(self, recording: Recording, keys: Keys) -> None:
        self._recording = recording
        self._keys = keys

    def record(self, caller: Caller, thread_id: str, observed: Observation, *, origin: Origin) -> None:
        """Appends one `caller.recorded` to the caller's thread.

        Raises InvalidRequest for a thread id that is empty, too long or not text, TryLater when the thread never
        stood still.
        """
        _check_thread_id(thread_id)
        stream = streams.thread(caller.tenant, f"{caller.project}/{thread_id}")
        fact = self._sealed(caller, thread_id, observed, stream)
        for _ in range(DECIDE_ATTEMPTS_MAX):
            head = len(self._recording.ledger.history(stream))
            try:
                self._recording.append(Draft(((stream, fact),), {stream: head}), origin)
            except Conflict:
                continue
            return
        raise TryLater("The thread is being written to. Send the request again.", code="conflict")

    def _sealed(self, caller: Caller, thread_id: str, observed: Observation, stream: str) -> CallerRecorded:
        subject = f"thread-{stream.rpartition(':')[2][:32]}"
        texts = {"thread_id": thread_id, "prompt": observed.prompt, "storage_uri": observed.storage_uri}
        if observed.input_reference is not None:
            texts["input_reference"] = json.dumps(observed.input_reference)
        sealed = {
            name: self._keys.seal(text, requester=caller.requester, subject=subject, field=f"caller.recorded.{name}")
            for name, text in texts.items()
            if text is not None
        }
        return CallerRecorded.model_validate({**observed.model_dump(), **sealed, "project": caller.project})


def _check_thread_id(thread_id: str) -> None:
    if not 0 < len(thread_id) <= THREAD_ID_CHARS_MAX or "\0" in thread_id:
        raise InvalidRequest(
            f"A thread id has 1 to {THREAD_ID_CHARS_MAX} characters.", code="invalid_thread_id", param="thread_id"
        )

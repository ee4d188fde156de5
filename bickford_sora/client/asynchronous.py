"""The client, for code that runs in an event loop. `synchronous.py` is generated from this file."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack, overload

from pydantic import JsonValue

from bickford_sora.client.connection import Connection, default_connection
from bickford_sora.client.errors import SoraVideoError, SoraVideoFailed, SoraVideoTimeout
from bickford_sora.client.http import (
    FAILURES,
    Answer,
    AsyncClient,
    Call,
    NoAnswer,
    build,
    new_async_client,
)
from bickford_sora.client.limits import (
    ANSWER_TIMEOUT_S,
    DOWNLOAD_BYTES_MAX,
    ERROR_BYTES_MAX,
    JSON_BYTES_MAX,
    POLL_INTERVAL_S,
    POLL_TIMEOUT_S,
    RETRIES_MAX,
)
from bickford_sora.client.models import (
    InputReference,
    JsonObject,
    Observed,
    Order,
    SoraVideo,
    SoraVideoBatch,
    SoraVideoPage,
    Variant,
)
from bickford_sora.client.receiving import BodyTooLarge, Events, InFile, InMemory, Receiver
from bickford_sora.client.sending import (
    Pace,
    error_of,
    given,
    new_idempotency_key,
    parsed,
    pause_before_retry_s,
    poll_after_s,
    read_reference,
    thread_path,
    video_path,
)
from bickford_sora.client.waiting import AsyncSleep, Monotonic, async_sleep, monotonic


class AsyncBickfordClient:
    """Talks to one server with one API key. An async context manager; one event loop, any number of tasks.

    Calls are repeated after connection errors and answers 429, 502, 503 and 504, waiting as long as the server asks
    (`retry-after`, at most 120 s). Every create, remix and retry has one Idempotency-Key over all its repetitions, so
    none of them is ever rendered twice.

    Args:
        base_url: of the server, ending in `/v1`.
        api_key: sent as a bearer token, and never part of an error.
        min_interval_s: least time between two creates of this client, in seconds; 0 does not wait.
        retries_max: how often a call is repeated.
        timeout_s: longest silence of the server, in seconds.
        sleep: waits so many seconds.
        monotonic: the clock of intervals and time limits, in seconds.

    Raises:
        ValueError: for an address or key that cannot be used.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        min_interval_s: float = 0.0,
        retries_max: int = RETRIES_MAX,
        timeout_s: float = ANSWER_TIMEOUT_S,
        sleep: AsyncSleep = async_sleep,
        monotonic: Monotonic = monotonic,
    ) -> None:
        self.base_url = base_url
        self._api_key = api_key
        self._pace = Pace(min_interval_s)
        self._retries_max = retries_max
        self._sleep = sleep
        self._monotonic = monotonic
        self._http: AsyncClient = new_async_client(base_url, api_key, timeout_s=timeout_s)

    @classmethod
    def of(cls, connection: Connection | None = None) -> Self:
        """A client of a server that was looked up; without one, of that named in the environment or running here.

        Raises SoraVideoUnauthorized when no API key is known.
        """
        found = connection or default_connection()
        return cls(base_url=found.base_url, api_key=found.api_key.get_secret_value())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Lets go of every connection."""
        await self._http.aclose()

    async def create_sora_video_job(
        self,
        prompt: str,
        *,
        model: str | None = None,
        seconds: str | int | None = None,
        size: str | None = None,
        input_reference: InputReference | None = None,
        extra_body: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> SoraVideo:
        """Asks for a video. What is not given is the server's default.

        `input_reference` is an image of exactly `size` pixels. `extra_body` holds further fields, such as `seed`,
        `purpose`, `tags` (names with commas between them) and `requester`. Give an `idempotency_key` of your own to
        make the create safe to repeat beyond this call, too. Raises SoraVideoError.
        """
        call = Call(
            method="POST",
            path="/videos",
            form=given({**(extra_body or {}), "prompt": prompt, "model": model, "seconds": seconds, "size": size}),
            input_reference=None if input_reference is None else read_reference(input_reference),
            idempotency_key=idempotency_key or new_idempotency_key(),
        )
        return await self._start(call)

    async def remix_sora_video(self, video_id: str, prompt: str, *, idempotency_key: str | None = None) -> SoraVideo:
        """Asks for a new video made from a finished one with a single change. Raises SoraVideoError."""
        call = Call(
            method="POST",
            path=video_path(video_id, "remix"),
            video_id=video_id,
            json={"prompt": prompt},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )
        return await self._start(call)

    async def retry_sora_video(self, video_id: str, *, idempotency_key: str | None = None) -> SoraVideo:
        """Asks again for a video that failed: a new render with the same request. Raises SoraVideoError."""
        call = Call(
            method="POST",
            path=video_path(video_id, "retry"),
            video_id=video_id,
            idempotency_key=idempotency_key or new_idempotency_key(),
        )
        return await self._start(call)

    async def retrieve_sora_video_job(self, video_id: str) -> SoraVideo:
        """A video as it is now. Raises SoraVideoError."""
        return (await self._look(video_id))[0]

    async def poll_sora_video_job(
        self,
        video_id: str,
        *,
        poll_interval_s: float | None = None,
        timeout_s: float = POLL_TIMEOUT_S,
        on_progress: Callable[[SoraVideo], object] | None = None,
    ) -> SoraVideo:
        """Follows a render to its end and returns the completed video.

        `on_progress` is called after every poll. Without `poll_interval_s` the server's own `openai-poll-after-ms` is
        kept. Raises SoraVideoFailed, SoraVideoTimeout (the render goes on) and any other SoraVideoError.
        """
        gives_up_at = self._monotonic() + timeout_s
        while True:
            video, suggested_s = await self._look(video_id)
            if on_progress is not None:
                on_progress(video)
            if video.status == "completed":
                return video
            if video.finished:
                raise SoraVideoFailed(video)
            left_s = gives_up_at - self._monotonic()
            if left_s <= 0:
                raise SoraVideoTimeout(video, timeout_s)
            await self._sleep(min(left_s, poll_interval_s or suggested_s or POLL_INTERVAL_S))

    async def watch_sora_video(
        self, video_id: str, *, on_progress: Callable[[SoraVideo], object] | None = None
    ) -> SoraVideo:
        """Follows a render to its end by the server's stream and returns the video, whatever its end.

        `on_progress` is called whenever it changed. A stream that breaks off is taken up again. Raises SoraVideoError.
        """
        seen: list[SoraVideo] = []

        def take(data: str) -> None:
            seen[:] = [SoraVideo.model_validate_json(data)]
            if on_progress is not None:
                on_progress(seen[0])

        events = Events(take, JSON_BYTES_MAX)
        while not seen or not seen[0].finished:
            path = video_path(video_id, "stream")
            await self._answer(Call(method="GET", path=path, video_id=video_id, last_event_id=events.last_id), events)
        return seen[0]

    async def watch_ledger(
        self, on_fact: Callable[[dict[str, JsonValue]], object], *, after: int | None = None
    ) -> None:
        """Hands on every fact of this key's project as it is recorded, from now on or behind position `after`.

        Returns when `on_fact` raises, with what it raised. Raises SoraVideoError.
        """
        events = Events(lambda data: on_fact(JsonObject.model_validate_json(data).root), JSON_BYTES_MAX)
        while True:
            params = given({"after": after}) if events.last_id is None else None
            call = Call(method="GET", path="/ledger/stream", params=params, last_event_id=events.last_id)
            await self._answer(call, events)

    async def create_sora_video_job_and_poll(
        self,
        prompt: str,
        *,
        model: str | None = None,
        seconds: str | int | None = None,
        size: str | None = None,
        input_reference: InputReference | None = None,
        idempotency_key: str | None = None,
        poll_interval_s: float | None = None,
        timeout_s: float = POLL_TIMEOUT_S,
        on_progress: Callable[[SoraVideo], object] | None = None,
    ) -> SoraVideo:
        """Asks for a video and follows it to its end: `create_sora_video_job`, then `poll_sora_video_job`."""
        video = await self.create_sora_video_job(
            prompt,
            model=model,
            seconds=seconds,
            size=size,
            input_reference=input_reference,
            idempotency_key=idempotency_key,
        )
        return await self.poll_sora_video_job(
            video.id, poll_interval_s=poll_interval_s, timeout_s=timeout_s, on_progress=on_progress
        )

    @overload
    async def download_sora_content(self, video_id: str, *, variant: Variant = "video", to: None = None) -> bytes: ...

    @overload
    async def download_sora_content(
        self, video_id: str, *, variant: Variant = "video", to: str | PathLike[str]
    ) -> Path: ...

    async def download_sora_content(
        self, video_id: str, *, variant: Variant = "video", to: str | PathLike[str] | None = None
    ) -> bytes | Path:
        """The video's file, its thumbnail or its spritesheet: in memory, or streamed to the path `to`.

        The file appears there whole or not at all. Raises SoraVideoError, and OSError when it cannot be written.
        """
        path = video_path(video_id, "content")
        call = Call(method="GET", path=path, params={"variant": variant}, video_id=video_id)
        if to is None:
            return (await self._answer(call, InMemory(DOWNLOAD_BYTES_MAX))).body
        with InFile(Path(to), DOWNLOAD_BYTES_MAX) as file:
            await self._answer(call, file)
        return Path(to)

    async def list_sora_videos(
        self, *, limit: int | None = None, order: Order | None = None, after: str | None = None
    ) -> SoraVideoPage:
        """Videos of this key's project, newest first unless `order` is "asc". Raises SoraVideoError.

        The next page is behind `after`, the last id of this one.
        """
        call = Call(method="GET", path="/videos", params=given({"limit": limit, "order": order, "after": after}))
        return parsed(SoraVideoPage, await self._answer(call), call)

    async def delete_sora_video(self, video_id: str) -> None:
        """Deletes a video and its files; an unfinished render is cancelled. Raises SoraVideoError."""
        await self._answer(Call(method="DELETE", path=video_path(video_id), video_id=video_id))

    async def record_sora_video_event(self, thread_id: str, **observed: Unpack[Observed]) -> None:
        """Writes down, in a thread of yours, what you saw of a video. It never moves a render's lifecycle.

        Repeated only while the server says that it wrote nothing. Raises SoraVideoError.
        """
        call = Call(method="POST", path=thread_path(thread_id), json=dict(observed), repeatable=False)
        await self._answer(call)

    async def create_sora_video_batch(
        self, requests: Sequence[Mapping[str, JsonValue]], *, idempotency_key: str | None = None
    ) -> SoraVideoBatch:
        """Asks for many videos; each is decided on its own, and one that is refused has its error in its line.

        A batch that broke off goes on when it is sent again with the same `idempotency_key`. Raises SoraVideoError.
        """
        call = Call(
            method="POST",
            path="/videos/batches",
            json={"requests": list(requests)},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )
        return parsed(SoraVideoBatch, await self._answer(call), call)

    async def retrieve_sora_video_batch(self, batch_id: str) -> SoraVideoBatch:
        """How a batch stands. Raises SoraVideoError."""
        call = Call(method="GET", path=f"/videos/batches/{batch_id}")
        return parsed(SoraVideoBatch, await self._answer(call), call)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: JsonValue = None,
        content: bytes | None = None,
        params: Mapping[str, object] | None = None,
    ) -> dict[str, JsonValue]:
        """The JSON object any other route of the server answers with; `path` begins behind the `/v1`.

        A POST is repeated only while the server says that it did nothing. Raises SoraVideoError.
        """
        call = Call(
            method=method,
            path=path,
            json=json,
            content=content,
            params=given(params or {}),
            repeatable=method != "POST",
        )
        return parsed(JsonObject, await self._answer(call), call).root

    async def save(self, path: str, *, to: Path, params: Mapping[str, object] | None = None) -> None:
        """What any other route of the server answers a GET with, in a file: whole, or no file.

        Raises SoraVideoError, and OSError when it cannot be written.
        """
        with InFile(to, DOWNLOAD_BYTES_MAX) as file:
            await self._answer(Call(method="GET", path=path, params=given(params or {})), file)

    async def _start(self, call: Call) -> SoraVideo:
        wait_s = self._pace.wait_s(self._monotonic())
        if wait_s > 0:
            await self._sleep(wait_s)
        return parsed(SoraVideo, await self._answer(call), call)

    async def _look(self, video_id: str) -> tuple[SoraVideo, float | None]:
        """The video, and the pause the server suggests before the next look, in seconds."""
        call = Call(method="GET", path=video_path(video_id), video_id=video_id)
        answer = await self._answer(call)
        return parsed(SoraVideo, answer, call), poll_after_s(answer.headers)

    async def _answer(self, call: Call, receiver: Receiver | None = None) -> Answer:
        """The answer to a call, which is sent again while that may help. Raises SoraVideoError."""
        into = receiver or InMemory(JSON_BYTES_MAX)
        answer: Answer | NoAnswer
        for attempt in range(self._retries_max + 1):
            answer = await self._send(call, into)
            if isinstance(answer, Answer) and answer.ok:
                return answer
            pause_s = pause_before_retry_s(answer, call, attempt)
            if pause_s is None or attempt == self._retries_max:
                break
            await self._sleep(pause_s)
        raise error_of(answer, call, api_key=self._api_key)

    async def _send(self, call: Call, into: Receiver) -> Answer | NoAnswer:
        """Sends a call once. Raises SoraVideoError for an answer that is too large."""
        try:
            response = await self._http.send(build(self._http, call), stream=True)
            try:
                receiver = into if response.is_success else InMemory(ERROR_BYTES_MAX)
                receiver.restart()
                async for chunk in response.aiter_bytes():
                    receiver.write(chunk)
            finally:
                await response.aclose()
        except FAILURES as error:
            return NoAnswer(type(error).__name__)
        except BodyTooLarge as error:
            raise SoraVideoError(str(error), code="answer_too_large", video_id=call.video_id) from None
        return Answer(response.status_code, dict(response.headers), receiver.content())

"""The helper functions, for code that runs in an event loop. `functions.py` is generated from this file.

Each talks to the server named by BICKFORD_BASE_URL and BICKFORD_API_KEY, else to the one `bickford-sora serve` runs on
this machine, over a connection of its own. For many calls, another server, or a pace, use a client.
"""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Unpack, overload

from bickford_sora.client.asynchronous import AsyncBickfordClient
from bickford_sora.client.limits import POLL_TIMEOUT_S
from bickford_sora.client.models import InputReference, Observed, Order, SoraVideo, SoraVideoPage, Variant


async def create_sora_video_job(
    prompt: str,
    *,
    model: str | None = None,
    seconds: str | int | None = None,
    size: str | None = None,
    input_reference: InputReference | None = None,
    idempotency_key: str | None = None,
) -> SoraVideo:
    """Asks for a video. What is not given is the server's default; `input_reference` is an image of `size` pixels."""
    async with AsyncBickfordClient.of() as client:
        return await client.create_sora_video_job(
            prompt,
            model=model,
            seconds=seconds,
            size=size,
            input_reference=input_reference,
            idempotency_key=idempotency_key,
        )


async def create_sora_video_job_and_poll(
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
    """Asks for a video and follows it to its end. Raises SoraVideoFailed, SoraVideoTimeout, SoraVideoError."""
    async with AsyncBickfordClient.of() as client:
        return await client.create_sora_video_job_and_poll(
            prompt,
            model=model,
            seconds=seconds,
            size=size,
            input_reference=input_reference,
            idempotency_key=idempotency_key,
            poll_interval_s=poll_interval_s,
            timeout_s=timeout_s,
            on_progress=on_progress,
        )


async def retrieve_sora_video_job(video_id: str) -> SoraVideo:
    """A video as it is now. Raises SoraVideoError."""
    async with AsyncBickfordClient.of() as client:
        return await client.retrieve_sora_video_job(video_id)


@overload
async def download_sora_content(video_id: str, *, variant: Variant = "video", to: None = None) -> bytes: ...


@overload
async def download_sora_content(video_id: str, *, variant: Variant = "video", to: str | PathLike[str]) -> Path: ...


async def download_sora_content(
    video_id: str, *, variant: Variant = "video", to: str | PathLike[str] | None = None
) -> bytes | Path:
    """The video's file, thumbnail or spritesheet: in memory, or streamed to the path `to`. Raises SoraVideoError."""
    async with AsyncBickfordClient.of() as client:
        if to is None:
            return await client.download_sora_content(video_id, variant=variant)
        return await client.download_sora_content(video_id, variant=variant, to=to)


async def list_sora_videos(
    *, limit: int | None = None, order: Order | None = None, after: str | None = None
) -> SoraVideoPage:
    """Videos of this key's project, newest first unless `order` is "asc". Raises SoraVideoError."""
    async with AsyncBickfordClient.of() as client:
        return await client.list_sora_videos(limit=limit, order=order, after=after)


async def delete_sora_video(video_id: str) -> None:
    """Deletes a video and its files; an unfinished render is cancelled. Raises SoraVideoError."""
    async with AsyncBickfordClient.of() as client:
        await client.delete_sora_video(video_id)


async def remix_sora_video(video_id: str, prompt: str, *, idempotency_key: str | None = None) -> SoraVideo:
    """Asks for a new video made from a finished one with a single change. Raises SoraVideoError."""
    async with AsyncBickfordClient.of() as client:
        return await client.remix_sora_video(video_id, prompt, idempotency_key=idempotency_key)


async def retry_sora_video(video_id: str, *, idempotency_key: str | None = None) -> SoraVideo:
    """Asks again for a video that failed: a new render with the same request. Raises SoraVideoError."""
    async with AsyncBickfordClient.of() as client:
        return await client.retry_sora_video(video_id, idempotency_key=idempotency_key)


async def record_sora_video_event(thread_id: str, **observed: Unpack[Observed]) -> None:
    """Writes down, in a thread of yours, what you saw of a video. It never moves a render's lifecycle."""
    async with AsyncBickfordClient.of() as client:
        await client.record_sora_video_event(thread_id, **observed)

"""The Videos API as the simulator speaks it (videos-api.md 1.1 to 1.4)."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from bickford_sora.simulator.connection import TruncatedResponse
from bickford_sora.simulator.content import serve_bytes
from bickford_sora.simulator.faults import FaultKind, Operation
from bickford_sora.simulator.intake import (
    Clip,
    Fields,
    SourceRequest,
    check_character,
    check_create,
    check_edit,
    check_extend,
    check_remix,
    read_fields,
)
from bickford_sora.simulator.interference import strike_after, strike_before
from bickford_sora.simulator.jobs import Job
from bickford_sora.simulator.media import Media
from bickford_sora.simulator.problems import EXPIRED_MESSAGE, Problem, invalid, not_found
from bickford_sora.simulator.scene import Scene
from bickford_sora.simulator.settings import SimulatorSettings
from bickford_sora.simulator.simulator import Simulator

Check = Callable[[Fields, SimulatorSettings], SourceRequest]


class Make(Protocol):
    """Makes a job from a source's scene."""

    def __call__(self, source: Scene, asked: SourceRequest, *, idempotency_key: str | None) -> Job:
        """The accepted job."""


LIST_LIMIT_DEFAULT = 20
LIST_LIMIT_MAX = 100


class VideosApi:
    """The handlers of ``/v1/videos``. Every one lets planned faults strike before and after it does its work."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def create(self, request: Request) -> Response:
        """``POST /videos``, multipart or JSON."""
        fields = await read_fields(request)
        prompt = str(fields.get("prompt", ""))
        if struck := await strike_before(self._simulator, Operation.CREATE, prompt):
            return struck
        asked = await asyncio.to_thread(check_create, fields, self._simulator.settings)
        job = self._simulator.create(asked, idempotency_key=request.headers.get("idempotency-key"))
        return await strike_after(self._simulator, Operation.CREATE, prompt, JSONResponse(job.as_video()))

    async def remix(self, request: Request, video_id: str) -> Response:
        """``POST /videos/{id}/remix``, JSON or multipart; the source must be completed."""
        fields = await read_fields(request)
        prompt = str(fields.get("prompt", ""))
        if struck := await strike_before(self._simulator, Operation.REMIX, prompt):
            return struck
        prompt = check_remix(fields)
        source = self._known(video_id)
        if source.status != "completed":
            raise invalid("Only a completed video can be remixed.", param="video_id", code="video_not_completed")
        job = self._simulator.remix(source, prompt, idempotency_key=request.headers.get("idempotency-key"))
        return await strike_after(self._simulator, Operation.REMIX, prompt, JSONResponse(job.as_video()))

    async def edit(self, request: Request) -> Response:
        """``POST /videos/edits``, multipart or JSON; the source is a file or a completed video."""
        return await self._from_source(request, Operation.EDIT, check_edit, self._simulator.edit)

    async def extend(self, request: Request) -> Response:
        """``POST /videos/extensions``, as edits."""
        return await self._from_source(request, Operation.EXTEND, check_extend, self._simulator.extend)

    async def create_character(self, request: Request) -> Response:
        """``POST /videos/characters``, multipart: a name and a video file."""
        fields = await read_fields(request)
        if struck := await strike_before(self._simulator, Operation.CHARACTER, str(fields.get("name", ""))):
            return struck
        asked = await asyncio.to_thread(check_character, fields, self._simulator.settings)
        made = JSONResponse(self._simulator.create_character(asked.name).as_character())
        return await strike_after(self._simulator, Operation.CHARACTER, asked.name, made)

    async def character(self, character_id: str) -> Response:
        """``GET /videos/characters/{id}``."""
        known = self._simulator.registry.character(character_id)
        if known is None:
            raise Problem(404, f"Character with id '{character_id}' not found.", code="character_not_found")
        return JSONResponse(known.as_character())

    async def _from_source(self, request: Request, operation: Operation, check: Check, make: Make) -> Response:
        fields = await read_fields(request)
        prompt = str(fields.get("prompt", ""))
        if struck := await strike_before(self._simulator, operation, prompt):
            return struck
        asked = await asyncio.to_thread(check, fields, self._simulator.settings)
        source = self._scene_of(asked.source)
        job = make(source, asked, idempotency_key=request.headers.get("idempotency-key"))
        return await strike_after(self._simulator, operation, prompt, JSONResponse(job.as_video()))

    def _scene_of(self, source: Clip | str) -> Scene:
        if isinstance(source, Clip):
            return self._simulator.scene_of_clip(source)
        known = self._known(source)
        if known.status != "completed":
            raise invalid("The source must be a completed video.", param="video", code="video_not_completed")
        return known.scene

    async def retrieve(self, video_id: str) -> Response:
        """``GET /videos/{id}``; an unfinished one comes with the interval to poll at."""
        prompt = self._prompt_of(video_id)
        if struck := await strike_before(self._simulator, Operation.RETRIEVE, prompt):
            return struck
        job = self._known(video_id)
        answer = JSONResponse(job.as_video())
        if not job.is_finished:
            answer.headers["openai-poll-after-ms"] = str(self._simulator.settings.poll_after_ms)
        return await strike_after(self._simulator, Operation.RETRIEVE, prompt, answer)

    async def list_page(self, request: Request) -> Response:
        """``GET /videos?after&limit&order``, newest first unless asked otherwise."""
        if struck := await strike_before(self._simulator, Operation.LIST, ""):
            return struck
        query = request.query_params
        order = query.get("order", "desc")
        if order not in {"asc", "desc"}:
            raise invalid("'order' must be 'asc' or 'desc'.", param="order")
        after = query.get("after")
        page = self._simulator.registry.page(
            after=after, limit=_limit(query.get("limit")), newest_first=order == "desc"
        )
        if page is None:
            raise invalid(f"No video with id '{after}' to list after.", param="after")
        answer = JSONResponse(
            {
                "object": "list",
                "data": [job.as_video() for job in page.jobs],
                "first_id": page.jobs[0].id if page.jobs else None,
                "last_id": page.jobs[-1].id if page.jobs else None,
                "has_more": page.has_more,
            }
        )
        return await strike_after(self._simulator, Operation.LIST, "", answer)

    async def delete(self, video_id: str) -> Response:
        """``DELETE /videos/{id}``; a job still rendering is stopped."""
        prompt = self._prompt_of(video_id)
        if struck := await strike_before(self._simulator, Operation.DELETE, prompt):
            return struck
        if not self._simulator.registry.delete(video_id):
            raise not_found(video_id)
        answer = JSONResponse({"id": video_id, "object": "video.deleted", "deleted": True})
        return await strike_after(self._simulator, Operation.DELETE, prompt, answer)

    async def content(self, request: Request, video_id: str, variant: str = "video") -> Response:
        """``GET /videos/{id}/content?variant=``: the MP4, the WebP thumbnail or the JPEG spritesheet."""
        prompt = self._prompt_of(video_id)
        if struck := await strike_before(self._simulator, Operation.CONTENT, prompt):
            return struck
        content, media_type = _file(self._available(self._known(video_id)), variant)
        if self._simulator.faults.take(FaultKind.DOWNLOAD_TRUNCATED, Operation.CONTENT, prompt):
            return TruncatedResponse(content, media_type=media_type)
        answer = serve_bytes(content, media_type=media_type, range_header=request.headers.get("range"))
        return await strike_after(self._simulator, Operation.CONTENT, prompt, answer)

    def _known(self, video_id: str) -> Job:
        job = self._simulator.registry.get(video_id)
        if job is None:
            raise not_found(video_id)
        return job

    def _prompt_of(self, video_id: str) -> str:
        job = self._simulator.registry.get(video_id)
        return job.scene.prompt if job else ""

    def _available(self, job: Job) -> tuple[Media, ...]:
        fault = self._simulator.faults.take(FaultKind.ASSET_EXPIRED, Operation.CONTENT, job.scene.prompt)
        if fault is not None:
            raise Problem(fault.status or 404, EXPIRED_MESSAGE, code="video_expired")
        if not job.media:
            raise Problem(400, f"The video is not ready: it is {job.status}.", code="video_not_ready")
        if job.expires_at is not None and self._simulator.clock().timestamp() >= job.expires_at:
            raise Problem(404, EXPIRED_MESSAGE, code="video_expired")
        return job.media


def _limit(given: str | None) -> int:
    if given is None:
        return LIST_LIMIT_DEFAULT
    if not (given.isascii() and given.isdigit() and int(given) <= LIST_LIMIT_MAX):
        raise invalid(f"'limit' must be 0 to {LIST_LIMIT_MAX}.", param="limit")
    return int(given)


def _file(outputs: tuple[Media, ...], variant: str) -> tuple[bytes, str]:
    if variant.isascii() and variant.isdigit() and int(variant) < len(outputs):
        return outputs[int(variant)].video, "video/mp4"
    media = outputs[0]
    files = {
        "video": (media.video, "video/mp4"),
        "thumbnail": (media.thumbnail, "image/webp"),
        "spritesheet": (media.spritesheet, "image/jpeg"),
    }
    if variant not in files:
        raise invalid("'variant' must be 'video', 'thumbnail' or 'spritesheet'.", param="variant")
    return files[variant]

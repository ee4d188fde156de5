"""The Videos API as the simulator speaks it (videos-api.md 1.1 to 1.4)."""

import asyncio

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from bickford_sora.simulator.connection import TruncatedResponse
from bickford_sora.simulator.content import serve_bytes
from bickford_sora.simulator.faults import FaultKind, Operation
from bickford_sora.simulator.intake import check_create, check_remix, read_fields
from bickford_sora.simulator.interference import strike_after, strike_before
from bickford_sora.simulator.jobs import Job
from bickford_sora.simulator.media import Media
from bickford_sora.simulator.problems import EXPIRED_MESSAGE, Problem, invalid, not_found
from bickford_sora.simulator.simulator import Simulator

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

    def _available(self, job: Job) -> Media:
        fault = self._simulator.faults.take(FaultKind.ASSET_EXPIRED, Operation.CONTENT, job.scene.prompt)
        if fault is not None:
            raise Problem(fault.status or 404, EXPIRED_MESSAGE, code="video_expired")
        if job.media is None:
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


def _file(media: Media, variant: str) -> tuple[bytes, str]:
    files = {
        "video": (media.video, "video/mp4"),
        "thumbnail": (media.thumbnail, "image/webp"),
        "spritesheet": (media.spritesheet, "image/jpeg"),
    }
    if variant not in files:
        raise invalid("'variant' must be 'video', 'thumbnail' or 'spritesheet'.", param="variant")
    return files[variant]

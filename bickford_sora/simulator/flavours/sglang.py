"""SGLang Diffusion 0.5.23, as its `multimodal_gen/runtime/entrypoints/openai` reads and answers.

It has no keys of its own: that one is asked for stands for the proxy before it.
"""

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any, ClassVar
from uuid import UUID

from fastapi import Request
from starlette.datastructures import QueryParams

from bickford_sora.simulator.bodies import Fields, FileField, is_form, read_fields
from bickford_sora.simulator.flavours.engine import FOLDER, Engine
from bickford_sora.simulator.flavours.engine_fields import (
    SAMPLING,
    Kinds,
    extras_of,
    first_frame_of_image,
    first_frame_of_video,
    read_seconds,
    read_size,
    read_typed,
)
from bickford_sora.simulator.flavours.openai import File, read_limit, read_output
from bickford_sora.simulator.intake import CreateRequest, read_prompt
from bickford_sora.simulator.jobs import Job, JobRegistry
from bickford_sora.simulator.problems import Problem, invalid
from bickford_sora.simulator.sources import read_data_url

FIELDS: Kinds = {
    "prompt": "text",
    "model": "text",
    "seconds": "whole",
    "size": "text",
    "input_reference": "file",
    "video_reference": "file",
    "reference_url": "text",
    "video_url": "text",
}
BEYOND: Kinds = {**SAMPLING, "n": "whole", "num_outputs_per_prompt": "whole", "enhance_prompt": "truth"}
TAKEN: Kinds = {**FIELDS, **BEYOND}
_VIDEO_SUFFIXES = frozenset({".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
_LIMIT_DEFAULT = 20


class SGLang(Engine):
    """Jobs in memory, several outputs, deletes that stop nothing."""

    stops_deleted: ClassVar[bool] = False

    def new_id(self, token: str, *, model: str, created_at: int) -> str:  # noqa: ARG002 - as the flavours agreed
        """A bare UUID."""
        return str(uuid_of(token))

    async def read(self, request: Request) -> Fields:
        """A form, whose types FastAPI checks, or JSON; `extra_body` is taken apart."""
        fields = await read_fields(request)
        spread = _spread(fields)
        if is_form(request):
            if not spread.get("prompt"):
                raise Problem(400, "prompt is required")
            read_typed(fields, TAKEN, status=422)
        return spread

    def check_create(self, fields: Fields) -> CreateRequest:
        """Any size and length; the number of outputs is cut to the most it makes; the model is believed."""
        typed = read_typed(fields, TAKEN)
        size = read_size(typed, self.settings)
        frame_rate = typed.get("fps", self.settings.frame_rate)
        seconds = read_seconds(typed)
        outputs = int(typed.get("num_outputs_per_prompt") or typed.get("n") or 1)
        return CreateRequest(
            prompt=read_prompt(fields),
            model=typed.get("model") or self.settings.models[0],
            seconds=str(round(typed.get("num_frames", seconds * frame_rate) / frame_rate)),
            size=size,
            reference=self._reference(typed, size),
            seed=typed.get("seed"),
            frame_rate=frame_rate,
            frames=typed.get("num_frames"),
            outputs=max(1, min(outputs, self.settings.outputs_max)),
            has_audio=False,
            extras=extras_of(typed, BEYOND),
        )

    def _reference(self, typed: Fields, size: str) -> bytes | None:
        """A video goes before an image; what a file is, its name tells before its type does."""
        video, image = typed.get("video_reference"), typed.get("input_reference")
        if video is None and image is not None and _is_video(image):
            video = image
        if video is not None:
            return first_frame_of_video(video.content, size, self.settings, param="video_reference")
        if typed.get("video_url"):
            film = read_data_url(typed["video_url"], "video/", param="video_url")
            return first_frame_of_video(film, size, self.settings, param="video_url")
        if image is not None:
            return first_frame_of_image(image.content, size, self.settings, param="input_reference")
        if typed.get("reference_url"):
            picture = read_data_url(typed["reference_url"], "image/", param="reference_url")
            return first_frame_of_image(picture, size, self.settings, param="reference_url")
        return None

    def shown(self, job: Job) -> dict[str, Any]:
        """Its `VideoResponse`: no prompt, but paths of the server."""
        completed = job.status == "completed"
        paths, urls = self._paths(job), self._urls(job)
        return {
            "id": job.id,
            "object": "video",
            "model": job.model,
            "status": job.status,
            "progress": 100 if completed else job.progress,
            "created_at": job.created_at,
            "size": job.size,
            "seconds": job.seconds,
            "quality": "standard",
            "url": urls[0] if completed else None,
            "urls": urls if completed else None,
            "remixed_from_video_id": None,
            "completed_at": job.completed_at,
            "expires_at": None,
            "error": {"message": job.error.message} if job.error else None,
            "file_path": None if job.error else paths[0],
            "file_paths": paths if completed else None,
            "num_outputs": job.outputs if completed else None,
            "peak_memory_mb": 0.0 if completed else None,
            "inference_time_s": self.settings.worked_s if completed else None,
            "revised_prompt": None,
            "action": None,
            "lidar": None,
        }

    def _paths(self, job: Job) -> list[str | None]:
        if self.settings.cloud_url is not None and job.status == "completed":
            return [None] * job.outputs
        return [f"{FOLDER}/{_filename(job, output)}" for output in range(job.outputs)]

    def _urls(self, job: Job) -> list[str | None]:
        base = self.settings.cloud_url
        return [base and f"{base}/{_filename(job, output)}" for output in range(job.outputs)]

    def listed(self, registry: JobRegistry, query: QueryParams) -> dict[str, Any]:
        """20 when no `limit` is sent; nothing after an id that is not known."""
        order = query.get("order", "desc")
        try:
            limit = read_limit(query.get("limit"), least=1, default=_LIMIT_DEFAULT)
            if order not in {"asc", "desc"}:
                raise invalid("Input should be 'asc' or 'desc'", param="order")
        except Problem as problem:
            raise Problem(422, problem.message, param=problem.param) from problem
        page = registry.page(after=query.get("after"), limit=limit, newest_first=order == "desc", by_second=True)
        return self.shown_page(page.jobs, has_more=page.has_more) if page else self.shown_page([], has_more=False)

    def deleted(self, job: Job) -> dict[str, Any]:
        """The job itself, with a status of its own."""
        return self.shown(job) | {"status": "deleted"}

    def file(self, job: Job, query: QueryParams, *, is_expired: bool) -> File:
        """By the number of the output; when it lies in an object store, its URL is in the refusal."""
        variant = query.get("variant")
        output = 0 if variant is None else read_output(variant)
        exists = output is not None and output < len(job.media)
        if exists and self.settings.cloud_url is not None:
            url = self._urls(job)[output or 0]
            raise Problem(400, f"Video has been uploaded to cloud storage. Please use the cloud URL: {url}")
        if not job.is_finished:
            raise Problem(404, "Generation is still in-progress")
        if not exists or is_expired:
            raise Problem(404, f"Video variant {variant} not found")
        return job.media[output or 0].video, "video/mp4"


def uuid_of(token: str) -> UUID:
    """A random UUID (version 4) made of a random token."""
    return UUID(bytes=hashlib.sha256(token.encode()).digest()[:16], version=4)


def _filename(job: Job, output: int) -> str:
    return f"{job.id}.mp4" if job.outputs == 1 else f"{job.id}_{output}.mp4"


def _is_video(given: FileField) -> bool:
    return given.media_type.startswith("video/") or PurePosixPath(given.filename).suffix.lower() in _VIDEO_SUFFIXES


def _spread(fields: Fields) -> Fields:
    """What `extra_body` holds, an object or a string of JSON, as if it had been sent beside it."""
    extra = fields.get("extra_body")
    if isinstance(extra, str):
        try:
            extra = json.loads(extra)
        except ValueError as error:
            raise Problem(400, "extra_body is not valid JSON") from error
    beside = {name: given for name, given in fields.items() if name != "extra_body"}
    return (extra | beside) if isinstance(extra, dict) else beside

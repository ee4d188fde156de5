"""FastVideo 0.2.1, as its `entrypoints/openai` reads and answers. It has no keys, as SGLang."""

from typing import Any, ClassVar

from fastapi import Request
from starlette.datastructures import QueryParams

from bickford_sora.simulator.bodies import Fields, is_form, read_fields
from bickford_sora.simulator.flavours.engine import FOLDER, Engine
from bickford_sora.simulator.flavours.engine_fields import (
    SAMPLING,
    Kinds,
    extras_of,
    first_frame_of_image,
    read_seconds,
    read_size,
    read_typed,
)
from bickford_sora.simulator.flavours.openai import File, read_limit
from bickford_sora.simulator.flavours.sglang import uuid_of
from bickford_sora.simulator.intake import CreateRequest, read_prompt
from bickford_sora.simulator.jobs import Job, JobRegistry
from bickford_sora.simulator.problems import Problem
from bickford_sora.simulator.sources import read_data_url

FIELDS: Kinds = {
    "prompt": "text",
    "model": "text",
    "seconds": "whole",
    "size": "text",
    "input_reference": "file",
    "reference_url": "text",
}
BEYOND: Kinds = {**SAMPLING, "enable_teacache": "truth"}
TAKEN: Kinds = {**FIELDS, **BEYOND}
_SEED_OF_FORMS = 1024


class FastVideo(Engine):
    """Jobs in memory, nothing between queued and the end, a list without cursors."""

    stops_deleted: ClassVar[bool] = False

    def new_id(self, token: str, *, model: str, created_at: int) -> str:  # noqa: ARG002 - as the flavours agreed
        """A UUID without hyphens."""
        return uuid_of(token).hex

    async def read(self, request: Request) -> Fields:
        """A form, which has a seed and a length in any case, or JSON."""
        fields = await read_fields(request)
        if not is_form(request):
            return fields
        if not fields.get("prompt"):
            raise Problem(400, "prompt is required")
        read_typed(fields, TAKEN, status=422)
        return {"seed": _SEED_OF_FORMS, "seconds": 4, **fields}

    def check_create(self, fields: Fields) -> CreateRequest:
        """Any size and length; the model is believed; unknown fields are ignored.

        Of a length that nobody said the model's own is made, and 0 is shown.
        """
        typed = read_typed(fields, TAKEN)
        size = read_size(typed, self.settings)
        frame_rate = typed.get("fps", self.settings.frame_rate)
        said = typed.get("num_frames") or typed.get("seconds", 0) * frame_rate
        return CreateRequest(
            prompt=read_prompt(fields),
            model=typed.get("model") or self.settings.models[0],
            seconds=str(round(said / frame_rate)),
            size=size,
            reference=self._reference(typed, size),
            seed=typed.get("seed"),
            frame_rate=frame_rate,
            frames=said or read_seconds(typed) * frame_rate,
            has_audio=False,
            extras=extras_of(typed, BEYOND),
        )

    def _reference(self, typed: Fields, size: str) -> bytes | None:
        image, url = typed.get("input_reference"), typed.get("reference_url")
        if image is not None:
            content = image.content
        elif url:
            content = read_data_url(url, "image/", param="reference_url")
        else:
            return None
        return first_frame_of_image(content, size, self.settings, param="input_reference")

    def shown(self, job: Job) -> dict[str, Any]:
        """Its `VideoResponse`."""
        completed = job.status == "completed"
        return {
            "id": job.id,
            "object": "video",
            "model": job.model,
            "status": job.status if job.is_finished else "queued",
            "progress": 100 if completed else 0,
            "created_at": job.created_at,
            "size": job.call.arrived.get("size") or "",
            "seconds": job.seconds,
            "quality": "standard",
            "url": None,
            "file_path": f"{FOLDER}/videos/{job.id}.mp4",
            "completed_at": job.completed_at,
            "error": {"message": job.error.message} if job.error else None,
            "peak_memory_mb": 0.0 if completed else None,
            "inference_time_s": self.settings.worked_s if completed else None,
        }

    def listed(self, registry: JobRegistry, query: QueryParams) -> dict[str, Any]:
        """Whole when no `limit` is sent, else cut without saying so."""
        given = query.get("limit")
        try:
            limit = self.settings.jobs_max if given is None else read_limit(given, least=1, default=0)
        except Problem as problem:
            raise Problem(422, problem.message, param=problem.param) from problem
        newest_first = query.get("order", "desc").lower() != "asc"
        page = registry.page(after=query.get("after"), limit=limit, newest_first=newest_first, by_second=True)
        return {"object": "list", "data": [self.shown(job) for job in page.jobs] if page else []}

    def deleted(self, job: Job) -> dict[str, Any]:
        """The job itself, with a status of its own."""
        return self.shown(job) | {"status": "deleted"}

    def file(self, job: Job, query: QueryParams, *, is_expired: bool) -> File:  # noqa: ARG002 - it has no variants
        """The one file."""
        if job.status == "failed":
            raise Problem(500, "Video generation failed")
        if not job.media or is_expired:
            raise Problem(404, "Video still being generated")
        return job.media[0].video, "video/mp4"

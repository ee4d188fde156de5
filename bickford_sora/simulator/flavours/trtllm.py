"""TensorRT-LLM's `trtllm-serve`, as `tensorrt_llm/serve/openai_video_routes.py` at 0509ccc reads and answers.

Files are MP4 here: what it makes without ffmpeg, AVI, is left out. It has no keys, as SGLang.
"""

from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import QueryParams

from bickford_sora.simulator.bodies import Fields, is_form, read_fields
from bickford_sora.simulator.flavours.engine import FOLDER, Engine
from bickford_sora.simulator.flavours.engine_fields import (
    Kinds,
    extras_of,
    first_frame_of_image,
    read_size,
    read_typed,
)
from bickford_sora.simulator.flavours.openai import File
from bickford_sora.simulator.intake import OUTPUTS_MAX, CreateRequest, read_prompt, read_whole
from bickford_sora.simulator.jobs import Job, JobRegistry
from bickford_sora.simulator.problems import Problem

FIELDS: Kinds = {"prompt": "text", "model": "text", "seconds": "number", "size": "text", "input_reference": "file"}
BEYOND: Kinds = {
    "fps": "whole",
    "seed": "whole",
    "n": "whole",
    "num_inference_steps": "whole",
    "negative_prompt": "text",
    "guidance_scale": "number",
    "output_format": "text",
}
TAKEN: Kinds = {**FIELDS, **BEYOND}
_TYPES = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}


class TensorRTLLM(Engine):
    """202 to a create, a list of everything, an error that is a text."""

    taken_status: ClassVar[int] = 202
    models_path: ClassVar[str | None] = "/models"

    def new_id(self, token: str, *, model: str, created_at: int) -> str:  # noqa: ARG002 - as the flavours agreed
        """Sixteen random bytes."""
        return f"video_{token[:32]}"

    async def read(self, request: Request) -> Fields:
        """A form, of which only fields it knows are looked at, or JSON, in which others are refused."""
        fields = await read_fields(request)
        unknown = fields.keys() - FIELDS.keys() - BEYOND.keys()
        if unknown and not is_form(request):
            raise Problem(400, f"{min(unknown)}: Extra inputs are not permitted")
        if "prompt" not in fields:
            raise Problem(400, "'prompt' is required")
        return fields

    def check_create(self, fields: Fields) -> CreateRequest:
        """Any size and length, also half seconds; the model is believed."""
        typed = read_typed(fields, TAKEN)
        size = read_size({} if typed.get("size") == "auto" else typed, self.settings)
        frame_rate = typed.get("fps", self.settings.frame_rate)
        seconds = typed.get("seconds") or 4.0
        reference = typed.get("input_reference")
        return CreateRequest(
            prompt=read_prompt(fields),
            model=typed.get("model") or self.settings.models[0],
            seconds=f"{seconds:g}",
            size=size,
            reference=reference
            and first_frame_of_image(reference.content, size, self.settings, param="input_reference"),
            seed=typed.get("seed"),
            frame_rate=frame_rate,
            frames=max(1, round(seconds * frame_rate)),
            outputs=read_whole("n", typed.get("n", 1), least=1, most=OUTPUTS_MAX),
            has_audio=False,
            extras=extras_of(typed, BEYOND),
        )

    def shown(self, job: Job) -> dict[str, Any]:
        """Its `VideoJob`: queued until the end."""
        paths = [f"{FOLDER}/{job.id}_{output}.mp4" for output in range(job.outputs)] if job.media else None
        return {
            "completed_at": job.ended_at,
            "created_at": job.created_at,
            "error": job.error.message if job.error else None,
            "expires_at": None,
            "id": job.id,
            "model": job.model,
            "object": "video",
            "progress": None,
            "prompt": job.scene.prompt,
            "status": job.status if job.is_finished else "queued",
            "duration": float(job.seconds),
            "fps": job.extras.get("fps"),
            "size": job.size,
            "output_path": paths and paths[0],
            "output_paths": paths,
        }

    def listed(self, registry: JobRegistry, query: QueryParams) -> dict[str, Any]:  # noqa: ARG002 - it reads none
        """Everything, in the order of acceptance."""
        page = registry.page(after=None, limit=self.settings.jobs_max, newest_first=False)
        return {"data": [self.shown(job) for job in page.jobs] if page else [], "object": "list"}

    def deleted(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - it does not say which
        """Without the id."""
        return {"deleted": True}

    def file(self, job: Job, query: QueryParams, *, is_expired: bool) -> File:  # noqa: ARG002 - it has no variants
        """The first output: of more there is no other way to have one."""
        if job.status != "completed":
            status = job.status if job.is_finished else "queued"
            raise Problem(400, f"Video {job.id} is not ready (status: {status})")
        if is_expired:
            raise self.no_such_job(job.id)
        return job.media[0].video, "video/mp4"

    def no_such_job(self, job_id: str) -> Problem:
        """In its words."""
        return Problem(404, f"Video {job_id} not found")

    def refused(self, problem: Problem) -> JSONResponse:
        """Flat, not within `error`."""
        status = problem.status
        kind = _TYPES.get(status, HTTPStatus(status).phrase)
        body = {"object": "error", "message": problem.message, "type": kind, "param": problem.param, "code": status}
        return JSONResponse(body, status_code=status, headers=problem.headers)

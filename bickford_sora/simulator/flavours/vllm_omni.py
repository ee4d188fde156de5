"""vLLM-Omni 0.30.0, as its `entrypoints/openai` reads and answers (api_server, protocol/videos, video/generation).

What is left out: several API workers (409 to everything), ``/v1/videos/sync``, and what only some models take.
"""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import QueryParams

from bickford_sora.simulator.bodies import Fields, FileField, is_form, read_fields
from bickford_sora.simulator.flavours.engine import Engine
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
from bickford_sora.simulator.flavours.openai import File, read_limit
from bickford_sora.simulator.intake import OUTPUTS_MAX, CreateRequest, read_prompt, read_whole
from bickford_sora.simulator.jobs import Job, JobRegistry
from bickford_sora.simulator.problems import Problem, invalid
from bickford_sora.simulator.sources import read_data_url

FORM: Kinds = {
    "prompt": "text",
    "model": "text",
    "seconds": "text",
    "size": "text",
    "input_reference": "file",
    "input_references": "file",
    "image_reference": "object",
    "video_reference": "object",
}
BEYOND: Kinds = {
    **SAMPLING,
    "fps": "number",
    "num_outputs_per_prompt": "whole",
    "generate_sound": "truth",
    "lora": "object",
    "quality": "text",
    "extra_params": "object",
}
TAKEN: Kinds = {**FORM, **BEYOND}


class VLLMOmni(Engine):
    """One served model, jobs in memory, forms only."""

    def new_id(self, token: str, *, model: str, created_at: int) -> str:  # noqa: ARG002 - as the flavours agreed
        """Sixteen random bytes."""
        return f"video_gen_{token[:32]}"

    async def read(self, request: Request) -> Fields:
        """A form: of anything else the prompt, which is a field of a form, is missing."""
        if not is_form(request):
            raise invalid("[{'type': 'missing', 'loc': ('body', 'prompt'), 'msg': 'Field required'}]", param="prompt")
        return await read_fields(request)

    def check_create(self, fields: Fields) -> CreateRequest:
        """Any size and length; `model`, where given, is the served one; unknown fields are ignored."""
        typed = read_typed(fields, TAKEN)
        served = self.settings.models[0]
        if typed.get("model", served) != served:
            message = f"Model mismatch: request specifies '{typed['model']}' but server is running '{served}'."
            raise Problem(400, message)
        size = read_size(typed, self.settings)
        fps = typed.get("fps")
        read_whole("num_outputs_per_prompt", typed.get("num_outputs_per_prompt", 1), least=1, most=OUTPUTS_MAX)
        return CreateRequest(
            prompt=read_prompt(fields),
            model=served,
            seconds=str(read_seconds(typed)),
            size=size,
            reference=self._reference(typed, size),
            seed=typed.get("seed"),
            frame_rate=None if fps is None else max(1, round(fps)),
            frames=typed.get("num_frames"),
            has_audio=typed.get("generate_sound", False),
            extras=extras_of(typed, BEYOND),
        )

    def _reference(self, typed: Fields, size: str) -> bytes | None:
        """The image or video to start from. An ``input_reference`` that is no file is ignored, as the server does."""
        several, one = typed.get("input_references"), typed.get("input_reference")
        image, video = typed.get("image_reference"), typed.get("video_reference")
        if several is not None and (one or image or video):
            raise Problem(400, "Provide input_references alone, without any other reference.")
        if one is not None and (image or video):
            raise Problem(400, "Provide only one of input_reference, image_reference, or video_reference.")
        if several is not None:
            return first_frame_of_video(several.content, size, self.settings, param="input_references")
        if one is not None:
            return self._of_either(one, size)
        if video is not None:
            film = read_data_url(_url(video, "video_url"), "video/", param="video_reference")
            return first_frame_of_video(film, size, self.settings, param="video_reference")
        if image is not None:
            picture = read_data_url(_url(image, "image_url"), "image/", param="image_reference")
            return first_frame_of_image(picture, size, self.settings, param="image_reference")
        return None

    def _of_either(self, given: FileField, size: str) -> bytes:
        """The one file may be an image or a video: its bytes tell."""
        of_kind = first_frame_of_video if given.content[4:8] == b"ftyp" else first_frame_of_image
        return of_kind(given.content, size, self.settings, param="input_reference")

    def shown(self, job: Job) -> dict[str, Any]:
        """Its `VideoResponse`."""
        scene, completed = job.scene, job.status == "completed"
        return {
            "model": job.model,
            "prompt": scene.prompt,
            "id": job.id,
            "object": "video",
            "status": job.status,
            "size": job.call.arrived.get("size"),
            "progress": 100 if completed else 0,
            "seconds": job.seconds,
            "quality": job.extras.get("quality", "default"),
            "completed_at": job.ended_at,
            "created_at": job.created_at,
            "remixed_from_video_id": None,
            "error": {"code": _failure_status(job), "message": job.error.message} if job.error else None,
            "media_type": "video/mp4",
            "expires_at": job.expires_at,
            "file_name": f"{job.id}.mp4" if completed else None,
            "inference_time_s": self.settings.worked_s if job.is_finished else None,
            "fps": float(scene.frame_rate),
            "num_frames": scene.frames,
            "duration_s": scene.length_s,
            "metrics": None,
            "stage_durations": {},
            "peak_memory_mb": 0.0,
            "action": None,
        }

    def retrieved(self, job: Job) -> JSONResponse:
        """Of a failed job with an error status."""
        return JSONResponse(self.shown(job), status_code=_failure_status(job) if job.error else 200)

    def listed(self, registry: JobRegistry, query: QueryParams) -> dict[str, Any]:
        """Everything when no `limit` is sent; nothing after an id that is not known."""
        order, given = query.get("order", "desc"), query.get("limit")
        if order not in {"asc", "desc"}:
            raise invalid("'order' must be 'asc' or 'desc'.", param="order")
        limit = self.settings.jobs_max if given is None else read_limit(given, least=0, default=0)
        page = registry.page(after=query.get("after"), limit=limit, newest_first=order == "desc", by_second=True)
        return self.shown_page(page.jobs, has_more=page.has_more) if page else self.shown_page([], has_more=False)

    def check_delete(self, job: Job) -> None:
        """Not one that is finishing."""
        if job.is_finishing:
            raise Problem(409, "Cancellation in progress. Please try again later.")

    def file(self, job: Job, query: QueryParams, *, is_expired: bool) -> File:  # noqa: ARG002 - it has no variants
        """The one file; `variant` is not read."""
        if job.status == "failed":
            raise Problem(422, "Video generation failed. Check job status for error details.")
        if not job.media:
            raise Problem(404, "Generation is still in-progress")
        if is_expired:
            raise Problem(404, "Generated video file not found on disk")
        return job.media[0].video, "video/mp4"

    def refused(self, problem: Problem) -> JSONResponse:
        """VLLM's shape, whose `code` is the status; but a wrong key is refused before that."""
        if problem.status == HTTPStatus.UNAUTHORIZED:
            return JSONResponse({"error": "Unauthorized"}, status_code=401)
        status = problem.status
        error = {
            "message": problem.message,
            "type": HTTPStatus(status).phrase,
            "param": None,
            "code": status,
        }
        return JSONResponse({"error": error}, status_code=status, headers=problem.headers)


def _url(reference: dict[str, Any], name: str) -> str:
    if set(reference) != {name} or not isinstance(reference[name], str):
        raise Problem(400, f"The reference must have '{name}' alone.")
    return str(reference[name])


def _failure_status(job: Job) -> int:
    """The status of an exception's HTTP error, else 500."""
    code = job.error.code if job.error else ""
    return int(code) if code.isdigit() and 400 <= int(code) < 600 else 500  # noqa: PLR2004 - the error classes

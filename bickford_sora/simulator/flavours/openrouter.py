"""OpenRouter's video API, from the models of @openrouter/sdk 1.3.19 and its documentation; nothing of it was tried.

What nobody documents is a guess: which of 400, 404 and 409 a download before the end is answered with (here 409).
"""

from typing import Any, ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import QueryParams

from bickford_sora.simulator.bodies import Fields, is_form, read_fields
from bickford_sora.simulator.faults import Operation
from bickford_sora.simulator.flavours.engine_fields import (
    Kinds,
    extras_of,
    first_frame_of_image,
    read_seconds,
    read_size,
    read_typed,
)
from bickford_sora.simulator.flavours.openai import File, OpenAI, read_output
from bickford_sora.simulator.intake import CreateRequest, read_prompt
from bickford_sora.simulator.jobs import Job
from bickford_sora.simulator.problems import Problem
from bickford_sora.simulator.signatures import openrouter_signature
from bickford_sora.simulator.sources import read_data_url

FIELDS: Kinds = {"prompt": "text", "model": "text", "duration": "whole", "size": "text", "callback_url": "text"}
BEYOND: Kinds = {
    "seed": "whole",
    "generate_audio": "truth",
    "aspect_ratio": "text",
    "resolution": "text",
    "user": "text",
    "session_id": "text",
}
TAKEN: Kinds = {**FIELDS, **BEYOND}
_STATUSES = {"queued": "pending"}


class OpenRouter(OpenAI):
    """JSON only, statuses and a shape of its own, a price at the end."""

    prefix: ClassVar[str] = "/api/v1"
    taken_status: ClassVar[int] = 202
    operations = frozenset({Operation.CREATE, Operation.RETRIEVE, Operation.CONTENT})
    models_path: ClassVar[str | None] = "/videos/models"

    def new_id(self, token: str, *, model: str, created_at: int) -> str:  # noqa: ARG002 - as the flavours agreed
        """Time and twenty letters or digits."""
        return f"gen-vid-{created_at}-{token[:20]}"

    async def read(self, request: Request) -> Fields:
        """JSON."""
        if is_form(request):
            raise Problem(400, "The body must be application/json.")
        return await read_fields(request)

    def check_create(self, fields: Fields) -> CreateRequest:
        """A whole `duration`; unknown fields are ignored."""
        typed = read_typed(fields, TAKEN)
        if typed.get("model") not in self.settings.models:
            raise Problem(404, f"No endpoints found for {typed.get('model')}.")
        callback_url = typed.get("callback_url", "")
        if callback_url.startswith("http:") and not callback_url.startswith("http://127.0.0.1:"):
            raise Problem(400, "callback_url must be HTTPS")
        size = read_size(typed, self.settings)
        return CreateRequest(
            prompt=read_prompt(fields),
            model=typed["model"],
            seconds=str(read_seconds({"seconds": typed.get("duration")})),
            size=size,
            reference=self._reference(fields, size),
            seed=typed.get("seed"),
            has_audio=typed.get("generate_audio", True),
            extras=extras_of(typed, BEYOND),
        )

    def _reference(self, fields: Fields, size: str) -> bytes | None:
        """The first frame, which goes before the first image that is only a reference."""
        param = "frame_images" if fields.get("frame_images") else "input_references"
        images = fields.get(param)
        if not images:
            return None
        try:
            url = images[0]["image_url"]["url"]
            content = read_data_url(str(url), "image/", param=param)
        except (TypeError, KeyError, IndexError) as error:
            raise Problem(400, f"{param}: Invalid input") from error
        return first_frame_of_image(content, size, self.settings, param=param)

    def shown(self, job: Job) -> dict[str, Any]:
        """Its `VideoGenerationResponse`: what does not apply is left out."""
        shown: dict[str, Any] = {
            "id": job.id,
            "polling_url": f"{self.prefix}/videos/{job.id}",
            "status": _STATUSES.get(job.status, job.status),
        }
        if job.error:
            # a fault that is called so ends the job in its other ways
            shown |= {"error": job.error.message}
            shown["status"] = job.error.code if job.error.code in {"cancelled", "expired"} else "failed"
        if job.media:
            cost = round(self.settings.usd_per_s * float(job.seconds), 6)
            shown |= {
                "generation_id": job.id,
                "unsigned_urls": [f"{self.prefix}/videos/{job.id}/content?index=0"],
                "usage": {"cost": cost, "is_byok": False},
            }
        return shown

    def retrieved(self, job: Job) -> JSONResponse:
        """Without a word on when to ask again."""
        return JSONResponse(self.shown(job))

    def file(self, job: Job, query: QueryParams, *, is_expired: bool) -> File:
        """By its `index`."""
        output = read_output(query.get("index", "0"))
        if not job.media:
            raise Problem(409, f"Video generation is not completed: {job.status}")
        if is_expired:
            raise Problem(410, "The video has expired")
        if output is None or output >= len(job.media):
            raise Problem(404, "No such output")
        return job.media[output].video, "video/mp4"

    def callback_url(self, job: Job) -> str | None:
        """What the create named."""
        url = job.call.arrived.get("callback_url")
        return url if isinstance(url, str) else None

    def event(self, job: Job, *, token: str, now: int) -> dict[str, Any]:  # noqa: ARG002 - it has neither in it
        """The whole job."""
        shown = self.shown(job)
        return {"type": f"video.generation.{shown['status']}", "data": shown}

    def signed(self, secret: str, *, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Its own headers; the key against repetition is the same over all attempts."""
        return {
            "x-openrouter-signature": openrouter_signature(secret, timestamp=timestamp, body=body),
            "x-openrouter-idempotency-key": webhook_id,
        }

    def refused(self, problem: Problem) -> JSONResponse:
        """The `code` is the status."""
        error = {"code": problem.status, "message": problem.message}
        return JSONResponse({"error": error}, status_code=problem.status, headers=problem.headers)

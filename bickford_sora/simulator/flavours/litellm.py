"""A LiteLLM proxy 1.109.1 before a renderer of the OpenAI flavour, as it answered when run before this simulator.

With a wrong key one without a database answers 400; here as with one, 401. That it repeats a create by itself, unless
told not to, is left out.
"""

import base64
import binascii
import hashlib
import json
from typing import Any, ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import QueryParams

from bickford_sora.simulator.bodies import Fields, FileField, is_form, read_fields
from bickford_sora.simulator.faults import Operation
from bickford_sora.simulator.flavours.engine import detailed
from bickford_sora.simulator.flavours.openai import File, OpenAI
from bickford_sora.simulator.jobs import Job, JobRegistry
from bickford_sora.simulator.problems import Problem

_PREFIX = "video_"
_EXCEPTIONS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
}
_TYPES = {401: "auth_error", 429: "throttling_error", 500: "internal_server_error", 503: "internal_server_error"}
_NO_PROVIDER = "litellm.BadRequestError: LLM Provider NOT provided. Pass in the LLM provider you are trying to call."
_ELSEWHERE = "litellm.InternalServerError: InternalServerError: OpenAIException - Cannot connect to host"


class LiteLLM(OpenAI):
    """Keeps nothing: an id says where the job is and what it is called there."""

    operations = frozenset(Operation) - {Operation.DELETE}
    calls_back: ClassVar[bool] = False
    models_path: ClassVar[str | None] = "/models"

    def new_id(self, token: str, *, model: str, created_at: int) -> str:  # noqa: ARG002 - as the flavours agreed
        """Deployment and upstream id, in base64."""
        deployment = hashlib.sha256(model.encode()).hexdigest()
        parts = f"custom_llm_provider:openai;model_id:{model};video_id:video_{token};deployment_id:{deployment}"
        return _PREFIX + base64.b64encode(f"litellm:{parts}".encode()).decode()

    async def read(self, request: Request) -> Fields:
        """As upstream; but for a character, or an edit of a file or of an id in brackets, it finds no deployment."""
        fields = await read_fields(request)
        if "name" in fields or (is_form(request) and isinstance(fields.get("video"), FileField | dict)):
            raise _lost()
        return fields

    def shown(self, job: Job) -> dict[str, Any]:
        """Its `VideoObject`: without the prompt."""
        video = {name: value for name, value in super().shown(job).items() if name != "prompt"}
        source = job.remixed_from_video_id
        return video | {"remixed_from_video_id": source and upstream_id(source), "usage": None}

    def taken(self, job: Job) -> JSONResponse:
        """With the seconds it books, except for edits and extensions."""
        booked = job.made_by in {Operation.CREATE, Operation.REMIX}
        usage = {"duration_seconds": float(job.seconds)} if booked else None
        return JSONResponse(self.shown(job) | {"usage": usage})

    def retrieved(self, job: Job) -> JSONResponse:
        """Headers from behind it do not get through."""
        return JSONResponse(self.shown(job))

    def listed(self, registry: JobRegistry, query: QueryParams) -> dict[str, Any]:  # noqa: ARG002 - it asks others
        """Never one of ours: without the name of a provider it refuses, with one it asks that provider itself."""
        raise _lost() if query.get("custom_llm_provider") else Problem(400, _NO_PROVIDER)

    def file(self, job: Job, query: QueryParams, *, is_expired: bool) -> File:  # noqa: ARG002 - it drops the variant
        """Always the video."""
        return super().file(job, QueryParams(), is_expired=is_expired)

    def no_such_job(self, job_id: str) -> Problem:
        """Upstream's answer about an id that is its own; another is looked for at OpenAI."""
        upstream = upstream_id(job_id)
        return _lost() if upstream is None else super().no_such_job(upstream)

    def unrouted(self, problem: Problem, request: Request) -> JSONResponse:  # noqa: ARG002 - FastAPI does not say
        """As FastAPI answers."""
        return detailed(problem)

    def refused(self, problem: Problem) -> JSONResponse:
        """Upstream's refusal as a text within its own; `code` is the status, and the wait is lost."""
        status = problem.status
        own = problem.message.startswith("litellm.") or status == 401  # noqa: PLR2004 - Unauthorized
        error = {
            "message": problem.message if own else _wrapped(problem, self.settings.models[0]),
            "type": _TYPES.get(status, "invalid_request_error"),
            "param": None,
            "code": str(status),
        }
        return JSONResponse({"error": error}, status_code=status)


def _wrapped(problem: Problem, model: str) -> str:
    upstream = {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}
    exception = _EXCEPTIONS.get(problem.status, "InternalServerError")
    said = json.dumps({"error": upstream}, separators=(",", ":"))
    return (
        f"litellm.{exception}: OpenAIException - {said}\n\nLiteLLM: model group '{model}' failed with the error above."
    )


def _lost() -> Problem:
    return Problem(500, _ELSEWHERE)


def upstream_id(job_id: str) -> str | None:
    """What the job is called behind the proxy; None for an id that it has not made."""
    try:
        packed = base64.b64decode(job_id.removeprefix(_PREFIX), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    parts = dict(part.partition(":")[::2] for part in packed.split(";"))
    return parts.get("video_id") if packed.startswith("litellm:") else None

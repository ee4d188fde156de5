"""The protocol as OpenAI specified it: what the other flavours start from."""

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import QueryParams

from bickford_sora.simulator.bodies import Fields, read_fields
from bickford_sora.simulator.faults import Operation
from bickford_sora.simulator.intake import CreateRequest, check_create
from bickford_sora.simulator.jobs import Job, JobRegistry
from bickford_sora.simulator.problems import EXPIRED_MESSAGE, Problem, invalid
from bickford_sora.simulator.settings import SimulatorSettings
from bickford_sora.simulator.signatures import standard_signature

LIST_LIMIT_DEFAULT = 20
LIST_LIMIT_MAX = 100
File = tuple[bytes, str]
"""A file of a job, and its media type."""


class OpenAI:
    """One server's variant of the protocol. Another flavour overrides what its server does differently.

    It keeps nothing: it reads requests, and shows jobs.
    """

    prefix: ClassVar[str] = "/v1"
    """What the paths start with."""
    taken_status: ClassVar[int] = 200
    """Of the answer to a create."""
    operations: ClassVar[frozenset[Operation]] = frozenset(Operation)
    """The calls it has a route for."""
    stops_deleted: ClassVar[bool] = True
    """Whether work on a deleted job stops."""
    calls_back: ClassVar[bool] = True
    """Whether it tells somebody that a job has ended."""
    models_path: ClassVar[str | None] = None
    """Where it lists its models, if it does."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings

    def new_id(self, token: str, *, model: str, created_at: int) -> str:  # noqa: ARG002 - others put them into their ids
        """The id of a new job; `token` is random, of hexadecimal digits."""
        return f"video_{token}"

    def key_of(self, headers: Mapping[str, str]) -> str | None:
        """The key a client shows."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else None

    async def read(self, request: Request) -> Fields:
        """The body of a POST.

        Raises:
            Problem: when it is of a form that the server does not take.
        """
        return await read_fields(request)

    def check_create(self, fields: Fields) -> CreateRequest:
        """What a create asks for. Called from a worker thread: it may decode pictures.

        Raises:
            Problem: when the server would refuse it.
        """
        return check_create(fields, self.settings)

    def shown(self, job: Job) -> dict[str, Any]:
        """A job as answers show it: always all thirteen keys of the protocol."""
        return {
            "id": job.id,
            "object": "video",
            "model": job.model,
            "status": job.status,
            "progress": job.progress,
            "created_at": job.created_at,
            "completed_at": job.completed_at,
            "expires_at": job.expires_at,
            "prompt": job.scene.prompt,
            "size": job.size,
            "seconds": job.seconds,
            "remixed_from_video_id": job.remixed_from_video_id,
            "error": asdict(job.error) if job.error else None,
        }

    def taken(self, job: Job) -> JSONResponse:
        """The answer to the POST that made a job."""
        return JSONResponse(self.shown(job), status_code=self.taken_status)

    def retrieved(self, job: Job) -> JSONResponse:
        """The answer to a question about a job; of an unfinished one with the interval to poll at."""
        answer = JSONResponse(self.shown(job))
        if not job.is_finished:
            answer.headers["openai-poll-after-ms"] = str(self.settings.poll_after_ms)
        return answer

    def listed(self, registry: JobRegistry, query: QueryParams) -> dict[str, Any]:
        """A page of jobs, newest first unless asked otherwise.

        Raises:
            Problem: for a senseless query.
        """
        order, after = query.get("order", "desc"), query.get("after")
        if order not in {"asc", "desc"}:
            raise invalid("'order' must be 'asc' or 'desc'.", param="order")
        limit = read_limit(query.get("limit"), least=0, default=LIST_LIMIT_DEFAULT)
        page = registry.page(after=after, limit=limit, newest_first=order == "desc")
        if page is None:
            raise invalid(f"No video with id '{after}' to list after.", param="after")
        return self.shown_page(page.jobs, has_more=page.has_more)

    def shown_page(self, jobs: list[Job], *, has_more: bool) -> dict[str, Any]:
        """A page with all five keys."""
        return {
            "object": "list",
            "data": [self.shown(job) for job in jobs],
            "first_id": jobs[0].id if jobs else None,
            "last_id": jobs[-1].id if jobs else None,
            "has_more": has_more,
        }

    def check_delete(self, job: Job) -> None:
        """Whether a job can be deleted now.

        Raises:
            Problem: when it cannot.
        """

    def deleted(self, job: Job) -> dict[str, Any]:
        """The answer to the delete of a job."""
        return {"id": job.id, "object": "video.deleted", "deleted": True}

    def file(self, job: Job, query: QueryParams, *, is_expired: bool) -> File:
        """The file that is asked for.

        Raises:
            Problem: when it is not there yet, no more, or never was.
        """
        if not job.media:
            raise Problem(400, f"The video is not ready: it is {job.status}.", code="video_not_ready")
        if is_expired:
            raise Problem(404, EXPIRED_MESSAGE, code="video_expired")
        variant = query.get("variant", "video")
        output = read_output(variant)
        if output is not None and output < len(job.media):
            return job.media[output].video, "video/mp4"
        media = job.media[0]
        files = {
            "video": (media.video, "video/mp4"),
            "thumbnail": (media.thumbnail, "image/webp"),
            "spritesheet": (media.spritesheet, "image/jpeg"),
        }
        if variant not in files:
            raise invalid("'variant' must be 'video', 'thumbnail' or 'spritesheet'.", param="variant")
        return files[variant]

    def no_such_job(self, job_id: str) -> Problem:
        """The refusal to speak of a job that is not known, whatever the reason."""
        return Problem(404, f"Video with id '{job_id}' not found.", code="video_not_found", param="video_id")

    def callback_url(self, job: Job) -> str | None:  # noqa: ARG002 - others read it from the job
        """Where the job itself says that its end is to be told."""
        return None

    def event(self, job: Job, *, token: str, now: int) -> dict[str, Any]:
        """What is told about the end of a job; `type` is one of its keys."""
        body = {"id": f"evt_{token}", "object": "event", "created_at": now, "type": f"video.{job.status}"}
        return body | {"data": {"id": job.id}}

    def signed(self, secret: str, *, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The headers by which the receiver knows who sent an event."""
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": standard_signature(secret, webhook_id=webhook_id, timestamp=timestamp, body=body),
        }

    def unrouted(self, problem: Problem, request: Request) -> JSONResponse:
        """A refusal of the framework, above all of a path or method that the server does not have."""
        if problem.status == HTTPStatus.NOT_FOUND:
            problem = Problem(404, f"Invalid URL ({request.method} {request.url.path})")
        return self.refused(problem)

    def refused(self, problem: Problem) -> JSONResponse:
        """A refusal, in the server's shape."""
        error = {
            "message": problem.message,
            "type": problem.type,
            "param": problem.param,
            "code": problem.code,
        }
        return JSONResponse({"error": error}, status_code=problem.status, headers=problem.headers)


def read_limit(given: str | None, *, least: int, default: int) -> int:
    """How many jobs a page may have, up to 100.

    Raises:
        Problem: 400 for anything else.
    """
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and least <= int(given) <= LIST_LIMIT_MAX):
        raise invalid(f"'limit' must be {least} to {LIST_LIMIT_MAX}.", param="limit")
    return int(given)


def read_output(given: str | None) -> int | None:
    """The number of an output, counted from 0; None for any other word."""
    return int(given) if given is not None and given.isascii() and given.isdigit() else None

"""What the open-source engines have in common: FastAPI, jobs in memory, and nothing but jobs."""

from typing import ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse

from bickford_sora.simulator.faults import Operation
from bickford_sora.simulator.flavours.openai import OpenAI
from bickford_sora.simulator.jobs import Job
from bickford_sora.simulator.problems import Problem

FOLDER = "/srv/outputs"
"""Where they say their files are."""


class Engine(OpenAI):
    """No remix, edits, extensions or characters, no thumbnails, no call back, and no word on when to ask again."""

    operations = frozenset({Operation.CREATE, Operation.RETRIEVE, Operation.LIST, Operation.DELETE, Operation.CONTENT})
    calls_back: ClassVar[bool] = False

    def retrieved(self, job: Job) -> JSONResponse:
        """The job alone."""
        return JSONResponse(self.shown(job))

    def no_such_job(self, job_id: str) -> Problem:  # noqa: ARG002 - they do not say which
        """Without the id."""
        return Problem(404, "Video not found")

    def unrouted(self, problem: Problem, request: Request) -> JSONResponse:  # noqa: ARG002 - FastAPI does not say
        """As FastAPI answers."""
        return detailed(problem)

    def refused(self, problem: Problem) -> JSONResponse:
        """As FastAPI answers."""
        return detailed(problem)


def detailed(problem: Problem) -> JSONResponse:
    """FastAPI's own shape of a refusal; of a request that does not fit its model the status is 422."""
    detail: object = problem.message
    if problem.status == 422:  # noqa: PLR2004 - Unprocessable Content
        place = "query" if problem.param in {"limit", "order"} else "body"
        detail = [{"type": "value_error", "loc": [place, problem.param], "msg": problem.message}]
    return JSONResponse({"detail": detail}, status_code=problem.status, headers=problem.headers)

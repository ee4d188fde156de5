"""Azure OpenAI's v1 API, from its documentation (videos-api.md section 3); nothing of it was tried.

`models` are the names of deployments. Edits, extensions and characters are not documented.
"""

from collections.abc import Mapping
from typing import ClassVar

from fastapi.responses import JSONResponse

from bickford_sora.simulator.faults import Operation
from bickford_sora.simulator.flavours.openai import OpenAI
from bickford_sora.simulator.problems import Problem


class Azure(OpenAI):
    """OpenAI's under another path, with the key in a header of its own."""

    prefix: ClassVar[str] = "/openai/v1"
    operations = frozenset(Operation) - {Operation.EDIT, Operation.EXTEND, Operation.CHARACTER}
    calls_back: ClassVar[bool] = False

    def key_of(self, headers: Mapping[str, str]) -> str | None:
        """The key in `api-key`."""
        return headers.get("api-key")

    def refused(self, problem: Problem) -> JSONResponse:
        """With its own type and without a code for a job that is not known (seen in mslearn-ai-vision#81)."""
        if problem.code != "video_not_found":
            return super().refused(problem)
        error = {"message": problem.message, "type": "video_generation_user_error", "param": None, "code": None}
        return JSONResponse({"error": error}, status_code=problem.status)

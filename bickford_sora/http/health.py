"""Whether the process runs, and whether it can serve."""

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from bickford_sora.errors import TryLater
from bickford_sora.http.house import TheHouse

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok", "ready"]


@router.get("/healthz", summary="The process runs")
async def healthz() -> Health:
    """Asks nobody: a process that answers is alive, whatever its database does."""
    return Health(status="ok")


@router.get("/readyz", summary="Requests can be served", response_model=Health)
async def readyz(house: TheHouse) -> Health | Response:
    """503 with the problems while the database is away, its schema is old or the read models are far behind."""
    problems = await house.ready.problems()
    if not problems:
        return Health(status="ready")
    error = TryLater(f"Not ready: {'; '.join(problems)}.", code="not_ready")
    return JSONResponse({**error.body(), "problems": [*problems]}, error.status, dict(error.headers))

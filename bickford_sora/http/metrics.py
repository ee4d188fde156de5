"""Numbers for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import TheHouse, authenticated, bearer
from bickford_sora.metrics import Whose

router = APIRouter(tags=["health"], responses=REFUSALS)


async def reader(request: Request, house: TheHouse, presented: Annotated[object, Depends(bearer)]) -> Whose | None:
    """Whose spend is read: nobody's where the settings let everybody read, else what the caller oversees.

    Raises Unauthorized or RoleMissing.
    """
    if house.metrics.public:
        return None
    caller = await authenticated(request, presented)
    caller.check("auditor", "admin")
    return caller.tenant, caller.readable


@router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
async def metrics(house: TheHouse, whose: Annotated[Whose | None, Depends(reader)]) -> Response:
    """How far the read models are, and what this process answered and how fast, in Prometheus's text format."""
    text = await house.crossing.run(house.metrics.text, whose)
    return Response(text, media_type=CONTENT_TYPE_LATEST)

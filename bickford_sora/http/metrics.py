"""Numbers for Prometheus."""

from functools import partial
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
    """How far the read models are, and what this process answered and how fast, in Prometheus's text format.

    Without what the database would say while it says nothing (`bickford_database_up` is 0).
    """
    text = await house.metric_looks.ask(whose, partial(house.metrics.text, whose))
    return Response(house.metrics.text_of_process() if text is None else text, media_type=CONTENT_TYPE_LATEST)

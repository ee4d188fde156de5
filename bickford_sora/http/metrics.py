"""Numbers for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import TheHouse, authenticated, bearer

router = APIRouter(tags=["health"], responses=REFUSALS)


async def may_read(request: Request, house: TheHouse, presented: Annotated[object, Depends(bearer)]) -> None:
    """Anybody where the settings say so, else who oversees. Raises Unauthorized or RoleMissing."""
    if not house.metrics.public:
        (await authenticated(request, presented)).check("auditor", "admin")


@router.get("/metrics", summary="Numbers for Prometheus", dependencies=[Depends(may_read)], response_class=Response)
async def metrics(house: TheHouse) -> Response:
    """How far the read models are, and what this process answered and how fast, in Prometheus's text format."""
    text = await house.crossing.run(house.metrics.text)
    return Response(text, media_type=CONTENT_TYPE_LATEST)

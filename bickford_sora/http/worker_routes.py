"""What a worker answers, on a port of its own: whether it lives, whether it works, and its numbers. Nothing else."""

from collections.abc import Callable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bickford_sora.http.readiness import NUMBERS_WAIT_S, Looks, Readiness
from bickford_sora.metrics import Metrics


def create_worker_app(numbers: Metrics, ready: Callable[[], Sequence[str]]) -> Starlette:
    """The ASGI application of a worker. It asks for no API key: its port is for probes and Prometheus alone."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    readiness = Readiness(ready)
    looks = Looks[bytes](wait_s=NUMBERS_WAIT_S)

    async def readyz(_: Request) -> Response:
        problems = await readiness.problems()
        return JSONResponse({"problems": [*problems]}, 503) if problems else JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        text = await looks.ask("numbers", numbers.text)
        return Response(numbers.text_of_process() if text is None else text, media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])

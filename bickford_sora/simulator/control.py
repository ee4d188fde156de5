"""Routes by which another process steers the simulator. They ask for no key: this is for development and tests."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from bickford_sora.simulator.faults import Fault
from bickford_sora.simulator.simulator import Simulator


class WebhookTargetRequest(BaseModel):
    """Where events shall go from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    secret: str = Field(min_length=1, repr=False)


def control_router(simulator: Simulator) -> APIRouter:
    """The routes under ``/simulator``."""
    router = APIRouter(prefix="/simulator")
    _add_questions(router, simulator)
    _add_faults(router, simulator)
    _add_orders(router, simulator)
    return router


def _add_questions(router: APIRouter, simulator: Simulator) -> None:
    @router.get("/billing")
    async def billing() -> dict[str, Any]:
        jobs = [asdict(line) for line in simulator.registry.billed()]
        return {"billed": len(jobs), "in_flight": simulator.registry.in_flight(), "jobs": jobs}

    @router.get("/jobs/{job_id}")
    async def job(job_id: str) -> dict[str, Any]:
        known = simulator.registry.get(job_id)
        if known is None:
            raise simulator.flavour.no_such_job(job_id)
        return {
            "video": simulator.flavour.shown(known),
            "operation": known.made_by,
            "idempotency_key": known.call.idempotency_key,
            "arrived": known.call.arrived,
            "extras": known.extras,
            "outputs": known.outputs,
        }

    @router.get("/deliveries")
    async def deliveries() -> dict[str, Any]:
        return {"deliveries": [asdict(delivery) for delivery in simulator.webhooks.deliveries()]}


def _add_faults(router: APIRouter, simulator: Simulator) -> None:
    @router.get("/faults")
    async def list_faults() -> dict[str, Any]:
        return {"faults": [fault.model_dump(mode="json") for fault in simulator.faults.waiting()]}

    @router.post("/faults", status_code=201)
    async def add_fault(fault: Fault) -> dict[str, Any]:
        simulator.faults.add(fault)
        return fault.model_dump(mode="json")

    @router.delete("/faults", status_code=204)
    async def clear_faults() -> Response:
        simulator.faults.clear()
        return Response(status_code=204)


def _add_orders(router: APIRouter, simulator: Simulator) -> None:
    @router.put("/webhook", status_code=204)
    async def send_webhooks_to(target: WebhookTargetRequest) -> Response:
        simulator.webhooks.send_to(url=target.url, secret=target.secret)
        return Response(status_code=204)

    @router.post("/restart", status_code=204)
    async def restart() -> Response:
        simulator.restart()
        return Response(status_code=204)

    @router.post("/reset", status_code=204)
    async def reset() -> Response:
        await simulator.reset()
        return Response(status_code=204)

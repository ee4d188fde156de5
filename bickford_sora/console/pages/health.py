"""How the installation stands: renderers, work that waits, deliveries, and the read models."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from bickford_sora.console.acting import TheAct
from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.pages.proof import Check, check_of
from bickford_sora.console.routing import Pages
from bickford_sora.errors import NotFound, RoleMissing
from bickford_sora.http import queue, unknown, webhook_endpoints
from bickford_sora.http.audit import Asked as FactsAsked
from bickford_sora.http.audit import AuditEvent, PageAsked, found_page
from bickford_sora.http.queue import QueuedVideo, QueueNow, QueueRenderer
from bickford_sora.http.roles import ADMINISTERS, OVERSEES
from bickford_sora.http.webhook_endpoints import WebhookDelivery, WebhookEndpoint
from projections.positions import Lag, State

PLACES_MAX = 20
"""Places of the queue that are shown."""
ENDPOINTS_MAX = 20
DELIVERIES_MAX = 5
"""Newest deliveries that are shown of each endpoint."""
RECEIVED_MAX = 10
"""Newest webhooks of renderers that are shown."""
BEHIND_S = 30.0
"""From when on a read model that is behind is shown as one to look at."""

pages = Pages()


class ReplicaNow(BaseModel):
    """One process of a renderer."""

    url: str
    drained: bool
    down_for_s: float
    """How long it is still left alone; 0: it is asked."""


class RendererNow(BaseModel):
    """One renderer."""

    name: str
    dialect: str
    credential: str
    replicas: Sequence[ReplicaNow]
    """Their addresses are for those who span the tenant that runs this; none for others."""
    requests_per_minute_max: int | None
    stopped: Sequence[str]
    """Models that it is not asked for until an operator has looked at it."""
    line: QueueRenderer
    """What waits for it and what it works on."""


class Step(BaseModel):
    """Work of one kind that is to be done."""

    step: str
    renderer: str | None
    items: int
    overdue_s: float


class Deliveries(BaseModel):
    """What an endpoint was told last."""

    endpoint: WebhookEndpoint
    newest: Sequence[WebhookDelivery]


class ReadModel(BaseModel):
    """A read model, and how far it is."""

    name: str
    version: int
    position: int
    lag_events: int
    lag_s: float
    parked: int
    skipped: int
    gaps: int
    state: State
    is_well: bool
    rebuild: Check | None
    """The last rebuild that was asked for here."""


class ParkedStream(BaseModel):
    """A stream that a read model could not read."""

    name: str
    stream: str
    position: int
    error_code: str
    skipped: bool


class Health(BaseModel):
    """All of it."""

    problems: Sequence[str]
    """What keeps this process from serving, in words for an operator."""
    renderers: Sequence[RendererNow]
    queued: Sequence[QueuedVideo]
    steps: Sequence[Step]
    unknown: int
    """Renders of which nobody knows what became of them, at most a page of them."""
    unknown_more: bool
    deliveries: Sequence[Deliveries]
    received: Sequence[AuditEvent]
    """The newest webhooks of renderers."""
    head: int
    """The last position in the ledger."""
    read_models: Sequence[ReadModel]
    parked: Sequence[ParkedStream]
    may_operate: bool
    """Whether the visitor rebuilds read models, and has stopped renderers asked again."""
    looked_at: datetime


@pages.page("/health", "health.html", takes=OVERSEES)
async def health(visit: TheVisit) -> Health:
    """How everything stands now."""
    house = visit.house
    line = await house.queue_looks.run(house.queueing.line, visit.caller, video_id=None, limit=PLACES_MAX)
    return await visit.read(lambda visit: _health(visit, queue.told_line(line)))


@pages.action("/health/rebuild/{name}", takes=ADMINISTERS, records=False)
async def rebuild(name: str, act: TheAct) -> str:
    """Makes a read model's rows again from the ledger, beside the live ones, in a process of its own."""
    visit = act.visit
    _check_runs_this(visit)
    if name not in visit.console.operations.versions:
        raise NotFound("No read model has this name.", code="read_model_not_found", param="name")
    visit.console.commands.begin(_command(name), "replay", name, "--json", by=visit.caller.key_id)
    return "/health?done=rebuilding#read-models"


@pages.action("/health/resume/{name}", takes=ADMINISTERS)
async def resume(name: str, act: TheAct) -> str:
    """Has a stopped renderer asked again, as `bickford-sora renderers resume`."""
    visit = act.visit
    _check_runs_this(visit)
    operations = visit.console.operations
    renderer = next((each for each in operations.renderers() if each.name == name), None)
    if renderer is None:
        raise NotFound("No renderer has this name.", code="renderer_not_found", param="name")
    await visit.house.crossing.run(operations.resume, renderer, act.order.origin)
    return "/health?done=resumed"


def _check_runs_this(visit: Visit) -> None:
    """Raises RoleMissing for whoever does not span the tenant that runs this."""
    if not visit.runs_this:
        raise RoleMissing(
            "This is everybody's. Use the key of an admin who spans the tenant which runs this server.",
            code="tenant_admin_needed",
        )


def _command(name: str) -> str:
    return f"replay {name}"


# What follows runs in the synchronous world, behind the crossing.


def _health(visit: Visit, line: QueueNow) -> Health:
    house, caller, operations = visit.house, visit.caller, visit.console.operations
    lags = operations.lag()
    doubts = unknown.found_page(house, caller, 100, None)
    asked = FactsAsked(type="webhook.received")
    return Health(
        problems=[*house.ready.look()],
        renderers=_renderers(visit, line.renderers),
        queued=line.data,
        steps=[
            Step(step=each.step, renderer=each.renderer, items=each.items, overdue_s=each.overdue_s)
            for each in operations.backlog()
        ],
        unknown=len(doubts.data),
        unknown_more=doubts.has_more,
        deliveries=_deliveries(visit),
        received=found_page(house, caller, asked, PageAsked(limit=RECEIVED_MAX)).data,
        head=max((each.head for each in lags), default=0),
        read_models=[_read_model(visit, each) for each in lags],
        parked=_parked(visit),
        may_operate=visit.may("admin") and visit.runs_this,
        looked_at=visit.now,
    )


def _renderers(visit: Visit, lines: Sequence[QueueRenderer]) -> list[RendererNow]:
    operations = visit.console.operations
    by_name = {each.renderer: each for each in lines}
    replicas = [*operations.replicas()] if visit.runs_this else []
    return [
        RendererNow(
            name=each.name,
            dialect=each.dialect,
            credential=each.credential,
            replicas=[
                ReplicaNow(url=found.replica, drained=found.drained, down_for_s=found.down_for_s)
                for found in replicas
                if found.renderer == each.name
            ],
            requests_per_minute_max=each.requests_per_minute_max,
            stopped=sorted(operations.stopped(each.name)),
            line=by_name.get(each.name) or _idle(each.name, each.in_flight_max),
        )
        for each in operations.renderers()
    ]


def _idle(name: str, in_flight_max: int | None) -> QueueRenderer:
    return QueueRenderer(renderer=name, in_flight=0, in_flight_max=in_flight_max, waiting=0, projects=0, closed=None)


def _deliveries(visit: Visit) -> list[Deliveries]:
    house, caller = visit.house, visit.caller
    found = webhook_endpoints.found_page(house, caller, ENDPOINTS_MAX, None).data
    return [
        Deliveries(
            endpoint=each,
            newest=webhook_endpoints.found_deliveries(house, caller, each.id, DELIVERIES_MAX).data,
        )
        for each in found
    ]


def _read_model(visit: Visit, lag: Lag) -> ReadModel:
    rebuild = check_of(visit.console.commands.standing(_command(lag.name)))
    if rebuild and not visit.runs_this:
        rebuild.said, rebuild.answer = (), None
    state = lag.state(visit.console.operations.versions.get(lag.name, lag.version))
    return ReadModel(
        name=lag.name,
        version=lag.version,
        position=lag.position,
        lag_events=lag.lag_events,
        lag_s=round(lag.lag_s, 1),
        parked=lag.parked,
        skipped=lag.skipped,
        gaps=lag.gaps,
        state=state,
        is_well=lag.lag_s < BEHIND_S and not lag.gaps and state not in {"of another version", "ahead of the ledger"},
        rebuild=rebuild,
    )


def _parked(visit: Visit) -> list[ParkedStream]:
    """Streams name renders and keys, of every tenant: they are for whoever runs this."""
    if not visit.runs_this:
        return []
    return [
        ParkedStream(
            name=each.name,
            stream=each.stream,
            position=each.position,
            error_code=each.error_code,
            skipped=each.skipped_at is not None,
        )
        for each in visit.console.operations.parked()
    ]

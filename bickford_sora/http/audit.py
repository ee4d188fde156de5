"""`/v1/audit`: every fact, by whatever it can be asked for. Not in the protocol; in its manner."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from bickford_sora.audits import AuditPage, Between, Explained
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheCaller, TheHouse, authenticated
from bickford_sora.http.lacking import facts_lacking, one_may_be
from bickford_sora.http.roles import OVERSEES
from ledger.port import POSITION_MAX
from projections.audit import AuditEvent as Row
from projections.audit import Filters
from projections.questions import QUESTIONS, Answer

PAGE_EVENTS_MAX = 100
FILTER_CHARS_MAX = 512
COST_MICRO_MAX = 2**63 - 1
_REQUEST_ID = "req_"

router = APIRouter(prefix="/v1/audit", tags=["audit"], dependencies=[Depends(authenticated)], responses=REFUSALS)

Text = Annotated[str | None, Query(max_length=FILTER_CHARS_MAX)]
Position = Annotated[int | None, Query(ge=0, lt=POSITION_MAX, description="Included.")]
Cost = Annotated[int | None, Query(ge=-COST_MICRO_MAX, le=COST_MICRO_MAX, description="In millionths, included.")]
Moment = Annotated[datetime | None, Query(description="In ISO 8601; UTC where it names no time zone.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which facts are asked for; all that is given must hold."""

    video_id: Annotated[Text, Query(description="All facts about one render, in whatever stream.")] = None
    stream: Annotated[Text, Query(description="The facts of one stream, such as a render's own.")] = None
    job_id: Annotated[Text, Query(description="The renderer's id.")] = None
    project: Text = None
    requester: Annotated[Text, Query(description="The opaque id of whoever asked for the render.")] = None
    actor: Annotated[Text, Query(description="Public id of a key, or a worker.")] = None
    type: Text = None
    rule: Annotated[Text, Query(description="A policy's rule that matched.")] = None
    webhook_event_id: Text = None
    trace: Annotated[Text, Query(description="W3C trace id.")] = None
    request_id: Annotated[Text, Query(description="The x-request-id of the request it began with.")] = None
    storage_uri: Annotated[Text, Query(description="Of a file that the fact names.")] = None
    sha256: Annotated[Text, Query(description="Of a file that the fact names.")] = None
    currency: Text = None
    cost_micro_min: Cost = None
    cost_micro_max: Cost = None
    text: Annotated[Text, Query(description="Words of prompts, fields and errors, as typed into a search box.")] = None
    since: Moment = None
    until: Annotated[Moment, Query(description="As `since`; excluded.")] = None
    position_min: Position = None
    position_max: Position = None


@dataclass(frozen=True, slots=True)
class PageAsked:
    """Which page of them."""

    limit: Annotated[int, Query(ge=1, le=PAGE_EVENTS_MAX)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: Annotated[str | None, Query(description="Begin behind the event with this id.")] = None


_NAMES = frozenset(each.name for part in (Asked, PageAsked) for each in fields(part))


async def _is_known(request: Request) -> None:
    """Raises InvalidRequest for a filter that there is not, and for one that is given twice.

    Either would be left out, and an auditor would take the answer for what was asked for.
    """
    for name in request.query_params:
        if name not in _NAMES:
            raise InvalidRequest(
                f"Facts are not asked for by {name[:FILTER_CHARS_MAX]!r}, but by {', '.join(sorted(_NAMES))}.",
                code="unknown_parameter",
                param=name[:FILTER_CHARS_MAX],
            )
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidRequest(f"Give {name!r} once: a page is of one value.", code="duplicate_parameter", param=name)


class AuditEvent(BaseModel):
    """One fact as it can be searched for, without its payload."""

    id: UUID
    object: Literal["audit.event"] = "audit.event"
    position: int
    stream: str
    version: int
    type: str
    recorded_at: datetime
    occurred_at: datetime
    tenant: str
    actor: str
    correlation: UUID | None
    causation: UUID | None
    trace: str | None
    project: str | None
    video_id: str | None
    requester: str | None
    renderer: str | None
    job_id: str | None
    webhook_event_id: str | None
    code: str | None
    cost_micro: int | None
    currency: str | None


class AuditEventPage(BaseModel):
    """The protocol's list page."""

    object: Literal["list"] = "list"
    data: list[AuditEvent]
    first_id: UUID | None
    last_id: UUID | None
    has_more: bool
    parked: int
    """Facts of the whole tenant that are in no page, whatever is asked for, counted to 1,000.

    This version could not read their streams. 0: nothing was left out, up to where the audit has come.
    """
    behind: int
    """So many of the ledger's last facts, anybody's, may be missing: the audit has not come to them.

    0: everything is here that was recorded before the request.
    """


class AuditEventInFull(AuditEvent):
    """One fact with its fields, what led to it and what it led to."""

    fact: dict[str, Any]
    """Sealed texts in the clear; `(erased)` where their key was destroyed."""
    causes: list[AuditEvent]
    """Nearest first."""
    effects: list[AuditEvent]
    """Nearest first."""
    request: list[AuditEvent]
    """The facts of the same request, in order."""
    behind: int
    """So many of the ledger's last facts, anybody's, may be missing among these. 0: none is."""


class AuditQuestion(BaseModel):
    """A ready-made question."""

    name: str
    finds: str


class AuditQuestions(BaseModel):
    """Every ready-made question."""

    object: Literal["list"] = "list"
    data: list[AuditQuestion]


class AuditAnswer(BaseModel):
    """What a question found."""

    object: Literal["audit.answer"] = "audit.answer"
    name: str
    finds: str
    data: list[dict[str, Any]]
    has_more: bool
    behind: int
    """So many of the ledger's last facts, anybody's, may not be accounted for yet. 0: all are."""


@router.get("/events", summary="Search every fact", dependencies=[OVERSEES, Depends(_is_known)])
async def events(
    house: TheHouse,
    caller: TheCaller,
    asked: Annotated[Asked, Depends()],
    page: Annotated[PageAsked, Depends()],
) -> AuditEventPage:
    """A page of the facts of this project that match, the last recorded first.

    Of every project, for an auditor or admin of the tenant.
    """
    return await house.listing.run(found_page, house, caller, asked, page)


@router.get("/events/{event_id}", summary="Retrieve a fact, its causes and its effects", dependencies=[OVERSEES])
async def event(event_id: str, house: TheHouse, caller: TheCaller) -> AuditEventInFull:
    """One fact with its fields, what led to it and what it led to."""
    return await house.listing.run(found_event, house, caller, event_id)


@router.get("/questions", summary="List the ready-made questions", dependencies=[OVERSEES])
async def questions() -> AuditQuestions:
    """What can be asked by name."""
    return AuditQuestions(data=[AuditQuestion(name=name, finds=finds) for name, finds in QUESTIONS.items()])


@router.get("/questions/{name}", summary="Ask a ready-made question", dependencies=[OVERSEES])
async def answer(name: str, house: TheHouse, caller: TheCaller) -> AuditAnswer:
    """What it finds now, in this project; in every project, for an auditor or admin of the tenant."""
    return await house.listing.run(found_answer, house, caller, name)


def told_page(found: AuditPage, *, behind: int) -> AuditEventPage:
    """The page as it is answered."""
    data = _told(found.events)
    ids = [each.id for each in data]
    return AuditEventPage(
        data=data,
        first_id=ids[0] if ids else None,
        last_id=ids[-1] if ids else None,
        has_more=found.has_more,
        parked=found.parked,
        behind=behind,
    )


def told_event(found: Explained, *, behind: int) -> AuditEventInFull:
    """One fact as it is answered."""
    return AuditEventInFull(
        **_columns(found.event),
        fact=dict(found.fact),
        causes=_told(found.causes),
        effects=_told(found.effects),
        request=_told(found.request),
        behind=behind,
    )


def told_answer(found: Answer, *, behind: int) -> AuditAnswer:
    """What a question found, as it is answered."""
    finds = QUESTIONS[found.name]
    return AuditAnswer(name=found.name, finds=finds, data=found.rows, has_more=found.has_more, behind=behind)


def filters_of(asked: Asked) -> tuple[Filters, Between]:
    """What is asked for. Raises InvalidRequest for a request id or moment that is none."""
    given = asdict(asked)
    request_id = given.pop("request_id")
    between = Between(
        since=_aware(given.pop("since")),
        until=_aware(given.pop("until")),
        position_min=given.pop("position_min"),
        position_max=given.pop("position_max"),
    )
    for name, value in given.items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidRequest("Text must not hold a NUL character.", code="invalid_text", param=name)
    return Filters(**given, correlation=None if request_id is None else correlation_of(request_id)), between


def correlation_of(request_id: str, *, param: str = "request_id") -> UUID:
    """What the facts of a request have in common. Raises InvalidRequest for what is no request id."""
    try:
        return UUID(request_id.removeprefix(_REQUEST_ID))
    except ValueError:
        raise InvalidRequest("A request id is req_ and 32 hex digits.", code="invalid_value", param=param) from None


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _told(events: Sequence[Row]) -> list[AuditEvent]:
    return [AuditEvent(**_columns(each)) for each in events]


def _columns(event: Row) -> dict[str, Any]:
    told = asdict(event)
    return {"id": told.pop("event_id"), **told}


# What follows runs in the synchronous world, behind the crossing.


def found_page(house: House, caller: Caller, asked: Asked, page: PageAsked) -> AuditEventPage:
    """The facts that match. Raises as `Audits.page`, and TryLater for an `after` that the audit may lack."""
    filters, between = filters_of(asked)
    behind = facts_lacking(house)
    with one_may_be(behind):
        found = house.audits.page(caller, filters, between, after=page.after, limit=page.limit, order=page.order)
    return told_page(found, behind=behind)


def found_event(house: House, caller: Caller, event_id: str) -> AuditEventInFull:
    """One fact in full. Raises NotFound, and TryLater where the audit may lack it."""
    behind = facts_lacking(house)
    with one_may_be(behind):
        return told_event(house.audits.explain(caller, event_id), behind=behind)


def found_answer(house: House, caller: Caller, name: str) -> AuditAnswer:
    """The answer to a ready-made question. Raises NotFound for an unknown one."""
    behind = house.wait_for_questions(house.limits.projection_wait_s)
    return told_answer(house.audits.ask(caller, name), behind=behind)

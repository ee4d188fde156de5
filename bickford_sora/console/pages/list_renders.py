"""The list of renders: filtered by what is in the address, newest first, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import BaseModel

from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.routing import Pages
from bickford_sora.decisions.amounts import MICRO
from bickford_sora.errors import InvalidRequest, NotFound
from bickford_sora.finding import unknown_video
from bickford_sora.http.forms import NO_NUL
from bickford_sora.http.roles import READS
from bickford_sora.http.video_object import failure_message
from ledger import streams
from ledger.envelope import Sealed
from ledger.render import ENDS, Phase
from projections.renders import Among, Order, RenderRow, Wanted

PAGE_RENDERS = 50
"""Renders of one page; a form that acts on all of them has room for them."""
STUCK_AFTER = timedelta(minutes=30)
"""How long a render may go on before it is shown as stuck."""
FILTER_CHARS_MAX = 256

STATES: Mapping[str, Sequence[Phase]] = MappingProxyType(
    {
        "held": (Phase.HELD,),
        "waiting": (Phase.INTENT, Phase.ALLOWED, Phase.QUEUED),
        "running": (Phase.SUBMITTING, Phase.IN_PROGRESS, Phase.COMPLETED),
        "unknown": (Phase.UNKNOWN, Phase.LOST),
        "completed": (Phase.STORED,),
        "failed": (Phase.FAILED, Phase.ASSET_LOST),
        "cancelled": (Phase.CANCELLED,),
        "denied": (Phase.DENIED,),
        "deleted": tuple(Phase),
    }
)
"""What the filter `state` means."""
VIEWS: Sequence[tuple[str, str]] = (
    ("All", ""),
    ("Failing and retrying", "?among=retrying"),
    ("Needs approval", "?among=held"),
    ("Stuck", "?among=stuck"),
    ("Most expensive today", "?order=dearest&since=today"),
)
"""Built-in views: a name, and the address that can be kept."""

_IN_SIGHT = frozenset({"q", "state", "among", "after"})

Text = Annotated[str, Query(max_length=FILTER_CHARS_MAX, pattern=NO_NUL)]

pages = Pages()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which renders are asked for; all that is given must hold, and what is empty was not given."""

    q: Annotated[Text, Query(description="Words of prompts and errors, or the id of a render.")] = ""
    state: Text = ""
    among: Text = ""
    project: Text = ""
    requester: Text = ""
    model: Text = ""
    renderer: Text = ""
    tag: Text = ""
    purpose: Text = ""
    cost_min: Annotated[Text, Query(description="In whole units of the currency.")] = ""
    cost_max: Text = ""
    since: Annotated[Text, Query(description="A day or moment in ISO 8601, or `today`; UTC without a zone.")] = ""
    until: Text = ""
    order: Literal["", "newest", "dearest"] = ""
    after: Text = ""


class ListedRender(BaseModel):
    """One render of the list."""

    video_id: str
    project: str
    requester: str
    operation: str
    phase: Phase
    progress: int
    model: str
    renderer: str | None
    seconds: str
    size: str
    prompt: str | None
    """None once it was erased."""
    purpose: str | None
    tags: Sequence[str]
    created_at: datetime
    cost_micro: int
    currency: str | None
    settled: bool
    has_files: bool
    ended: bool
    deleted: bool
    may_change: bool
    """Whether the visitor may cancel or delete it."""
    error_code: str | None
    error_message: str | None
    retry_at: datetime | None
    remixed_from_video_id: str | None


class ListOfRenders(BaseModel):
    """A page of the list."""

    renders: Sequence[ListedRender]
    asked: dict[str, str]
    """What is in the address, empty where nothing is."""
    is_filtered: bool
    """Whether anything is."""
    has_rare_filters: bool
    """Whether a filter is among them that is not in sight at first."""
    states: Sequence[str]
    views: Sequence[tuple[str, str]]
    after: str | None
    """Where the next page begins; None: this is the last."""
    looked_back_to: datetime | None
    """How far the list was looked through, where it was not to its end and fewer were found than a page holds."""


@pages.page("/", "list_renders.html", takes=READS)
@pages.page("/renders", "list_renders.html", takes=READS)
async def renders(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> ListOfRenders:
    """The renders that match."""
    return await visit.read(lambda visit: _listed(visit, asked))


@pages.part("/renders/{video_id}/row", "parts/listed_render.html", takes=READS)
async def row(video_id: str, visit: TheVisit) -> ListedRender:
    """One row of the list, as it is now."""
    return await visit.read(lambda visit: _row(visit, video_id))


def wanted(visit: Visit, asked: Asked) -> Wanted:
    """What is asked for. Raises InvalidRequest naming the filter that cannot be understood, NotFound for a project."""
    caller, now = visit.caller, visit.now
    if asked.project and not caller.reads(asked.project):
        raise NotFound("No project of this name is readable with this key.", code="project_not_found", param="project")
    by_id = asked.q.strip() if streams.is_video_id(asked.q.strip()) else None
    return Wanted(
        tenant=caller.tenant,
        project=asked.project or caller.readable,
        phases=_phases(asked.state),
        deleted=asked.state == "deleted",
        requester=asked.requester or None,
        model=asked.model or None,
        renderer=asked.renderer or None,
        video_id=by_id,
        tag=asked.tag or None,
        purpose=asked.purpose or None,
        cost_micro_min=_micro(asked.cost_min, "cost_min"),
        cost_micro_max=_micro(asked.cost_max, "cost_max"),
        since=_moment(asked.since, now, "since"),
        until=_moment(asked.until, now, "until"),
        words=asked.q.strip() or None if by_id is None else None,
        among=_among(asked.among),
        stuck_before=now - STUCK_AFTER,
        order=_order(asked.order),
    )


# What follows runs in the synchronous world, behind the crossing.


def _listed(visit: Visit, asked: Asked) -> ListOfRenders:
    house = visit.house
    house.wait_for_videos(house.limits.projection_wait_s)
    want = wanted(visit, asked)
    if want.words is not None:
        house.audits.check_words(want.words, house.audits.ledger.head())
    found = visit.console.renders.page(want, after=asked.after or None, limit=PAGE_RENDERS)
    is_short = found.after is not None and len(found.renders) < PAGE_RENDERS
    return ListOfRenders(
        renders=_shown(visit, found.renders),
        asked=asdict(asked),
        is_filtered=any(asdict(asked).values()),
        has_rare_filters=any(value for name, value in asdict(asked).items() if name not in _IN_SIGHT),
        states=[*STATES],
        views=VIEWS,
        after=found.after,
        looked_back_to=_moment_of(found.after) if is_short and found.after else None,
    )


def _row(visit: Visit, video_id: str) -> ListedRender:
    house = visit.house
    house.wait_for_videos(house.limits.projection_wait_s)
    ids = [video_id] if streams.is_video_id(video_id) else []
    found = visit.console.renders.some(visit.caller.tenant, visit.caller.readable, ids).renders
    if not found:
        raise unknown_video("video_id")
    return _shown(visit, found)[0]


def _shown(visit: Visit, rows: Sequence[RenderRow]) -> list[ListedRender]:
    sealed = [Sealed(text) for row in rows for text in (row.prompt, row.failure_message) if text is not None]
    texts = visit.house.keys.open_all(sealed)
    return [_one(visit, row, texts) for row in rows]


def _one(visit: Visit, row: RenderRow, texts: Mapping[Sealed, str | None]) -> ListedRender:
    told = texts[Sealed(row.failure_message)] if row.failure_message else None
    deleted = row.deleted_at is not None
    return ListedRender(
        video_id=row.video_id,
        project=row.project,
        requester=row.requester,
        operation=row.operation,
        phase=row.phase,
        progress=row.progress,
        model=row.model,
        renderer=row.renderer,
        seconds=row.seconds,
        size=row.size,
        prompt=texts[Sealed(row.prompt)],
        purpose=row.purpose,
        tags=row.tags,
        created_at=row.created_at,
        cost_micro=row.cost_micro,
        currency=row.currency,
        settled=row.settled,
        has_files=row.phase is Phase.STORED and not (row.expired or row.erased or deleted),
        ended=row.phase in ENDS,
        deleted=deleted,
        may_change=visit.may("requester") and row.project == visit.caller.project and not deleted,
        error_code=row.failure_code,
        error_message=failure_message(row.failure_code, told) if row.failure_code else None,
        retry_at=row.retry_at,
        remixed_from_video_id=row.remixed_from_video_id,
    )


def _phases(state: str) -> Sequence[Phase]:
    if state and state not in STATES:
        raise InvalidRequest(f"A state is one of {', '.join(STATES)}.", code="invalid_value", param="state")
    return STATES.get(state, ())


def _among(name: str) -> Among | None:
    match name:
        case "":
            return None
        case "held" | "retrying" | "stuck":
            return name
    raise InvalidRequest("among is held, retrying or stuck.", code="invalid_value", param="among")


def _order(name: str) -> Order:
    return "dearest" if name == "dearest" else "newest"


def _micro(text: str, param: str) -> int | None:
    if not text:
        return None
    try:
        micro = Decimal(text) * MICRO
        return int(micro) if abs(micro) < 2**63 else _no_amount(param)
    except (ArithmeticError, ValueError):
        return _no_amount(param)


def _no_amount(param: str) -> int:
    raise InvalidRequest("Write an amount such as 2.50.", code="invalid_value", param=param)


def _moment(text: str, now: datetime, param: str) -> datetime | None:
    """A day or moment, in UTC where it names no zone."""
    if not text:
        return None
    if text == "today":
        return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(
            "Write a day such as 2026-11-20, a moment such as 2026-11-20T12:00, or `today`.",
            code="invalid_value",
            param=param,
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment_of(video_id: str) -> datetime | None:
    """When a render was asked for, by its id (UUIDv7)."""
    if not streams.is_video_id(video_id):
        return None
    return datetime.fromtimestamp(int(video_id.removeprefix("video_")[:12], 16) / 1000, tz=UTC)

"""One render: its video, how it stands, what was decided and why, and every fact about it; now, or as it was then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.names import names_of
from bickford_sora.console.routing import Pages
from bickford_sora.decisions.caller import Caller
from bickford_sora.http.as_of import AsOf
from bickford_sora.http.audit import AuditEventInFull, found_event
from bickford_sora.http.lacking import facts_lacking
from bickford_sora.http.roles import OVERSEES, READS
from bickford_sora.http.video_object import Video, View, video_objects
from bickford_sora.pasts import Past
from ledger import streams
from ledger.envelope import Event, Fact
from ledger.events import Money, RenderAllowed, RenderApprovalRequested, RenderDenied, Verdict
from ledger.port import POSITION_MAX
from ledger.render import Phase, Render
from projections.audit import AuditEvent, Filters

FACTS_MAX = 1_000
"""Most facts of one page's timeline."""
_TOLD = (
    "attempt",
    "renderer",
    "job_id",
    "found_by",
    "status",
    "progress",
    "code",
    "step",
    "retry_at",
    "deadline_at",
    "expires_at",
    "verdict",
    "score",
    "remix_video_id",
)
"""Fields of a fact that its line in the timeline tells. None of them is free text."""

pages = Pages()


class StoredFile(BaseModel):
    """One file of a render, in our storage."""

    variant: str
    output: int
    address: str
    """Where a browser that is signed in gets it."""
    bytes: int
    sha256: str
    media_type: str
    width: int
    height: int
    duration_ms: int | None
    made_by: str


class Decided(BaseModel):
    """Why the render may happen, or may not."""

    outcome: str
    """allowed, denied or held."""
    policy_hash: str
    decided_by: str | None
    rules: Sequence[str]
    saw: dict[str, Any]
    """What the rules looked at."""
    warnings: Sequence[str]
    position: int
    at: datetime


class Spent(BaseModel):
    """The money of the render, in millionths of its currency."""

    currency: str | None
    reserved_micro: int
    settled_micro: int
    released_micro: int
    adjusted_micro: int


class TimelineFact(BaseModel):
    """One line of the timeline."""

    position: int
    event_id: str
    type: str
    stream_kind: str
    """In which kind of stream it is: the render's own, or another that names it."""
    occurred_at: datetime
    recorded_at: datetime
    waited_s: float
    """Since the line before."""
    actor: str
    said: dict[str, str]


class RenderPage(BaseModel):
    """One render, in full."""

    video: Video
    phase: Phase
    tenant: str
    project: str
    requester: str
    asked_with: str
    operation: str
    purpose: str | None
    tags: Sequence[str]
    renderer: str | None
    job_id: str | None
    attempts: int
    retry_at: datetime | None
    created_at: datetime
    completed_at: datetime | None
    ended: bool
    expired: bool
    retry_of_video_id: str | None
    remixes: Sequence[str]
    files: Sequence[StoredFile]
    decided: Decided | None
    spent: Spent
    quoted: Money | None
    timeline: Sequence[TimelineFact]
    behind: int
    """The ledger's last facts that may be missing in timeline and money, since the audit has not come to them."""
    names: Mapping[str, str]
    """What the keys of those who did something are called."""
    actions: Sequence[str]
    """What the visitor may do with it."""
    as_of: int | None
    """The position it is shown as of; None: as it is now."""
    as_of_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Looked:
    """A render, and every fact about it."""

    render: Render
    own: Sequence[Event]
    """Its own stream."""
    about: Sequence[AuditEvent]
    """Those of all streams that name it."""
    behind: int
    past: Past | None


@pages.page("/renders/{video_id}", "one_render.html", takes=READS)
async def one(video_id: str, visit: TheVisit, *, as_of: AsOf = None) -> RenderPage:
    """The render as it is now; with `as_of`, as it was then."""
    return await visit.read(lambda visit: _page(visit, _looked(visit, video_id, as_of or None)))


@pages.page("/facts/{event_id}", "one_fact.html", takes=OVERSEES)
async def fact(event_id: str, visit: TheVisit) -> AuditEventInFull:
    """One fact with its fields, what led to it and what it led to."""
    return await visit.read(lambda visit: found_event(visit.house, visit.caller, event_id))


@pages.part("/facts/{event_id}/part", "parts/fact.html", takes=OVERSEES)
async def fact_part(event_id: str, visit: TheVisit) -> AuditEventInFull:
    """The same, to be shown within another page."""
    return await visit.read(lambda visit: found_event(visit.house, visit.caller, event_id))


def actions_of(caller: Caller, render: Render) -> list[str]:
    """What a caller may do with a render as it stands. Each is decided anew when it is done."""
    found = []
    if "requester" in caller.roles and caller.project == render.intent.project and not render.goes:
        if render.phase is Phase.STORED and not render.expired:
            found += ["remix", "edit", "extend"]
        if render.phase in {Phase.FAILED, Phase.ASSET_LOST, Phase.CANCELLED, Phase.DENIED}:
            found.append("retry")
        found.append("delete" if render.ended else "cancel")
    if caller.roles.intersection({"approver", "admin"}) and render.phase is Phase.STORED and not render.goes:
        found.append("review")
    return found


# What follows runs in the synchronous world, behind the crossing.


def _looked(visit: Visit, video_id: str, as_of: str | None) -> _Looked:
    house, caller = visit.house, visit.caller
    past = house.pasts.at(as_of) if as_of is not None else None
    if past is not None:
        render = past.find(caller, video_id, param="video_id")
        own = past.ledger.past(render.stream, past.position)
    else:
        render = house.intake.find(caller, video_id)
        own = house.audits.ledger.history(render.stream)
    behind = facts_lacking(house)
    before = past.position + 1 if past is not None else POSITION_MAX
    # Of its project alone: anybody of the tenant may write a video's id into a thread of their own.
    filters = Filters(video_id=video_id, project=render.intent.project)
    about = house.audits.query.events(caller.tenant, filters, after=0, before=before, limit=FACTS_MAX, order="asc")
    return _Looked(render, [*own], about, behind, past)


def _page(visit: Visit, looked: _Looked) -> RenderPage:
    render, past = looked.render, looked.past
    intent, job = render.intent, render.job
    known = job or render.submission
    return RenderPage(
        video=video_objects([View.of_render(render)], visit.house.keys, None)[0],
        phase=render.phase,
        tenant=render.tenant,
        project=intent.project,
        requester=intent.requester,
        asked_with=render.asked_with,
        operation=intent.operation,
        purpose=intent.purpose,
        tags=intent.tags,
        renderer=known.renderer if known else (render.allowed.renderer if render.allowed else None),
        job_id=job.job_id if job else None,
        attempts=render.attempts,
        retry_at=render.retry_at,
        created_at=render.created_at,
        completed_at=render.completed_at,
        ended=render.ended,
        expired=render.expired,
        retry_of_video_id=intent.retry_of_video_id,
        remixes=render.remixes,
        files=_files(render),
        decided=_decided(looked.own),
        spent=_spent(looked.about),
        quoted=render.quoted.cost if render.quoted else None,
        timeline=_timeline(looked),
        behind=looked.behind,
        names=names_of(visit, [render.asked_with, *(each.actor for each in looked.about)]),
        actions=actions_of(visit.caller, render) if past is None else [],
        as_of=past.position if past else None,
        as_of_at=past.at if past else None,
    )


def _files(render: Render) -> list[StoredFile]:
    if render.phase is not Phase.STORED or render.expired or render.goes:
        return []
    return [
        StoredFile(
            address=f"/files/{render.intent.video_id}/{each.output or each.variant}",
            **each.model_dump(include={*StoredFile.model_fields} - {"address"}),
        )
        for each in render.assets
    ]


def _decided(own: Sequence[Event]) -> Decided | None:
    """The last decision about it."""
    outcomes = {RenderAllowed: "allowed", RenderDenied: "denied", RenderApprovalRequested: "held"}
    decisions = [each for each in own if type(each.fact) in outcomes]
    if not decisions:
        return None
    event = decisions[-1]
    verdict: Verdict = event.fact.verdict  # type: ignore[attr-defined] # all three have one
    return Decided(
        outcome=outcomes[type(event.fact)],
        policy_hash=verdict.policy_hash,
        decided_by=verdict.decided_by,
        rules=verdict.rules,
        saw=dict(verdict.saw),
        warnings=[each.message for each in verdict.warnings],
        position=event.position or 0,
        at=event.context.occurred_at,
    )


def _spent(about: Sequence[AuditEvent]) -> Spent:
    """What the facts say was set aside, spent, given back and corrected."""
    sums = dict.fromkeys(("spend.reserved", "spend.settled", "spend.released", "spend.adjusted"), 0)
    for each in about:
        if each.type in sums:
            sums[each.type] += each.cost_micro or 0
    currency = next((each.currency for each in about if each.type in sums and each.currency), None)
    reserved, settled, released, adjusted = sums.values()
    return Spent(
        currency=currency,
        reserved_micro=reserved,
        settled_micro=settled,
        released_micro=released,
        adjusted_micro=adjusted,
    )


def _timeline(looked: _Looked) -> list[TimelineFact]:
    own = {event.event_id: event.fact for event in looked.own}
    lines = []
    before = looked.render.created_at
    for each in looked.about:
        lines.append(
            TimelineFact(
                position=each.position,
                event_id=str(each.event_id),
                type=each.type,
                stream_kind=streams.category(each.stream),
                occurred_at=each.occurred_at,
                recorded_at=each.recorded_at,
                waited_s=max(0.0, (each.occurred_at - before).total_seconds()),
                actor=each.actor,
                said=_said(each, own),
            )
        )
        before = each.occurred_at
    return lines


def _said(event: AuditEvent, own: Mapping[Any, Fact]) -> dict[str, str]:
    """What a line tells: of the render's own facts the plain fields, of the others what the audit has of them."""
    fact = own.get(event.event_id)
    if fact is not None:
        values = fact.model_dump(mode="json", include={*_TOLD})
        return {name: str(values[name]) for name in _TOLD if isinstance(values.get(name), str | int | float)}
    columns = {"renderer": event.renderer, "job_id": event.job_id, "code": event.code}
    return {name: value for name, value in columns.items() if value}

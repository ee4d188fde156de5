"""`bickford-sora audit`: every fact, by whatever it can be asked for; what led to one; and ready-made questions."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from bickford_sora.audits import Audits, Between
from bickford_sora.cli import audited
from bickford_sora.cli.checking import check
from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, Tenant, parse_moment
from bickford_sora.cli.output import note, print_fields, print_json, print_table, progress_shown
from bickford_sora.cli.packing import pack
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.composition.books import TENANT, Books, audits
from bickford_sora.decisions.caller import Caller
from bickford_sora.http.audit import COST_MICRO_MAX, correlation_of, told_answer, told_event
from ledger.port import POSITION_MAX
from projections.audit import AUDIT_EVENTS_MAX, EVERYTHING, AuditEvent, Filters, Order
from projections.questions import QUESTIONS

audit = typer.Typer(
    help="Search all facts: who did what, when, and because of what.",
    invoke_without_command=True,
    no_args_is_help=False,
)

_MOMENT = "2026-11-20T12:00:00Z"
_COLUMNS = ("position", "at", "fact", "by", "video", "because of", "")
FactId = Annotated[str, typer.Argument(help="Id of the fact, or its position.", metavar="ID|POSITION")]


def _cost(help_: str) -> Any:
    return typer.Option(min=-COST_MICRO_MAX, max=COST_MICRO_MAX, help=help_)


@audit.callback()
def search(
    context: typer.Context,
    *,
    render: Annotated[str | None, typer.Option(help="Facts about the video with this id.", metavar="ID")] = None,
    stream: Annotated[str | None, typer.Option(help="Facts of this stream, such as a render's own.")] = None,
    job: Annotated[str | None, typer.Option(help="Facts about the renderer's job with this id.", metavar="ID")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="One type of fact, for example render.stored.")] = None,
    actor: Annotated[str | None, typer.Option(help="Facts by this key, worker or operator.")] = None,
    requester: Annotated[str | None, typer.Option(help="Facts about what this requester asked for.")] = None,
    project: Annotated[str | None, typer.Option(help="Facts about this project's videos.")] = None,
    tenant: Tenant = TENANT,
    rule: Annotated[str | None, typer.Option(help="Decisions in which this rule matched.")] = None,
    webhook_event_id: Annotated[str | None, typer.Option(help="The receipt of this webhook.")] = None,
    trace: Annotated[str | None, typer.Option(help="Facts of this W3C trace id.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Facts of the request that was answered with this id.")] = None,
    storage_uri: Annotated[str | None, typer.Option(help="Facts that name the file at this address.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Facts that name a file with this hash.")] = None,
    cost_micro_min: Annotated[int | None, _cost("Facts of this cost or more, in millionths.")] = None,
    cost_micro_max: Annotated[int | None, _cost("Facts of this cost or less, in millionths.")] = None,
    currency: Annotated[str | None, typer.Option(help="Facts with a cost in this currency.")] = None,
    text: Annotated[str | None, typer.Option(help="Words of prompts and errors, as in a search box.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded at this moment or later.", metavar=_MOMENT)] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this moment.", metavar=_MOMENT)] = None,
    position_min: Annotated[int | None, typer.Option("--from", min=1, help="The first position.")] = None,
    position_max: Annotated[int | None, typer.Option("--to", min=1, help="The last position.")] = None,
    order: Annotated[Literal["asc", "desc"], typer.Option(help="asc: the oldest first.")] = "asc",
    limit: Annotated[int, typer.Option(min=1, help="Most facts to show.")] = 100,
    as_json: Json = False,
) -> None:
    """Search all facts: who did what, when, and because of what."""
    if context.invoked_subcommand is not None:
        return
    filters = Filters(
        project=project,
        stream=stream,
        video_id=render,
        job_id=job,
        type=type_,
        actor=actor,
        requester=requester,
        webhook_event_id=webhook_event_id,
        trace=trace,
        correlation=None if request_id is None else correlation_of(request_id, param="--request-id"),
        cost_micro_min=cost_micro_min,
        cost_micro_max=cost_micro_max,
        currency=currency,
        rule=rule,
        sha256=sha256,
        storage_uri=storage_uri,
        text=text,
    )
    between = Between(
        since=parse_moment(since) if since else None,
        until=parse_moment(until) if until else None,
        position_min=position_min,
        position_max=position_max,
    )
    with books() as opened:
        _catch_up(opened, words=text is not None)
        _show(_found(audits(opened), _auditor(tenant), filters, between, limit=limit, order=order), as_json=as_json)


@audit.command()
def show(fact_id: FactId, *, tenant: Tenant = TENANT, as_json: Json = False) -> None:
    """Show one fact, what led to it and what it led to."""
    with books() as opened:
        _catch_up(opened, words=False)
        asked, auditor = audits(opened), _auditor(tenant)
        found = asked.explain(auditor, _event_id(asked, auditor, fact_id))
    if as_json:
        print_json(told_event(found, behind=0).model_dump(mode="json"))
        return
    print_fields({**asdict(found.event), **found.fact})
    for heading, events in (
        ("What led to it, nearest first:", found.causes),
        ("What it led to, nearest first:", found.effects),
        ("All of the same request:", found.request),
    ):
        if events:
            note(heading)
            print_table(_COLUMNS, map(_row, events))


@audit.command()
def questions(*, as_json: Json = False) -> None:
    """List the ready-made questions."""
    if as_json:
        print_json(dict(QUESTIONS))
    else:
        print_table(("name", "finds"), QUESTIONS.items())


@audit.command()
def ask(
    name: Annotated[str, typer.Argument(help="Name of the question.", metavar="NAME")],
    *,
    tenant: Tenant = TENANT,
    as_json: Json = False,
) -> None:
    """Ask a ready-made question."""
    with books() as opened:
        _catch_up(opened, words=False)
        found = audits(opened).ask(_auditor(tenant), name)
    if as_json:
        print_json(told_answer(found, behind=0).model_dump(mode="json"))
        return
    print_table(list(found.rows[0]) if found.rows else (), (list(row.values()) for row in found.rows))
    if not found.rows:
        note("Nothing was found.")


audit.command()(check)
audit.command()(pack)


def _catch_up(opened: Books, *, words: bool) -> None:
    audited.catch_up(opened)
    if words and opened.search is not None:
        with progress_shown("words", unit="events") as progress:
            opened.search.catch_up(progress)


def _event_id(asked: Audits, auditor: Caller, fact_id: str) -> str:
    """The id of the fact that is named, which tables show by its position. Raises CommandRefused."""
    if not (fact_id.isascii() and fact_id.isdecimal()):
        return fact_id
    place = int(fact_id)
    if not 0 < place < POSITION_MAX:
        raise CommandRefused("No position is that large, or zero.", code="fact_not_found")
    page = asked.page(auditor, EVERYTHING, Between(position_min=place, position_max=place), limit=1)
    if not page.events:
        raise CommandRefused(f"The tenant has no fact at position {place} that can be read.", code="fact_not_found")
    return str(page.events[0].event_id)


def _auditor(tenant: str) -> Caller:
    """Whoever has the database reads every project of a tenant."""
    return Caller(tenant, "", "", "", frozenset({"auditor"}), spans_tenant=True)


def _found(
    asked: Audits, auditor: Caller, filters: Filters, between: Between, *, limit: int, order: Order
) -> Iterator[AuditEvent]:
    """At most `limit` events, read in pages."""
    after = None
    has_more = True
    while limit > 0 and has_more:
        most = min(limit, AUDIT_EVENTS_MAX - 1)
        page = asked.page(auditor, filters, between, after=after, limit=most, order=order)
        yield from page.events
        limit -= len(page.events)
        has_more = page.has_more
        after = str(page.events[-1].event_id) if page.events else None


def _show(found: Iterator[AuditEvent], *, as_json: bool) -> None:
    if as_json:
        for event in found:
            print_json(asdict(event))
        return
    rows: Sequence[tuple[object, ...]] = [*map(_row, found)]
    print_table(_COLUMNS, rows)
    if not rows:
        note("No fact matches. The types of facts are in docs/reference/events.md.")


def _row(event: AuditEvent) -> tuple[object, ...]:
    because = event.causation or event.correlation
    details: dict[str, Any] = {"job": event.job_id, "webhook": event.webhook_event_id, "code": event.code}
    shown = " ".join(f"{name}={value}" for name, value in details.items() if value)
    return (event.position, event.recorded_at, event.type, event.actor, event.video_id, because, shown)

"""`bickford-sora audit`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, parse_moment
from bickford_sora.cli.output import note, print_json, print_table
from bickford_sora.cli.packing import pack
from bickford_sora.composition import TENANT
from projections.audit import AUDIT_EVENTS_MAX, Audit, AuditEvent, Filters

_MOMENT = "2026-11-20T12:00:00Z"


audit = typer.Typer(
    help="Search all facts: who did what, when, and because of what.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@audit.callback()
def search(
    context: typer.Context,
    *,
    render: Annotated[str | None, typer.Option(help="Facts about the video with this id.", metavar="ID")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="One type of fact, for example render.stored.")] = None,
    actor: Annotated[str | None, typer.Option(help="Facts by this key, worker or operator.")] = None,
    requester: Annotated[str | None, typer.Option(help="Facts about what this requester asked for.")] = None,
    project: Annotated[str | None, typer.Option(help="Facts about this project's videos.")] = None,
    webhook_event_id: Annotated[str | None, typer.Option(help="The receipt of this webhook.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded at this moment or later.", metavar=_MOMENT)] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this moment.", metavar=_MOMENT)] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most facts to show, the oldest first.")] = 100,
    as_json: Json = False,
) -> None:
    """Search all facts: who did what, when, and because of what."""
    if context.invoked_subcommand is not None:
        return
    filters = Filters(
        project=project,
        video_id=render,
        type=type_,
        actor=actor,
        requester=requester,
        webhook_event_id=webhook_event_id,
        since=parse_moment(since) if since else None,
        before=parse_moment(until) if until else None,
    )
    with books() as opened:
        opened.projector.catch_up()
        found = _found(Audit(opened.pool), filters, limit)
        if as_json:
            for event in found:
                print_json(asdict(event))
            return
        columns = ("position", "at", "fact", "by", "video", "because of", "")
        rows = [*map(_row, found)]
        print_table(columns, rows)
        if not rows:
            note("No fact matches. The types of facts are in docs/reference/events.md.")


audit.command()(pack)


def _found(audited: Audit, filters: Filters, limit: int) -> Iterator[AuditEvent]:
    """At most `limit` events, read in pages."""
    after = 0
    while limit > 0:
        page = audited.events(TENANT, filters, after=after, limit=min(limit, AUDIT_EVENTS_MAX))
        yield from page
        if len(page) < min(limit, AUDIT_EVENTS_MAX):
            return
        limit -= len(page)
        after = page[-1].position


def _row(event: AuditEvent) -> tuple[object, ...]:
    because = event.causation or event.correlation
    details = {"job": event.job_id, "webhook": event.webhook_event_id, "code": event.code}
    shown = " ".join(f"{name}={value}" for name, value in details.items() if value)
    return (event.position, event.recorded_at, event.type, event.actor, event.video_id, because, shown)

"""`bickford-sora history`."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from bickford_sora.cli.looking import books, unknown_then
from bickford_sora.cli.options import AsOf, Json, Tenant
from bickford_sora.cli.output import as_text, print_json, print_table, printable
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.composition.books import TENANT
from bickford_sora.pasts import Pasts
from bickford_sora.unsealing import differences, opened
from ledger import streams
from ledger.envelope import Event
from ledger.keys import Keys

NOT_SHOWN = frozenset({"video_id", "idempotency_stream", "fingerprint"})
"""Fields a table does without: the command was asked for the one, the others mean nothing to a reader."""


def history(
    video_id: Annotated[str, typer.Argument(help="Id of the video.", metavar="ID")],
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show what each fact changed of the render.")] = False,
    as_of: AsOf = None,
    tenant: Tenant = TENANT,
    as_json: Json = False,
) -> None:
    """Show every fact of one render, from the ledger."""
    if not streams.is_video_id(video_id):
        raise CommandRefused(f"Not a video id: {video_id[:80]!r}. Find it with 'videos list'.", code="video_not_found")
    with books() as looked:
        past = Pasts(looked.ledger, looked.clock).at(as_of, param="--as-of") if as_of is not None else None
        stream = streams.render(tenant, video_id)
        events = looked.ledger.past(stream, past.position) if past else looked.ledger.history(stream)
        facts = [_told(event, looked.keys) for event in events]
        if diff:
            for fact, changed in zip(facts, differences(events, looked.keys), strict=True):
                fact["changed"] = changed
    if not facts and past:
        raise unknown_then(past)
    if not facts:
        raise CommandRefused(
            f"The tenant {tenant} has no video with this id. Find it with 'videos list'.", code="video_not_found"
        )
    if as_json:
        for fact in facts:
            print_json(fact)
        return
    if diff:
        _print_changes(facts)
        return
    names = _names(events)
    print_table(
        ("#", "position", "at", "fact", "by", "because of", ""),
        [
            (
                fact["version"],
                fact["position"],
                fact["occurred_at"],
                fact["type"],
                fact["actor"],
                names.get(fact["causation"]) or fact["causation"] or _request(fact["correlation"]),
                _details(fact["fact"]),
            )
            for fact in facts
        ],
    )


def _print_changes(facts: Sequence[dict[str, Any]]) -> None:
    """A line a fact, and below it a line for each field that it changed."""
    for fact in facts:
        print(f"#{fact['version']} at position {fact['position']}: {fact['type']} by {printable(fact['actor'])}")
        for name, (before, after) in fact["changed"].items():
            print(printable(f"    {name}: {_shown(before)} -> {_shown(after)}"))


def _shown(value: object) -> str:
    return "none" if value is None else as_text(value)


def _details(fields: dict[str, Any]) -> str:
    """The fields that are one value; `--json` has the others, too."""
    shown = {name: value for name, value in fields.items() if name not in NOT_SHOWN and isinstance(value, str | int)}
    files = " ".join(f"{each['variant']}={each['bytes']} bytes" for each in fields.get("assets", ()))
    return " ".join(filter(None, [*(f"{name}={value}" for name, value in shown.items()), files]))


def _told(event: Event, keys: Keys) -> dict[str, Any]:
    context = event.context
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.fact.TYPE,
        "event_id": event.event_id,
        "recorded_at": event.recorded_at,
        "occurred_at": context.occurred_at,
        "actor": context.actor,
        "correlation": context.correlation,
        "causation": context.causation,
        "trace": context.trace,
        "fact": opened(event.fact, keys),
    }


def _names(events: Sequence[Event]) -> dict[UUID, str]:
    """How a cause is shown: by its number and type in the same history."""
    return {event.event_id: f"#{event.version} {event.fact.TYPE}" for event in events}


def _request(correlation: UUID | None) -> str:
    return f"req_{correlation.hex}" if correlation else ""

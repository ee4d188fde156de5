"""`bickford-sora policy explain` and `policy backtest`: why a render was decided so, and what other rules would do."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, Tenant, parse_moment
from bickford_sora.cli.output import note, print_fields, print_json, print_table, progress_shown
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.composition.books import TENANT, Books
from bickford_sora.configuration import catalogue_of
from bickford_sora.decisions.amounts import units
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.policy import built_in
from bickford_sora.decisions.rules.backtest import FATES, FLIPPED_MAX, Report, Tally, compare
from bickford_sora.decisions.rules.evaluation import CompiledPolicy, Outcome, evaluate
from bickford_sora.decisions.rules.reading import PolicyInvalid
from bickford_sora.past_decisions import Past, PastDecisions, Question
from bickford_sora.policies import find_compiled
from bickford_sora.policy_file import read_policy_file
from bickford_sora.renderer_file import RendererFileInvalid, read_renderer_file
from ledger import streams

_MOMENT = "2026-11-20T12:00:00Z"
_SHOWN_MAX = 20
"""Flipped decisions shown in a table; `--json` has them all."""


def explain(
    video_id: Annotated[str, typer.Argument(help="Id of the video.", metavar="ID")],
    *,
    tenant: Tenant = TENANT,
    as_json: Json = False,
) -> None:
    """Show why a render was allowed, held or denied: policy, rules, and what they saw."""
    with books() as opened:
        past = _find(opened, tenant, video_id)
        policy = _policy_of(opened, tenant, past)
        again = evaluate(policy, PastDecisions(opened.ledger, opened.keys).seen(past)) if policy else None
    told = _told(past, policy, again)
    if as_json:
        print_json(told)
        return
    print_fields({**told, "rules": None, "saw": None, "warnings": None})
    for rule in told["rules"]:
        print(f"matched                {rule['id']}: {rule['message'] or 'what it said is not kept'}")
    for name, value in told["saw"].items():
        print(f"saw                    {name} = {value}")
    if policy is None:
        note("The policy that decided is not known here any more: it was built in, with another limit on cost.")


def backtest(
    file: Annotated[Path, typer.Argument(help="The other policy.", metavar="NEW.yaml")],
    *,
    prices: Annotated[
        Path | None, typer.Option(help="Also with the prices of this renderer file.", dir_okay=False)
    ] = None,
    since: Annotated[str | None, typer.Option(help="Asked for at this moment or later.", metavar=_MOMENT)] = None,
    until: Annotated[str | None, typer.Option(help="Asked for before this moment.", metavar=_MOMENT)] = None,
    tenant: Annotated[str, typer.Option(help="What this tenant asked for.")] = TENANT,
    project: Annotated[str | None, typer.Option(help="What this project asked for.")] = None,
    as_json: Json = False,
) -> None:
    """Ask another policy about every render that was asked for, and show what would have changed."""
    policy = _policy(file)
    question = Question(
        tenant=tenant,
        project=project,
        since=parse_moment(since) if since else None,
        until=parse_moment(until) if until else None,
        with_texts=policy.reads_texts,
        prices=None if prices is None else _prices(prices),
    )
    with books() as opened, progress_shown("backtest", unit="facts") as progress:
        recorded = PastDecisions(opened.ledger, opened.keys).recorded(question, progress)
        report = compare(policy, recorded)
    if as_json:
        print_json(as_document(report))
    else:
        _show(report)


def _find(opened: Books, tenant: str, video_id: str) -> Past:
    known = streams.is_video_id(video_id)
    past = PastDecisions(opened.ledger, opened.keys).find(tenant, video_id) if known else None
    if past is None:
        raise CommandRefused(
            f"The tenant {tenant} has no decision on a video with this id. Find it with 'videos list'.",
            code="video_not_found",
        )
    return past


def _policy_of(opened: Books, tenant: str, past: Past) -> CompiledPolicy | None:
    default = built_in(opened.settings.render_cost_max_micro).compiled
    try:
        return find_compiled(opened.ledger, tenant, past.verdict.policy_hash, default)
    except PolicyInvalid as error:
        raise CommandRefused(f"The policy that decided cannot be read here: {error}.", code=error.code) from None


def _told(past: Past, policy: CompiledPolicy | None, again: Outcome | None) -> dict[str, Any]:
    verdict = past.verdict
    said = {check.id: check.message for check in policy.checks} if policy else {}
    said |= {guard.check.id: guard.check.message for guard in policy.guards} if policy else {}
    agrees = None if again is None else (again.rules, again.decided_by) == (verdict.rules, verdict.decided_by)
    return {
        "video_id": past.intent.video_id,
        "at": past.at,
        "was": past.fate,
        "decided_by": verdict.decided_by,
        "policy_hash": verdict.policy_hash,
        "decides_the_same_again": agrees,
        "rules": [{"id": rule, "message": said.get(rule)} for rule in verdict.rules],
        "warnings": [each.model_dump() for each in verdict.warnings],
        "saw": dict(verdict.saw),
    }


def _policy(file: Path) -> CompiledPolicy:
    try:
        return read_policy_file(file)
    except PolicyInvalid as error:
        raise CommandRefused(f"{file}: {error}. Put that right and try again.", code=error.code) from None


def _prices(file: Path) -> Catalogue:
    try:
        return catalogue_of(read_renderer_file(file))
    except RendererFileInvalid as error:
        raise CommandRefused(f"{error}.", code=error.code) from None


def _show(report: Report) -> None:
    print(f"policy {report.policy_hash} on {report.total.intents} intents")
    print_table(("", *FATES, "cost of what is allowed"), [*_rows(report.total)])
    for was, would_be in sorted(report.flips):
        print(f"{was} -> {would_be}: {report.flips[was, would_be]}")
    for name, tallies in (("rule", report.by_rule), ("requester", report.by_requester), ("model", report.by_model)):
        print_table(
            (f"by {name}", "intents", *FATES, "cost before", "cost after"), [_row(*each) for each in tallies.items()]
        )
    columns = ("flipped", "at", "requester", "model", "was", "by", "would be", "by")
    shown = report.flipped[:_SHOWN_MAX]
    print_table(
        columns,
        [(e.video_id, e.at, e.requester, e.model, e.was, e.was_by, e.would_be, e.would_by) for e in shown],
    )
    if len(report.flipped) > len(shown):
        note(f"{len(report.flipped) - len(shown)} more: --json lists up to {FLIPPED_MAX}.")


def _rows(total: Tally) -> list[tuple[object, ...]]:
    return [
        ("was", *(total.was[fate] for fate in FATES), _cost(total.was_cost_micro)),
        ("would be", *(total.would_be[fate] for fate in FATES), _cost(total.would_cost_micro)),
    ]


def _row(name: str, tally: Tally) -> tuple[object, ...]:
    fates = (f"{tally.was[fate]} -> {tally.would_be[fate]}" for fate in FATES)
    return (name, tally.intents, *fates, _cost(tally.was_cost_micro), _cost(tally.would_cost_micro))


def _cost(by_currency: Mapping[str, int]) -> str:
    return " + ".join(f"{units(micro)} {currency}" for currency, micro in sorted(by_currency.items())) or "0.00"


def as_document(report: Report) -> dict[str, Any]:
    """What `--json` prints."""
    by = {"by_rule": report.by_rule, "by_requester": report.by_requester, "by_model": report.by_model}
    return {
        "policy_hash": report.policy_hash,
        "total": _summed(report.total),
        **{name: {each: _summed(tally) for each, tally in tallies.items()} for name, tallies in by.items()},
        "flips": [
            {"was": was, "would_be": would_be, "intents": number} for (was, would_be), number in report.flips.items()
        ],
        "flipped": [asdict(each) for each in report.flipped],
    }


def _summed(tally: Tally) -> dict[str, Any]:
    counters = ("was", "would_be", "was_cost_micro", "would_cost_micro")
    return {"intents": tally.intents, **{name: dict(getattr(tally, name)) for name in counters}}

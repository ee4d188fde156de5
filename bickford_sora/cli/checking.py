"""`bickford-sora audit check`."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated, Any

import typer

from bickford_sora.assets.opening import open_assets
from bickford_sora.checking.check import Report
from bickford_sora.checking.findings import VERDICTS, Finding, Verdict
from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import note, print_json, print_table, progress_shown
from bickford_sora.composition.books import Books
from bickford_sora.composition.gateway import compose
from bickford_sora.live_check import Count, check_live, count, patience_of

STATUSES: Mapping[Verdict, int] = MappingProxyType(
    {Verdict.LOST: 30, Verdict.DOUBLED: 31, Verdict.STUCK: 32, Verdict.UNACCOUNTED: 33}
)
"""Exit statuses by what was found; of several the gravest, which is the first."""
NOT_COUNTED = 34
"""Exit status where nothing was found, and a renderer could not be asked."""


def check(
    *,
    assets: Annotated[
        bool, typer.Option("--assets", help="Read every stored file whole, and hold it to its SHA-256.")
    ] = False,
    renderers: Annotated[
        bool, typer.Option("--renderers", help="Ask the renderers for all jobs they have, and compare.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that nothing is lost, doubled, stuck or unaccounted for, from the raw ledger alone."""
    began = time.monotonic()
    with books() as opened, progress_shown("check", unit="facts") as progress:
        # Counted first: what a renderer takes while the ledger is read is not missed there.
        counted = _count(opened) if renderers else Count()
        report = check_live(
            opened.ledger,
            open_assets(opened.settings, clock=opened.clock),
            clock=opened.clock,
            patience=patience_of(opened.settings),
            counted=counted.counted,
            reads_files=assets,
            on_progress=progress,
        )
    _show(report, counted, round(time.monotonic() - began, 3), as_json=as_json)
    raise typer.Exit(status_of(report, counted))


def status_of(report: Report, counted: Count) -> int:
    """The exit status for what was found; 0 for nothing."""
    found = {VERDICTS[kind] for kind in report.counts}
    failed = NOT_COUNTED if counted.unasked else 0
    return next((status for verdict, status in STATUSES.items() if verdict in found), failed)


def _count(opened: Books) -> Count:
    with ExitStack() as stack:
        gateway = compose(opened, opened.settings.renderers(), stack)
        return count(gateway.configuring.renderers, gateway.fleet, opened.clock)


def _show(report: Report, counted: Count, took_s: float, *, as_json: bool) -> None:
    if as_json:
        print_json(_told(report, counted, took_s))
        return
    rows = [(each.verdict, each.kind, each.position, each.stream, each.message) for each in report.findings]
    if rows:
        print_table(("", "kind", "position", "stream", "what"), rows)
        for kind in report.counts:
            note(f"{kind}: {_advice(report, kind)}")
    left_off = sum(report.counts.values()) - len(report.findings)
    if left_off:
        note(f"{left_off} more are not listed.")
    for each in counted.unasked:
        note(f"not counted: {each}")
    print(
        f"{report.facts} facts and {report.files} files checked in {took_s} s, {report.open_renders} renders under way"
    )
    print("nothing is lost, doubled, stuck or unaccounted for" if report.is_clean else _summary(report))


def _summary(report: Report) -> str:
    sums = {verdict: sum(n for kind, n in report.counts.items() if VERDICTS[kind] is verdict) for verdict in Verdict}
    return "NOT in order: " + ", ".join(f"{number} {verdict}" for verdict, number in sums.items() if number)


def _advice(report: Report, kind: str) -> str:
    return next(each.advice for each in report.findings if each.kind == kind)


def _told(report: Report, counted: Count, took_s: float) -> dict[str, Any]:
    return {
        "clean": report.is_clean,
        "facts": report.facts,
        "files": report.files,
        "open_renders": report.open_renders,
        "counts": dict(report.counts),
        "findings": [_finding(each) for each in report.findings],
        "not_counted": list(counted.unasked),
        "took_s": took_s,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {"verdict": finding.verdict, **asdict(finding), "advice": finding.advice}

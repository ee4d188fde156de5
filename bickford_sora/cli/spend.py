"""`bickford-sora spend`: what was spent, by whom and for what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from bickford_sora.cli.looking import check_now, past_books
from bickford_sora.cli.options import AsOf, Json, PastTenant, Url, in_a_folder
from bickford_sora.cli.output import note, print_json, print_table, progress_shown
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.talking import server
from bickford_sora.composition.books import TENANT
from bickford_sora.decisions.amounts import exact_units
from bickford_sora.decisions.invoices import INVOICE_BYTES_MAX
from bickford_sora.http.spend import told_spend
from bickford_sora.recording import Recording
from bickford_sora.spend_reports import SpendReports
from ledger.identifiers import id_maker
from projections.spend import By as Property
from projections.spend import Span, SpendTable

spend = typer.Typer(help="Report what a running server's renders cost.", invoke_without_command=True)

By = Annotated[
    str, typer.Option(help="day, month, model, renderer, project, key, requester, purpose or tag: what to tell it by.")
]
Since = Annotated[str | None, typer.Option(help="First day or month, as 2026-11-20 or 2026-11. Else this month.")]
Until = Annotated[str | None, typer.Option(help="Last day or month.")]
Project = Annotated[str | None, typer.Option(help="One project; else all that the key reads.")]
_PLACE = "/spend"
_LISTS = {"matched": "matched", "differing": "differs", "theirs_only": "theirs only", "ours_only": "ours only"}
"""The lists of an answer, and how they are called."""


@spend.callback()
def report(
    context: typer.Context,
    *,
    by: By = "day",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    as_of: AsOf = None,
    tenant: PastTenant = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Report what a running server's renders cost."""
    if context.invoked_subcommand is not None:
        return
    asked: dict[str, Any] = {"by": by, "since": since, "until": until, "project": project}
    if as_of is None:
        check_now(tenant)
        answer = _now(url, asked)
    else:
        answer = _past(as_of, url, tenant or TENANT, **asked)
    if as_json:
        print_json(answer)
        return
    amounts = ("reserved", "settled", "released", "open", "adjusted")
    columns = (by, "currency", "renders", "seconds", *amounts)
    rows = (
        (
            each["name"],
            each["currency"],
            each["renders"],
            each["seconds"],
            *(exact_units(each[f"{name}_micro"]) for name in amounts),
        )
        for each in answer["data"]
    )
    print_table(columns, rows)
    if answer["behind"]:
        note(f"The last {answer['behind']} of the ledger's facts may be missing: the read model has not come to them.")
    for money in answer["forecast"] or ():
        note(f"To the end of the month, at this rate: {exact_units(money['amount_micro'])} {money['currency']}")


@spend.command()
def export(
    file: Annotated[
        Path, typer.Argument(help="CSV file to write.", metavar="FILE", dir_okay=False, callback=in_a_folder)
    ],
    *,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    url: Url = None,
) -> None:
    """Write what was settled and corrected to a CSV file with the columns of FOCUS 1.2."""
    with server(url) as client:
        client.save(f"{_PLACE}/charges.csv", to=file, params={"since": since, "until": until, "project": project})
    print(file)


@spend.command()
def reconcile(
    invoice: Annotated[
        Path, typer.Argument(help="The vendor's CSV file.", metavar="INVOICE", exists=True, dir_okay=False)
    ],
    *,
    renderer: Annotated[str | None, typer.Option(help="Whose invoice it is. Else anybody's.")] = None,
    since: Annotated[str | None, typer.Option(help="First day it is of, or month. Else the days it names.")] = None,
    until: Until = None,
    adjust: Annotated[bool, typer.Option("--adjust", help="Correct what differs, once.")] = False,
    reason: Annotated[str | None, typer.Option(help="With --adjust: why.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Hold a vendor's invoice against what renders cost: a job or video id, amount and currency a line."""
    asked: dict[str, Any] = {
        "invoice": _text(invoice),
        "renderer": renderer,
        "since": since,
        "until": until,
        "adjust": adjust,
        "reason": reason,
    }
    with server(url) as client:
        answer: dict[str, Any] = client.ask("POST", f"{_PLACE}/reconciliations", json=asked)
    if as_json:
        print_json(answer)
        return
    columns = ("", "billed as", "video", "lines", "billed", "cost", "adjustment", "day", "project", "jobs")
    print_table(columns, (_reconciled(name, each) for name in _LISTS for each in answer[name]))
    counts = ", ".join(f"{len(answer[name])} {word}" for name, word in _LISTS.items())
    note(f"{counts}; {answer['adjusted']} corrected.")


def _text(path: Path) -> str:
    """A file's text. Raises CommandRefused for one that is too large or no UTF-8."""
    if path.stat().st_size > INVOICE_BYTES_MAX:
        raise CommandRefused(f"{path} has more than {INVOICE_BYTES_MAX} bytes.", code="invoice_too_large")
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandRefused(f"{path} is not UTF-8 text. Save it as CSV in UTF-8.", code="invoice_unreadable") from None


def _reconciled(name: str, render: Mapping[str, Any]) -> tuple[object, ...]:
    money = (_money(render[each]) for each in ("billed", "cost", "adjustment"))
    lines, jobs = (" ".join(map(str, render[each])) for each in ("lines", "jobs"))
    word = "open" if render["state"] == "open" else _LISTS[name]
    return (word, render["billed_id"], render["video_id"], lines, *money, render["day"], render["project"], jobs)


def _now(url: str | None, asked: Mapping[str, str | None]) -> dict[str, Any]:
    with server(url) as client:
        answer: dict[str, Any] = client.ask("GET", _PLACE, params=asked)
        return answer


def _past(
    as_of: str, url: str | None, tenant: str, *, by: str, since: str | None, until: str | None, project: str | None
) -> dict[str, Any]:
    """As a server would answer, of every project of the tenant."""
    if by not in get_args(Property):
        raise typer.BadParameter(f"{by!r} is none of {', '.join(get_args(Property))}")
    named = cast("Property", by)
    with past_books(as_of, url) as (opened, past), progress_shown("spend", unit="events") as progress:
        zone, clock = opened.settings.time_zone, opened.clock
        reports = SpendReports(
            Recording(opened.ledger, clock=clock, new_id=id_maker(clock), zone=zone), SpendTable(opened.pool)
        )
        span = Span(tenant, project, *reports.days(since, until, at=past.at))
        return told_spend(reports.report_past(past, span, named, progress), behind=0).model_dump(mode="json")


def _money(money: Mapping[str, Any] | None) -> str | None:
    return f"{exact_units(money['amount_micro'])} {money['currency']}" if money else None

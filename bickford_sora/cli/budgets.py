"""`bickford-sora budgets`: the caps renders are held to, and what is left of them."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import quote

import typer

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import print_fields, print_json, print_table
from bickford_sora.cli.talking import server
from bickford_sora.decisions.amounts import MICRO, amount

budgets = typer.Typer(help="Work with the budgets of a running server.", no_args_is_help=True)

BudgetId = Annotated[str, typer.Argument(help="Name of the budget.", metavar="ID")]
_PLACE = "/budgets"


def _micro(text: str) -> dict[str, object]:
    """An amount as `50 USD` or `0.25 EUR`."""
    number, _, currency = text.partition(" ")
    try:
        micro = Decimal(number) * MICRO
        whole = int(micro)
    except (InvalidOperation, ValueError, OverflowError):
        whole, micro = -1, Decimal(0)
    if whole < 0 or whole != micro or len(currency) != len("USD"):
        raise typer.BadParameter("an amount is written as '50 USD' or '0.25 EUR', with at most six decimals")
    return {"amount_micro": whole, "currency": currency.upper()}


@budgets.command("set")
def set_(
    budget_id: BudgetId,
    *,
    scope: Annotated[
        str, typer.Option(help="tenant, project:NAME, key:ID or requester:ID: whose renders count.")
    ] = "tenant",
    window: Annotated[str, typer.Option(help="day, month, total, minute or in_flight: over which time.")] = "month",
    cap: Annotated[str | None, typer.Option(help="The most that may be spent, for example '50 USD'.")] = None,
    renders: Annotated[int | None, typer.Option(min=0, help="The most renders.")] = None,
    seconds: Annotated[int | None, typer.Option(min=0, help="The most seconds of video.")] = None,
    soft: Annotated[bool, typer.Option("--soft", help="Only tell, never stop a render.")] = False,
    threshold: Annotated[
        list[int] | None, typer.Option(min=1, max=100, help="Percentage that is told of; may be repeated.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Set a budget, new or changed: in money, in renders or in seconds of video."""
    if sum(each is not None for each in (cap, renders, seconds)) != 1:
        raise typer.BadParameter("give one of --cap, --renders and --seconds")
    asked: dict[str, Any] = {
        "scope": scope,
        "window": window,
        "unit": "money" if cap is not None else "renders" if renders is not None else "seconds",
        "hard": not soft,
        "thresholds": threshold or [],
    }
    asked |= {"cap": _micro(cap)} if cap is not None else {"cap_count": renders if renders is not None else seconds}
    with server(url) as client:
        budget: dict[str, Any] = client.ask("PUT", f"{_PLACE}/{quote(budget_id, safe='')}", json=asked)
    if as_json:
        print_json(budget)
    else:
        print_fields(_fields(budget))


@budgets.command("list")
def list_(*, as_json: Json = False, url: Url = None) -> None:
    """List budgets and what is left of them."""
    with server(url) as client:
        answer: dict[str, Any] = client.ask("GET", _PLACE)
    if as_json:
        print_json(answer)
        return
    rows = [_fields(each) for each in answer["data"]]
    columns = ("id", "scope", "window", "period", "cap", "used", "left", "state")
    print_table(columns, ([row[name] for name in columns] for row in rows))


@budgets.command()
def remove(budget_id: BudgetId, *, as_json: Json = False, url: Url = None) -> None:
    """Remove a budget: it holds no longer."""
    with server(url) as client:
        removed = client.ask("DELETE", f"{_PLACE}/{quote(budget_id, safe='')}")
    if as_json:
        print_json(removed)
    else:
        print(f"removed {budget_id}")


def _fields(budget: dict[str, Any]) -> dict[str, object]:
    cap, unit = (budget["cap"]["amount_micro"], budget["cap"]["currency"]) if budget["cap"] else (None, budget["unit"])
    state = "overrun" if budget["closed"] else "hard" if budget["hard"] else "soft"
    return {
        "id": budget["id"],
        "scope": budget["scope"],
        "window": budget["window"],
        "period": budget["period"],
        "cap": amount(budget["cap_count"] if cap is None else cap, unit),
        "used": amount(budget["used"], unit),
        "left": amount(budget["headroom"], unit),
        "state": state,
    }

"""`bickford-sora prices`: what renders cost, and what they cost when something was decided."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import note, print_json, print_table
from bickford_sora.cli.talking import server

_PLACE = "/prices"
_COLUMNS = ("model", "renderer", "tier", "micro per unit", "currency", "unit", "from", "in force", "source")


def prices(
    *,
    prices_hash: Annotated[
        str | None, typer.Option("--hash", help="The table that a decision names, instead of the one in force.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show what renders cost on a running server."""
    with server(url) as client:
        place = _PLACE if prices_hash is None else f"{_PLACE}/{quote(prices_hash, safe='')}"
        table: dict[str, Any] = client.ask("GET", place)
    if as_json:
        print_json(table)
        return
    print_table(_COLUMNS, (row for price in table["data"] for row in _rows(price)))
    if table["prices_hash"] is not None:
        note(f"prices hash {table['prices_hash']}")


def _rows(price: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """A line for each resolution tier."""
    behind = (price["unit"], price["effective_from"], "yes" if price["in_force"] else "no", price["source"])
    return [
        (price["model"], price["renderer"], tier, micro, price["currency"], *behind)
        for tier, micro in price["micro_per_unit"].items()
    ]

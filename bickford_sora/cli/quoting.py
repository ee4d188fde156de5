"""What a render would cost, asked of a server and shown."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bickford_sora.cli.output import print_fields, print_json, print_table
from bickford_sora.client.sending import read_reference
from bickford_sora.client.synchronous import BickfordClient
from bickford_sora.decisions.amounts import amount


def quoted(client: BickfordClient, wish: Mapping[str, str | None], reference: Path | None) -> dict[str, Any]:
    """The server's quote for a wish; what is None is left to the server."""
    fields: dict[str, Any] = {name: value for name, value in wish.items() if value is not None}
    if reference is not None:
        image = read_reference(reference)
        content = base64.b64encode(image.content).decode()
        fields["input_reference"] = {"image_url": f"data:{image.media_type};base64,{content}"}
    return client.ask("POST", "/videos/quote", json=fields)


def show_quote(quote: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints a quote: what it says of the render, then what each budget has left before and after it."""
    if as_json:
        print_json(quote)
        return
    price, decision, error = quote["price"], quote["decision"], quote["error"]
    cost = price and amount(price["cost"]["amount_micro"], price["cost"]["currency"])
    counted = price and f"{price['quantity_milli'] / 1000:g} x {price['unit']}"
    fields = {
        "accepted": "yes" if quote["accepted"] else "no",
        **{name: quote[name] for name in ("model", "seconds", "size", "renderer")},
        "chosen by policy": ", ".join(quote["chosen_by_policy"]) or None,
        "cost": cost or "not known",
        "quantity": counted,
        "prices": price and price["prices_hash"],
        "policy": decision["effect"],
        "decided by": decision["decided_by"],
        "rules": ", ".join(decision["rules"]),
        "error": error and f"{error['code']}: {error['message']}",
        "binding budget": quote["binding_budget"],
    }
    print_fields(fields)
    for warning in decision["warnings"]:
        print_fields({"warning": warning["message"]})
    columns = ("budget", "scope", "window", "period", "headroom", "after")
    if quote["budgets"]:
        print_table(columns, (_row(each) for each in quote["budgets"]))


def _row(budget: Mapping[str, Any]) -> tuple[object, ...]:
    left, after, unit = budget["headroom"], budget["headroom_after"], budget["unit"]
    return (
        budget["id"],
        budget["scope"],
        budget["window"],
        budget["period"],
        amount(left, unit),
        "does not fit" if after is None else amount(after, unit),
    )

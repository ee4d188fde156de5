"""The price table: every price of a configuration, as canonical text, named by its hash. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from bickford_sora.decisions.catalogue import ModelOffer, Price, Route, Unit
from bickford_sora.decisions.prices import EVER


class PriceRow(BaseModel):
    """One price."""

    model_config = ConfigDict(frozen=True)

    model: str
    renderer: str
    credential: str
    unit: Unit
    micro_per_unit: dict[str, int]
    """Millionths of the currency's unit, by resolution tier; `*` is every size."""
    currency: str
    frames_per_second: int | None
    """What frames are counted at where a request does not say."""
    p95_ms: dict[str, int]
    """Of renderer seconds: what is set aside for one output, in milliseconds of work, by resolution tier."""
    effective_from: AwareDatetime | None
    """None: since ever."""
    source: str | None
    """Where the figure comes from."""


_ROWS = TypeAdapter(list[PriceRow])


def text_of(routes: Mapping[str, Route]) -> str:
    """The table of these offers: the same text in every process that has the same prices."""
    rows = {_canonical(offer, price) for route in routes.values() for offer in route.offers for price in offer.prices}
    return f"[{','.join(sorted(rows))}]"


def hash_of(text: str) -> str:
    """Names a table in every quote made from it: SHA-256 of its text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_table(text: str) -> list[PriceRow]:
    """The prices of a table."""
    return _ROWS.validate_json(text)


def in_force(rows: Sequence[PriceRow], at: datetime) -> list[PriceRow]:
    """Those that hold at a moment, one of each offer."""
    begun = [row for row in rows if row.effective_from is None or row.effective_from <= at]
    newest: dict[tuple[str, str, str], PriceRow] = {}
    for row in sorted(begun, key=lambda each: each.effective_from or EVER):
        newest[row.model, row.renderer, row.credential] = row
    return list(newest.values())


def _canonical(offer: ModelOffer, price: Price) -> str:
    row = PriceRow(
        model=offer.model,
        renderer=offer.renderer,
        credential=offer.credential,
        unit=price.unit,
        micro_per_unit=dict(sorted(price.micro_per_unit.items())),
        currency=price.currency,
        frames_per_second=price.frames_per_second,
        p95_ms=dict(sorted(price.p95_ms.items())),
        effective_from=price.effective_from,
        source=price.source,
    )
    return json.dumps(row.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))

"""`/v1/prices`: what renders cost, and cost when something was decided. Not in the protocol; in its manner."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from bickford_sora.decisions.price_table import PriceRow, in_force
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheHouse, authenticated
from bickford_sora.http.roles import OVERSEES
from bickford_sora.price_tables import PriceTable

router = APIRouter(prefix="/v1/prices", tags=["prices"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class ShownPrice(PriceRow):
    """One price of the table."""

    in_force: bool
    """Whether it is what its renderer takes for its model now, by this table."""


class Prices(BaseModel):
    """A price table that was published."""

    object: Literal["prices"] = "prices"
    prices_hash: str | None
    """SHA-256 of the text, as decisions name it; null where none was published yet."""
    version: int
    """From 1; 0 where none was published yet."""
    published_at: int | None
    """Unix seconds."""
    text: str
    """As it was published."""
    data: list[ShownPrice]


@router.get("", summary="See the prices in force", dependencies=[OVERSEES])
async def retrieve(house: TheHouse) -> Prices:
    """The price table that was published last."""
    return await house.crossing.run(newest_prices, house)


@router.get("/{prices_hash}", summary="See the prices a decision was taken by", dependencies=[OVERSEES])
async def retrieve_one(prices_hash: str, house: TheHouse) -> Prices:
    """The price table of this hash, however long ago it was in force."""
    return await house.crossing.run(_found, house, prices_hash)


# What follows runs in the synchronous world, behind the crossing.


def newest_prices(house: House) -> Prices:
    """The price table that was published last; an empty one before any was."""
    newest = house.price_tables.newest()
    if newest is None:
        return Prices(prices_hash=None, version=0, published_at=None, text="[]", data=[])
    return _shown(newest, house.price_tables.now())


def _found(house: House, prices_hash: str) -> Prices:
    return _shown(house.price_tables.find(prices_hash), house.price_tables.now())


def _shown(table: PriceTable, now: datetime) -> Prices:
    rows = table.rows
    holding = in_force(rows, now)
    return Prices(
        prices_hash=table.prices_hash,
        version=table.version,
        published_at=int(table.published_at.timestamp()),
        text=table.text,
        data=[ShownPrice(**row.model_dump(), in_force=row in holding) for row in rows],
    )

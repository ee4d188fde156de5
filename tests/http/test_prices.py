"""The price table in force, and those that decisions were taken by."""

import io
import zipfile
from hashlib import sha256
from typing import Any

from bickford_sora.decisions import price_table
from bickford_sora.decisions.catalogue import Catalogue, Price
from ledger.events import Quote
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, Kit, catalogue, error_of, make_kit, offer

PRICES = "/v1/prices"


def priced(*prices: Price) -> Catalogue:
    """A catalogue with one model at these prices, and their table."""
    routes = catalogue(offer(prices=prices)).routes
    text = price_table.text_of(routes)
    return Catalogue(routes, price_table.hash_of(text), text)


def quote_of(kit: Kit, video_id: str) -> Quote:
    allowed = kit.render(video_id).allowed
    assert allowed is not None
    assert allowed.quote is not None
    return allowed.quote


def shown(kit: Kit, path: str = PRICES) -> Any:
    answer = kit.request("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_before_any_prices_were_published_the_table_is_empty() -> None:
    answer = shown(make_kit())
    assert answer == {
        "object": "prices",
        "prices_hash": None,
        "version": 0,
        "published_at": None,
        "text": "[]",
        "data": [],
    }


def test_the_hash_of_a_decision_leads_to_the_prices_it_was_taken_by() -> None:
    old = priced(Price("second", {"*": 100}, source="their page"))
    kit = make_kit(offers=old)
    kit.house.price_tables.publish(old)
    quote = quote_of(kit, kit.create())
    kit.house.price_tables.publish(priced(Price("second", {"*": 700})))
    assert [each["micro_per_unit"] for each in shown(kit)["data"]] == [{"*": 700}]
    table = shown(kit, f"{PRICES}/{quote.prices_hash}")
    assert sha256(table["text"].encode()).hexdigest() == table["prices_hash"] == quote.prices_hash
    (price,) = table["data"]
    assert (price["model"], price["renderer"], price["source"], price["in_force"]) == (
        "sora-2",
        "openai",
        "their page",
        True,
    )
    assert price["micro_per_unit"][quote.tier] == quote.micro_per_unit


def test_every_tenant_finds_the_prices_its_decisions_were_taken_by() -> None:
    offers = priced(Price("second", {"*": 100}))
    kit = make_kit(offers=offers)
    kit.house.price_tables.publish(offers)
    foreign = kit.request("POST", "/v1/videos", key=FOREIGN_ROOT_KEY, json={"prompt": "A kite"}).json()["id"]
    decided = kit.request("GET", "/v1/audit/events", key=FOREIGN_ROOT_KEY, params={"type": "render.allowed"}).json()
    assert [each["video_id"] for each in decided["data"]] == [foreign]
    pack = kit.request("GET", "/v1/audit/pack", key=FOREIGN_ROOT_KEY, params={"video_id": foreign})
    with zipfile.ZipFile(io.BytesIO(pack.content)) as archive:
        assert archive.read(f"prices/{offers.prices_hash}.json").decode() == offers.prices_text
    table = kit.request("GET", f"{PRICES}/{offers.prices_hash}", key=FOREIGN_ROOT_KEY).json()
    assert table["text"] == offers.prices_text


def test_the_table_says_which_of_several_prices_is_in_force() -> None:
    kit = make_kit()
    now = kit.clock()
    past, coming = now.replace(year=now.year - 1), now.replace(year=now.year + 1)
    prices = [Price("second", {"*": 1}), Price("second", {"*": 2}, effective_from=past)]
    kit.house.price_tables.publish(priced(*prices, Price("second", {"*": 3}, effective_from=coming)))
    held = {price["micro_per_unit"]["*"]: price["in_force"] for price in shown(kit)["data"]}
    assert held == {1: False, 2: True, 3: False}


def test_a_hash_of_no_table_is_not_found() -> None:
    answer = make_kit().request("GET", f"{PRICES}/{'0' * 64}", key=KEY)
    assert error_of(answer)[:1] == (404,), answer.text
    assert answer.json()["error"]["code"] == "prices_not_found"

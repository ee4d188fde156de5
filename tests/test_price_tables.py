"""Prices: what the renderer file says of them, published before anything is decided by them, and found again."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from bickford_sora.configuration import Configuration, of_file, of_settings
from bickford_sora.configuring import Configuring
from bickford_sora.decisions import price_table
from bickford_sora.decisions.catalogue import Price
from bickford_sora.errors import NotFound
from bickford_sora.price_tables import PriceTables
from bickford_sora.recording import Recording
from bickford_sora.renderer_file import RendererFileInvalid, read_renderer_file
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.stops import Stops
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.errors import Unavailable
from ledger.identifiers import id_maker
from ledger.keys import Keys, MemoryKeyStore
from ledger.memory import MemoryRecorder

SECRETS = {"KEY": "a"}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def written(price: object, tmp_path: Path) -> Path:
    """A renderer file with this price."""
    model = {"name": "wan", "sizes": ["1280x720"], "seconds": ["4"], "price": price}
    entry = {
        "name": "gpu",
        "dialect": "vllm_omni",
        "credential": {"name": "key", "env": "KEY"},
        "replicas": ["http://gpu-1:8000/v1"],
        "models": [model],
    }
    file = tmp_path / "renderers.yaml"
    file.write_text(yaml.safe_dump({"renderers": [entry]}))
    return file


def configured(price: object, tmp_path: Path) -> Configuration:
    return of_file(read_renderer_file(written(price, tmp_path)), SECRETS)


def prices_of(found: Configuration) -> tuple[Price, ...]:
    return found.catalogue.routes["wan"].offers[0].prices


def recording() -> Recording:
    return Recording(Ledger(MemoryRecorder(system_clock)), clock=system_clock, new_id=id_maker(system_clock))


def test_a_price_says_from_when_on_it_holds_and_where_it_comes_from(tmp_path: Path) -> None:
    now = {"micro_per_unit": {"*": 100}, "source": "https://example.com/prices"}
    later = {"micro_per_unit": {"720p": 200}, "currency": "EUR", "unit": "image", "effective_from": NOON}
    day = {"micro_per_unit": {"*": 300}, "effective_from": NOON.date() + timedelta(days=1)}
    found = prices_of(configured([now, later, day], tmp_path))
    assert [each.effective_from for each in found] == [None, NOON, datetime(2026, 11, 21, tzinfo=UTC)]
    assert [each.source for each in found] == ["https://example.com/prices", None, None]
    assert [(each.unit, each.currency) for each in found][1] == ("image", "EUR")
    assert prices_of(configured(now, tmp_path)) == found[:1], "one price needs no list"


def test_the_work_of_an_engine_is_set_aside_by_size(tmp_path: Path) -> None:
    price = {"unit": "renderer_second", "micro_per_unit": {"*": 700}, "p95_s": {"480p": 31.5, "*": 90}}
    assert prices_of(configured(price, tmp_path))[0].p95_ms == {"480p": 31_500, "*": 90_000}
    assert prices_of(configured({**price, "p95_s": 12}, tmp_path))[0].p95_ms == {"*": 12_000}


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ({"unit": "parsec", "micro_per_unit": {"*": 1}}, "unit"),
        ({"micro_per_unit": {"*": 1}, "currency": "dollars"}, "currency"),
        ({"micro_per_unit": {"8k": 1}}, "tiers are"),
        ({"micro_per_unit": {"*": 1.5}}, "micro_per_unit"),
        ({"unit": "renderer_second", "micro_per_unit": {"*": 1}}, "needs p95_s"),
        ({"micro_per_unit": {"*": 1}, "p95_s": 3}, "no other price has it"),
        ({"unit": "renderer_second", "micro_per_unit": {"*": 1}, "p95_s": 0}, "p95_s"),
        ({"micro_per_unit": {"*": 1}, "effective_from": "soon"}, "effective_from"),
        ({"micro_per_unit": {"*": 1}, "effective_from": "2026-11-20T12:30:00"}, "effective_from"),
        ([{"micro_per_unit": {"*": 1}}, {"micro_per_unit": {"*": 2}}], "from the same moment"),
        (
            [
                {"micro_per_unit": {"*": 1}, "effective_from": "2026-11-20"},
                {"micro_per_unit": {"*": 2}, "effective_from": "2026-11-20T01:00:00+01:00"},
            ],
            "from the same moment",
        ),
    ],
)
def test_a_price_that_cannot_be_reckoned_with_is_refused(price: object, told: str, tmp_path: Path) -> None:
    with pytest.raises(RendererFileInvalid, match=told):
        configured(price, tmp_path)


def test_the_hash_in_a_decision_is_that_of_the_published_text(tmp_path: Path) -> None:
    tables = PriceTables(recording(), tenant="main")
    before, after = (configured({"micro_per_unit": {"*": micro}}, tmp_path) for micro in (100, 200))
    for found in (before, before, after, after, before):
        tables.publish(found.catalogue)
    assert [each.version for each in tables.all()] == [1, 2, 3], "what is known is not said again"
    table = tables.find(after.catalogue.prices_hash)
    assert sha256(table.text.encode()).hexdigest() == table.prices_hash == after.catalogue.prices_hash
    assert json.loads(table.text)[0]["micro_per_unit"] == {"*": 200}
    newest = tables.newest()
    assert newest is not None
    assert newest.prices_hash == before.catalogue.prices_hash
    with pytest.raises(NotFound):
        tables.find("0" * 64)


def test_the_order_of_a_file_is_no_other_table(tmp_path: Path) -> None:
    early, late = {"micro_per_unit": {"720p": 1, "*": 2}}, {"micro_per_unit": {"*": 3}, "effective_from": NOON}
    one = configured([early, late], tmp_path).catalogue
    other = configured([late, {"micro_per_unit": {"*": 2, "720p": 1}}], tmp_path).catalogue
    assert (one.prices_hash, one.prices_text) == (other.prices_hash, other.prices_text)
    assert len(price_table.read_table(one.prices_text)) == 2


def test_of_several_prices_one_is_in_force(tmp_path: Path) -> None:
    early, late = {"micro_per_unit": {"*": 1}}, {"micro_per_unit": {"*": 2}, "effective_from": NOON}
    rows = price_table.read_table(configured([early, late], tmp_path).catalogue.prices_text)
    just_before = NOON - timedelta(microseconds=1)
    assert [each.micro_per_unit["*"] for each in price_table.in_force(rows, just_before)] == [1]
    assert [each.micro_per_unit["*"] for each in price_table.in_force(rows, NOON)] == [2]


def test_the_prices_of_the_settings_are_a_table_too() -> None:
    renderer = RendererSettings(name="sim", base_url="http://127.0.0.1:1/v1", credential="sim", api_key="sk")  # type: ignore[arg-type]
    catalogue = of_settings(Settings(), [renderer]).catalogue
    assert {each.model for each in price_table.read_table(catalogue.prices_text)} == {"sora-2", "sora-2-pro"}


class Shop:
    """A configuration that is kept, and its prices published, unless the database is away."""

    def __init__(self) -> None:
        made = recording()
        self.tables = PriceTables(made, tenant="main")
        self.stops = Stops(made, tenant="main")
        self.is_away = False

    def keep(self, found: Configuration) -> Configuring:
        keys = Keys(b"m" * 32, MemoryKeyStore())
        applied: Callable[[Configuration], None] = lambda _: None  # noqa: E731 - nobody is there to apply it
        return Configuring(found, stops=self.stops, publish=self._publish, keys=keys, apply=applied)

    def _publish(self, catalogue: object) -> None:
        if self.is_away:
            raise Unavailable("away")
        self.tables.publish(catalogue)  # type: ignore[arg-type]


def test_prices_are_published_before_they_are_used(tmp_path: Path) -> None:
    shop = Shop()
    first = configured({"micro_per_unit": {"*": 1}}, tmp_path)
    configuring = shop.keep(first)
    assert shop.tables.find(first.catalogue.prices_hash).version == 1
    file = written({"micro_per_unit": {"*": 2}}, tmp_path)
    shop.is_away = True
    configuring.look(file, SECRETS)
    assert configuring.catalogue() == first.catalogue, "what could not be published is not used"
    shop.is_away = False
    configuring.look(file, SECRETS)
    assert shop.tables.find(configuring.catalogue().prices_hash).version == 2
    assert shop.stops.record("gpu").version == 1, "another price is no other renderer"

"""What real answers of servers say of a job is settled: over sockets, with a price table that was published."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from bickford_sora.background import Background
from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import Gateway
from bickford_sora.composition.house import metrics
from bickford_sora.decisions.request import create_request
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from ledger import streams
from ledger.events import SpendSettled
from ledger.render import Phase, Render
from tests.inspecting import compose
from tests.ledger.spending import usd
from tests.workers.conftest import CALLER, ORIGIN, SIZE, wait_until

ENGINE_SECONDS = {"unit": "renderer_second", "micro_per_unit": {"*": 1_000}, "p95_s": {"480p": 90}}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as closing:
        yield closing


def gateway_before(
    server: SimulatorServer, dialect: str, price: dict[str, Any], settings: Settings, stack: ExitStack
) -> Gateway:
    """A working gateway whose one renderer is this simulator, at this price."""
    model = {"name": "wan", "served_as": "sora-2", "sizes": [SIZE], "seconds": ["1"], "price": price}
    if dialect == "sglang":
        model["fields"] = ["n"]
    entry = {
        "name": "peer",
        "dialect": dialect,
        "credential": {"name": "key", "env": "PEER_KEY"},
        "replicas": [server.url],
        "models": [model],
    }
    file = settings.data_dir / "renderers.yaml"
    file.write_text(yaml.safe_dump({"renderers": [entry]}))
    given = settings.model_copy(update={"renderers_file": file})
    books = stack.enter_context(open_books(given))
    gateway = compose(books, [], stack)
    stack.enter_context(Background(books, gateway))
    return gateway


def made(gateway: Gateway, **fields: Any) -> Render:
    request = create_request({"prompt": "a red kite", "model": "wan", **fields}, {})
    asked = gateway.intake.ask(CALLER, request, gateway.intake.terms(ORIGIN, "create", request)).render
    return wait_until(gateway, asked.intent.video_id, lambda render: render.ended)


@pytest.mark.parametrize(
    ("dialect", "says", "price", "asked", "amounts"),
    [
        ("vllm_omni", {"inference_time_s": 61.5}, ENGINE_SECONDS, {}, (90_000, 61_500)),
        ("sglang", {"outputs_max": 3}, {"micro_per_unit": {"*": 100}}, {"n": 4}, (400, 300)),
        ("openrouter", {"usd_per_s": 0.25}, {"micro_per_unit": {"*": 300_000}}, {}, (300_000, 250_000)),
    ],
    ids=["inference time", "fewer outputs", "usage"],
)
def test_what_a_server_says_it_made_is_settled_by_the_published_price(
    dialect: Any,
    says: dict[str, Any],
    price: dict[str, Any],
    asked: dict[str, Any],
    amounts: tuple[int, int],
    *,
    settings: Settings,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PEER_KEY", "sk-simulator")
    peer = SimulatorSettings(
        flavour=dialect, render_time_s=0.1, frame_rate=4, seconds=("1",), sizes=(SIZE,), models=("sora-2",), **says
    )
    server = stack.enter_context(SimulatorServer(peer))
    gateway = gateway_before(server, dialect, price, settings, stack)
    render = made(gateway, **asked)
    assert render.phase is Phase.STORED
    assert render.allowed is not None
    quote = render.allowed.quote
    assert quote is not None
    spent = [event.fact for event in gateway.books.ledger.history(streams.spend("main"))]
    reserved, settled = (usd(each) for each in amounts)
    assert quote.cost == reserved
    assert spent[-1] == SpendSettled(video_id=render.intent.video_id, cost=settled)
    table = gateway.price_tables.find(quote.prices_hash)
    assert json.loads(table.text)[0]["micro_per_unit"] == {"*": quote.micro_per_unit}


def test_a_renderer_that_charges_far_beyond_its_quote_is_told_to_operators_until_it_is_asked_again(
    settings: Settings, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_KEY", "sk-simulator")
    peer = SimulatorSettings(
        flavour="openrouter",
        render_time_s=0.1,
        frame_rate=4,
        seconds=("1",),
        sizes=(SIZE,),
        models=("sora-2",),
        usd_per_s=0.25,
    )
    server = stack.enter_context(SimulatorServer(peer))
    gateway = gateway_before(server, "openrouter", {"micro_per_unit": {"*": 3}}, settings, stack)
    told, stopped = metrics(gateway).text, b'bickford_renderer_stopped{model="wan",renderer="peer"} 1.0'
    assert stopped not in told()
    made(gateway)
    assert stopped in told()
    gateway.stops.resume("peer", "key")
    assert stopped not in told()

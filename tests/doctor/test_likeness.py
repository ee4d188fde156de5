"""Processes on one database that are not alike: other renderers, other prices, files in other places."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import compose
from bickford_sora.doctor.examination import examine
from bickford_sora.doctor.finding import Finding
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorSettings
from ledger.clock import system_clock
from tests.gateways import KEY, running_gateway

SIZE = "128x96"
WAIT_S = 60.0


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        database_url=SecretStr(database_url),
        openai_base_url="http://127.0.0.1:9/v1",
        openai_api_key=SecretStr("sk-one"),
    )


def changed(settings: Settings, **fields: object) -> Settings:
    return settings.model_copy(update=fields)


def until(reached: Callable[[], bool]) -> None:
    gives_up_at = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < gives_up_at
        time.sleep(0.05)


def start(settings: Settings) -> None:
    """What a process puts on record when it starts."""
    with open_books(settings) as books, ExitStack() as stack:
        compose(books, settings.renderers(), stack)


def found(settings: Settings, check: str) -> Finding:
    (finding,) = [each for each in examine(settings, clock=system_clock) if each.check == check]
    return finding


def test_another_process_with_other_renderers_or_prices_is_named(settings: Settings) -> None:
    start(settings)
    assert found(settings, "configuration").state == "ok"
    start(changed(settings, openai_api_key=SecretStr("sk-another")))
    told = found(settings, "configuration")
    assert told.state == "warning"
    assert told.found.endswith("on record: renderer openai")
    assert told.advice is not None
    assert "one renderer file" in told.advice
    start(changed(settings, models=("sora-2",)))
    assert found(settings, "configuration").found.endswith("on record: renderer openai, prices")
    start(settings)
    assert found(settings, "configuration").state == "ok"


def test_a_process_that_does_not_see_the_files_of_the_others_is_named(server_url: str, tmp_path: Path) -> None:
    simulated = SimulatorSettings(render_time_s=0.1, frame_rate=4, seconds=("1",), sizes=(SIZE,))
    with running_gateway(server_url, simulated, seconds=("1",), sizes=(SIZE,), poll_interval_s=0.1) as running:
        here = running.gateway.books.settings
        elsewhere = changed(here, assets_url=f"file://{tmp_path / 'elsewhere'}")
        with httpx.Client(base_url=running.api_url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client:
            video = client.post("/videos", data={"prompt": "A kite"}).json()["id"]
            until(lambda: client.get(f"/videos/{video}").json()["status"] == "completed")
            assert found(here, "files").state == "ok"
            told = found(elsewhere, "files")
            assert told.state == "problem"
            assert told.advice is not None
            assert "one BICKFORD_ASSETS_URL" in told.advice
            client.delete(f"/videos/{video}")
            assert found(elsewhere, "files").state == "ok"

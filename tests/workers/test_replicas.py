"""Two real processes behind one renderer, by a renderer file: a job stays where it was taken."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from openai import OpenAI
from pydantic import SecretStr

from bickford_sora.background import Background
from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import configured, opening
from bickford_sora.composition.house import house
from bickford_sora.http.app import create_app
from bickford_sora.http.serving import ServerThread
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from ledger.clock import system_clock
from tests.inspecting import compose

KEY = "bk_live_only-for-this-test"
SIZE = "128x96"


@pytest.fixture
def replicas() -> Iterator[list[SimulatorServer]]:
    settings = SimulatorSettings(render_time_s=0.2, frame_rate=4, seconds=("1",), sizes=(SIZE,))
    with SimulatorServer(settings) as one, SimulatorServer(settings) as two:
        yield [one, two]


@pytest.fixture
def client(
    replicas: list[SimulatorServer], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenAI]:
    monkeypatch.setenv("POOL_KEY", "sk-simulator")
    file = tmp_path / "renderers.yaml"
    model = {"name": "sora-2", "sizes": [SIZE], "seconds": ["1"]}
    pool = {
        "name": "pool",
        "dialect": "openai",
        "credential": {"name": "pool-key", "env": "POOL_KEY"},
        "replicas": [each.url for each in replicas],
        "models": [model],
    }
    file.write_text(yaml.safe_dump({"renderers": [pool]}))
    settings = Settings(
        data_dir=tmp_path,
        database_url=SecretStr(database_url),
        renderers_file=file,
        poll_interval_s=0.2,
        poll_after_ms=50,
        submit_timeout_s=2.0,
    )
    with ExitStack() as stack:
        books = stack.enter_context(open_books(settings))
        gateway = compose(books, settings.renderers(), stack)
        rooms = house(gateway, SecretStr(KEY))
        server = stack.enter_context(ServerThread(create_app(rooms), on_stopping=rooms.tide.closing.set))
        stack.enter_context(Background(books, gateway, gateway.configuring))
        yield stack.enter_context(OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0))


def test_a_renderer_that_nobody_calls_any_more_lets_go_of_its_connections(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, openai_base_url="http://127.0.0.1:1/v1")
    [configured_renderer] = configured(settings, settings.renderers()).renderers
    with ExitStack() as stack:
        open_at = opening(settings, system_clock, stack)
        before, used = (open_at(configured_renderer, "http://127.0.0.1:1/v1") for _ in range(2))
        clients = [each._transport._client for each in (before, used)]  # type: ignore[attr-defined]
        del before
        assert [each.is_closed for each in clients] == [True, False]
    assert clients[1].is_closed
    assert used is not None


def billed(replica: SimulatorServer) -> int:
    return len(replica.simulator.registry.billed())


def test_a_job_is_followed_stored_and_deleted_where_it_was_taken(
    client: OpenAI, replicas: list[SimulatorServer]
) -> None:
    made = [client.videos.create_and_poll(prompt=f"A kite {number}", poll_interval_ms=100) for number in range(2)]
    assert [video.status for video in made] == ["completed", "completed"]
    assert [billed(each) for each in replicas] == [1, 1]
    for video in made:
        assert io.BytesIO(client.videos.download_content(video.id).content).getbuffer().nbytes > 1_000
        remix = client.videos.remix(video.id, prompt="At night")
        assert client.videos.poll(remix.id, poll_interval_ms=100).status == "completed"
    assert [[line.operation for line in each.simulator.registry.billed()] for each in replicas] == [
        ["create", "remix"],
        ["create", "remix"],
    ], "a remix is made where its source is"


def test_while_one_is_away_the_other_takes_everything_once(client: OpenAI, replicas: list[SimulatorServer]) -> None:
    replicas[0].stop()
    made = [client.videos.create_and_poll(prompt=f"A boat {number}", poll_interval_ms=100) for number in range(2)]
    assert [video.status for video in made] == ["completed", "completed"]
    assert billed(replicas[1]) == 2

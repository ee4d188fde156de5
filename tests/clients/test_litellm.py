"""The real LiteLLM, as a client in front of the gateway and as a proxy between it and the renderer."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI
from PIL import Image

from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from tests.clients.litellm_package import programs
from tests.compatibility import has_no_call, record
from tests.gateways import KEY, running_gateway

PROXY_KEY = "sk-proxy-only-for-this-test"
START_S_MAX = 120.0
RUN_S_MAX = 90.0
cell = partial(record, "clients", "litellm")
"""A cell of the table of clients and routes."""
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR"}
CONFIG = """\
model_list:
  - model_name: sora-2
    litellm_params: {{model: openai/sora-2, api_base: "{url}", api_key: sk-simulator}}
general_settings: {{master_key: {key}}}
router_settings: {{num_retries: 0}}
litellm_settings: {{num_retries: 0, telemetry: false}}
"""

pytestmark = [pytest.mark.xdist_group("litellm"), pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def litellm() -> Path:
    return programs()


@pytest.fixture(scope="module")
def told(litellm: Path, server_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    picture = tmp_path_factory.mktemp("litellm") / "first.png"
    Image.linear_gradient("L").resize((720, 1280)).convert("RGB").save(picture)
    simulated = SimulatorSettings(render_time_s=0.2, frame_rate=2)
    with running_gateway(server_url, simulated, poll_interval_s=0.3, poll_after_ms=50) as running:
        ran = subprocess.run(
            [str(litellm / "python"), str(Path(__file__).with_name("litellm_calls.py"))],
            env={**os.environ, **QUIET, "BASE_URL": running.api_url, "API_KEY": KEY, "PICTURE": str(picture)},
            capture_output=True,
            text=True,
            timeout=RUN_S_MAX,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    answers: dict[str, Any] = json.loads(ran.stdout.strip().rpartition("\n")[2])
    return answers


def test_as_a_client_it_follows_a_video_to_its_files(told: dict[str, Any]) -> None:
    with cell("create"):
        assert told["create"]["status"] == "queued"
    with cell("retrieve"):
        assert told["status"]["status"] == "completed"
    for route, begins in (("content", "ftyp"), ("thumbnail", "WEBP"), ("spritesheet", "\xff\xd8")):
        with cell(route):
            assert begins in told[route].get("begins", ""), told[route]


@pytest.mark.parametrize(
    ("call", "route"),
    [
        ("with a file", "create with a file"),
        ("with a URL", "create with a URL"),
        ("remix", "remix"),
        ("edit", "edit"),
        ("extend", "extend"),
    ],
)
def test_as_a_client_it_makes_a_video(told: dict[str, Any], call: str, route: str) -> None:
    with cell(route):
        assert told[call].get("status") == "queued", told[call]
        if route in {"remix", "edit", "extend"}:
            assert told[call]["remixed_from_video_id"].startswith("video_")


@cell("list")
def test_as_a_client_it_lists(told: dict[str, Any]) -> None:
    assert len(told["list"]["data"]) == 2


@cell("characters")
def test_as_a_client_it_makes_a_character(told: dict[str, Any]) -> None:
    assert "raised" not in told["create character"], told["create character"]
    assert told["get character"]["name"] == "Ada"


@cell("Idempotency-Key")
def test_as_a_client_it_sends_a_key_that_is_given(told: dict[str, Any]) -> None:
    first, second = told["same key"]
    assert first == second


@has_no_call("litellm", "delete", "webhook endpoints")
def test_as_a_client_it_has_no_other_call(told: dict[str, Any]) -> None:
    assert told["calls"] == [
        "video_content",
        "video_create_character",
        "video_edit",
        "video_extension",
        "video_generation",
        "video_get_character",
        "video_list",
        "video_remix",
        "video_status",
    ]


@cell("errors")
def test_as_a_client_it_raises_our_words(told: dict[str, Any]) -> None:
    assert "Supported values are" in told["refused"]["message"]


def test_as_a_proxy_it_makes_our_renders_and_we_keep_the_files(litellm: Path, server_url: str, tmp_path: Path) -> None:
    with (
        SimulatorServer(SimulatorSettings(render_time_s=0.2, frame_rate=2)) as behind,
        _proxy(litellm, behind.url, tmp_path) as url,
        running_gateway(
            server_url,
            SimulatorSettings(),
            dialect="litellm",
            renderer_url=url,
            renderer_key=PROXY_KEY,
            poll_interval_s=0.3,
            poll_after_ms=50,
        ) as running,
        OpenAI(base_url=running.api_url, api_key=KEY, max_retries=0) as client,
    ):
        video = client.videos.create_and_poll(prompt="A red kite", seconds="4", size="720x1280", poll_interval_ms=100)
        assert video.status == "completed", video.error
        for variant in ("video", "thumbnail", "spritesheet"):
            assert len(client.videos.download_content(video.id, variant=variant).content) > 1_000  # type: ignore[arg-type]
        remix = client.videos.remix(video.id, prompt="At night")
        assert client.videos.poll(remix.id, poll_interval_ms=100).status == "completed"
        assert [line.operation for line in behind.simulator.registry.billed()] == ["create", "remix"]


@contextmanager
def _proxy(litellm: Path, renderer_url: str, folder: Path) -> Iterator[str]:
    """The proxy as its users start it, in front of a renderer."""
    config = folder / "litellm.yaml"
    config.write_text(CONFIG.format(url=renderer_url, key=PROXY_KEY))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(litellm / "litellm"), "--config", str(config), "--port", str(port), "--num_workers", "1"]
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **QUIET}, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}/health/liveliness", folder / "proxy.log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, log: Path) -> None:
    gives_up_at = time.monotonic() + START_S_MAX
    while time.monotonic() < gives_up_at:
        try:
            if httpx.get(url, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise AssertionError(log.read_text()[-2_000:])

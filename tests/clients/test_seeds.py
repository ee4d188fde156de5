"""The code samples this project was made from run against the gateway; docs/compat.md names each correction."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from PIL import Image

from bickford_sora.simulator import SimulatorSettings
from tests.clients.node_packages import run_script
from tests.gateways import KEY, RunningGateway, running_gateway

SEEDS = Path(__file__).parent / "seeds"
TYPESCRIPT = sorted(SEEDS.glob("*.ts"))
PYTHON = sorted(path for path in SEEDS.glob("0*.py"))
CURL = sorted(SEEDS.glob("*.sh"))
REFUSED = {
    "002-helpers": "Supported values are: '4', '8', '12'",
    "003-usage": "Supported values are: '4', '8', '12'",
    "003-async": "Supported values are: 'sora-2', 'sora-2-pro'",
}
"""Samples that ask for what no model offers, and what they are told."""
RUN_TIMEOUT_S = 240.0
DELETIONS = 4

pytestmark = [pytest.mark.xdist_group("seeds"), pytest.mark.slow]


@pytest.fixture(scope="module")
def gateway(server_url: str) -> Iterator[RunningGateway]:
    simulated = SimulatorSettings(render_time_s=0.1, frame_rate=1)
    with running_gateway(server_url, simulated, poll_interval_s=0.2, poll_after_ms=50) as running:
        yield running


@pytest.fixture(scope="module")
def generous(server_url: str) -> Iterator[RunningGateway]:
    """A gateway whose renderer makes what some samples ask for and no real model does."""
    more: dict[str, Any] = {"seconds": ("4", "5", "6", "8"), "models": ("sora-2", "video-gen-1")}
    simulated = SimulatorSettings(render_time_s=0.1, frame_rate=1, **more)
    with running_gateway(server_url, simulated, poll_interval_s=0.2, poll_after_ms=50, **more) as running:
        yield running


@pytest.fixture(scope="module")
def environment(gateway: RunningGateway) -> dict[str, str]:
    return _environment(gateway)


def _environment(gateway: RunningGateway) -> dict[str, str]:
    """What the samples find: an address, a key, a finished video, and some to delete."""
    with OpenAI(base_url=gateway.api_url, api_key=KEY) as client:
        finished = client.videos.create_and_poll(prompt="The video of all samples", size="720x1280")
        spare = [client.videos.create(prompt="To be deleted") for _ in range(DELETIONS)]
    return {
        "OPENAI_BASE_URL": gateway.api_url,
        "OPENAI_API_KEY": KEY,
        "OPEN_API_KEY": KEY,
        "BICKFORD_BASE_URL": gateway.api_url,
        "BICKFORD_API_KEY": KEY,
        "VIDEO_ID": finished.id,
        **{f"DELETE_ID_{number}": video.id for number, video in enumerate(spare, start=1)},
    }


@pytest.fixture(scope="module")
def typescript(environment: dict[str, str]) -> dict[str, dict[str, str]]:
    return run_script("samples.mjs", *map(str, TYPESCRIPT), **environment)


@pytest.fixture(scope="module")
def python(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    return _run_python(PYTHON, environment, tmp_path_factory.mktemp("python"))


def _run_python(samples: list[Path], environment: Mapping[str, str], folder: Path) -> dict[str, str | None]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.clients.seeds.run_samples", *map(str, samples)],
        env={**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, str | None] = json.loads(ran.stdout.rpartition("\n{")[2] if "\n{" in ran.stdout else ran.stdout)
    return told


@pytest.mark.parametrize("sample", [path.stem for path in TYPESCRIPT])
def test_a_typescript_sample_comes_to_its_end(typescript: dict[str, dict[str, str]], sample: str) -> None:
    assert "raised" not in typescript[sample], typescript[sample]


@pytest.mark.parametrize("sample", [path.stem for path in PYTHON if path.stem not in REFUSED])
def test_a_python_sample_comes_to_its_end(python: dict[str, str | None], sample: str) -> None:
    assert python[sample] is None


@pytest.mark.parametrize("sample", REFUSED)
def test_a_sample_that_asks_for_what_nobody_makes_is_told_what_there_is(
    python: dict[str, str | None], sample: str
) -> None:
    assert REFUSED[sample] in str(python[sample])


def test_those_samples_work_once_a_renderer_makes_it(generous: RunningGateway, tmp_path: Path) -> None:
    told = _run_python([SEEDS / f"{sample}.py" for sample in REFUSED], _environment(generous), tmp_path)
    assert told == dict.fromkeys(REFUSED)


@pytest.mark.parametrize("sample", CURL, ids=lambda path: path.stem)
def test_a_curl_sample_is_answered(environment: dict[str, str], sample: Path, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    Image.linear_gradient("L").resize((1280, 720)).convert("RGB").save(tmp_path / "sample_720p.jpeg")
    ran = subprocess.run(
        ["bash", "-e", str(sample)],  # noqa: S607 - whichever comes first
        env={**os.environ, **environment},
        cwd=tmp_path,
        capture_output=True,
        timeout=RUN_TIMEOUT_S,
        check=True,
    )
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "sample_720p.jpeg"}
    if files:
        begins = {"video.mp4": b"ftyp", "thumbnail.webp": b"WEBP", "spritesheet.jpg": b"\xff\xd8"}
        assert all(begins[name] in content[:16] for name, content in files.items())
    else:
        answer = json.loads(ran.stdout)
        assert answer["object"] in {"video", "list", "video.deleted"}, answer

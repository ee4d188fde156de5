"""The real LiteLLM proxy between its dialect and the simulator.

That of tests/clients/litellm_package.py, or the program that BICKFORD_LITELLM names: the dialect is for 1.109.1.
"""

import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from bickford_sora.renderers.dialects import open_transport
from bickford_sora.renderers.errors import JobGone, Refused, UnknownOutcome
from bickford_sora.renderers.port import Source
from bickford_sora.renderers.transport import TransportLimits
from bickford_sora.simulator import FaultKind, SimulatorServer
from tests.clients.litellm_package import programs
from tests.renderers.stages import ORDER, SETTINGS, Stage, renderer_of

VERSION_LEAST = (1, 109, 1)
START_S_MAX = 120.0
"""The proxy takes its time to import."""
KEY = "sk-litellm-proxy"
PATIENT = TransportLimits(answer_timeout_s=30)
CONFIG = """\
model_list:
  - model_name: sora-2
    litellm_params: {{model: openai/sora-2, api_base: "{url}", api_key: "{key}"}}
general_settings: {{master_key: {proxy_key}}}
litellm_settings: {{telemetry: false}}
router_settings: {{num_retries: 0}}
"""

pytestmark = [pytest.mark.xdist_group("litellm"), pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def program() -> str:
    """The proxy's program."""
    return os.environ.get("BICKFORD_LITELLM") or str(programs() / "litellm")


@pytest.fixture(scope="module")
def proxied(program: str, tmp_path_factory: pytest.TempPathFactory, tls: ssl.SSLContext) -> Iterator[Stage]:
    """The dialect before the proxy before the simulator."""
    folder = tmp_path_factory.mktemp("litellm")
    with SimulatorServer(SETTINGS) as server, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        config = folder / "litellm.yaml"
        config.write_text(CONFIG.format(url=server.url, key=SETTINGS.api_key, proxy_key=KEY))
        with (
            (folder / "litellm.log").open("wb") as log,
            subprocess.Popen(
                [program, "--config", str(config), "--port", str(port)],
                env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                _wait(f"http://127.0.0.1:{port}/health/liveliness", folder / "litellm.log")
                url = f"http://127.0.0.1:{port}/v1"
                with open_transport("litellm", url, SecretStr(KEY), limits=PATIENT, tls=tls) as transport:
                    renderer = renderer_of("litellm", transport, submit_timeout_s=30)
                    yield Stage(renderer, server, lambda: renderer)
            finally:
                process.terminate()


def _wait(url: str, log: Path) -> None:
    gives_up_at = time.monotonic() + START_S_MAX
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < gives_up_at, log.read_text()[-2_000:]
            time.sleep(0.3)
        else:
            return


@pytest.fixture
def recent(proxied: Stage) -> None:
    """Skips what older proxies get wrong (docs/reference/renderers.md)."""
    answer = proxied.renderer._transport.request("POST", "/videos", form={})  # refused, and says who refuses
    version = answer.headers["x-litellm-version"]
    if tuple(map(int, version.split(".")[:3])) < VERSION_LEAST:
        pytest.skip(f"litellm {version} is older than the dialect asks for")


@pytest.fixture
def stage(proxied: Stage) -> Stage:
    """No job, no bill and no fault."""
    proxied.server.simulator.registry.clear()
    proxied.server.simulator.faults.clear()
    return proxied


def test_a_job_is_followed_from_submit_to_its_file(stage: Stage) -> None:
    stage.renderer.probe()
    completed = stage.ended(stage.submitted())
    assert completed.status == "completed"
    assert stage.download(completed.job_id)[4:8] == b"ftyp"
    assert stage.renderer.delete(completed.job_id) == "unsupported"


def test_a_remix_reaches_the_renderer_behind_it(stage: Stage) -> None:
    source = stage.ended(stage.submitted()).job_id
    remix = stage.submitted(replace(ORDER, operation="remix", source=Source(source, None)))
    assert stage.ended(remix).status == "completed"
    assert [line.operation.value for line in stage.server.simulator.registry.billed()] == ["create", "remix"]


@pytest.mark.parametrize(
    ("status", "terminal"),
    [(400, True), (401, True), (403, True), (404, True), (422, True), (429, False), (503, False)],
)
def test_a_refusal_behind_it_stays_one(stage: Stage, status: int, terminal: bool) -> None:
    stage.strikes(FaultKind.CREATE_STATUS, status=status)
    with pytest.raises(Refused) as raised:
        stage.renderer.submit(ORDER)
    assert (raised.value.http_status, raised.value.terminal, stage.jobs_taken()) == (status, terminal, 0)


@pytest.mark.usefixtures("recent")
@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER_ACCEPT, FaultKind.NONSENSE_JSON])
def test_an_answer_lost_behind_it_is_unknown_and_the_job_taken_once(stage: Stage, kind: FaultKind) -> None:
    stage.strikes(kind)
    with pytest.raises(UnknownOutcome):
        stage.renderer.submit(ORDER)
    assert stage.jobs_taken() == 1


def test_the_reason_of_a_failed_job_is_told(stage: Stage) -> None:
    stage.strikes(FaultKind.JOB_FAILS, code="moderation_blocked", message="Blocked.")
    failed = stage.ended(stage.submitted())
    assert (failed.error_code, failed.error_message) == ("moderation_blocked", "Blocked.")


def test_a_job_that_was_forgotten_behind_it_is_gone(stage: Stage) -> None:
    job_id = stage.submitted()
    stage.server.simulator.restart()
    with pytest.raises(JobGone):
        stage.renderer.status(job_id)


def test_a_field_beyond_the_protocol_passes(stage: Stage) -> None:
    with pytest.raises(Refused) as raised:
        stage.renderer.submit(replace(ORDER, fields={"seed": 7}))
    assert raised.value.http_status == 400
    assert "seed" in (raised.value.message or "")  # the simulator's words: it was sent, and is not taken there

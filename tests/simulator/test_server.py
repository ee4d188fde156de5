"""Starting, stopping and the command's foreground run."""

import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from bickford_sora.simulator import Simulator, SimulatorServer, SimulatorSettings

FOREGROUND = """
import functools
from bickford_sora.simulator import SimulatorSettings, run
run(SimulatorSettings(), announce=functools.partial(print, flush=True))
"""


def test_the_foreground_run_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, "-c", FOREGROUND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answer = httpx.get(f"{url}/videos", headers={"authorization": "Bearer sk-simulator"})
            assert answer.status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def test_a_taken_port_is_refused_and_a_stopped_one_is_free_again() -> None:
    with SimulatorServer() as first:
        port = int(first.url.removesuffix("/v1").rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            SimulatorServer(SimulatorSettings(port=port)).start()
        with pytest.raises(RuntimeError, match="running already"):
            first.start()
    first.stop()  # a second stop does nothing
    with SimulatorServer(SimulatorSettings(port=port)) as second:
        assert second.url == first.url


def test_a_simulator_brings_its_own_settings() -> None:
    with pytest.raises(ValueError, match="own settings"):
        SimulatorServer(SimulatorSettings(), simulator=Simulator())


@pytest.mark.parametrize(
    "setting",
    [
        {"sizes": ("1280*720",)},
        {"sizes": ("63x64",)},
        {"sizes": ("4096x2160",)},
        {"sizes": ()},
        {"seconds": ("121",)},
        {"seconds": ("four",)},
        {"frame_rate": 0},
        {"webhook_url": "http://127.0.0.1:9/"},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_be_obeyed_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SimulatorSettings.model_validate(setting)


def test_settings_do_not_show_their_secrets() -> None:
    settings = SimulatorSettings(api_key="sk-hidden", webhook_url="http://a.example", webhook_secret="hidden-too")
    assert "hidden" not in repr(settings)


def test_an_answer_does_not_wait_for_a_delayed_acknowledgement(untouched: SimulatorServer, http: httpx.Client) -> None:
    answers = [http.get(f"{untouched.control_url}/billing") for _ in range(20)]
    assert min(answer.elapsed.total_seconds() for answer in answers[10:]) < 0.03  # Nagle's algorithm makes it 0.04

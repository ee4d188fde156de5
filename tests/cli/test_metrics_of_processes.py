"""The numbers of every process of an installation can be had."""

import json
import re
import time

import httpx
import pytest

from .commands import Served, environment, first_line, running, served

pytestmark = pytest.mark.xdist_group("watch")


def numbers(server: Served) -> str:
    key = (server.data_dir / "keys" / "api.key").read_text().strip()
    base_url = json.loads((server.data_dir / "serve.json").read_text())["base_url"]
    answer = httpx.get(f"{base_url.removesuffix('/v1')}/metrics", headers={"authorization": f"Bearer {key}"})
    return answer.raise_for_status().text


def test_a_server_tells_what_its_background_did_and_a_worker_tells_for_itself() -> None:
    with served() as server:
        server.run("render", "a kite", "--seconds", "1", "--size", "160x96", "--wait")
        gives_up_at = time.monotonic() + 60
        wanted = r'work_duration_seconds_count\{outcome="done",process="background",step="store"\} [1-9]'
        while not re.search(wanted, numbers(server)):
            assert time.monotonic() < gives_up_at, numbers(server)
            time.sleep(0.2)
        text = numbers(server)
        for process in ("server", "background"):
            assert re.search(rf'append_decisions_count\{{process="{process}"\}} [1-9]', text)
        assert text.count("# TYPE bickford_append_decisions histogram") == 1
        assert re.search(
            r'renderer_call_duration_seconds_count\{method="POST",outcome="200",process="background"', text
        )
        assert re.search(r'bickford_spend_today\{currency="USD",project="default",state="reserved"\} 0\.\d+', text)
        for read_model in ("videos", "search"):
            assert re.search(rf'projection_lag_seconds\{{projection="{read_model}"\}} \d', text)
        _a_worker_tells(server)


def _a_worker_tells(server: Served) -> None:
    known = environment(server.data_dir, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-none"})
    log = server.folder / "worker.log"
    with running(known, log, "worker", "--metrics-port", "0") as worker:
        first_line(worker)
        said = log.read_text()
        url = said.partition("Probes and metrics are at ")[2].split()[0]
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
        told = httpx.get(f"{url}/metrics").text
        assert 'process="worker"' in told
        assert "bickford_spend" not in told, "everybody may ask a worker's port"
        assert httpx.get(f"{url}/v1/videos").status_code == 404

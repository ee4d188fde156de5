"""A whole story with secrets planted everywhere, and then a look for them everywhere they must not be."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from tests.benchmarks.database import temporary_database
from tests.cli.commands import COMMAND, SMALL_AND_QUICK, environment, run, stop

pytestmark = pytest.mark.xdist_group("watch")

PROMPT = "a kite over planted-words-of-a-prompt"
SIGNED = "whsec_" + base64.b64encode(b"planted-webhook-secret-of-a-renderer").decode()
PLANTED = {
    "BICKFORD_API_KEY": "bk_live_planted-bootstrap-key",
    "BICKFORD_API_KEYS": "films=bk_live_planted-films-key",
    "OPENAI_API_KEY": "sk-planted-renderer-credential",
    "OPENAI_WEBHOOK_SECRET": SIGNED,
    "BICKFORD_MASTER_KEY": base64.b64encode(b"planted-master-key-of-32-bytes!!").decode(),
    "BICKFORD_OIDC_CLIENT_SECRET": "planted-secret-of-the-oidc-client",
    "BICKFORD_CHECKPOINT_PUSH_SECRET": "whsec_" + base64.b64encode(b"planted-push-secret-of-checkpts!").decode(),
}
PASSWORD = "planted-database-password"
WRONG_KEY = "bk_live_planted-key-of-a-stranger"
NEEDLES = [
    *(value.partition("=")[2] if name == "BICKFORD_API_KEYS" else value for name, value in PLANTED.items()),
    PASSWORD,
    WRONG_KEY,
    "planted-",
]
"""The last finds every plain form; the others the encoded ones."""


class Story:
    """A server that is asked for everything, rightly and wrongly."""

    def __init__(self, base_url: str) -> None:
        self.said: list[str] = []
        self._client = httpx.Client(base_url=base_url, timeout=20)

    def ask(
        self, method: str, path: str, *, key: str = PLANTED["BICKFORD_API_KEY"], **options: object
    ) -> httpx.Response:
        """Every answer is kept, headers and all."""
        headers = {"authorization": f"Bearer {key}", **options.pop("headers", {})}  # type: ignore[dict-item]
        answer = self._client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]
        self.said.append(f"{path} {answer.status_code} {dict(answer.headers)} {answer.text[:100_000]}")
        return answer

    def close(self) -> None:
        self._client.close()

    def wrongs(self) -> None:
        """What is refused, with a secret in every place a request has."""
        for key in (WRONG_KEY, f"{PLANTED['BICKFORD_API_KEY']}x", PLANTED["OPENAI_API_KEY"]):
            assert self.ask("GET", "/v1/videos", key=key).status_code == 401
        for path in ("/v1/videos/video_0", "/v1/nothing", "/v1/videos/video_0/content?expires=1&signature=0"):
            assert self.ask("GET", path).status_code >= 400
        assert self.ask("POST", "/v1/videos", json={"prompt": PROMPT, "size": "1x1"}).status_code == 400
        assert self.ask("POST", "/v1/videos", content=b"{").status_code == 400
        assert self.ask("POST", "/webhooks/openai", content=b"{}", headers={"webhook-id": "x"}).status_code == 400
        signed = {"webhook-id": "wh_1", "webhook-timestamp": "1", "webhook-signature": f"v1,{SIGNED}"}
        assert self.ask("POST", "/webhooks/openai", content=b"{}", headers=signed).status_code in {400, 401}

    def render(self) -> str:
        """A video, from its request to its file."""
        made = self.ask("POST", "/v1/videos", json={"prompt": PROMPT, "seconds": "1", "size": "160x96"})
        video_id = str(made.json()["id"])
        self.said.pop()  # a video object shows its prompt to whoever asked for it
        gives_up_at = time.monotonic() + 30
        while self.ask("GET", f"/v1/videos/{video_id}").json()["status"] != "completed":
            assert time.monotonic() < gives_up_at
            self.said.pop()
            time.sleep(0.1)
        assert PROMPT in self.said.pop()
        assert self.ask("GET", f"/v1/videos/{video_id}/content", headers={"range": "bytes=0-9"}).status_code == 206
        return video_id


@contextmanager
def serving(
    server_url: str, folder: Path, renderer: SimulatorServer
) -> Iterator[tuple[Story, str, subprocess.Popen[str]]]:
    """A server that talks as much as it can, into a file."""
    with temporary_database(server_url) as url, (folder / "log").open("w") as log:
        given = {
            **SMALL_AND_QUICK,
            **PLANTED,
            "BICKFORD_DATABASE_URL": f"{url} password={PASSWORD}",
            "BICKFORD_LOG_LEVEL": "debug",
            "BICKFORD_POLL_INTERVAL_S": "0.1",
            "BICKFORD_CHECKPOINT_PUSH_URL": "https://127.0.0.1:1/planted-by-nobody",
            "BICKFORD_CHECKPOINT_INTERVAL_S": "1",
            "OPENAI_BASE_URL": renderer.url,
        }
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0"],
            env=environment(folder / "data", given),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "http://" in line, (folder / "log").read_text()
            with closing(Story(line.split()[-1].removesuffix("/v1"))) as story:
                yield story, url, process
        finally:
            stop(process)


def found_in(text: str) -> list[str]:
    return [each for each in NEEDLES if each in text]


def test_no_secret_is_in_any_log_fact_error_or_metric(server_url: str, tmp_path: Path) -> None:
    simulated = SimulatorSettings(
        api_key=PLANTED["OPENAI_API_KEY"], render_time_s=0.1, frame_rate=4, seconds=("1",), sizes=("160x96",)
    )
    with SimulatorServer(simulated) as renderer, serving(server_url, tmp_path, renderer) as (story, url, process):
        renderer.simulator.webhooks.send_to(url=f"{story._client.base_url}webhooks/openai", secret=SIGNED)
        video_id = story.render()
        story.wrongs()
        issued = story.ask("POST", "/v1/api_keys", json={"name": "Ours", "roles": ["requester"]})
        assert issued.status_code == 200, issued.text
        new_secret = issued.json()["secret"]
        story.said.pop()  # shown once, to whoever asked for it
        story.ask("GET", "/v1/api_keys", key=PLANTED["BICKFORD_API_KEY"])
        renderer.stop()
        story.ask("POST", "/v1/videos", json={"prompt": PROMPT, "seconds": "1", "size": "160x96"})
        story.said.pop()
        story.ask("GET", "/metrics")
        story.ask("GET", "/readyz")
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        stop(process)
        with psycopg.connect(url) as connection:
            facts = "\n".join(
                f"{row}"
                for row in connection.execute(
                    "select stream, type, actor, tenant, trace, convert_from(payload, 'UTF8') from ledger.events"
                )
            )
            kept = "\n".join(f"{row}" for row in connection.execute("select name from ledger.keys"))
    log = (tmp_path / "log").read_text()
    assert video_id in facts
    assert "request" in log
    for where, text in {
        "log": log,
        "facts": facts,
        "keys": kept,
        "answers": "\n".join(story.said),
        "ps": arguments,
    }.items():
        assert found_in(text) == [], where
        assert new_secret not in text, where
    files = [each for each in (tmp_path / "data").rglob("*") if each.is_file() and "assets" not in each.parts]
    for file in files:
        assert found_in(file.read_bytes().decode("latin-1")) == [], file


def test_doctor_shows_no_secret_however_wrong_the_settings_are(tmp_path: Path) -> None:
    given = {**PLANTED, "BICKFORD_DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:1/x"}
    for change in (
        {},
        {"BICKFORD_MASTER_KEY": "planted-wrong"},
        {"BICKFORD_API_KEYS": "planted-wrong"},
        {"BICKFORD_WORKERS": "planted-wrong"},
    ):
        said = run(tmp_path / "data", "doctor", "--json", status=1, **{**given, **change})
        assert found_in(said.stdout + said.stderr) == []


def test_the_needles_would_be_found() -> None:
    assert found_in(json.dumps({"x": PLANTED["OPENAI_API_KEY"]}))
    assert found_in(f"x {SIGNED} y") == [SIGNED]
    assert found_in("nothing of it") == []

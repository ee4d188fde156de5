"""Kills and restarts each process of a renderer pool in the middle of ten renders, while no client sees an error.

Two simulators keep their jobs in memory, as engines do. Both are ended by SIGKILL when all ten renders are under way,
one after the other, and started again with nothing in memory. The renderer file says `on_lost: resubmit`, so what they
forgot is submitted again. Ends with status 1 when a client got anything but its videos.

Needs `pip install openai`, the client; run it with the Python that bickford-sora is installed for.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from openai import BaseModel, OpenAI

RENDERS = 10
ANSWERED_S = 0.3
"""Within which the last answer of a simulator has surely arrived."""
COMMAND = (sys.executable, "-m", "bickford_sora")
KEY = "bk_live_only-for-this-example"
QUICK = {
    "BICKFORD_POLL_INTERVAL_S": "0.2",
    "BICKFORD_POLL_AFTER_MS": "200",
    "BICKFORD_RETRY_AFTER_MAX_S": "1",
    "BICKFORD_SUBMIT_TIMEOUT_S": "2",
    "BICKFORD_RECONCILE_GRACE_S": "1",
    "BICKFORD_STORE_ATTEMPTS_MAX": "3",
    "BICKFORD_LOG_LEVEL": "error",
}
"""Times for a story of seconds; leave them out where renders take minutes."""
FILE = """
renderers:
  - name: pool
    dialect: openai
    credential: {{name: pool-key, env: POOL_KEY}}
    replicas: [{replicas}]
    on_lost: resubmit
    limits: {{lost_grace_s: 0.5}}
    models:
      - {{name: sora-2, sizes: [128x96], seconds: ["1"], price: {{micro_per_unit: {{"*": 0}}}}}}
"""


def main() -> int:
    """Tells the story. Returns the exit status."""
    with tempfile.TemporaryDirectory() as folder, Processes() as running:
        Path(folder).chmod(0o711)  # the database's user passes through, where this is run by root
        pool = [running.start(*simulator(0)) for _ in range(2)]
        urls = [running.url_of(each) for each in pool]
        file = Path(folder, "renderers.yaml")
        file.write_text(FILE.format(replicas=", ".join(urls)))
        server = running.start("serve", "--port", "0", **served(folder, file))
        print(f"{RENDERS} clients, one server, two renderers at {' and '.join(urls)}")
        with OpenAI(base_url=running.url_of(server), api_key=KEY, max_retries=0) as client:
            return tell(client, running, pool, urls)


def tell(client: OpenAI, running: "Processes", pool: list[subprocess.Popen[str]], urls: list[str]) -> int:
    """Renders, and restarts what renders."""
    with ThreadPoolExecutor(RENDERS) as clients:
        asked = [
            client.videos.create(prompt=f"Kite {n}", model="sora-2", seconds="1", size="128x96") for n in range(RENDERS)
        ]
        waiting = [clients.submit(finished, client, each.id) for each in asked]
        while sum(jobs_of(url) for url in urls) < RENDERS:
            time.sleep(0.05)
        time.sleep(ANSWERED_S)
        for process, url in zip(pool, urls, strict=True):
            process.kill()
            process.wait()
            running.start(*simulator(int(url.rsplit(":", 1)[1].partition("/")[0])))
            print(f"{url} was killed, and started again")
        outcomes = [each.result() for each in waiting]
    made_again = client.get(
        "/audit/events", cast_to=Facts, options={"params": {"type": "render.resubmitted", "limit": 100}}
    )
    print(f"{len(made_again.data)} jobs were forgotten, and submitted again")
    good = sum(outcome == "completed" for outcome in outcomes)
    print(f"{good} of {RENDERS} were completed and downloaded: {sorted(set(outcomes))}")
    return 0 if good == RENDERS else 1


def jobs_of(url: str) -> int:
    """How many jobs a simulator has taken."""
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/simulator/billing") as answer:  # noqa: S310 - our own
        return int(json.load(answer)["billed"])


class Facts(BaseModel):
    """A page of facts."""

    data: list[object]


def finished(client: OpenAI, video_id: str) -> str:
    """What one client sees: how its video ended, or the error it got."""
    try:
        video = client.videos.poll(video_id, poll_interval_ms=200)
        if video.status == "completed" and not client.videos.download_content(video_id).content:
            return "empty"
    except Exception as error:  # noqa: BLE001 - whatever a client sees is what is told
        return repr(error)
    return f"{video.status} ({video.error.code})" if video.error else video.status


def simulator(port: int) -> list[str]:
    """The command of one renderer; port 0 takes a free one."""
    return [
        "simulator",
        "--port",
        str(port),
        "--render-time",
        "3",
        "--size",
        "128x96",
        "--seconds",
        "1",
        "--frame-rate",
        "4",
    ]


def served(folder: str, renderers: Path) -> dict[str, str]:
    """The server's environment."""
    ours = {
        "BICKFORD_DATA_DIR": str(Path(folder, "data")),
        "BICKFORD_API_KEY": KEY,
        "BICKFORD_RENDERERS_FILE": str(renderers),
        "POOL_KEY": "sk-simulator",
    }
    return {**QUICK, **ours}


class Processes:
    """The processes of this story, ended with it."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a command of ours."""
        process = subprocess.Popen(
            [*COMMAND, *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
        )
        self._started.append(process)
        return process

    def url_of(self, process: subprocess.Popen[str]) -> str:
        """Where a process says that it serves."""
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None, "it did not start"
        return found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            process.wait(30)
            process.stdout.close()


if __name__ == "__main__":
    sys.exit(main())

"""How many creates a second the gateway answers, beside a LiteLLM proxy over the same stub renderer, in the same run.

Both are whole servers in processes of their own, as their users start them, asked by the same load: so many requests in
flight over kept connections, each a multipart create with a prompt of its own. LiteLLM answers when the renderer has
answered and keeps nothing; ours answers when the intent and the decision are on disk, and submits from there. Its
workers run in its own rounds, in a process that yields to the one that answers, and have the work of all rounds to do;
how many renders they have not submitted at the end is told. In the other's rounds all of it stands still, and takes
nothing from it. Short rounds alternate, so that a neighbour on the machine slows both alike.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg

from tests.benchmarks.database import temporary_database
from tests.benchmarks.load import Measured, measure

ROUNDS = 3
START_S_MAX = 120.0
"""Longest wait for a server to answer, in seconds. The proxy takes its time to import."""
OUR_KEY = "bk_live_benchmark-only"
THEIR_KEY = "sk-benchmark-only"
_SHARE_LINE = "Pss:"
LITELLM_CONFIG = """\
model_list:
  - model_name: sora-2
    litellm_params: {{model: openai/sora-2, api_base: "{stub}", api_key: sk-stub}}
general_settings: {{master_key: {key}}}
litellm_settings: {{drop_params: true, telemetry: false}}
"""


@dataclass(frozen=True)
class Server:
    """A server under load."""

    name: str
    port: int
    path: str
    key: str
    process: subprocess.Popen[bytes]


def run(
    url: str, *, in_flight: int, seconds: float, litellm: str | None, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Measures for `seconds` in each round; requests a second, milliseconds and MiB by name, ready for JSON.

    `litellm` is the proxy's program; without it ours is measured alone. `url` is the database server.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bickford-bench-create-")))
        folder.chmod(0o711)
        stub = stack.enter_context(_stub(folder))
        database = stack.enter_context(temporary_database(url))
        servers = [stack.enter_context(_ours(folder, stub, database))]
        if litellm is not None:
            servers.append(stack.enter_context(_litellm(folder, stub, litellm)))
        rounds: dict[str, list[Measured]] = {server.name: [] for server in servers}
        spent_s = dict.fromkeys(rounds, 0.0)
        for turn in range(1, ROUNDS + 1):
            for server in servers:
                pid = server.process.pid
                with _standing_still([each for each in servers if each is not server]):
                    before_s = _processor_s(pid)
                    round_ = measure(server.port, server.path, server.key, in_flight=in_flight, seconds=seconds)
                    spent_s[server.name] += _processor_s(pid) - before_s
                rounds[server.name].append(round_)
                on_progress(f"round {turn}/{ROUNDS}: {server.name}: {round_.rate:,.0f} requests/s")
        unsubmitted = _unsubmitted(database)
        memory = {f"{server.name}_mib": round(_resident_bytes(server.process.pid) / 2**20) for server in servers}
    answered = {name: sum(len(each.latencies_ms) for each in measured) for name, measured in rounds.items()}
    processor = {f"{name}_cpu_ms": round(1000 * spent_s[name] / max(answered[name], 1), 1) for name in rounds}
    return _summary(rounds, in_flight, seconds) | processor | memory | {"ours_unsubmitted": unsubmitted}


def _summary(rounds: dict[str, list[Measured]], in_flight: int, seconds: float) -> dict[str, Any]:
    told: dict[str, Any] = {"unit": "requests/s", "in_flight": in_flight, "seconds": seconds, "rounds": ROUNDS}
    for name, measured in rounds.items():
        told[f"{name}_rate"] = round(statistics.median(each.rate for each in measured))
        told[f"{name}_p50_ms"] = round(statistics.median(each.percentile_ms(50) for each in measured), 1)
        told[f"{name}_p99_ms"] = round(statistics.median(each.percentile_ms(99) for each in measured), 1)
        told[f"{name}_failed"] = sum(each.failed for each in measured)
    if "litellm" in rounds:
        told["ratio_litellm"] = round(told["ours_rate"] / max(told["litellm_rate"], 1), 2)
    return told


@contextmanager
def _standing_still(servers: Sequence[Server]) -> Iterator[None]:
    """None of these takes processor time until the end of the block."""
    for server in servers:
        os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for server in servers:
            os.killpg(server.process.pid, signal.SIGCONT)


@contextmanager
def _stub(folder: Path) -> Iterator[str]:
    """A renderer that takes every job at once and never finishes one."""
    port = _free_port()
    with _process(folder, "stub", [sys.executable, "-m", "tests.benchmarks.stub_renderer", str(port)], {}):
        _wait(port, "/v1/videos", "stub", folder)
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def _ours(folder: Path, stub: str, database_url: str) -> Iterator[Server]:
    port = _free_port()
    given = {
        "BICKFORD_DATA_DIR": str(folder / "data"),
        "BICKFORD_DATABASE_URL": database_url,
        "BICKFORD_API_KEY": OUR_KEY,
        "OPENAI_BASE_URL": stub,
        "OPENAI_API_KEY": "sk-stub",
        "BICKFORD_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "bickford_sora", "serve", "--port", str(port)]
    with _process(folder, "ours", command, given) as process:
        _wait(port, "/readyz", "ours", folder)
        yield Server("ours", port, "/v1/videos", OUR_KEY, process)


@contextmanager
def _litellm(folder: Path, stub: str, program: str) -> Iterator[Server]:
    port = _free_port()
    config = folder / "litellm.yaml"
    config.write_text(LITELLM_CONFIG.format(stub=stub, key=THEIR_KEY))
    command = [program, "--config", str(config), "--port", str(port), "--num_workers", "1"]
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR"}
    with _process(folder, "litellm", command, offline) as process:
        _wait(port, "/health/liveliness", "litellm", folder)
        yield Server("litellm", port, "/v1/videos", THEIR_KEY, process)


@contextmanager
def _process(folder: Path, name: str, command: list[str], given: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BICKFORD_", "OPENAI_"))}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env={**kept, **given}, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(port: int, path: str, name: str, folder: Path) -> None:
    gives_up_at = time.monotonic() + START_S_MAX
    while time.monotonic() < gives_up_at:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{name} did not start: {(folder / f'{name}.log').read_text()[-2_000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unsubmitted(database_url: str) -> int:
    """Renders that were accepted and are yet to be submitted."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "select count(*) filter (where type = 'render.allowed')"
            " - count(*) filter (where type = 'render.submission_started') from ledger.events"
        ).fetchone()
    return int(row[0]) if row else 0


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process and all below it (Linux). A page that several share counts once: in equal parts."""
    lines = (Path(f"/proc/{each}/smaps_rollup").read_text().splitlines() for each in _family(pid))
    return sum(int(line.split()[1]) * 1024 for rollup in lines for line in rollup if line.startswith(_SHARE_LINE))


def _processor_s(pid: int) -> float:
    """Processor time of a process and all below it that live, in seconds (Linux)."""
    fields = (Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in _family(pid))
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    tasks = Path(f"/proc/{pid}/task").iterdir()  # who started a child is a thread
    return [pid, *(each for task in tasks for child in _children(task) for each in _family(child))]


def _children(task: Path) -> list[int]:
    try:
        return [int(child) for child in (task / "children").read_text().split()]
    except FileNotFoundError:  # it ended while we looked
        return []

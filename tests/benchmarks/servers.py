"""Whole servers in processes of their own, as their users start them, and what they take of the machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psycopg

START_S_MAX = 120.0
"""Longest wait for a server to answer, in seconds. A proxy takes its time to import."""
OUR_KEY = "bk_live_benchmark-only"
_SHARE_LINE = "Pss:"


@dataclass(frozen=True)
class Server:
    """A server under load."""

    name: str
    port: int
    path: str
    key: str
    process: subprocess.Popen[bytes]


@contextmanager
def stub_renderer(folder: Path) -> Iterator[str]:
    """A renderer that takes every job at once and never finishes one."""
    port = free_port()
    with started(folder, "stub", [sys.executable, "-m", "tests.benchmarks.stub_renderer", str(port)], {}):
        wait_until_up(port, "/v1/videos", "stub", folder)
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def our_server(folder: Path, stub: str, database_url: str, **settings: str) -> Iterator[Server]:
    """The gateway with its workers, behind it the stub."""
    port = free_port()
    given = {
        "BICKFORD_DATA_DIR": str(folder / "data"),
        "BICKFORD_DATABASE_URL": database_url,
        "BICKFORD_API_KEY": OUR_KEY,
        "OPENAI_BASE_URL": stub,
        "OPENAI_API_KEY": "sk-stub",
        "BICKFORD_LOG_LEVEL": "warning",
        **settings,
    }
    command = [sys.executable, "-m", "bickford_sora", "serve", "--port", str(port)]
    with started(folder, "ours", command, given) as process:
        wait_until_up(port, "/readyz", "ours", folder)
        yield Server("ours", port, "/v1/videos", OUR_KEY, process)


@contextmanager
def bare_server(folder: Path, database_url: str) -> Iterator[Server]:
    """A FastAPI route with one INSERT."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bare_insert", str(port), database_url]
    with started(folder, "bare", command, {}) as process:
        wait_until_up(port, "/readyz", "bare", folder)
        yield Server("bare", port, "/", "", process)


@contextmanager
def standing_still(servers: Sequence[Server]) -> Iterator[None]:
    """None of these takes processor time until the end of the block."""
    for server in servers:
        os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for server in servers:
            os.killpg(server.process.pid, signal.SIGCONT)


@contextmanager
def started(folder: Path, name: str, command: list[str], given: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, ended with the block; what it says is in the folder under its name."""
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


def wait_until_up(port: int, path: str, name: str, folder: Path) -> None:
    """Returns when it answers. Raises RuntimeError with what it said when it does not within `START_S_MAX`."""
    gives_up_at = time.monotonic() + START_S_MAX
    while time.monotonic() < gives_up_at:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{name} did not start: {(folder / f'{name}.log').read_text()[-2_000:]}")


def free_port() -> int:
    """A port that nobody listens on, a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and all below it (Linux). A page that several share counts once: in equal parts."""
    lines = (Path(f"/proc/{each}/smaps_rollup").read_text().splitlines() for each in _family(pid))
    return sum(int(line.split()[1]) * 1024 for rollup in lines for line in rollup if line.startswith(_SHARE_LINE))


def processor_s(pid: int) -> float:
    """Processor time of a process and all below it that live, in seconds (Linux)."""
    return sum(map(_spent_s, _family(pid)))


def processors_s(server: Server, database_url: str) -> dict[str, float]:
    """Processor time so far, in seconds, of the process that answers, of those behind it, and of PostgreSQL (Linux)."""
    family = _family(server.process.pid)
    alone = _spent_s(next((each for each in family if _name(each) == "sora-server"), server.process.pid))
    with psycopg.connect(database_url) as connection:
        postmaster = int(_fields(connection.info.backend_pid)[1])
    ended_s = sum(map(int, _fields(postmaster)[13:15])) / os.sysconf("SC_CLK_TCK")
    return {
        "answering": alone,
        "behind": processor_s(server.process.pid) - alone,
        "postgresql": processor_s(postmaster) + ended_s,
    }


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""


def _spent_s(pid: int) -> float:
    try:
        return sum(map(int, _fields(pid)[11:13])) / os.sysconf("SC_CLK_TCK")
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return 0.0


def _fields(pid: int) -> list[str]:
    """What the system tells of a process, from its state on (proc_pid_stat(5), field 3)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _family(pid: int) -> list[int]:
    """A process and all below it, as far as they live."""
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]  # who started a child is a thread
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(each for task in tasks for child in _children(task) for each in _family(child))]


def _children(task: Path) -> list[int]:
    try:
        return [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return []

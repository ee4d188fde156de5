"""Who keeps the background going, and who goes with whom. Real processes: that is the promise."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bickford_sora.background_process import NICENESS

WAIT_S = 20.0


class Server:
    """A server whose background does nothing but wait."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.workers.kept", str(folder), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def background(self) -> list[str]:
        """The number of the background's process, its keeper's, its niceness and its renderers."""
        told = self.folder / "background"
        wait_until(told.exists)
        said = told.read_text().split()
        told.unlink()
        return said

    def stop(self) -> str:
        """Lets it stop, and gives what it said until then."""
        said, _ = self.process.communicate(timeout=WAIT_S)
        return str(said)


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    server = Server(folder, *arguments)
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.communicate(timeout=WAIT_S)


def wait_until(reached: Callable[[], bool]) -> None:
    gives_up_at = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < gives_up_at
        time.sleep(0.01)


def is_gone(number: str) -> bool:
    """Whether no such process runs; one that nobody has waited for yet does not run any more."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as running:
        yield running


def test_the_background_yields_to_the_server_and_knows_its_renderers(server: Server) -> None:
    number, _, niceness, renderers = server.background()
    assert int(number) != server.process.pid
    assert (int(niceness), renderers) == (os.nice(0) + NICENESS, "openai")


def test_a_server_that_stops_lets_its_background_finish(server: Server) -> None:
    number, keeper, *_ = server.background()
    assert server.stop() == ""
    assert server.process.returncode == 0
    assert (server.folder / "finished").exists()
    assert is_gone(number)
    assert is_gone(keeper)


def test_a_killed_worker_process_is_started_again_and_told_of(server: Server) -> None:
    first, *_ = server.background()
    os.kill(int(first), signal.SIGKILL)
    second, *_ = server.background()
    assert second != first
    assert server.stop() == "background process: exit status -9\n"
    assert is_gone(second)


def test_workers_die_with_their_server(server: Server) -> None:
    number, keeper, *_ = server.background()
    server.process.kill()
    wait_until(lambda: is_gone(number) and is_gone(keeper))
    assert not (server.folder / "finished").exists()


def test_a_signal_to_the_whole_group_leaves_it_to_the_server_when_to_stop(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        number, keeper, *_ = server.background()
        for each in (number, keeper):
            os.kill(int(each), signal.SIGTERM)
            os.kill(int(each), signal.SIGINT)
        time.sleep(0.1)
        assert not is_gone(number)
        server.stop()
        assert (tmp_path / "finished").exists()


def test_a_background_without_its_keeper_goes_on_and_its_end_is_told_of(server: Server) -> None:
    number, keeper, *_ = server.background()
    os.kill(int(keeper), signal.SIGKILL)
    wait_until(lambda: is_gone(keeper))
    assert not is_gone(number)
    os.kill(int(number), signal.SIGKILL)
    assert server.process.stdout is not None
    assert server.process.stdout.readline().startswith("background process: it is gone")


def test_what_fails_in_the_background_is_a_problem_of_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, "fail") as server:
        server.background()
        assert server.stop() == "projector: ValueError\n"


def test_a_server_that_never_began_leaves_nobody_behind(tmp_path: Path) -> None:
    script = (
        "import os; from bickford_sora.background_process import BackgroundProcess as B;"
        "B(lambda *_: None); print(open(f'/proc/self/task/{os.getpid()}/children').read())"
    )
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=Path.cwd())
    wait_until(lambda: is_gone(told.stdout.strip()))

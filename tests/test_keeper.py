"""Who is started again, who goes with whom, and what clients see of it. Real processes: that is the promise."""

import itertools
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bickford_sora.keeper import RESTART_FIRST_S
from tests.cli.commands import start
from tests.processes import is_gone

WAIT_S = 60.0
REFUSED = 1


class Kept:
    """A keeper with a server, which answers its number, and a background, which waits."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.folder = folder
        with (folder / "log").open("w") as log:
            self.process = start((str(folder), mode), os.environ, log, module="tests.kept", leads=True)

    def lines(self, name: str, count: int = 1) -> list[str]:
        """What was written into a file, once it has so many lines."""
        file = self.folder / name
        wait_until(lambda: file.exists() and file.read_text().count("\n") >= count)
        return file.read_text().splitlines()

    def number(self, name: str, nth: int = 1) -> int:
        """The number of a process, of the first one of this name or a later one."""
        return int(self.lines(name, nth)[nth - 1].split()[0])

    def ask(self) -> int:
        """The number of the server that answers."""
        with socket.create_connection(("127.0.0.1", int(self.lines("port")[0])), WAIT_S) as connection:
            return int(connection.recv(64) or b"0")

    def end(self, *signals: int) -> int:
        """Signals the keeper. Returns its exit status."""
        for each in signals:
            self.process.send_signal(each)
        return self.process.wait(WAIT_S)


@contextmanager
def keeping(folder: Path, mode: str = "") -> Iterator[Kept]:
    kept = Kept(folder, mode)
    try:
        yield kept
    finally:
        with suppress(ProcessLookupError):
            os.killpg(kept.process.pid, signal.SIGKILL)
        kept.process.wait(WAIT_S)
        kept.process.stdout.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with keeping(tmp_path) as running:
        running.number("background")
        yield running


def wait_until(reached: Callable[[], bool]) -> None:
    gives_up_at = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < gives_up_at
        time.sleep(0.01)


def test_a_killed_server_is_started_again_and_its_clients_wait(kept: Kept) -> None:
    first = kept.ask()
    assert first == kept.number("server")
    os.kill(first, signal.SIGSTOP)  # so that the next client is not answered by this one
    asking = socket.create_connection(("127.0.0.1", int(kept.lines("port")[0])), WAIT_S)
    os.kill(first, signal.SIGKILL)
    with asking:
        assert int(asking.recv(64)) == kept.number("server", 2)
    assert not is_gone(kept.number("background"))


def test_a_killed_background_is_started_again_and_the_server_is_told(kept: Kept) -> None:
    os.kill(kept.number("background"), signal.SIGKILL)
    assert not is_gone(kept.number("background", 2))
    problem = "projector: ValueError"
    death = "background process: exit status -9"
    assert kept.lines("heard", 4) == [problem, death, "background process: None", problem]
    assert kept.ask() == kept.number("server")


def test_the_background_yields_to_the_server(kept: Kept) -> None:
    own = os.nice(0)
    assert [int(kept.lines(name)[0].split()[1]) - own for name in ("server", "background")] == [0, 5]


def test_all_end_with_their_keeper(kept: Kept) -> None:
    numbers = [kept.number("server"), kept.number("background")]
    kept.process.kill()
    wait_until(lambda: all(map(is_gone, numbers)))
    assert not (kept.folder / "finished").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_server_finish_and_then_its_background(kept: Kept, number: int) -> None:
    assert kept.end(number) == 0
    assert kept.lines("finished") == ["server", "background"]


def test_a_signal_to_the_whole_group_leaves_it_to_the_keeper_when_to_stop(kept: Kept) -> None:
    for name, number in itertools.product(["server", "background"], [signal.SIGTERM, signal.SIGINT]):
        os.kill(kept.number(name), number)
    assert kept.ask() == kept.number("server")
    os.killpg(kept.process.pid, signal.SIGTERM)
    assert kept.process.wait(WAIT_S) == 0
    assert kept.lines("finished") == ["server", "background"]


def test_who_is_told_twice_breaks_off(tmp_path: Path) -> None:
    with keeping(tmp_path, "stays") as kept:
        kept.number("background")
        number = kept.ask()
        kept.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert not is_gone(number)
        assert kept.end(signal.SIGINT) == 128 + signal.SIGINT
        assert is_gone(number)


def test_a_server_that_never_began_is_not_started_again(tmp_path: Path) -> None:
    with keeping(tmp_path, "refuses") as kept:
        said = kept.process.stdout.read()
        assert (kept.process.wait(WAIT_S), said) == (REFUSED, "never: it cannot\n")
        assert len(kept.lines("server")) == 1
        assert not (tmp_path / "background").exists()


def test_a_server_that_is_told_to_stop_before_it_began_is_not_waited_for(tmp_path: Path) -> None:
    with keeping(tmp_path, "hangs") as kept:
        kept.number("server")
        assert kept.end(signal.SIGTERM) == 0


def test_one_that_dies_in_a_row_is_started_again_ever_later(tmp_path: Path) -> None:
    with keeping(tmp_path, "falls") as kept:
        times = [float(each.split()[2]) for each in kept.lines("background", 4)]
        pauses = [after - before for before, after in itertools.pairwise(times)]
        assert all(pause >= RESTART_FIRST_S * 2**number for number, pause in enumerate(pauses))
        assert kept.lines("heard", 3)[2] == "background process: exit status 3"


def test_a_server_that_is_started_again_is_told_what_fails_meanwhile(tmp_path: Path) -> None:
    with keeping(tmp_path, "falls") as kept:
        kept.lines("heard", 6)  # the next one comes 1.6 s later
        os.kill(kept.number("server"), signal.SIGKILL)
        death = "background process: exit status 3"
        wait_until(lambda: kept.lines("heard").count(death) > len(kept.lines("background")))

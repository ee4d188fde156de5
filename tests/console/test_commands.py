import sys
import threading

import pytest

from bickford_sora.console.commands import COMMANDS_MAX, Commands, Ended, Processes
from bickford_sora.errors import Conflicting
from tests.http.houses import SettableClock

ECHOES = "import sys; print('begins', file=sys.stderr); print(sys.argv[1] + sys.stdin.read()); sys.exit(3)"
WAITS = "import sys, time; print('waits', file=sys.stderr, flush=True); time.sleep(60)"


def test_a_command_runs_once_at_a_time_and_few_together() -> None:
    waiting = []
    commands = Commands(lambda *_: Ended(0, b"{}"), SettableClock(), start=waiting.append)
    for number in range(COMMANDS_MAX):
        commands.begin(f"command {number}", "verify", by="key_1")
    for name in ("command 0", "another"):
        with pytest.raises(Conflicting):
            commands.begin(name, "verify", by="key_1")
    for work in waiting:
        work()
    commands.begin("another", "verify", by="key_1")
    ended = commands.standing("command 0")
    assert ended is not None
    assert (ended.status, ended.answer) == (0, {})


def test_a_process_is_given_a_text_and_what_it_says_and_answers_is_told() -> None:
    said: list[str] = []
    ended = Processes((sys.executable, "-S", "-c", ECHOES)).run(["Read: "], said.append, "a text")
    assert ended == Ended(3, b"Read: a text\n")
    assert said == ["begins"]


def test_a_process_that_cannot_be_started_is_a_command_that_failed() -> None:
    commands = Commands(Processes(("/nowhere/python",)).run, SettableClock(), start=lambda work: work())
    commands.begin("verify", "verify", by="key_1")
    standing = commands.standing("verify")
    assert standing is not None
    assert (standing.status, standing.answer) == (1, None)


def test_what_runs_is_ended_with_the_server() -> None:
    processes, begun = Processes((sys.executable, "-S", "-c", WAITS)), threading.Event()
    ends: list[Ended] = []
    thread = threading.Thread(target=lambda: ends.append(processes.run([], lambda _: begun.set())))
    thread.start()
    assert begun.wait(10)
    processes.close()
    thread.join(10)
    assert [each.status for each in ends] == [-15]

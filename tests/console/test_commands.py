import sys
import threading
from collections.abc import Callable

import pytest

from bickford_sora.console.commands import COMMANDS_MAX, KEPT_MAX, Commands, Ended, Processes
from bickford_sora.errors import Conflicting
from tests.console.visits import no_parts
from tests.http.houses import SettableClock

ECHOES = "import sys; print('begins', file=sys.stderr); print(sys.argv[1] + sys.stdin.read()); sys.exit(3)"
WAITS = "import sys, time; print('waits', file=sys.stderr, flush=True); time.sleep(60)"


def test_a_command_runs_once_at_a_time_and_few_together() -> None:
    waiting = []
    commands = Commands(lambda *_: Ended(0, b"{}"), no_parts, SettableClock(), start=waiting.append)
    for number in range(COMMANDS_MAX):
        commands.begin(f"command {number}", "verify", by="key_1")
    for name, code in (("command 0", "command_runs"), ("another", "commands_busy")):
        with pytest.raises(Conflicting) as refused:
            commands.begin(name, "verify", by="key_1")
        assert refused.value.code == code
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
    commands = Commands(Processes(("/nowhere/python",)).run, no_parts, SettableClock(), start=lambda work: work())
    commands.begin("verify", "verify", by="key_1")
    standing = commands.standing("verify")
    assert standing is not None
    assert (standing.status, standing.answer) == (1, None)


def test_a_command_for_which_there_is_no_thread_has_failed_and_bars_no_other() -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    commands = Commands(lambda *_: Ended(0, b"{}"), no_parts, SettableClock(), start=start)
    for _ in range(COMMANDS_MAX + 1):
        commands.begin("verify", "verify", by="key_1")
    standing = commands.standing("verify")
    assert standing is not None
    assert standing.status == 1


def test_what_runs_is_never_forgotten() -> None:
    works: list[Callable[[], object]] = []
    commands = Commands(lambda *_: Ended(0, b"{}"), no_parts, SettableClock(), start=works.append)
    commands.begin("long", "verify", by="key_1")
    for number in range(KEPT_MAX + 1):
        commands.begin(f"short {number}", "verify", by="key_1")
        works.pop()()
    assert commands.standing("long") is not None
    assert commands.standing("short 0") is None
    works.pop()()


def test_a_process_that_takes_too_long_is_ended() -> None:
    processes = Processes((sys.executable, "-S", "-c", WAITS))
    assert processes.run([], lambda _: None, "", 0.2).status == -15


def test_what_runs_is_ended_with_the_server() -> None:
    processes, begun = Processes((sys.executable, "-S", "-c", WAITS)), threading.Event()
    ends: list[Ended] = []
    thread = threading.Thread(target=lambda: ends.append(processes.run([], lambda _: begun.set())))
    thread.start()
    assert begun.wait(60)
    processes.close()
    thread.join(60)
    assert [each.status for each in ends] == [-15]


def test_an_answer_is_handed_on_in_parts_while_the_command_runs() -> None:
    processes = Processes((sys.executable, "-c", "print('a line ' * 20_000)"))
    parts = [*processes.parts(())]
    assert len(parts) > 1
    assert b"".join(parts).split() == [b"a", b"line"] * 20_000


def test_a_command_that_fails_ends_its_parts_with_an_error_and_may_run_again() -> None:
    processes = Processes((sys.executable, "-c", "print('begun'); raise SystemExit(3)"))
    commands = Commands(processes.run, processes.parts, SettableClock())
    for _ in range(2):
        parts = commands.parts("export", "export", by="key_1")
        assert next(parts) == b"begun\n"
        with pytest.raises(Conflicting):
            next(commands.parts("export", "export", by="key_2"))
        with pytest.raises(RuntimeError, match="ended with 3"):
            next(parts)


def test_a_command_whose_parts_nobody_wants_is_ended() -> None:
    program = "import os; [os.write(1, b'part ' * 20_000) for _ in range(10 ** 6)]"
    processes = Processes((sys.executable, "-c", program))
    commands = Commands(processes.run, processes.parts, SettableClock())
    parts = commands.parts("export", "--out", by="key_1")
    assert next(parts).startswith(b"part ")
    assert commands.standing("export") is not None
    parts.close()  # type: ignore[attr-defined] # a generator
    assert commands.standing("export") is None


def test_a_command_whose_parts_take_too_long_is_ended() -> None:
    processes = Processes((sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(RuntimeError, match="ended with -15"):
        next(processes.parts((), 0.3))

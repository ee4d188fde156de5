"""Commands of this program that pages set going, each in a process of its own.

What rereads the whole ledger would take processor time and connections from the requests of this process. So it is done
by the command that an operator would call, with the same settings; the page shows what it said and came to.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import orjson
import structlog

from bickford_sora.errors import Conflicting
from ledger.clock import Clock

COMMANDS_MAX = 2
"""Commands that run at the same time."""
KEPT_MAX = 50
"""Commands whose end is remembered; of older ones nothing is known any more."""
SAID_LINES_MAX = 8
"""Last lines of what a command said that are kept."""
PART_BYTES = 64 * 1024
"""Most bytes of a command's answer that are handed on at once."""
COMMAND_S_MAX = 3600.0
"""How long a command may take, in seconds; then it is ended. A larger ledger is read by an operator's own command."""
STOP_S = 5.0
"""How long a command that is told to end may take, in seconds."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    answer: bytes
    """What it wrote to standard output."""


class Run(Protocol):
    """Runs a command to its end."""

    def __call__(self, arguments: Sequence[str], on_line: Callable[[str], None], text: str, most_s: float, /) -> Ended:
        """`on_line` is told each line it says beside its answer; `text` is given to it as standard input.

        It is ended when it takes longer than `most_s`.
        """


class Pipe(Protocol):
    """Runs a command whose answer is handed on while it runs."""

    def __call__(self, arguments: Sequence[str], most_s: float, /) -> Iterator[bytes]:
        """The answer in parts. Whoever stops asking for them ends it.

        Raises RuntimeError behind the last part where it failed, or took longer than `most_s`; OSError where it cannot
        be started.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a command is."""

    arguments: tuple[str, ...]
    by: str
    """Public id of the key it was set going with."""
    began_at: datetime
    said: tuple[str, ...] = ()
    ended_at: datetime | None = None
    status: int | None = None
    """Its exit status; None while it runs."""
    text: str = ""
    """What it was given to read."""
    answer: Any = None
    """Its answer, which is JSON; None where it gave none."""

    @property
    def command(self) -> str:
        """As it is typed."""
        return " ".join(("bickford-sora", *self.arguments))


class Commands:
    """The commands of this process, by what they are for. Safe to use from several threads."""

    def __init__(
        self, run: Run, pipe: Pipe, clock: Clock, start: Callable[[Callable[[], object]], object] | None = None
    ) -> None:
        """`start` has a function called beside its caller; a thread of its own without it."""
        self._run = run
        self._pipe = pipe
        self._clock = clock
        self._start = start or _in_a_thread
        self._lock = threading.Lock()
        self._standings: dict[str, Standing] = {}

    def begin(self, name: str, *arguments: str, by: str, text: str = "") -> None:
        """Sets one going. Raises Conflicting while this one, or too many others, run."""
        self._enter(name, Standing(arguments=arguments, by=by, began_at=self._clock(), text=text))
        try:
            self._start(lambda: self._follow(name, arguments, text))
        except RuntimeError as error:  # no thread is to be had
            log.warning("command_not_run", command=arguments[0], error=type(error).__name__)
            self._ends(name, Ended(1, b""))

    def standing(self, name: str) -> Standing | None:
        """How far it is; None: it was not set going since this process started."""
        with self._lock:
            return self._standings.get(name)

    def parts(self, name: str, *arguments: str, by: str) -> Generator[bytes, None, None]:
        """Runs one whose answer is handed on while it runs. Raises as `begin`, and with the parts as `Pipe`."""
        self._enter(name, Standing(arguments=arguments, by=by, began_at=self._clock()))
        try:
            yield from self._pipe(arguments, COMMAND_S_MAX)
        finally:
            with self._lock:
                del self._standings[name]

    def _enter(self, name: str, standing: Standing) -> None:
        with self._lock:
            running = [each for each, known in self._standings.items() if known.ended_at is None]
            if name in running:
                raise Conflicting("This is being done already. Wait until it has ended.", code="command_runs")
            if len(running) >= COMMANDS_MAX:
                raise Conflicting("Too much else is being done. Wait until some of it has ended.", code="commands_busy")
            self._standings.pop(name, None)
            self._standings[name] = standing
            for oldest in [*self._standings][:-KEPT_MAX]:
                if oldest not in running:
                    del self._standings[oldest]

    def _follow(self, name: str, arguments: Sequence[str], text: str) -> None:
        ended = Ended(1, b"")
        try:
            ended = self._ran(name, arguments, text)
        finally:
            self._ends(name, ended)

    def _ran(self, name: str, arguments: Sequence[str], text: str) -> Ended:
        try:
            return self._run(arguments, lambda line: self._says(name, line), text, COMMAND_S_MAX)
        except (OSError, RuntimeError) as error:  # no process, or no thread that listens to it
            log.warning("command_not_run", command=arguments[0], error=type(error).__name__)
            return Ended(1, b"")

    def _says(self, name: str, line: str) -> None:
        with self._lock:
            standing = self._standings.get(name)
            if standing is not None:  # what is said late by one that ended is nobody's
                self._standings[name] = replace(standing, said=(*standing.said, line)[-SAID_LINES_MAX:])

    def _ends(self, name: str, ended: Ended) -> None:
        try:
            answer = orjson.loads(ended.answer) if ended.answer else None
        except orjson.JSONDecodeError:
            answer = None
        with self._lock:
            standing = self._standings[name]
            self._standings[name] = replace(standing, ended_at=self._clock(), status=ended.status, answer=answer)


class Processes:
    """Runs commands of this program, with the settings of this process."""

    def __init__(self, program: Sequence[str] = (sys.executable, "-P", "-m", "bickford_sora")) -> None:
        """`-P`: nothing in the folder that the server was started in is taken for a part of the program."""
        self._program = program
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(
        self, arguments: Sequence[str], on_line: Callable[[str], None], text: str = "", most_s: float = COMMAND_S_MAX, /
    ) -> Ended:
        """Runs one to its end, or ends it. Raises OSError where no process can be started."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(  # noqa: S603 - this program, and arguments that were checked
            [*self._program, *arguments], stdin=pipe, stdout=pipe, stderr=pipe
        )
        with self._watched(process, most_s):
            return Ended(*_followed(process, on_line, text))

    def parts(self, arguments: Sequence[str], most_s: float = COMMAND_S_MAX, /) -> Iterator[bytes]:
        """Runs one whose answer is handed on while it runs, as `Pipe`."""
        process = subprocess.Popen(  # noqa: S603 - this program, and arguments that were checked
            [*self._program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        with self._watched(process, most_s):
            while part := process.stdout.read(PART_BYTES):
                yield part
        if process.returncode:
            raise RuntimeError(f"the command ended with {process.returncode}")

    @contextmanager
    def _watched(self, process: subprocess.Popen[bytes], most_s: float) -> Iterator[None]:
        """Sees a process to its end, or ends it: when its time is up, or when nobody follows it any more."""
        with self._lock:
            self._running.add(process)
        deadline = threading.Timer(most_s, _stop, (process,))
        deadline.daemon = True
        try:
            with process:
                try:
                    deadline.start()
                    yield
                except BaseException:
                    process.kill()  # nobody follows it any more
                    raise
        finally:
            deadline.cancel()
            with self._lock:
                self._running.discard(process)

    def close(self) -> None:
        """Ends those that run."""
        with self._lock:
            running = [*self._running]
        for process in running:
            process.terminate()
        for process in running:
            _see_it_end(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    _see_it_end(process)


def _see_it_end(process: subprocess.Popen[bytes]) -> None:
    """Waits for one that was told to end, and kills it when it does not."""
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _followed(process: subprocess.Popen[bytes], on_line: Callable[[str], None], text: str) -> tuple[int, bytes]:
    assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - they are pipes
    said = process.stderr

    def listen() -> None:
        for line in said:
            on_line(line.decode(errors="replace").strip())

    listener = threading.Thread(target=listen, name="command-listener", daemon=True)
    listener.start()
    if text:
        process.stdin.write(text.encode())
    process.stdin.close()
    answer = process.stdout.read()
    listener.join()
    return process.wait(), answer


def _in_a_thread(work: Callable[[], object]) -> None:
    threading.Thread(target=work, name="command", daemon=True).start()

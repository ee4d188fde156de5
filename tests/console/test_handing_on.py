"""Handing on a command's answer over a real socket: to who reads it slowly, and not to who does not read."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from bickford_sora.console.commands import Commands, Processes
from bickford_sora.console.handing_on import HandedOn
from bickford_sora.http.serving import ServerThread
from bickford_sora.http.waits import Patience
from tests.http.houses import SettableClock

SILENCE_S = 0.4
PATIENT_S = 2.0
"""As `SILENCE_S`, where a reader must never be that late, however busy the machine."""
STRICT = Patience(read_silence_s=SILENCE_S, look_s=0.1)
WAIT_S = 60.0
PART = b"a part of the ledger\n" * 4_000
WRITES = "import sys; [sys.stdout.buffer.write(b'a part of the ledger\\n' * 4_000) for _ in range({times})]"


def commands_that_write(times: int) -> Commands:
    processes = Processes((sys.executable, "-S", "-c", WRITES.format(times=times)))
    return Commands(processes.run, processes.parts, SettableClock())


def exporting(commands: Commands) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        parts = commands.parts("export", by="key_1")
        first = next(parts)
        assert commands.standing("export") is not None
        answer = HandedOn(first, parts, media_type="text/plain", headers={})
        await answer(scope, receive, send)

    return app


@contextmanager
def asked(server: ServerThread) -> Iterator[socket.socket]:
    """A client that has asked, and is being answered."""
    with closing(socket.socket()) as client:
        client.settimeout(WAIT_S)
        host, _, port = server.url.removeprefix("http://").partition(":")
        client.connect((host, int(port)))
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        yield client


def is_free(commands: Commands) -> bool:
    gives_up_at = time.monotonic() + WAIT_S
    while commands.standing("export") is not None:
        if time.monotonic() > gives_up_at:
            return False
        time.sleep(0.02)
    return True


def test_a_reader_that_stalls_gives_its_place_back_though_it_stays() -> None:
    commands = commands_that_write(10_000)
    with ServerThread(exporting(commands), patience=STRICT) as server, asked(server):
        assert is_free(commands)


def test_a_reader_that_stalls_holds_up_no_stop_though_it_stays() -> None:
    commands = commands_that_write(10_000)
    with (
        ServerThread(exporting(commands), shutdown_timeout_s=int(3 * WAIT_S), patience=STRICT) as server,
        asked(server),
    ):
        assert is_free(commands)
        began_at = time.monotonic()
        server.stop()
        assert time.monotonic() - began_at < WAIT_S


def test_a_reader_that_leaves_gives_its_place_back() -> None:
    commands = commands_that_write(10_000)
    with ServerThread(exporting(commands)) as server:
        with asked(server):
            pass
        assert is_free(commands)


def test_a_slow_reader_that_goes_on_reading_gets_everything() -> None:
    commands, got, began_at = commands_that_write(400), 0, time.monotonic()
    patience = Patience(read_silence_s=PATIENT_S, look_s=0.1)
    with ServerThread(exporting(commands), patience=patience) as server, asked(server) as client:
        while part := client.recv(256 * 1024):
            got += len(part)
            time.sleep(0.02)
    assert got > 400 * len(PART)
    assert time.monotonic() - began_at > PATIENT_S
    assert is_free(commands)

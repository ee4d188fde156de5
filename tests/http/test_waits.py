"""Connections whose clients keep them waiting, over a real socket: with a head, a body's rest, or by not reading."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from bickford_sora.http.serving import ServerThread
from bickford_sora.http.waits import BoundedWaits, Looker, Patience

WAIT_S = 60.0
"""How long what is to happen is waited for, on a machine that is busy."""
STRICT = Patience(head_wait_s=1.0, read_silence_s=0.3, look_s=0.1)
LARGE_BYTES = 40_000_000
"""More than the system takes for a client that does not read."""
HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads no body."""
    await PlainTextResponse("hello")(scope, receive, send)


@contextmanager
def connected(app: ASGIApp, patience: Patience = STRICT) -> Iterator[socket.socket]:
    with ServerThread(app, patience=patience) as server, closing(socket.socket()) as client:
        host, _, port = server.url.removeprefix("http://").partition(":")
        client.settimeout(WAIT_S)
        client.connect((host, int(port)))
        yield client


def until_closed(client: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            answer += part
    return answer


def trickled(client: socket.socket, piece: bytes, *, every_s: float = 0.02) -> bytes:
    """What comes back of a piece that is sent again and again until the connection ends."""
    answer, gives_up_at = b"", time.monotonic() + WAIT_S
    client.settimeout(every_s)
    while time.monotonic() < gives_up_at:
        try:
            client.sendall(piece)
            if not (part := client.recv(65536)):
                return answer
            answer += part
        except TimeoutError:
            continue
        except ConnectionError:
            return answer
    raise AssertionError("the connection did not end")


def test_a_connection_on_which_nothing_comes_is_ended() -> None:
    with connected(hello) as client:
        assert until_closed(client) == b""


def test_a_head_that_stays_away_is_answered_408() -> None:
    with connected(hello) as client:
        client.sendall(HEAD)
        assert until_closed(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("piece", [b"a", b"x: y\r\n"], ids=["a byte at a time", "a header at a time"])
def test_a_head_that_trickles_is_answered_408(piece: bytes) -> None:
    with connected(hello) as client:
        client.sendall(HEAD)
        assert trickled(client, piece).startswith(b"HTTP/1.1 408 ")


def test_empty_lines_before_a_head_keep_no_connection() -> None:
    with connected(hello) as client:
        assert trickled(client, b"\r\n").startswith(b"HTTP/1.1 408 ")


def test_a_head_that_stays_away_after_an_answer_is_answered_408() -> None:
    with connected(hello) as client:
        client.sendall(HEAD + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.sendall(HEAD)
        assert until_closed(client).startswith(b"HTTP/1.1 408 ")


def test_the_rest_of_a_body_that_was_answered_is_not_waited_for_without_end() -> None:
    with connected(hello) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n{")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"}")
        assert until_closed(client) == b""


def test_a_body_that_goes_on_after_its_answer_is_read_to_its_end() -> None:
    with connected(hello, Patience(head_wait_s=3.0, look_s=0.1)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 40\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        for _ in range(40):
            client.sendall(b"x")
            time.sleep(0.1)
        client.sendall(HEAD + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_heads_that_come_in_pieces_one_after_the_other_are_all_answered() -> None:
    with connected(hello, Patience(head_wait_s=3.0, look_s=0.1)) as client:
        began = time.monotonic()
        while time.monotonic() - began < 4.0:
            client.sendall(HEAD)
            time.sleep(0.03)
            client.sendall(b"\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def endless(ended: threading.Event) -> ASGIApp:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
                await asyncio.sleep(0)  # as whatever is read from somewhere
        finally:
            ended.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(parts())(scope, receive, send)

    return app


def test_an_answer_that_nobody_reads_is_ended_with_its_source() -> None:
    ended = threading.Event()
    with connected(endless(ended)) as client:
        client.sendall(HEAD + b"\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        assert ended.wait(WAIT_S)


def test_an_answer_ends_with_its_source_also_where_a_request_waits_behind_it() -> None:
    for leaves in (False, True):
        ended = threading.Event()
        with connected(endless(ended)) as client:
            client.sendall(2 * (HEAD + b"\r\n"))
            assert client.recv(12) == b"HTTP/1.1 200"
            if leaves:
                client.close()
            assert ended.wait(WAIT_S)


def test_who_sends_its_body_after_the_answer_may_be_idle_as_others() -> None:
    with connected(hello, Patience(head_wait_s=2.0, look_s=0.1)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"body")
        time.sleep(3.0)
        client.sendall(HEAD + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_process_that_stood_still_waited_for_nobody_meanwhile() -> None:
    waited: list[float] = []

    class Connection(BoundedWaits):
        def __init__(self) -> None:
            """Of no socket."""

        def look(self, now_s: float, _: Patience) -> None:
            waited.append(now_s)

    looker = Looker(Patience(look_s=1.0))
    for now in (1_000.0, 1_000.5, 1_001.0, 9_000.0, 9_001.0):
        looker.look(now, [Connection()])
    assert [later - earlier for earlier, later in pairwise(waited)] == [1.0, 2.0, 1.0]


def test_an_answer_that_is_read_slowly_goes_on() -> None:
    ended = threading.Event()
    with connected(endless(ended), Patience(read_silence_s=3.0, look_s=0.1)) as client:
        client.sendall(HEAD + b"\r\n")
        began = time.monotonic()
        while time.monotonic() - began < 4.0:
            assert client.recv(512 * 1024)
            time.sleep(0.02)
        assert not ended.is_set()


def test_the_end_of_an_answer_that_nobody_reads_holds_no_connection() -> None:
    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("x" * LARGE_BYTES)(scope, receive, send)

    with capture_logs() as logged, connected(large) as client:
        client.sendall(HEAD + b"Connection: close\r\n\r\n")
        gives_up_at = time.monotonic() + WAIT_S
        while not logged and time.monotonic() < gives_up_at:
            time.sleep(0.05)
        assert [each["event"] for each in logged] == ["reader_stalled"]
        assert len(until_closed(client)) < LARGE_BYTES

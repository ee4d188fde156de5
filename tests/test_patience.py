"""A call ends when its time is over: connecting, shaking hands, sending and reading, over TLS and without."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bickford_sora.egress import Egress, FetchFailed
from bickford_sora.patience import share_s
from bickford_sora.renderers.transport import NoAnswer, NotSent, Transport, TransportLimits
from tests.test_egress import LOOPBACK, certificate, listening, resolving

CALL_S = 0.6
LIMITS = TransportLimits(
    answer_timeout_s=CALL_S, silence_timeout_s=CALL_S, download_timeout_s=CALL_S, connect_timeout_s=CALL_S
)
ENDED_S = 20.0
"""By when each call has ended, also on a busy machine; what is tried here takes half a minute and more left alone."""


def dripping(begun: bytes) -> Callable[[socket.socket, bytes], None]:
    def behaviour(connection: socket.socket, _: bytes) -> None:
        connection.sendall(begun)
        for _each in range(1200):
            connection.sendall(b"a")
            time.sleep(0.05)

    return behaviour


DRIPS = pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nx: ",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ",
    ],
    ids=["head", "body", "trailer"],
)


@DRIPS
def test_a_renderer_that_trickles_over_tls_is_left_when_its_time_is_over(begun: bytes, tmp_path: Path) -> None:
    trusted, server = certificate("localhost", tmp_path)
    with listening(dripping(begun), tls=server) as (port, requests):
        url = f"https://localhost:{port}/v1"
        with Transport(url, None, limits=LIMITS, tls=trusted) as transport, ending():
            with pytest.raises(NoAnswer):
                transport.request("GET", "/videos")
            with pytest.raises(NoAnswer), transport.stream("/videos") as streamed:
                list(streamed.chunks)
    assert len(requests) == 2


@DRIPS
def test_an_endpoint_that_trickles_over_tls_is_left_when_its_time_is_over(begun: bytes, tmp_path: Path) -> None:
    trusted, server = certificate("hooks.example", tmp_path)
    with listening(dripping(begun), tls=server) as (port, requests), ending():
        egress = Egress(allow_private=LOOPBACK, resolve=resolving("127.0.0.1"), tls=trusted)
        with pytest.raises(FetchFailed):
            egress.fetch(f"https://hooks.example:{port}/", bytes_max=10_000, timeout_s=CALL_S)
    assert len(requests) == 1


def test_a_handshake_that_never_comes_is_left_when_its_time_is_over(tls: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/v1"
        with Transport(url, None, limits=LIMITS, tls=tls) as transport, ending(), pytest.raises(NotSent):
            transport.request("GET", "/videos")
        with ending(), pytest.raises(FetchFailed):
            Egress(allow_private=LOOPBACK, tls=tls).post(url, b"", {}, timeout_s=CALL_S)


def test_all_addresses_of_a_renderer_are_tried_within_one_call(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext
) -> None:
    with unanswering() as port:
        several = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{each}", port)) for each in range(1, 60)]
        asked = socket.getaddrinfo

        def resolved(host: Any, *given: Any, **more: Any) -> Any:
            return several if host == "many.example" else asked(host, *given, **more)

        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        url = f"http://many.example:{port}/v1"
        with Transport(url, None, limits=LIMITS, tls=tls) as transport, ending(), pytest.raises(NotSent):
            transport.request("GET", "/videos")


def test_all_addresses_of_an_endpoint_are_tried_within_one_call(tls: ssl.SSLContext) -> None:
    addresses = [f"127.0.0.{each}" for each in range(1, 20)]
    egress = Egress(allow_private=LOOPBACK, resolve=resolving(*addresses), tls=tls)
    with unanswering() as port, ending(), pytest.raises(FetchFailed):
        egress.post(f"http://many.example:{port}/", b"", {}, timeout_s=2.0)


def test_an_address_that_is_silent_leaves_time_for_the_next() -> None:
    assert share_s(12.0, 4) == 3.0
    assert share_s(4.0, 4) == 2.0
    assert share_s(1.0, 4) == 1.0
    assert share_s(9.0, 1) == 9.0


@contextmanager
def ending(within_s: float = ENDED_S) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < within_s


@contextmanager
def unanswering() -> Iterator[int]:
    """A port whose queue is full: who connects hears nothing."""
    with socket.create_server(("0.0.0.0", 0), backlog=0) as full:  # noqa: S104 - every address of loopback
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        yield port
        for each in waiting:
            each.close()


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()

"""What the transport promises below any dialect."""

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bickford_sora.renderers.transport import (
    HELD_BACK_BYTES,
    FilePart,
    NoAnswer,
    NotSent,
    TooLate,
    Transport,
    TransportLimits,
)
from tests.renderers.conftest import IMPATIENT, SECRET
from tests.renderers.fake_server import FakeServer, Reply, answering, http

PACKAGE = Path(__file__).parents[2] / "bickford_sora" / "renderers"


def transport_to(server: FakeServer, tls: ssl.SSLContext, limits: TransportLimits = IMPATIENT) -> Transport:
    return Transport(server.url, SecretStr(SECRET), limits=limits, tls=tls)


def test_httpx_is_known_to_one_module_only() -> None:
    knowing = [path.name for path in PACKAGE.rglob("*.py") if "import httpx" in path.read_text()]
    assert knowing == ["transport.py"]


@pytest.mark.parametrize(
    "base_url",
    [
        "https://user:pass-word@renderer.test/v1",
        "https://renderer.test/v1?key=pass-word",
        "https://renderer.test/v1#pass-word",
        "ftp://pass-word.test/v1",
        "pass-word",
        "",
        "https:///pass-word",
        "http://renderer.test:pass-word",
    ],
)
def test_a_base_url_with_anything_to_hide_is_refused_without_repeating_it(base_url: str) -> None:
    with pytest.raises(ValueError, match="base URL of a renderer") as raised:
        Transport(base_url, None)
    assert "pass-word" not in f"{raised.value!r}"


@pytest.mark.parametrize("secret", ["", "with blank", "line-end\n", "carriage\rreturn", "ümlaut", "nul\0"])
def test_a_credential_that_no_header_can_carry_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValueError, match="credential must be visible ASCII") as raised:
        Transport("http://renderer.test/v1", SecretStr(secret))
    assert not secret or secret not in f"{raised.value}"


def test_the_credential_goes_out_as_a_bearer_token_and_shows_nowhere_else(tls: ssl.SSLContext) -> None:
    with FakeServer(answering(200)) as server, transport_to(server, tls) as transport:
        transport.request("GET", "/videos")
        assert f"authorization: Bearer {SECRET}".encode().lower() in server.requests[0].lower()
        assert SECRET not in f"{transport!r} {vars(transport)!r} {vars(transport._client)!r}"


def test_without_a_credential_no_authorization_is_sent(tls: ssl.SSLContext) -> None:
    with FakeServer(answering(200)) as server, Transport(server.url, None, tls=tls) as transport:
        transport.request("GET", "/videos")
    assert b"authorization" not in server.requests[0].lower()


def test_the_environment_changes_neither_route_nor_credential(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls: ssl.SSLContext
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with FakeServer(answering(200)) as server, transport_to(server, tls) as transport:
        assert transport.request("GET", "/videos").status == 200
    assert SECRET.encode() in server.requests[0]


def test_a_redirect_of_anything_but_a_download_is_an_answer(tls: ssl.SSLContext) -> None:
    with (
        FakeServer(answering(200)) as elsewhere,
        FakeServer(answering(302, None, location=elsewhere.url)) as server,
        transport_to(server, tls) as transport,
    ):
        assert transport.request("GET", "/videos").status == 302
        assert transport.request("POST", "/videos", json={}).status == 302
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "ended", [b"4\r\nhalf\r\n", b"4\r\nhalf\r\n8\r\nmo"], ids=["without the last chunk", "within a chunk"]
)
def test_a_chunked_answer_without_its_end_is_no_answer(tls: ssl.SSLContext, ended: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with FakeServer(Reply([head + ended])) as server, transport_to(server, tls) as transport:
        with pytest.raises(NoAnswer):
            transport.request("GET", "/videos")
        with transport.stream("/videos") as streamed, pytest.raises(NoAnswer):
            list(streamed.chunks)


@pytest.mark.parametrize(
    ("begun", "each"),
    [
        (b"HTTP/1.1 200 OK\r\nx: ", b"a"),
        (b"HTTP/1.1 200 ", b"a"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=", b"a"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ", b"a"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"a"),
    ],
    ids=["head", "status line", "interim answers", "chunk extension", "trailer", "body"],
)
def test_an_answer_that_trickles_is_left_when_its_time_is_over(tls: ssl.SSLContext, begun: bytes, each: bytes) -> None:
    limits = TransportLimits(answer_timeout_s=0.4, silence_timeout_s=0.4, download_timeout_s=0.8)
    trickle = Reply([begun, *[each] * 600], pause_s=0.05)
    with FakeServer(trickle) as server, transport_to(server, tls, limits) as transport:
        began = time.monotonic()
        with pytest.raises(NoAnswer):
            transport.request("GET", "/videos")
        with pytest.raises(NoAnswer), transport.stream("/videos") as streamed:
            list(streamed.chunks)
        assert time.monotonic() - began < 25  # half a minute each, left alone


def test_a_request_that_is_read_by_drops_is_left_when_its_time_is_over(tls: ssl.SSLContext) -> None:
    limits = TransportLimits(answer_timeout_s=0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stopping = threading.Event()

        def sip() -> None:
            connection, _ = server.accept()
            with connection:
                while not stopping.wait(0.02) and connection.recv(4096):
                    pass

        sipping = threading.Thread(target=sip, daemon=True)
        sipping.start()
        began = time.monotonic()
        with Transport(f"http://127.0.0.1:{server.getsockname()[1]}/v1", None, limits=limits, tls=tls) as transport:
            with pytest.raises(NoAnswer):
                transport.request("POST", "/videos", files=[FilePart("a", "a", "video/mp4", bytes(32 << 20))])
            took_s = time.monotonic() - began
        stopping.set()
        sipping.join(60)
    assert took_s < 30  # it would take minutes


def test_a_packed_answer_is_not_unpacked(tls: ssl.SSLContext) -> None:
    with FakeServer(answering(200, b"\x1f\x8b", content_encoding="gzip")) as server, transport_to(server, tls) as to:
        with pytest.raises(NoAnswer):
            to.request("GET", "/videos")
        assert b"accept-encoding: identity" in server.requests[0].lower()


@pytest.mark.parametrize("body", [{"json": {"prompt": "A calm sea"}}, {"form": {"prompt": "A calm sea"}}])
def test_a_request_that_is_too_late_never_becomes_whole(tls: ssl.SSLContext, body: dict[str, Any]) -> None:
    with FakeServer(answering(200)) as server, transport_to(server, tls) as transport:
        assert transport.request("POST", "/videos", **body, is_too_late=lambda: False).status == 200
        whole = server.requests[0].partition(b"\r\n\r\n")[2]
        assert f"content-length: {len(whole)}".encode() in server.requests[0].lower()
        with pytest.raises(TooLate):
            transport.request("POST", "/videos", **body, is_too_late=lambda: True)
    assert all(len(each.partition(b"\r\n\r\n")[2]) <= len(whole) - HELD_BACK_BYTES for each in server.requests[1:])


def test_an_answer_of_exactly_the_limit_is_read_and_one_byte_more_is_not(tls: ssl.SSLContext) -> None:
    limits = TransportLimits(answer_bytes_max=1_000, download_bytes_max=1_000)
    replies = [answering(200, b"x" * 1_000), answering(200, b"x" * 1_001)] * 2
    with FakeServer(*replies) as server, transport_to(server, tls, limits) as transport:
        assert len(transport.request("GET", "/videos").body) == 1_000
        with pytest.raises(NoAnswer):
            transport.request("GET", "/videos")
        with transport.stream("/videos") as streamed:
            assert len(b"".join(streamed.chunks)) == 1_000
        with transport.stream("/videos") as streamed, pytest.raises(NoAnswer):
            list(streamed.chunks)


def test_a_pool_without_a_free_connection_sends_nothing(tls: ssl.SSLContext) -> None:
    limits = TransportLimits(connections_max=1, pool_timeout_s=0.05)
    with FakeServer(Reply([http(200, b"")], pause_s=2.0)) as server, transport_to(server, tls, limits) as transport:
        busy = threading.Thread(target=transport.request, args=("GET", "/slow"))
        busy.start()
        while not server.requests:
            busy.join(0.005)
        with pytest.raises(NotSent):
            transport.request("POST", "/videos")
        busy.join()
        assert len(server.requests) == 1


def test_an_abandoned_download_gives_its_connection_back(tls: ssl.SSLContext) -> None:
    limits = TransportLimits(connections_max=1, pool_timeout_s=0.05)
    with FakeServer(answering(200, b"x" * 100_000)) as server, transport_to(server, tls, limits) as transport:
        for _ in range(3):
            with transport.stream("/videos") as streamed:
                next(streamed.chunks)

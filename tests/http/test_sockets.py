"""What only shows over a real socket: limits of bodies, races, draining, and clients that break off."""

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from bickford_sora.http.heads import HEAD_BYTES_MAX, PIPELINED_MAX
from bickford_sora.http.serving import ServerThread, bind, serve, url_of
from tests.http.houses import BODY_BYTES_MAX, KEY, Kit, error_of, make_kit

Served = tuple[Kit, str]
HEADERS = {"authorization": f"Bearer {KEY}"}


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[1], headers=HEADERS) as client:
        yield client


def raw(url: str, sent: bytes, *, timeout_s: float = 5.0) -> bytes:
    """What the server answers to these very bytes, until it closes or falls silent."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_twenty_requests_with_one_idempotency_key_make_one_render(served: Served) -> None:
    kit, url = served
    head = kit.ledger.head()
    together = threading.Barrier(20)

    def create(_: int) -> httpx.Response:
        with httpx.Client(headers=HEADERS) as client:
            together.wait()
            return client.post(f"{url}/v1/videos", json={"prompt": "race"}, headers={"Idempotency-Key": "race"})

    with ThreadPoolExecutor(20) as pool:
        answers = [*pool.map(create, range(20))]
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.text for answer in answers}) == 1
    assert [event.fact.TYPE for event in kit.ledger.read(head)] == [
        "render.intent",
        "render.allowed",
        "idempotency.bound",
        "spend.reserved",
    ]


def test_a_body_larger_than_declared_is_cut_off_at_the_limit(served: Served, client: httpx.Client) -> None:
    kit, _ = served
    head = kit.ledger.head()

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 100_000

    answer = client.post("/v1/videos", content=endless(), headers={"content-type": "application/json"})
    assert error_of(answer)[::3] == (413, "request_too_large")
    assert kit.ledger.head() == head


def test_a_large_upload_is_refused_by_what_it_declares_and_the_connection_lives_on(client: httpx.Client) -> None:
    answer = client.post("/v1/videos", content=b" " * 20 * BODY_BYTES_MAX, headers={"content-type": "application/json"})
    assert error_of(answer)[::3] == (413, "request_too_large")
    assert client.get("/v1/videos").status_code == 200


def test_an_upload_that_falls_silent_is_given_up() -> None:
    kit = make_kit(body_silence_s=0.2)
    with ServerThread(kit.app) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            head = f"POST /v1/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n"
            connection.sendall(head.encode() + b"{")
            answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert kit.ledger.head() == 0


def test_a_client_that_breaks_off_its_upload_leaves_no_trace(served: Served, client: httpx.Client) -> None:
    kit, url = served
    ledger_head = kit.ledger.head()
    head = f"POST /v1/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n"
    raw(url, head.encode() + b'{"prompt": "sea"}')
    assert client.get("/healthz").status_code == 200
    assert kit.ledger.head() == ledger_head


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"x" * 200_000,
        b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\nAuthorization: \xff\xfe\r\n\r\n",
        b"GET /v1/videos?after=%ff%00&limit=%31 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["tls", "endless-headers", "endless-line", "bytes", "query", "negative", "two-lengths", "bad-chunk", "bad-url"],
)
def test_garbage_on_the_wire_is_refused_and_the_server_lives_on(served: Served, sent: bytes) -> None:
    kit, url = served
    head = kit.ledger.head()
    with capture_logs() as logged:
        try:
            answer = raw(url, sent)
        except OSError:  # it was hung up on before it had said everything
            answer = b""
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"401", b"404"}
    assert b"server: " not in answer.lower()
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert [event for event in logged if event["log_level"] == "error"] == []
    assert kit.ledger.head() == head


def test_requests_that_come_all_at_once_on_one_connection_are_not_all_kept(served: Served) -> None:
    _, url = served
    answer = raw(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
    assert 0 < answer.count(b"HTTP/1.1 ") <= PIPELINED_MAX + 2


def test_a_trailer_is_no_header(served: Served) -> None:
    _, url = served
    head = b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailer = f"2\r\n{{}}\r\n0\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    assert raw(url, head + trailer).startswith(b"HTTP/1.1 401 ")


def test_a_body_behind_a_wish_for_another_protocol_is_not_read_as_a_request(served: Served) -> None:
    _, url = served
    wish = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(hidden)
    answer = raw(url, b"POST /v1/videos HTTP/1.1\r\n" + wish + length + hidden)
    assert answer.split(b" ")[1] == b"400"
    assert answer.count(b"HTTP/1.1 ") == 1
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"POST /v1/videos HTTP/1.1\r\n" + wish + length)
        connection.settimeout(5.0)
        answered = connection.recv(65_536)
        with suppress(OSError):
            connection.sendall(hidden)
            answered += connection.recv(65_536)
    assert (answered.split(b" ")[1], answered.count(b"HTTP/1.1 ")) == (b"400", 1)
    asked = raw(url, b"GET /healthz HTTP/1.1\r\n" + wish.replace(b"Upgrade\r", b"close, Upgrade\r", 1) + b"\r\n")
    assert asked.split(b" ")[1] == b"200", "without a body it is taken as if it had not wished"


def statuses(url: str, *pieces: bytes) -> list[bytes]:
    """Of all answers on a connection that the last request ends."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for each in pieces:
            connection.sendall(each)
            time.sleep(0.1)
        answered = b"".join(iter(lambda: connection.recv(65_536), b""))
    return re.findall(rb"HTTP/1.1 (\d+)", answered)


def test_what_comes_with_a_wish_for_another_protocol_is_the_next_request(served: Served) -> None:
    _, url = served
    wish = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(url, wish * 3 + last) == [b"200"] * 3 + [b"404"]
    body = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert statuses(url, wish + head, body) == [b"200", b"401"], "its body is no request"
    assert raw(url, wish * 200).count(b"HTTP/1.1 200") <= PIPELINED_MAX + 2


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\na: "], ids=["line", "header"])
def test_headers_that_do_not_end_are_cut_off_and_not_kept(served: Served, begun: bytes) -> None:
    host, _, port = served[1].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(begun + b"x" * (HEAD_BYTES_MAX - 1_000))
        time.sleep(0.05)
        connection.sendall(b"x" * 2_000)  # and nothing more: it is not waited for
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(65536) == b""


def test_headers_within_the_limit_are_taken_and_larger_ones_refused(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"x-long": "x" * (HEAD_BYTES_MAX - 1_000)}).status_code == 200
    assert client.get("/healthz", headers={"x-long": "x" * HEAD_BYTES_MAX}).status_code == 400


def test_a_larger_head_behind_another_request_is_refused_in_whatever_pieces_it_comes(served: Served) -> None:
    _, url = served
    host, port = url.removeprefix("http://").split(":")
    first = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(first + b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"x" * HEAD_BYTES_MAX)
        time.sleep(0.05)
        connection.sendall(b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"400"]


def test_head_and_ranges_over_the_wire(served: Served, client: httpx.Client) -> None:
    kit, _ = served
    content = os.urandom(300_000)
    path = f"/v1/videos/{kit.finished(content)}/content"
    assert client.get(path).content == content
    described = client.head(path)
    assert (described.status_code, described.headers["content-length"]) == (200, "300000")
    part = client.get(path, headers={"range": "bytes=100000-199999"})
    assert (part.status_code, part.content) == (206, content[100_000:200_000])
    assert client.get(path, headers={"if-none-match": part.headers["etag"]}).status_code == 304


def test_a_client_that_breaks_off_a_download_does_no_harm(served: Served, client: httpx.Client) -> None:
    kit, _ = served
    path = f"/v1/videos/{kit.finished(os.urandom(3_000_000))}/content"
    with client.stream("GET", path) as answer:
        next(answer.iter_raw())
    assert client.get("/healthz").status_code == 200


def slow_app(entered: threading.Event) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def slow() -> str:
        entered.set()
        time.sleep(0.3)
        return "done"

    return app


def test_stopping_lets_a_request_under_way_finish() -> None:
    entered = threading.Event()
    with ThreadPoolExecutor(1) as pool, ServerThread(slow_app(entered)) as server:
        answer = pool.submit(httpx.get, server.url)
        assert entered.wait(60)
        server.stop()
        assert answer.result(60).json() == "done"
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url)


def test_serving_in_the_foreground_ends_by_an_event_and_answers_what_is_under_way() -> None:
    stop, started, entered = threading.Event(), threading.Event(), threading.Event()
    bound = bind("127.0.0.1", 0)
    with ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        stack.callback(stop.set)
        serving = pool.submit(serve, slow_app(entered), bound, stop, on_started=started.set)
        assert started.wait(60)
        answer = pool.submit(httpx.get, url_of(bound))
        assert entered.wait(60)
        stop.set()
        assert answer.result(60).json() == "done"
        serving.result(60)


def test_a_port_that_is_taken_is_an_error_and_not_an_exit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])

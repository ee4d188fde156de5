"""A webhook that came whole is answered as one that came in pieces: two doors, one house."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bickford_sora.http.app import create_app
from bickford_sora.http.gathering import Gathering
from bickford_sora.http.serving import ServerThread
from bickford_sora.http.whole import WholeRequest, WholeRequests
from bickford_sora.tracing import Tracing
from bickford_sora.webhook_intake import Status
from bickford_sora.webhook_signatures import WEBHOOK_BODY_BYTES_MAX
from ledger.errors import Refused
from tests.http.houses import Kit, make_kit, webhook
from tests.http.test_webhooks import FORGERIES
from tests.logs import log_plainly
from tests.trying import tries

Answer = tuple[bytes, list[bytes], bytes]
"""Status line, headers without those that differ each time, body."""
Break = Callable[[Kit], None]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CHANGING = (b"date:", b"x-request-id:")


def to_send(event_id: str = "wh_1", *, path: str = "/webhooks/openai", close: bool = True, **made: Any) -> bytes:
    body, headers = webhook(event_id, **made)
    return post(body, headers, path=path, close=close)


def post(body: bytes, headers: Any, *, path: str = "/webhooks/openai", close: bool = True) -> bytes:
    pairs = [*(headers.items() if isinstance(headers, dict) else headers), ("Content-Length", str(len(body)))]
    lines = [_bytes(name) + b": " + _bytes(value) for name, value in [("Host", "house"), *pairs]]
    lines += [b"Connection: close"] if close else []
    return b"\r\n".join([b"POST " + path.encode() + b" HTTP/1.1", *lines, b"", body])


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


class Sender:
    """One connection to a served house."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._connection = socket.create_connection((host, int(port)), timeout=60)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = self._connection.makefile("rb")

    def answers(self, pieces: Sequence[bytes], count: int = 1) -> list[Answer]:
        """What is answered to bytes that arrive in these pieces."""
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(0.1)  # the server has read the one before
            self._connection.sendall(piece)
        return [self._answer() for _ in range(count)]

    def _answer(self) -> Answer:
        lines = [self._came.readline().rstrip()]
        while line := self._came.readline().rstrip():
            lines.append(line)
        length = next(int(line.split()[1]) for line in lines if line.startswith(b"content-length"))
        assert any(line.startswith(b"x-request-id: req_") for line in lines)
        return lines[0], [line for line in lines[1:] if not line.startswith(CHANGING)], self._came.read(length)

    def close(self) -> None:
        self._came.close()
        self._connection.close()


@contextmanager
def serving(kit: Kit) -> Iterator[tuple[str, list[bool]]]:
    """Where the house is served, and of each webhook that was offered whole, whether it was taken."""
    offered: list[bool] = []
    taker = kit.app.state.taker
    take = taker.take

    def watched(request: WholeRequest) -> bool:
        offered.append(take(request))
        return offered[-1]

    taker.take = watched
    with ServerThread(kit.app) as server:
        yield server.url, offered


def once(kit: Kit, pieces: Sequence[bytes]) -> tuple[Answer, list[bool]]:
    with serving(kit) as (url, offered):
        sender = Sender(url)
        try:
            return sender.answers(pieces)[0], offered
        finally:
            sender.close()


def in_pieces(request: bytes) -> list[bytes]:
    """The last byte, of the head or the body, comes later than the rest."""
    return [request[:-1], request[-1:]]


def nothing(_: Kit) -> None:
    pass


def away(kit: Kit) -> None:
    kit.recorder.close()


def refusing(kit: Kit) -> None:
    async def refuse(decisions: Sequence[object]) -> list[Refused]:
        return [Refused("not today") for _ in decisions]

    kit.recorder.append_all = refuse


def failing(kit: Kit) -> None:
    async def fail(_: Sequence[object]) -> None:
        raise ZeroDivisionError("a detail nobody outside may see")

    kit.recorder.append_all = fail


def recorded_before(kit: Kit) -> None:
    body, headers = webhook()
    assert kit.request("POST", "/webhooks/openai", key=None, content=body, headers=headers).status_code == 200


CASES: dict[str, tuple[bytes, Break, int]] = {
    "good": (to_send(), nothing, 200),
    "came before": (to_send(), recorded_before, 200),
    "unknown renderer": (to_send(path="/webhooks/unknown"), nothing, 404),
    "renderer without a secret": (to_send(path="/webhooks/silent"), nothing, 404),
    "the ledger is away": (to_send(), away, 503),
    "the ledger refuses it": (to_send(), refusing, 500),
    "we fail": (to_send(), failing, 500),
    **{
        name: (post(body, headers), nothing, status)
        for name, ((body, headers), (status, _)) in FORGERIES.items()
        if name != "too large"
    },
}


@pytest.mark.parametrize("name", CASES)
def test_who_came_whole_gets_the_answer_of_who_came_in_pieces(name: str) -> None:
    request, broken, status = CASES[name]
    answers, counts, heads = [], [], []
    for pieces in ([request], in_pieces(request)):
        kit = make_kit()
        broken(kit)
        log_plainly()
        with capture_logs() as logged:
            answer, offered = once(kit, pieces)
        assert offered == [True] * (len(pieces) == 1)
        answers.append(answer)
        heads.append([replace_time(event.fact) for event in kit.ledger.read(0)])
        counts.append((counted(kit), told(logged)))
    assert answers[0] == answers[1]
    assert heads[0] == heads[1]
    assert counts[0] == counts[1]
    assert int(answers[0][0].split()[1]) == status
    assert b"detail" not in answers[0][2]


def replace_time(fact: Any) -> dict[str, object]:
    return {key: value for key, value in dict(fact).items() if key != "sent_at"}


def counted(kit: Kit) -> list[str]:
    """What the metrics say of requests and webhooks, without how long they took."""
    names = ("bickford_http_request_duration_seconds_count", "bickford_webhooks_received_total")
    return [line for line in kit.house.metrics.text().decode().splitlines() if line.startswith(names)]


def told(logged: Sequence[Any]) -> list[dict[str, object]]:
    """What the log says, without what differs each time."""
    differing = {"duration_ms", "request_id", "exc_info", "trace_id"}
    return [{key: value for key, value in each.items() if key not in differing} for each in logged]


def test_a_receipt_is_marked_with_the_request_and_its_trace() -> None:
    body, headers = webhook()
    for pieces in (lambda whole: [whole], in_pieces):
        kit = make_kit()
        request = post(body, {**headers, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        log_plainly()
        with capture_logs() as logged, serving(kit) as (url, _):
            sender = Sender(url)
            sender._connection.sendall(pieces(request)[0])
            time.sleep(0.02)
            for piece in pieces(request)[1:]:
                sender._connection.sendall(piece)
            answer = sender._came.read()
            sender.close()
        (event,) = kit.ledger.read(0)
        assert event.context.trace == TRACE
        assert b"x-request-id: req_%b\r\n" % event.context.correlation.hex.encode() in answer
        (line,) = [each for each in logged if each["event"] == "request"]
        assert line["route"] == "/webhooks/{renderer}"


@pytest.mark.parametrize(
    "request_bytes",
    [
        to_send().replace(b"HTTP/1.1", b"HTTP/1.0"),
        to_send().replace(b"/openai", b"/openai?x=1"),
        to_send().replace(b"/openai", b"/open%61i"),
        to_send().replace(b"Host", b"Expect: 100-continue\r\nHost"),
        to_send().replace(b"POST", b"PUT"),
        to_send().replace(b"/openai", b"/OPENAI"),
    ],
    ids=["1.0", "query", "escaped", "expect", "method", "capitals"],
)
def test_what_is_out_of_the_ordinary_goes_the_ordinary_way(request_bytes: bytes) -> None:
    with serving(make_kit()) as (url, offered):
        sender = Sender(url)
        sender._connection.sendall(request_bytes)
        answer = sender._came.read()
        sender.close()
    assert offered == []
    assert answer.rpartition(b"HTTP/1.1 ")[2].split()[0] in {b"200", b"404", b"405"}


def test_one_that_is_too_large_or_too_much_is_refused_as_ever_and_nothing_stays_held() -> None:
    large = to_send(body=b"x" * (WEBHOOK_BODY_BYTES_MAX + 1))
    answer, offered = once(make_kit(), [large])
    assert (answer[0].split()[1], True in offered) == (b"413", False)
    for limits in ({"requests_max": 0}, {"bodies_bytes_max": 10}):
        answer, offered = once(make_kit(**limits), [to_send()])
        assert (answer[0], offered) == (b"HTTP/1.1 503 Service Unavailable", [False])
        assert b'"overloaded"' in answer[2]
        assert b"retry-after: 1" in answer[1]


def test_what_was_held_of_those_answered_is_held_no_longer() -> None:
    size = len(webhook()[0])
    with serving(make_kit(requests_max=1, bodies_bytes_max=size)) as (url, offered):
        sender = Sender(url)
        for number in range(5):
            (answer,) = sender.answers([to_send(f"wh_{number}", close=False)])
            assert answer[0] == b"HTTP/1.1 200 OK"
        sender.close()
    assert offered == [True] * 5


def test_where_spans_are_told_every_webhook_has_its_own() -> None:
    class Told(Tracing):
        is_told = True

    kit = make_kit()
    kit.app = create_app(replace(kit.house, tracing=Told()))
    answer, offered = once(kit, [to_send()])
    assert (answer[0], offered) == (b"HTTP/1.1 200 OK", [])


def test_a_sender_that_leaves_before_its_answer_harms_nobody_and_its_webhook_is_recorded() -> None:
    kit = make_kit()
    with serving(kit) as (url, _):
        gone = Sender(url)
        gone._connection.sendall(to_send("wh_gone", close=False))
        gone.close()
        stays = Sender(url)
        assert stays.answers([to_send("wh_stays")])[0][2] == b'{"status":"recorded"}'
        stays.close()
    assert {event.fact.webhook_event_id for event in kit.ledger.read(0)} == {"wh_gone", "wh_stays"}


def test_stopping_lets_a_webhook_under_way_be_answered() -> None:
    entered, stopping, go_on = threading.Event(), threading.Event(), threading.Event()

    async def slowly(webhooks: Sequence[object]) -> list[Status | Exception]:
        entered.set()
        assert await asyncio.to_thread(go_on.wait, 60)
        return ["recorded"] * len(webhooks)

    kit = make_kit()
    kit.app = create_app(replace(kit.house, receiving=Gathering(slowly)))
    with ThreadPoolExecutor(1) as pool, ServerThread(kit.app, on_stopping=stopping.set) as server:
        sender = Sender(server.url)
        sender._connection.sendall(to_send(close=False))
        assert entered.wait(60)
        stopped = pool.submit(server.stop)
        assert stopping.wait(60)
        go_on.set()
        answer = sender._came.read()  # to the end: the connection is closed behind it
        stopped.result(60)
        sender.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in answer


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: house\r\n\r\n"
UNKNOWN = b"GET /nowhere HTTP/1.1\r\nHost: house\r\n\r\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    kit = make_kit()
    with ServerThread(kit.app) as server:
        yield server.url


@settings(max_examples=tries(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(["webhook", "forged", "health", "unknown"]), min_size=1, max_size=6),
    cuts=st.lists(st.floats(0, 1), max_size=3),
)
def test_requests_on_one_connection_are_answered_in_their_order_however_they_arrive(
    shared: str, kinds: list[str], cuts: list[float]
) -> None:
    requests = {
        "webhook": to_send("wh_again", close=False),
        "forged": to_send("wh_other", close=False, secret="whsec_b3RoZXItb3RoZXI="),
        "health": HEALTH,
        "unknown": UNKNOWN,
    }
    expected = {"webhook": b"200", "forged": b"401", "health": b"200", "unknown": b"404"}
    sent = b"".join(requests[kind] for kind in kinds)
    places = sorted({int(cut * len(sent)) for cut in cuts})
    pieces = [sent[start:end] for start, end in zip([0, *places], [*places, len(sent)], strict=True)]
    sender = Sender(shared)
    answers = sender.answers([piece for piece in pieces if piece], len(kinds))
    sender.close()
    assert [answer[0].split()[1] for answer in answers] == [expected[kind] for kind in kinds]
    told = [answer[2] for answer, kind in zip(answers, kinds, strict=True) if kind == "health"]
    assert set(told) <= {b'{"status":"ok"}'}


def in_chunks(request: bytes, size: int) -> bytes:
    """The same request with its body in chunks."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts_of(body, size)]
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b"".join([*chunks, b"0\r\n\r\n"])])


def parts_of(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_webhook_in_chunks_that_came_whole_is_taken_as_it_is(size: int) -> None:
    answer, offered = once(make_kit(), [in_chunks(to_send(), size)])
    assert (answer[0], answer[2], offered) == (b"HTTP/1.1 200 OK", b'{"status":"recorded"}', [True])


@pytest.mark.parametrize("request_bytes", [to_send(), in_chunks(to_send(), 7)], ids=["at once", "in chunks"])
def test_what_is_longer_than_is_taken_is_not_gathered_and_goes_the_ordinary_way(request_bytes: bytes) -> None:
    kit = make_kit()
    kit.app.state.taker.body_bytes_max = 20
    answer, offered = once(kit, [request_bytes])
    assert (answer[0], answer[2], offered) == (b"HTTP/1.1 200 OK", b'{"status":"recorded"}', [])


FORGED = to_send("wh_forged", close=False, secret="whsec_b3RoZXItb3RoZXI=")
GARBAGE = b"\x16\x03\x01garbage\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"), [(to_send("wh_good", close=False), 200), (FORGED, 401)], ids=["good", "forged"]
)
def test_a_webhook_whose_connection_ended_behind_another_request_is_counted_and_logged_once(
    sent: bytes, status: int
) -> None:
    go_on = threading.Event()
    kit = make_kit()
    together = kit.house.receiving._together

    async def slowly(webhooks: Sequence[Any]) -> Sequence[Status | Exception]:
        assert await asyncio.to_thread(go_on.wait, 60)
        return await together(webhooks)

    kit.app = create_app(replace(kit.house, receiving=Gathering(slowly)))
    log_plainly()
    with capture_logs() as logged, serving(kit) as (url, offered):
        sender = Sender(url)
        sender._connection.sendall(sent + HEALTH + GARBAGE)
        assert sender._came.read().startswith(b"HTTP/1.1 400 ")  # to the end: nobody is there any more
        sender.close()
        go_on.set()
        other = Sender(url)
        assert other.answers([HEALTH])[0][0] == b"HTTP/1.1 200 OK"
        other.close()
        gives_up_at = time.monotonic() + 60
        while not (lines := of_webhooks(logged)) and time.monotonic() < gives_up_at:
            time.sleep(0.01)
    assert offered == [True]
    assert [line["status"] for line in lines] == [status]
    assert "answer_not_given" not in {each["event"] for each in logged}
    assert [line for line in counted(kit) if 'route="/webhooks/{renderer}"' in line and line.endswith(" 1.0")]
    assert len([*kit.ledger.read(0)]) == (status == 200)


def of_webhooks(logged: Sequence[Any]) -> list[Any]:
    return [each for each in logged if each["event"] == "request" and each["route"] == "/webhooks/{renderer}"]


@pytest.mark.parametrize("sent", [to_send("wh_good"), FORGED], ids=["good", "forged"])
def test_an_answer_that_cannot_be_sent_is_counted_and_logged_and_leaves_no_marks(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(WholeRequests, "send_whole", fail)
    kit = make_kit()
    log_plainly()
    with capture_logs([structlog.contextvars.merge_contextvars]) as logged, serving(kit) as (url, _):
        sender = Sender(url)
        sender._connection.sendall(sent)
        gives_up_at = time.monotonic() + 60
        while not (lost := [each for each in logged if each["event"] == "answer_not_given"]):
            assert time.monotonic() < gives_up_at
            time.sleep(0.01)
        sender.close()
    assert [line["status"] for line in of_webhooks(logged)] == [None]
    assert "request_id" not in lost[0]
    assert [line for line in counted(kit) if 'route="/webhooks/{renderer}"' in line]


def test_garbage_behind_a_webhook_ends_the_connection_and_not_the_server(shared: str) -> None:
    sender = Sender(shared)
    sender._connection.sendall(to_send("wh_before", close=False) + b"\x16\x03\x01garbage\r\n\r\n")
    assert b"HTTP/1.1 400 " in sender._came.read()
    sender.close()
    sender = Sender(shared)
    assert sender.answers([HEALTH])[0][0] == b"HTTP/1.1 200 OK"
    sender.close()

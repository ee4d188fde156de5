"""Which fault becomes which error, for every call. The first table is the one money depends on."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from bickford_sora.renderers.errors import (
    AssetExpired,
    JobGone,
    NotReady,
    ReadFailed,
    Refused,
    RendererError,
    UnknownOutcome,
)
from bickford_sora.renderers.port import Source
from bickford_sora.renderers.renderer import HttpRenderer
from tests.renderers.conftest import ORDER, SECRET, VIDEO, MakeRenderer, Scripted, read_content
from tests.renderers.fake_server import Reply, answering, http, unused_url

PLANTED_WORDS = "a very private birthday"


def problem(
    code: str | None = None, message: str = PLANTED_WORDS, param: object = None
) -> dict[str, dict[str, object]]:
    return {"error": {"code": code, "message": message, "type": "invalid_request_error", "param": param}}


SUBMIT = [
    (answering(400, problem("moderation_blocked")), Refused, "renderer_request_invalid", True),
    (answering(401, problem()), Refused, "renderer_unauthorized", True),
    (answering(402, problem()), Refused, "renderer_payment_required", True),
    (answering(403, problem()), Refused, "renderer_not_enabled", True),
    (answering(404, problem()), Refused, "renderer_not_enabled", True),
    (answering(400, problem("model_not_found")), Refused, "renderer_not_enabled", True),
    (answering(400, problem("invalid_value", param="model")), Refused, "renderer_not_enabled", True),
    (
        answering(400, problem("invalid_value", "no such model", param="prompt")),
        Refused,
        "renderer_request_invalid",
        True,
    ),
    (answering(400, problem("invalid_value", param=["model"])), Refused, "renderer_request_invalid", True),
    (answering(500, problem("model_not_found")), UnknownOutcome, "renderer_error", None),
    (answering(405, problem()), Refused, "renderer_refused", True),
    (answering(413, b"<html>too large</html>"), Refused, "renderer_request_too_large", True),
    (answering(422, {"detail": [{"msg": PLANTED_WORDS}]}), Refused, "renderer_request_invalid", True),
    (answering(429, problem()), Refused, "renderer_rate_limited", False),
    (answering(503, problem()), Refused, "renderer_unavailable", False),
    (answering(408, problem()), UnknownOutcome, "renderer_no_answer", None),
    (answering(409, problem()), UnknownOutcome, "renderer_conflict", None),
    (answering(499, b""), UnknownOutcome, "renderer_no_answer", None),
    (answering(500, problem()), UnknownOutcome, "renderer_error", None),
    (answering(502, b"<html>bad gateway</html>"), UnknownOutcome, "renderer_error", None),
    (answering(504, b""), UnknownOutcome, "renderer_error", None),
    (answering(303, b"", location="/v1/videos/video_1"), UnknownOutcome, "renderer_redirected", None),
    (answering(204), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, b'<html>{"id": "video_'), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, b""), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, {**VIDEO, "id": None}), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, {**VIDEO, "id": ".."}), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, {**VIDEO, "id": "a b"}), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, {**VIDEO, "id": "x" * 513}), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, [VIDEO]), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, problem()), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, VIDEO, content_encoding="gzip"), UnknownOutcome, "renderer_no_answer", None),
    (answering(200, b"[" * 150_000), UnknownOutcome, "renderer_answer_invalid", None),
    (answering(200, {**VIDEO, "prompt": "x" * 250_000}), UnknownOutcome, "renderer_no_answer", None),
    (Reply([b"not HTTP at all\r\n\r\n"]), UnknownOutcome, "renderer_no_answer", None),
    (Reply([http(200, b'{"id": "video_1"}', length=500)]), UnknownOutcome, "renderer_no_answer", None),
    (Reply([http(200, b'{"id": "video_1"', length=17)], reset=True), UnknownOutcome, "renderer_no_answer", None),
    (Reply([]), UnknownOutcome, "renderer_no_answer", None),
    (Reply([], reset=True), UnknownOutcome, "renderer_no_answer", None),
    (Reply([], reset=True, read_request=False, pause_s=0.1), UnknownOutcome, "renderer_no_answer", None),
    (Reply([http(200, b"{}")], pause_s=30.0), UnknownOutcome, "renderer_no_answer", None),
]


@pytest.mark.parametrize(("reply", "error", "code", "terminal"), SUBMIT)
def test_a_submit_is_refused_only_when_nothing_was_taken(
    scripted: Scripted, reply: Reply, error: type[RendererError], code: str, terminal: bool | None
) -> None:
    renderer, server = scripted(reply)
    with pytest.raises(error) as raised:
        renderer.submit(ORDER)
    assert type(raised.value) is error
    assert raised.value.code == code
    assert getattr(raised.value, "terminal", None) is terminal
    assert len(server.requests) <= 1  # however it failed, it was sent once


def test_an_answer_that_trickles_does_not_hold_a_submit_for_longer_than_its_timeout(scripted: Scripted) -> None:
    renderer, _ = scripted(Reply([http(200, b"", length=400), *([b" "] * 400)], pause_s=0.05))
    began = time.monotonic()
    with pytest.raises(UnknownOutcome):
        renderer.submit(ORDER)
    assert time.monotonic() - began < 15  # the whole would take twenty seconds


def test_a_refused_connection_is_a_refusal_that_may_be_repeated(renderer_at: MakeRenderer) -> None:
    with pytest.raises(Refused) as raised:
        renderer_at(unused_url()).submit(ORDER)
    assert (raised.value.code, raised.value.terminal) == ("renderer_unreachable", False)


def test_a_name_that_does_not_resolve_is_a_refusal_that_may_be_repeated(renderer_at: MakeRenderer) -> None:
    with pytest.raises(Refused) as raised:
        renderer_at("http://renderer.invalid/v1").submit(ORDER)
    assert (raised.value.code, raised.value.terminal) == ("renderer_unreachable", False)


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "1500", "retry_after": "7"}, 1.5),
        ({"retry_after": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry_after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry_after": "20 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"retry_after": "99999999999"}, 3600.0),
        ({"retry_after": "-5"}, 0.0),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_renderer_says_when_to_come_back(
    scripted: Scripted, status: int, headers: dict[str, str], expected_s: float | None
) -> None:
    renderer, _ = scripted(answering(status, problem(), **headers))
    with pytest.raises(Refused) as raised:
        renderer.submit(ORDER)
    assert raised.value.retry_after_s == expected_s


def test_a_remix_of_a_source_the_renderer_forgot_is_refused(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(404, problem("video_not_found")))
    with pytest.raises(Refused) as raised:
        renderer.submit(replace(ORDER, operation="remix", source=Source("video_0", None)))
    assert (raised.value.code, raised.value.terminal) == ("renderer_source_gone", True)


TRANSIENT = [
    (answering(401, problem()), "renderer_unauthorized"),
    (answering(403, problem()), "renderer_not_enabled"),
    (answering(408, problem()), "renderer_no_answer"),
    (answering(429, problem()), "renderer_rate_limited"),
    (answering(500, problem()), "renderer_error"),
    (answering(502, b"<html>"), "renderer_error"),
    (answering(503, problem()), "renderer_unavailable"),
    (answering(307, b"", location="http://elsewhere.invalid/"), "renderer_redirected"),
    (answering(404, b"<html>nginx</html>"), "renderer_answer_invalid"),
    (Reply([], reset=True), "renderer_no_answer"),
    (Reply([], pause_s=30.0), "renderer_no_answer"),
]


CALLS: dict[str, Callable[[HttpRenderer], object]] = {
    "status": lambda renderer: renderer.status("video_1"),
    "jobs": lambda renderer: list(renderer.jobs()),
    "content": read_content,
    "delete": lambda renderer: renderer.delete("video_1"),
}


@pytest.mark.parametrize("call", ["status", "content", "delete"])
@pytest.mark.parametrize(("reply", "code"), TRANSIENT)
def test_a_read_that_fails_says_nothing_about_the_job(scripted: Scripted, call: str, reply: Reply, code: str) -> None:
    renderer, _ = scripted(reply)
    with pytest.raises(ReadFailed) as raised:
        CALLS[call](renderer)
    assert raised.value.code == code


@pytest.mark.parametrize("call", CALLS)
def test_a_renderer_nobody_can_reach_loses_no_job(renderer_at: MakeRenderer, call: str) -> None:
    with pytest.raises(ReadFailed) as raised:
        CALLS[call](renderer_at(unused_url()))
    assert raised.value.code == "renderer_unreachable"


READS = [
    ("status", answering(404, problem("video_not_found")), JobGone, "renderer_job_gone"),
    ("status", answering(410, {"detail": "gone"}), JobGone, "renderer_job_gone"),
    ("status", answering(200, b"<html>"), ReadFailed, "renderer_answer_invalid"),
    ("status", answering(200, {**VIDEO, "id": "video_of_somebody_else"}), ReadFailed, "renderer_answer_invalid"),
    ("status", answering(202, VIDEO), ReadFailed, "renderer_answer_invalid"),
    ("jobs", answering(404, problem()), ReadFailed, "renderer_list_unsupported"),
    ("jobs", answering(405, problem()), ReadFailed, "renderer_list_unsupported"),
    ("jobs", answering(410, problem()), ReadFailed, "renderer_answer_invalid"),
    ("jobs", answering(500, problem()), ReadFailed, "renderer_error"),
    ("jobs", answering(200, b"<html>"), ReadFailed, "renderer_answer_invalid"),
    ("jobs", answering(200, {"data": [VIDEO, {"id": None}]}), ReadFailed, "renderer_answer_invalid"),
    ("jobs", answering(200, {"data": [], "has_more": True}), ReadFailed, "renderer_answer_invalid"),
    ("content", answering(404, problem()), ReadFailed, "renderer_asset_missing"),
    ("content", answering(410, problem()), AssetExpired, "renderer_asset_expired"),
    ("content", answering(400, problem("video_not_ready")), NotReady, "renderer_asset_not_ready"),
    ("content", answering(400, problem(None, "The video is not ready.")), NotReady, "renderer_asset_not_ready"),
    ("content", answering(409, problem()), NotReady, "renderer_asset_not_ready"),
    ("content", answering(400, problem()), ReadFailed, "renderer_request_invalid"),
    (
        "content",
        answering(400, problem(None, "The video is no longer available. Downloads expire after 1 hours.")),
        AssetExpired,
        "renderer_asset_expired",
    ),
    ("content", answering(500, problem(None, "Downloads expire")), ReadFailed, "renderer_error"),
    ("content", Reply([http(200, b"half", length=8)]), ReadFailed, "renderer_no_answer"),
    ("content", Reply([http(200, b"half", length=8)], reset=True), ReadFailed, "renderer_no_answer"),
    ("content", answering(200, b"x" * 200_001), ReadFailed, "renderer_answer_too_large"),
    ("content", Reply([http(200, b"", length=8), b"half"], pause_s=30.0), ReadFailed, "renderer_no_answer"),
    ("delete", answering(200, b"<html>"), ReadFailed, "renderer_answer_invalid"),
    ("delete", answering(200, {"id": "video_1", "deleted": False}), ReadFailed, "renderer_refused"),
    ("delete", answering(409, problem()), ReadFailed, "renderer_conflict"),
]


@pytest.mark.parametrize(("call", "reply", "error", "code"), READS)
def test_each_read_tells_its_own_ends_apart(
    scripted: Scripted, call: str, reply: Reply, error: type[RendererError], code: str
) -> None:
    renderer, _ = scripted(reply)
    with pytest.raises(RendererError) as raised:
        CALLS[call](renderer)
    assert (type(raised.value), raised.value.code) == (error, code)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answering(200, {"id": "video_1", "object": "video.deleted", "deleted": True}), "deleted"),
        (answering(200, {**VIDEO, "status": "deleted"}), "deleted"),
        (answering(204), "deleted"),
        (answering(404, problem("video_not_found")), "gone"),
        (answering(405, b""), "unsupported"),
        (answering(501, b""), "unsupported"),
    ],
)
def test_a_delete_says_what_became_of_the_job(scripted: Scripted, reply: Reply, expected: str) -> None:
    renderer, _ = scripted(reply)
    assert renderer.delete("video_1") == expected


def everything_said(error: BaseException | None) -> str:
    """All that a careless log line could print of an error and of those it hides."""
    said = ""
    while error is not None:
        said += f"{error} {error!r} {error.args!r} "
        error = error.__cause__ or error.__context__
    return said


LEAKY = [
    answering(401, problem("sk", f"Incorrect API key provided: {SECRET}. {PLANTED_WORDS}")),
    answering(400, problem(SECRET, PLANTED_WORDS)),
    answering(500, f"{SECRET} {PLANTED_WORDS}".encode()),
    answering(200, f'{{"id": 7, "prompt": "{PLANTED_WORDS} {SECRET}"}}'.encode()),
    answering(200, f"{PLANTED_WORDS} {SECRET}".encode()),
    answering(200, {"p": PLANTED_WORDS}),
    Reply([f"{SECRET} {PLANTED_WORDS}\r\n\r\n".encode()]),
    Reply([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", f"{SECRET} {PLANTED_WORDS}\r\n".encode()]),
    Reply([], reset=True),
    Reply([], pause_s=30.0),
]


@pytest.mark.parametrize("call", ["submit", *CALLS])
@pytest.mark.parametrize("reply", LEAKY)
def test_no_error_or_log_repeats_a_secret_or_what_the_renderer_said(
    scripted: Scripted, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], call: str, reply: Reply
) -> None:
    caplog.set_level(logging.INFO)
    renderer, server = scripted(reply)
    kept: list[str | None] = []
    said = repr(renderer) + repr(vars(renderer)) + repr(vars(renderer._transport))
    try:
        renderer.submit(ORDER) if call == "submit" else CALLS[call](renderer)
    except RendererError as error:
        said += everything_said(error)
        kept = [error.message, error.renderer_code]
    else:
        assert call in {"content", "delete"}  # these take more for a success
    said += caplog.text + "".join(capsys.readouterr())
    assert SECRET.encode() in server.requests[0]  # the secret was really there to leak
    assert SECRET not in said
    assert PLANTED_WORDS not in said
    assert ORDER.prompt not in said
    assert SECRET not in f"{kept}"


def test_what_the_renderer_said_is_kept_apart_and_cut(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(400, problem("moderation_blocked", "x" * 50_000)))
    with pytest.raises(Refused) as raised:
        renderer.submit(ORDER)
    assert raised.value.message == "x" * 2_000
    assert raised.value.renderer_code == "moderation_blocked"

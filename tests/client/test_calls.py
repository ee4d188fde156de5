"""What the client sends, and what it makes of the answers."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bickford_sora import (
    SoraVideoDenied,
    SoraVideoError,
    SoraVideoFailed,
    SoraVideoNotFound,
    SoraVideoRateLimited,
    SoraVideoTimeout,
    SoraVideoUnauthorized,
    SoraVideoUnreachable,
)
from tests.renderers.fake_server import FakeServer, Reply, answering, http, unused_url

from .answers import refusal, video
from .conftest import API_KEY, Asking

Ask = Callable[..., Asking]
Scripted = Callable[..., FakeServer]
_KEY = re.compile(rb"idempotency-key: (\S+)", re.IGNORECASE)


def keys_sent(server: FakeServer) -> list[bytes]:
    return [key for request in server.requests for key in _KEY.findall(request)]


def test_a_create_is_multipart_and_shows_the_key(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video(unheard_of=1)))
    made = ask(server.url).create_sora_video_job("A kite, “wide shot”", model="m-1", seconds=4, size="64x64")
    request = server.requests[0]
    assert made.id == "video_1"
    assert made.seconds == "4"
    assert request.startswith(b"POST /v1/videos HTTP/1.1")
    assert f"authorization: bearer {API_KEY}".encode() in request.lower().replace(
        API_KEY.lower().encode(), API_KEY.encode()
    )
    assert b"content-type: multipart/form-data" in request.lower()
    for name, value in (("prompt", "A kite, “wide shot”"), ("model", "m-1"), ("seconds", "4"), ("size", "64x64")):
        assert f'name="{name}"'.encode() in request
        assert value.encode() in request


def test_what_is_not_given_is_left_to_the_server(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video()))
    ask(server.url).create_sora_video_job("A kite")
    assert not any(
        f'name="{name}"'.encode() in server.requests[0] for name in ("model", "seconds", "size", "input_reference")
    )


def test_further_fields_are_sent_with_the_others(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video()))
    ask(server.url).create_sora_video_job("A kite", extra_body={"purpose": "draft", "seed": 7, "tags": None})
    request = server.requests[0]
    assert b'name="purpose"' in request
    assert b'name="seed"' in request
    assert b'name="tags"' not in request


@pytest.mark.parametrize("given", ["path", "text", "bytes", "file"])
def test_an_image_may_be_a_path_bytes_or_an_open_file(ask: Ask, scripted: Scripted, tmp_path: Path, given: str) -> None:
    path = tmp_path / "first frame.png"
    path.write_bytes(b"\x89PNG planted")
    server = scripted(answering(503), answering(200, video()))
    with path.open("rb") as file:
        image: Any = {"path": path, "text": str(path), "bytes": path.read_bytes(), "file": file}[given]
        ask(server.url).create_sora_video_job("A kite", input_reference=image)
    assert [b"\x89PNG planted" in request for request in server.requests] == [True, True]
    if given != "bytes":
        assert b'filename="first frame.png"' in server.requests[0]
        assert b"Content-Type: image/png" in server.requests[0]


def test_a_create_keeps_its_idempotency_key_over_a_lost_answer_and_retries(ask: Ask, scripted: Scripted) -> None:
    server = scripted(Reply([], reset=True), answering(503, retry_after="3"), answering(200, video()))
    client = ask(server.url)
    client.create_sora_video_job("A kite")
    first = keys_sent(server)
    assert len(first) == 3
    assert len(set(first)) == 1
    assert client.clock.slept == [0.5, 3.0]
    client.create_sora_video_job("A kite")
    assert keys_sent(server)[3] != first[0]


def test_an_idempotency_key_of_the_callers_own_is_sent(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video()))
    client = ask(server.url)
    client.create_sora_video_job("A kite", idempotency_key="order-17")
    client.remix_sora_video("video_1", "At night", idempotency_key="order-18")
    client.retry_sora_video("video_1", idempotency_key="order-19")
    assert keys_sent(server) == [b"order-17", b"order-18", b"order-19"]


def test_retries_end(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(429, refusal("Slow down", "rate_limited"), retry_after_ms="20"))
    client = ask(server.url, retries_max=3)
    with pytest.raises(SoraVideoRateLimited) as caught:
        client.retrieve_sora_video_job("video_1")
    assert caught.value.code == "rate_limited"
    assert client.clock.slept == [0.02, 0.02, 0.02]


@pytest.mark.parametrize(
    "headers", [{"retry_after": "121"}, {"x_should_retry": "false"}], ids=["asks too long a pause", "says no"]
)
def test_a_server_that_wants_no_retry_gets_none(ask: Ask, scripted: Scripted, headers: dict[str, str]) -> None:
    server = scripted(answering(503, refusal("Later", "later"), **headers))
    with pytest.raises(SoraVideoError):
        ask(server.url).retrieve_sora_video_job("video_1")
    assert len(server.requests) == 1


def test_a_conflict_is_repeated_when_the_server_says_so(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(409, refusal("Busy", "conflict"), x_should_retry="true"), answering(200, video()))
    assert ask(server.url).retrieve_sora_video_job("video_1").id == "video_1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SoraVideoError),
        (401, SoraVideoUnauthorized),
        (403, SoraVideoDenied),
        (404, SoraVideoNotFound),
        (422, SoraVideoError),
    ],
)
def test_an_error_says_what_the_server_said(
    ask: Ask, scripted: Scripted, status: int, kind: type[SoraVideoError]
) -> None:
    body = refusal(f"No. Your key is {API_KEY}", "planted_code", "size")
    server = scripted(answering(status, body, x_request_id="req_7"))
    client = ask(server.url)
    with pytest.raises(kind) as caught:
        client.remix_sora_video("video_1", "At night")
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.param, error.video_id) == ("planted_code", "size", "video_1")
    assert (error.status_code, error.request_id) == (status, "req_7")
    assert len(server.requests) == 1
    assert API_KEY not in f"{error}{error!r}{error.message}{client!r}"


def test_an_error_page_of_a_proxy_is_an_error_too(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(500, b"<html>No"))
    with pytest.raises(SoraVideoError) as caught:
        ask(server.url).list_sora_videos()
    assert (caught.value.code, caught.value.status_code) == ("http_500", 500)


def test_an_endless_error_page_is_not_read_to_its_end(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(500, b"<html>" + b"x" * 3_000_000))
    with pytest.raises(SoraVideoError) as caught:
        ask(server.url).list_sora_videos()
    assert caught.value.code == "answer_too_large"


def test_nobody_listening_is_said_so(ask: Ask) -> None:
    client = ask(unused_url())
    with pytest.raises(SoraVideoUnreachable) as caught:
        client.create_sora_video_job("A kite")
    assert caught.value.code == "unreachable"
    assert caught.value.__context__ is None
    assert len(client.clock.slept) == 2


def test_an_answer_that_is_no_video_is_an_error_without_its_text(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, {"id": "video_1", "prompt": "private"}))
    with pytest.raises(SoraVideoError) as caught:
        ask(server.url).retrieve_sora_video_job("video_1")
    assert caught.value.code == "answer_invalid"
    assert caught.value.__context__ is None
    assert "private" not in str(caught.value)


def test_the_poll_keeps_the_servers_pace_and_reports_every_look(ask: Ask, scripted: Scripted) -> None:
    server = scripted(
        answering(200, video()),
        answering(200, video(), openai_poll_after_ms="2500"),
        answering(200, video(status="in_progress", progress=40)),
        answering(200, video(status="completed", progress=100, completed_at=1_795_000_060)),
    )
    client = ask(server.url)
    seen: list[int] = []
    done = client.create_sora_video_job_and_poll("A kite", on_progress=lambda now: seen.append(now.progress))
    assert done.finished
    assert seen == [0, 40, 100]
    assert client.clock.slept == [2.5, 1.0]


def test_an_interval_of_the_callers_own_goes_before(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video(), openai_poll_after_ms="2500"), answering(200, video(status="completed")))
    client = ask(server.url)
    client.poll_sora_video_job("video_1", poll_interval_s=0.25)
    assert client.clock.slept == [0.25]


def test_a_failed_render_raises_with_its_reason(ask: Ask, scripted: Scripted) -> None:
    failed = video(status="failed", error={"code": "moderation", "message": "Not this"})
    server = scripted(answering(200, video()), answering(200, failed))
    with pytest.raises(SoraVideoFailed, match="Not this") as caught:
        ask(server.url).create_sora_video_job_and_poll("A kite")
    assert (caught.value.code, caught.value.video_id, caught.value.video.status) == ("moderation", "video_1", "failed")


def test_the_poll_gives_up_in_time_and_names_the_video(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video()))
    client = ask(server.url)
    with pytest.raises(SoraVideoTimeout) as caught:
        client.poll_sora_video_job("video_1", timeout_s=2.5)
    assert caught.value.video_id == "video_1"
    assert client.clock.slept == [1.0, 1.0, 0.5]


def test_creates_keep_their_distance_and_nothing_else_does(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video()))
    client = ask(server.url, min_interval_s=1.0)
    client.create_sora_video_job("A kite")
    client.retrieve_sora_video_job("video_1")
    client.create_sora_video_job("A kite")
    client.clock.now_s += 0.75
    client.create_sora_video_job("A kite")
    client.clock.now_s += 5
    client.create_sora_video_job("A kite")
    assert client.clock.slept == [1.0, 0.25]


def test_a_download_is_bytes_or_a_file(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    server = scripted(answering(200, content))
    client = ask(server.url)
    assert client.download_sora_content("video_1") == content
    assert client.download_sora_content("video_1", variant="thumbnail", to=tmp_path / "a.webp") == tmp_path / "a.webp"
    assert (tmp_path / "a.webp").read_bytes() == content
    assert b"GET /v1/videos/video_1/content?variant=thumbnail " in server.requests[1]


def test_a_download_that_breaks_off_is_begun_again(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    cut = Reply([http(200, b"half", length=1000)])
    server = scripted(cut, answering(503), answering(200, b"whole"))
    ask(server.url).download_sora_content("video_1", to=tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"whole"


def test_a_failed_download_leaves_no_file_and_keeps_the_old_one(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    server = scripted(Reply([http(200, b"half", length=1000)]))
    with pytest.raises(SoraVideoUnreachable):
        ask(server.url).download_sora_content("video_1", to=str(tmp_path / "a.mp4"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.mp4": b"old"}


def test_a_redirect_to_storage_is_followed_without_the_key(ask: Ask, scripted: Scripted) -> None:
    storage = scripted(answering(200, b"film"))
    elsewhere = storage.url.replace("127.0.0.1", "localhost")
    server = scripted(answering(302, location=f"{elsewhere}/bucket/film.mp4"))
    assert ask(server.url).download_sora_content("video_1") == b"film"
    assert API_KEY.encode() not in storage.requests[0]


def test_a_page_says_how_to_go_on(ask: Ask, scripted: Scripted) -> None:
    page = {"object": "list", "data": [video()], "first_id": "video_1", "last_id": "video_1", "has_more": True}
    server = scripted(answering(200, page))
    listed = ask(server.url).list_sora_videos(limit=1, order="asc", after="video_0")
    assert (listed.data[0].id, listed.last_id, listed.has_more) == ("video_1", "video_1", True)
    assert server.requests[0].startswith(b"GET /v1/videos?limit=1&order=asc&after=video_0 ")


def test_an_id_cannot_name_another_path(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, {"id": "x", "object": "video.deleted", "deleted": True}))
    client = ask(server.url)
    client.delete_sora_video("../threads?x=1")
    assert server.requests[0].startswith(b"DELETE /v1/videos/..%2Fthreads%3Fx%3D1 ")
    with pytest.raises(ValueError, match="not empty"):
        client.delete_sora_video("")


def test_an_observation_is_sent_once_unless_nothing_was_recorded(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(503), answering(201, {}), Reply([], reset=True))
    client = ask(server.url)
    client.record_sora_video_event("media-renders", video_id="video_1", status="queued")
    assert [request.splitlines()[0] for request in server.requests] == [
        b"POST /v1/threads/media-renders/observations HTTP/1.1"
    ] * 2
    assert server.requests[1].endswith(b'{"video_id":"video_1","status":"queued"}')
    with pytest.raises(SoraVideoUnreachable):
        client.record_sora_video_event("media-renders", video_id="video_1")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "options",
    [{"base_url": "127.0.0.1:8000"}, {"api_key": "two words"}, {"api_key": "stray\n"}, {"api_key": ""}],
    ids=["no scheme", "blank", "line end", "empty"],
)
def test_an_address_or_key_that_cannot_be_used_is_refused_without_repeating_the_key(
    ask: Ask, options: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        ask(**{"base_url": "http://127.0.0.1:1/v1", **options})
    assert not options.get("api_key") or options["api_key"] not in str(caught.value)


def test_an_open_file_without_a_name_is_taken_too(ask: Ask, scripted: Scripted) -> None:
    server = scripted(answering(200, video()))
    ask(server.url).create_sora_video_job("A kite", input_reference=io.BytesIO(b"planted bytes"))
    assert b"planted bytes" in server.requests[0]

"""The OpenAI dialect: what it sends, and how tolerantly it reads."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bickford_sora.renderers import renderer as renderers
from bickford_sora.renderers.errors import ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.port import Character, JobNews, Renderer, Source, Upload
from bickford_sora.renderers.transport import TransportLimits
from bickford_sora.renderers.wire import JOBS_MAX
from tests.renderers.conftest import ORDER, VIDEO, MakeRenderer, Scripted
from tests.renderers.fake_server import Reply, answering, unused_url
from tests.renderers.sent import fields_of, parts_of, target_of

MP4 = Upload("source.mp4", "video/mp4", lambda: b"mp4")


def test_a_create_is_multipart_even_without_a_file(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO))
    assert renderer.submit(ORDER).job_id == "video_1"
    assert server.requests[0].startswith(b"POST /v1/videos HTTP/1.1\r\n")
    assert f"idempotency-key: {ORDER.idempotency_key}".encode() in server.requests[0].lower()
    assert parts_of(server.requests[0]) == {
        "model": (None, "", b"sora-2"),
        "prompt": (None, "", ORDER.prompt.encode()),
        "seconds": (None, "", b"4"),
        "size": (None, "", b"1280x720"),
    }


@pytest.mark.parametrize("content", [b"\x89PNG\r\n--boundary\r\n", [b"\x89PNG\r\n", b"--boundary\r\n"]])
def test_a_reference_goes_as_a_file(scripted: Scripted, content: bytes | list[bytes]) -> None:
    renderer, server = scripted(answering(200, VIDEO))
    renderer.submit(replace(ORDER, reference=Upload('a "b".png', "image/png", lambda: content)))
    filename, media_type, sent = parts_of(server.requests[0])["input_reference"]
    assert (media_type, sent) == ("image/png", b"\x89PNG\r\n--boundary\r\n")
    assert filename == "a %22b%22.png"  # as browsers send it (HTML, multipart/form-data encoding)


def test_a_remix_is_json_with_the_prompt_alone(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO))
    renderer.submit(replace(ORDER, operation="remix", source=Source("video/0?x=1", None)))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/videos/video%2F0%3Fx%3D1/remix HTTP/1.1\r\n")
    assert b"content-type: application/json" in head.lower()
    assert b"idempotency-key" in head.lower()
    assert json.loads(body) == {"prompt": ORDER.prompt}


def test_an_edit_of_a_job_the_renderer_knows_names_it(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO))
    renderer.submit(replace(ORDER, operation="edit", source=Source("video_0", MP4)))
    assert target_of(server.requests[0]) == "POST /v1/videos/edits"
    assert fields_of(server.requests[0]) == {"prompt": ORDER.prompt, "video[id]": "video_0"}


def test_an_extension_of_a_file_sends_it(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO))
    renderer.submit(replace(ORDER, operation="extend", source=Source(None, MP4)))
    assert target_of(server.requests[0]) == "POST /v1/videos/extensions"
    assert fields_of(server.requests[0]) == {"prompt": ORDER.prompt, "seconds": "4", "model": "sora-2"}
    assert parts_of(server.requests[0])["video"] == ("source.mp4", "video/mp4", b"mp4")


def test_a_source_that_the_renderer_forgot_is_told_from_a_missing_route(scripted: Scripted) -> None:
    forgotten = answering(404, {"error": {"message": "no"}})
    renderer, _ = scripted(forgotten)
    for source, code in [
        (Source("video_0", None), "renderer_source_gone"),
        (Source(None, MP4), "renderer_not_enabled"),
    ]:
        with pytest.raises(Refused) as raised:
            renderer.submit(replace(ORDER, operation="edit", source=source))
        assert (raised.value.code, raised.value.terminal) == (code, True)


def test_a_source_over_the_limit_is_refused_before_anything_is_sent(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), source_bytes_max=2)
    with pytest.raises(Refused) as raised:
        renderer.submit(replace(ORDER, operation="edit", source=Source(None, MP4)))
    assert (raised.value.code, raised.value.terminal, server.requests) == ("source_too_large", True, [])


def test_configured_fields_are_sent_as_the_protocols_clients_send_them(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), fields=frozenset({"seed", "generate_audio", "style"}))
    renderer.submit(replace(ORDER, fields={"seed": 7, "generate_audio": True, "style": "noir"}))
    sent = fields_of(server.requests[0])
    assert {name: sent[name] for name in ("seed", "generate_audio", "style")} == {
        "seed": "7",
        "generate_audio": "true",
        "style": "noir",
    }


def test_a_seed_of_the_engines_choice_is_left_to_the_engine(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), fields=frozenset({"seed"}))
    renderer.submit(replace(ORDER, fields={"seed": -1}))
    assert "seed" not in fields_of(server.requests[0])


def test_a_field_that_is_not_configured_is_refused_before_anything_is_sent(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), fields=frozenset({"seed"}))
    with pytest.raises(Refused) as raised:
        renderer.submit(replace(ORDER, fields={"seed": 7, "style": "noir"}))
    assert (raised.value.code, raised.value.terminal, server.requests) == ("unsupported_by_renderer", True, [])


def test_a_character_is_made_from_a_video(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, {"id": "char_1", "name": "Ada", "created_at": 1_763_640_000}))
    made = renderer.create_character("Ada", MP4, idempotency_key="key-1")
    assert made == Character("char_1", "Ada", datetime(2025, 11, 20, 12, tzinfo=UTC))
    assert target_of(server.requests[0]) == "POST /v1/videos/characters"
    assert fields_of(server.requests[0]) == {"name": "Ada"}
    assert parts_of(server.requests[0])["video"][2] == b"mp4"
    assert b"idempotency-key: key-1" in server.requests[0].lower()


def test_a_character_without_an_id_may_have_been_made(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(200, {"id": None, "name": "Ada"}))
    with pytest.raises(UnknownOutcome):
        renderer.create_character("Ada", MP4, idempotency_key="key-1")


def test_a_probe_asks_for_one_job_and_takes_most_answers(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, {"data": []}), answering(404, b""), answering(429, b""))
    for _ in range(3):
        renderer.probe()
    assert target_of(server.requests[0]) == "GET /v1/videos?limit=1"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answering(401, b""), "renderer_unauthorized"),
        (answering(403, b""), "renderer_not_enabled"),
        (answering(302, b"", location="/login"), "renderer_redirected"),
        (answering(502, b""), "renderer_error"),
        (Reply([], reset=True), "renderer_no_answer"),
    ],
)
def test_a_probe_fails_where_nobody_would_work_for_us(scripted: Scripted, reply: Reply, code: str) -> None:
    renderer, _ = scripted(reply)
    with pytest.raises(ReadFailed) as raised:
        renderer.probe()
    assert raised.value.code == code


def test_a_reference_that_cannot_be_read_stops_a_submit_before_anything_is_sent(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO))

    def unreadable() -> bytes:
        raise OSError("the store is away")

    with pytest.raises(OSError, match="the store is away"):
        renderer.submit(replace(ORDER, reference=Upload("a.png", "image/png", unreadable)))
    assert server.requests == []


def test_a_reference_over_the_limit_is_refused_before_anything_is_sent(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), reference_bytes_max=10)
    renderer.submit(replace(ORDER, reference=Upload("a.png", "image/png", lambda: b"x" * 10)))
    with pytest.raises(Refused) as raised:
        renderer.submit(replace(ORDER, reference=Upload("a.png", "image/png", lambda: [b"x" * 10, b"x"])))
    assert (raised.value.code, raised.value.terminal, len(server.requests)) == ("reference_too_large", True, 1)


def read(scripted: Scripted, **changes: object) -> JobNews:
    renderer, _ = scripted(answering(200, VIDEO | changes))
    return renderer.status("video_1")


def test_a_video_as_the_specification_has_it(scripted: Scripted) -> None:
    news = read(
        scripted,
        status="completed",
        progress=100,
        completed_at=1_763_640_060,
        expires_at=1_763_643_660,
        remixed_from_video_id="video_0",
    )
    assert news == JobNews(
        job_id="video_1",
        status="completed",
        progress=100,
        model="sora-2",
        seconds="4",
        size="1280x720",
        prompt="A lighthouse at dusk",
        remixed_from_job_id="video_0",
        created_at=datetime(2025, 11, 20, 12, 0, tzinfo=UTC),
        completed_at=datetime(2025, 11, 20, 12, 1, tzinfo=UTC),
        expires_at=datetime(2025, 11, 20, 13, 1, tzinfo=UTC),
    )
    assert "lighthouse" not in repr(news)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "processing"}, {"status": "in_progress"}),
        ({"status": "PENDING"}, {"status": "queued"}),
        ({"status": None}, {"status": "queued"}),
        ({"status": "succeeded"}, {"status": "completed", "progress": 100}),
        ({"status": "a word nobody knows"}, {"status": "in_progress", "error_code": None}),
        ({"status": "cancelled"}, {"status": "failed", "error_code": "cancelled"}),
        ({"status": "canceled"}, {"status": "failed", "error_code": "cancelled"}),
        ({"status": "expired"}, {"status": "failed", "error_code": "expired"}),
        ({"status": "deleted"}, {"status": "failed", "error_code": "deleted"}),
        ({"status": "failed"}, {"status": "failed", "error_code": "renderer_failed"}),
        ({"progress": None}, {"progress": 0}),
        ({"progress": -3}, {"progress": 0}),
        ({"progress": 250}, {"progress": 100}),
        ({"progress": 41.7}, {"progress": 41}),
        ({"progress": "55"}, {"progress": 55}),
        ({"progress": "half"}, {"progress": 0}),
        ({"progress": True}, {"progress": 0}),
        ({"progress": float("nan")}, {"progress": 0}),
        ({"progress": float("inf")}, {"progress": 0}),
        ({"progress": 10**400}, {"progress": 0}),
        ({"seconds": 8}, {"seconds": "8"}),
        ({"seconds": 8.0}, {"seconds": "8"}),
        ({"seconds": None}, {"seconds": None}),
        ({"model": {"name": "x"}}, {"model": None}),
        ({"size": "x" * 257}, {"size": None}),
        ({"prompt": ["x"]}, {"prompt": None}),
        ({"created_at": None}, {"created_at": None}),
        ({"created_at": False}, {"created_at": None}),
        ({"model": True}, {"model": None}),
        ({"created_at": "yesterday"}, {"created_at": None}),
        ({"created_at": 1e18}, {"created_at": None}),
        ({"created_at": 1_763_640_000.0}, {"created_at": datetime(2025, 11, 20, 12, tzinfo=UTC)}),
        (
            {"status": "failed", "error": {"code": "moderation_blocked", "message": "no"}},
            {"error_code": "moderation_blocked", "error_message": "no"},
        ),
        ({"status": "failed", "error": {"code": 500, "message": None}}, {"error_code": "500", "error_message": None}),
        (
            {"status": "failed", "error": {"code": "two words", "message": "x" * 3_000}},
            {"error_code": "renderer_failed", "error_message": "x" * 2_000},
        ),
        (
            {"status": "failed", "error": "out of memory"},
            {"error_code": "renderer_failed", "error_message": "out of memory"},
        ),
        ({"status": "failed", "error": 7}, {"error_code": "renderer_failed", "error_message": None}),
        ({"status": "completed", "error": {"code": "x"}}, {"status": "completed", "error_code": None}),
    ],
)
def test_odd_fields_never_lose_a_job(
    scripted: Scripted, changes: dict[str, object], expected: dict[str, object]
) -> None:
    news = read(scripted, **changes)
    assert {name: getattr(news, name) for name in expected} == expected


def test_an_id_alone_is_enough_to_have_a_job(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(202, {"id": "job-7"}))
    assert renderer.submit(ORDER) == JobNews("job-7", "queued", 0)


def page(*ids: str, **fields: object) -> Reply:
    return answering(200, {"object": "list", "data": [{**VIDEO, "id": name} for name in ids], **fields})


@pytest.mark.parametrize(
    "pages",
    [
        [page("c", "b", has_more=True, last_id="b"), page("a", has_more=False, last_id="a")],
        [page("c", "b", has_more=True), page("a", has_more=False)],
        [page("c", "b", last_id="b"), page("a", last_id="a"), page()],
        [page("c", "b", has_more=True, last_id="b"), page("b", "a", has_more=False)],
        [page("c", "b", "a")],
        [page("c", "b", "a", has_more=False, first_id="c", last_id="a")],
    ],
    ids=["specified", "no last_id", "no has_more", "overlapping", "unpaged", "one page"],
)
def test_every_page_is_read(scripted: Scripted, pages: list[Reply]) -> None:
    renderer, server = scripted(*pages)
    assert [job.job_id for job in renderer.jobs()] == ["c", "b", "a"]
    assert len(server.requests) == len(pages)
    assert server.requests[0].startswith(b"GET /v1/videos?limit=100&order=desc HTTP/1.1")
    for request in server.requests[1:]:
        assert b"&after=" in request.split(b"\r\n")[0]


def test_the_same_page_for_ever_ends_with_an_error(scripted: Scripted) -> None:
    renderer, server = scripted(page("b", "a", has_more=True, last_id="a"))
    with pytest.raises(ReadFailed) as raised:
        list(renderer.jobs())
    assert raised.value.code == "renderer_list_endless"
    assert len(server.requests) == 2


def test_two_pages_in_a_circle_end_with_an_error(scripted: Scripted) -> None:
    first, second = page("b", has_more=True, last_id="b"), page("a", has_more=True, last_id="a")
    renderer, server = scripted(first, second, first, second)
    with pytest.raises(ReadFailed) as raised:
        list(renderer.jobs())
    assert (raised.value.code, len(server.requests)) == ("renderer_list_endless", 3)


def test_more_pages_than_the_limit_end_with_an_error(scripted: Scripted) -> None:
    replies = [page(f"job-{number}", has_more=True, last_id=f"job-{number}") for number in range(6)]
    renderer, server = scripted(*replies, pages_max=4)
    with pytest.raises(ReadFailed) as raised:
        list(renderer.jobs())
    assert (raised.value.code, len(server.requests)) == ("renderer_list_endless", 4)


def test_more_jobs_than_can_be_are_not_read(scripted: Scripted) -> None:
    body = b'{"has_more": false, "data": [' + b'{"id": "a"},' * JOBS_MAX + b'{"id": "a"}]}'
    renderer, server = scripted(answering(200, body), limits=TransportLimits())
    with pytest.raises(ReadFailed) as raised:
        list(renderer.jobs())
    assert (raised.value.code, len(server.requests)) == ("renderer_answer_invalid", 1)


def test_an_endless_list_is_given_up(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderers, "LIST_S_MAX", 0.0)
    renderer, server = scripted(page("a", has_more=True, last_id="a"))
    with pytest.raises(ReadFailed) as raised:
        list(renderer.jobs())
    assert (raised.value.code, len(server.requests)) == ("renderer_list_endless", 1)


@pytest.mark.parametrize(
    "ask", [lambda it: it.status("video_1"), lambda it: it.submit(ORDER)], ids=["status", "submit"]
)
def test_what_is_said_of_one_job_is_not_as_long_as_a_list(
    scripted: Scripted, ask: Callable[[Renderer], object]
) -> None:
    long = {**VIDEO, "error": [{}] * 1_000_000}
    renderer, _ = scripted(answering(200, long), limits=TransportLimits())
    with pytest.raises((ReadFailed, UnknownOutcome)):
        ask(renderer)


def test_a_refusal_stays_one_however_long_it_is(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(400, {"error": {"message": "no" * 2_000_000}}), limits=TransportLimits())
    with pytest.raises(Refused):
        renderer.submit(ORDER)


def test_a_page_lost_on_the_way_is_no_end_of_the_list(scripted: Scripted) -> None:
    renderer, _ = scripted(
        page("b", has_more=True, last_id="b"), answering(404, {"error": {"message": "no such cursor"}})
    )
    jobs = renderer.jobs()
    assert next(jobs).job_id == "b"
    with pytest.raises(ReadFailed) as raised:
        next(jobs)
    assert raised.value.code == "renderer_answer_invalid"


def test_content_tells_type_and_length_beforehand(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, b"RIFF", content_type="image/webp"))
    with renderer.content("video_1", "thumbnail") as content:
        assert (content.media_type, content.length, b"".join(content.chunks)) == ("image/webp", 4, b"RIFF")
    assert server.requests[0].startswith(b"GET /v1/videos/video_1/content?variant=thumbnail HTTP/1.1")


def test_an_error_of_whoever_reads_a_download_passes_unchanged(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(200, b"abcd"))
    with pytest.raises(ZeroDivisionError), renderer.content("video_1", "video"):
        raise ZeroDivisionError


@pytest.mark.parametrize("job_id", ["", ".", ".."])
def test_an_id_that_would_change_the_path_is_a_programmers_mistake(renderer_at: MakeRenderer, job_id: str) -> None:
    with pytest.raises(ValueError, match="not the id of a job"):
        renderer_at(unused_url()).delete(job_id)

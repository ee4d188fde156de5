"""What the experimental dialects send and read that the others do not."""

from dataclasses import replace

import pytest

from bickford_sora.renderers.errors import NotReady, Refused
from bickford_sora.renderers.port import Upload
from tests.renderers.conftest import ORDER, PLAIN_FORM, SECRET, VIDEO, Scripted, read_content
from tests.renderers.fake_server import answering
from tests.renderers.sent import fields_of, json_of, target_of

PNG = Upload("holiday.mp4", "image/png", lambda: b"png")


def test_fastvideo_is_sent_json_without_a_file_so_that_no_seed_is_made_up(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="fastvideo")
    renderer.submit(replace(ORDER, fields={"steps": 8}))
    assert json_of(server.requests[0]) == PLAIN_FORM | {"seconds": 4, "num_inference_steps": 8}


def test_a_reference_makes_it_a_form_for_fastvideo(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="fastvideo")
    renderer.submit(replace(ORDER, reference=PNG, fields={"seed": 7}))
    assert fields_of(server.requests[0]) == PLAIN_FORM | {"seed": "7"}


def test_the_list_of_fastvideo_is_asked_for_whole_because_a_cut_one_does_not_say_so(scripted: Scripted) -> None:
    jobs = [{**VIDEO, "id": f"job-{number}"} for number in range(150)]
    renderer, server = scripted(answering(200, {"object": "list", "data": jobs}), dialect="fastvideo")
    assert len(list(renderer.jobs())) == 150
    assert target_of(server.requests[0]) == "GET /v1/videos?order=desc"


def test_the_words_of_tensorrt_llm_are_read(scripted: Scripted) -> None:
    job = {"id": "video_1", "object": "video", "model": "wan", "created_at": 1, "prompt": "x", "size": "832x480"}
    renderer, _ = scripted(
        answering(202, {**job, "status": "queued", "duration": 4.0, "progress": None, "error": None}),
        answering(200, {**job, "status": "postprocessing"}),
        answering(200, {**job, "status": "failed", "error": "out of memory"}),
        answering(400, {"object": "error", "message": "Video video_1 is not ready (status: generating)"}),
        answering(200, {"deleted": True}),
        dialect="trtllm",
    )
    assert renderer.submit(ORDER).seconds == "4"
    assert renderer.status("video_1").status == "in_progress"
    assert renderer.status("video_1").error_message == "out of memory"
    with pytest.raises(NotReady):
        read_content(renderer)
    assert renderer.delete("video_1") == "deleted"


def test_azures_key_goes_in_a_header_of_its_own(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="azure")
    renderer.submit(ORDER)
    assert f"api-key: {SECRET}".encode() in server.requests[0]
    assert b"authorization" not in server.requests[0].lower()


def test_openrouter_is_sent_json_with_a_duration_and_the_image_within(scripted: Scripted) -> None:
    answer = {"id": "gen-vid-1-abc", "polling_url": "https://elsewhere.test/1", "status": "pending"}
    renderer, server = scripted(answering(202, answer), dialect="openrouter")
    taken = renderer.submit(replace(ORDER, reference=PNG, fields={"generate_audio": True}))
    assert (taken.job_id, taken.status) == ("gen-vid-1-abc", "queued")
    assert json_of(server.requests[0]) == {
        "model": "sora-2",
        "prompt": ORDER.prompt,
        "duration": 4,
        "size": "1280x720",
        "generate_audio": True,
        "frame_images": [
            {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,cG5n"},
                "frame_type": "first_frame",
            }
        ],
    }


@pytest.mark.parametrize(
    ("usage", "cost_micro"),
    [
        ({"cost": 0.02, "is_byok": True}, None),
        ({"cost": 0.4}, 400_000),
        ({"cost": 1.2345675}, 1_234_568),
        ({"cost": 1.2345665}, 1_234_566),
        ({"cost": 0}, 0),
        ({"cost": "0.25"}, 250_000),
        ({"cost": -1}, None),
        ({"cost": 2_000_000}, 2_000_000_000_000),
        ({"cost": 1e30}, 10**16),
        ({"cost": float("inf")}, None),
        ({"cost": float("nan")}, None),
        ({"cost": None}, None),
        ({"duration_seconds": 4}, None),
        (None, None),
        ("free", None),
    ],
)
def test_what_openrouter_charged_is_told_in_millionths(
    scripted: Scripted, usage: object, cost_micro: int | None
) -> None:
    answer = {"id": "video_1", "status": "completed", "usage": usage, "unsigned_urls": ["https://elsewhere.test/"]}
    renderer, _ = scripted(answering(200, answer), dialect="openrouter")
    assert renderer.status("video_1").cost_micro == cost_micro


@pytest.mark.parametrize(("word", "code"), [("cancelled", "cancelled"), ("expired", "expired")])
def test_the_other_ends_of_openrouter_are_failures(scripted: Scripted, word: str, code: str) -> None:
    renderer, _ = scripted(answering(200, {"id": "video_1", "status": word, "error": "no"}), dialect="openrouter")
    news = renderer.status("video_1")
    assert (news.status, news.error_code, news.error_message) == ("failed", code, "no")


def test_a_file_of_openrouter_is_asked_for_at_its_own_route(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, b"mp4"), dialect="openrouter")
    assert read_content(renderer) == b"mp4"
    assert target_of(server.requests[0]) == "GET /v1/videos/video_1/content?index=0"


@pytest.mark.parametrize("name", ["fastvideo", "openrouter"])
def test_half_a_second_is_refused_where_the_server_takes_whole_ones(scripted: Scripted, name: str) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect=name)
    with pytest.raises(Refused, match="unsupported_by_renderer"):
        renderer.submit(replace(ORDER, seconds="4.5"))
    assert server.requests == []


@pytest.mark.parametrize("dialect", ["openai", "vllm_omni", "litellm"])
def test_no_other_dialect_is_believed_about_money(scripted: Scripted, dialect: str) -> None:
    renderer, _ = scripted(answering(200, {**VIDEO, "usage": {"cost": 9.0}}), dialect=dialect)
    assert renderer.status("video_1").cost_micro is None

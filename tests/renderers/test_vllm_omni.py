"""What vLLM-Omni wants, and how it answers."""

import json
from dataclasses import replace

import pytest

from bickford_sora.renderers import vllm_omni
from bickford_sora.renderers.errors import AssetExpired, JobGone, NotReady, ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.port import Source, Upload
from tests.renderers.conftest import ORDER, PLAIN_FORM, VIDEO, Scripted, read_content
from tests.renderers.fake_server import answering
from tests.renderers.sent import fields_of, parts_of, target_of

MP4 = Upload("holiday.mov", "video/mp4", lambda: b"mp4")


def test_fields_go_by_the_servers_names(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="vllm_omni")
    renderer.submit(replace(ORDER, fields={"steps": 20, "generate_audio": False, "seed": 3, "lora": "noir"}))
    assert fields_of(server.requests[0]) == PLAIN_FORM | {
        "num_inference_steps": "20",
        "generate_sound": "false",
        "seed": "3",
        "lora": '{"name": "noir"}',
    }


def test_a_lora_that_is_an_object_goes_as_it_is(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="vllm_omni")
    renderer.submit(replace(ORDER, fields={"lora": '{"path":"/loras/noir"}'}))
    assert fields_of(server.requests[0])["lora"] == '{"path":"/loras/noir"}'


def test_a_remix_sends_our_file_and_not_a_field_that_is_too_long_for_the_server(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="vllm_omni")
    renderer.submit(replace(ORDER, operation="remix", source=Source("video_0", MP4)))
    assert target_of(server.requests[0]) == "POST /v1/videos"
    assert fields_of(server.requests[0]) == PLAIN_FORM
    assert parts_of(server.requests[0])["input_references"][1:] == ("video/mp4", b"mp4")


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
def test_a_failed_job_is_news_whatever_the_status(scripted: Scripted, status: int) -> None:
    failed = {**VIDEO, "status": "failed", "error": {"code": status, "message": "CUDA out of memory"}}
    renderer, _ = scripted(answering(status, {**failed, "inference_time_s": 12.5}), dialect="vllm_omni")
    news = renderer.status("video_1")
    assert (news.status, news.error_code, news.error_message) == ("failed", str(status), "CUDA out of memory")
    assert news.inference_s == 12.5


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"detail": "Video not found"}, JobGone),
        ({**VIDEO, "id": "video_2", "status": "failed"}, JobGone),
        ({**VIDEO, "status": "in_progress"}, JobGone),
        (b"<html>no such route</html>", ReadFailed),
    ],
)
def test_only_the_failed_job_itself_makes_an_error_status_news(
    scripted: Scripted, body: object, error: type[Exception]
) -> None:
    renderer, _ = scripted(answering(404, body), dialect="vllm_omni")
    with pytest.raises(error):
        renderer.status("video_1")


def test_no_other_dialect_takes_an_error_status_for_news(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(500, {**VIDEO, "status": "failed"}))
    with pytest.raises(ReadFailed):
        renderer.status("video_1")


def test_several_workers_refuse_a_create_with_certainty(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(409, {"detail": "not supported with --api-server-count > 1"}), dialect="vllm_omni")
    with pytest.raises(Refused) as raised:
        renderer.submit(ORDER)
    assert (raised.value.code, raised.value.terminal) == ("renderer_conflict", True)


def test_a_conflict_of_whoever_stands_in_front_is_unknown(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(409, b"<html>conflict</html>"), dialect="vllm_omni")
    with pytest.raises(UnknownOutcome):
        renderer.submit(ORDER)


def test_a_job_that_cannot_be_cancelled_yet_is_deleted_later(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(409, {"detail": "Cancellation in progress."}), dialect="vllm_omni")
    with pytest.raises(ReadFailed) as raised:
        renderer.delete("video_1")
    assert raised.value.code == "renderer_conflict"


@pytest.mark.parametrize(
    ("status", "detail", "error"),
    [
        (404, "Generation is still in-progress", NotReady),
        (404, "Generated video file not found on disk", AssetExpired),
        (404, "Video not found", ReadFailed),
        (422, "Video generation failed. Check job status for error details.", ReadFailed),
    ],
)
def test_a_download_tells_its_ends_apart(scripted: Scripted, status: int, detail: str, error: type[Exception]) -> None:
    renderer, server = scripted(answering(status, {"detail": detail}), dialect="vllm_omni")
    with pytest.raises(error):
        read_content(renderer)
    assert target_of(server.requests[0]) == "GET /v1/videos/video_1/content"


def test_a_lora_that_is_nested_too_deeply_is_sent_as_a_name() -> None:
    assert json.loads(vllm_omni._lora("[" * 100_000)) == {"name": "[" * 100_000}

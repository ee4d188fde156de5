"""What SGLang wants, and how it answers."""

from dataclasses import replace

import pytest

from bickford_sora.renderers import elsewhere
from bickford_sora.renderers.dialects import capabilities_of
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.renderers.port import Source, Upload
from tests.renderers.conftest import ORDER, PLAIN_FORM, SECRET, VIDEO, Scripted, read_content
from tests.renderers.fake_server import FakeServer, answering
from tests.renderers.sent import fields_of, parts_of, target_of

PNG = Upload("holiday.mp4", "image/png", lambda: b"png")
MP4 = Upload("holiday.mov", "video/mp4", lambda: b"mp4")


def test_an_image_is_never_named_like_a_video(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="sglang")
    renderer.submit(replace(ORDER, reference=PNG))
    assert parts_of(server.requests[0])["input_reference"] == ("reference.png", "image/png", b"png")


def test_a_remix_sends_our_file(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect="sglang")
    renderer.submit(replace(ORDER, operation="remix", source=Source("video_0", MP4), fields={"n": 2, "steps": 8}))
    assert target_of(server.requests[0]) == "POST /v1/videos"
    assert fields_of(server.requests[0]) == PLAIN_FORM | {"n": "2", "num_inference_steps": "8"}
    assert parts_of(server.requests[0])["video_reference"] == ("source.mp4", "video/mp4", b"mp4")


def test_outputs_are_told_and_fetched_by_number(scripted: Scripted) -> None:
    completed = {**VIDEO, "status": "completed", "num_outputs": 3, "inference_time_s": 1.5}
    renderer, server = scripted(answering(200, completed), answering(200, b"mp4"), dialect="sglang")
    news = renderer.status("video_1")
    assert (news.outputs, news.inference_s) == (3, 1.5)
    assert read_content(renderer, 2) == b"mp4"
    assert target_of(server.requests[1]) == "GET /v1/videos/video_1/content?variant=2"


def test_a_deleted_job_is_deleted_and_not_stopped(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(200, {**VIDEO, "status": "deleted"}), dialect="sglang")
    assert renderer.delete("video_1") == "deleted"
    assert not renderer.capabilities.cancels


def test_no_job_is_recognised_by_a_list_without_prompts() -> None:
    assert not capabilities_of("sglang").recognises("create", ())


def test_a_file_in_an_object_store_is_fetched_there_without_the_credential(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "is_public", lambda _: True)
    with FakeServer(answering(200, b"mp4")) as store:
        url = store.url.replace("127.0.0.1", "localhost") + "/bucket/1.mp4?signed=1"
        detail = f"Video has been uploaded to cloud storage. Please use the cloud URL: {url}"
        renderer, _ = scripted(answering(400, {"detail": detail}), dialect="sglang")
        assert read_content(renderer) == b"mp4"
        assert target_of(store.requests[0]) == "GET /v1/bucket/1.mp4?signed=1"
        assert SECRET.encode() not in store.requests[0]


def test_a_file_at_a_private_address_is_not_fetched(scripted: Scripted) -> None:
    with FakeServer(answering(200, b"mp4")) as store:
        url = store.url.replace("127.0.0.1", "localhost")
        detail = f"Video has been uploaded to cloud storage. Please use the cloud URL: {url}"
        renderer, _ = scripted(answering(400, {"detail": detail}), dialect="sglang")
        with pytest.raises(ReadFailed) as raised:
            read_content(renderer)
        assert (raised.value.code, store.requests) == ("renderer_asset_elsewhere", [])

"""The client people have: the openai package, unchanged, over a socket."""

import base64
from collections.abc import Iterator
from typing import cast

import httpx
import openai
import pytest

from tests.http.films import mp4
from tests.http.houses import KEY, NOW, OTHER_KEY, Kit, png

Served = tuple[Kit, str]


@pytest.fixture
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=f"{served[1]}/v1", max_retries=0, _strict_response_validation=True) as sdk:
        yield sdk


def test_create_and_retrieve(sdk: openai.OpenAI) -> None:
    made = sdk.videos.create(prompt="A calm sea", model="sora-2", seconds="8", size="1280x720")
    assert (made.status, made.seconds, made.size, made.prompt) == ("queued", "8", "1280x720", "A calm sea")
    assert sdk.videos.retrieve(made.id) == made


def test_create_with_a_reference_image(served: Served, sdk: openai.OpenAI) -> None:
    made = sdk.videos.create(prompt="As this", input_reference=("sea.png", png(), "image/png"))
    reference = served[0].render(made.id).intent.input_reference
    assert reference is not None
    assert (reference.media_type, reference.width, reference.height) == ("image/png", 720, 1280)


def test_create_is_repeatable_with_an_idempotency_key(sdk: openai.OpenAI) -> None:
    once = sdk.videos.create(prompt="Once", extra_headers={"Idempotency-Key": "sdk-once"})
    assert sdk.videos.create(prompt="Once", extra_headers={"Idempotency-Key": "sdk-once"}) == once
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        sdk.videos.create(prompt="Twice", extra_headers={"Idempotency-Key": "sdk-once"})
    assert (refused.value.code, refused.value.param) == ("idempotency_key_reused", "Idempotency-Key")


def test_the_poll_helper_waits_as_told_and_ends_when_the_file_is_ours(served: Served, sdk: openai.OpenAI) -> None:
    kit, _ = served
    video_id = kit.create()
    raw = sdk.videos.with_raw_response.retrieve(video_id)
    assert raw.headers["openai-poll-after-ms"] == "1234"
    kit.submit(video_id)
    kit.complete(video_id)
    kit.store(video_id, b"film")
    assert sdk.videos.poll(video_id).completed_at == int(NOW.timestamp()) + 120
    assert sdk.videos.download_content(video_id).read() == b"film"


def test_the_list_is_paged_to_its_end(served: Served, sdk: openai.OpenAI) -> None:
    made = [served[0].create(f"Page {number}") for number in range(5)]
    listed = [video.id for video in sdk.videos.list(limit=2)]
    assert listed[:5] == made[::-1]
    assert len(set(listed)) == len(listed)


def test_remix_and_delete(served: Served, sdk: openai.OpenAI) -> None:
    source = served[0].finished()
    remixed = sdk.videos.remix(source, prompt="At night")
    assert remixed.remixed_from_video_id == source
    assert sdk.videos.delete(remixed.id).deleted


def test_a_stored_video_has_a_link_for_those_without_a_key(served: Served, sdk: openai.OpenAI) -> None:
    kit, url = served
    stored = sdk.videos.retrieve(kit.finished(b"a film to link"))
    link = (stored.model_extra or {})["url"]
    assert link.startswith(f"{url}/v1/videos/{stored.id}/content?")
    assert httpx.get(link).content == b"a film to link"
    assert httpx.get(link, headers={"range": "bytes=2-5"}).content == b"film"


def test_what_is_no_longer_kept_is_gone(served: Served, sdk: openai.OpenAI) -> None:
    kit, _ = served
    video_id = kit.finished(expires_at=NOW)
    kit.expire(video_id)
    seen = sdk.videos.retrieve(video_id)
    assert (seen.status, seen.expires_at) == ("completed", int(NOW.timestamp()))
    with pytest.raises(openai.APIStatusError) as gone:
        sdk.videos.download_content(video_id)
    assert (gone.value.status_code, gone.value.code) == (410, "content_gone")
    assert sdk.videos.delete(video_id).deleted


def test_deleting_an_unfinished_video_says_whether_the_renderer_stops(served: Served, sdk: openai.OpenAI) -> None:
    kit, _ = served
    video_id = kit.create()
    kit.submit(video_id)
    assert sdk.videos.with_raw_response.delete(video_id).headers["bickford-cancellation"] == "aborting"


def test_a_reference_and_a_source_are_named_by_extra_body(served: Served, sdk: openai.OpenAI) -> None:
    """The package cannot send objects by its own parameters."""
    kit, _ = served
    image = {"input_reference": {"image_url": "data:image/png;base64," + base64.b64encode(png()).decode()}}
    made = sdk.videos.create(prompt="As this", extra_body=image)
    assert kit.render(made.id).intent.input_reference is not None
    source = kit.finished()
    named = {"video": {"id": source}}
    edited = sdk.videos.edit(prompt="At night", video=cast("bytes", openai.omit), extra_body=named)
    assert (edited.remixed_from_video_id, kit.render(edited.id).intent.operation) == (source, "edit")
    longer = sdk.videos.extend(prompt="And on", seconds="8", video=cast("bytes", openai.omit), extra_body=named)
    assert (longer.remixed_from_video_id, longer.seconds) == (source, "12")


def test_edit_and_extend_an_upload(served: Served, sdk: openai.OpenAI) -> None:
    kit, _ = served
    film = ("sea.mp4", mp4(), "video/mp4")
    edited = sdk.videos.edit(prompt="At night", video=film)
    longer = sdk.videos.extend(prompt="And on", seconds="8", video=film)
    for made, operation in ((edited, "edit"), (longer, "extend")):
        source = kit.render(made.id).intent.source_video
        assert source is not None
        assert (kit.render(made.id).intent.operation, source.duration_ms) == (operation, 1000)
    assert longer.seconds == "9"


def test_a_body_may_be_json_when_the_caller_says_so(sdk: openai.OpenAI) -> None:
    made = sdk.videos.create(prompt="A calm sea", extra_headers={"Content-Type": "application/json"})
    assert made.prompt == "A calm sea"


def test_every_refusal_has_its_class(served: Served, sdk: openai.OpenAI) -> None:
    kit, url = served
    unfinished = kit.create()
    failed = kit.create()
    kit.fail(failed)
    with pytest.raises(openai.BadRequestError) as wrong:
        sdk.videos.create(prompt="sea", size="1024x1792")
    assert (wrong.value.code, wrong.value.param, wrong.value.type) == ("invalid_value", "size", "invalid_request_error")
    assert wrong.value.request_id is not None
    with pytest.raises(openai.BadRequestError, match="not completed yet"):
        sdk.videos.remix(unfinished, prompt="night")
    with pytest.raises(openai.BadRequestError, match="not ready"):
        sdk.videos.download_content(unfinished)
    with pytest.raises(openai.ConflictError):
        sdk.videos.remix(failed, prompt="night")
    with pytest.raises(openai.ConflictError):
        sdk.videos.download_content(failed)
    with pytest.raises(openai.NotFoundError):
        sdk.videos.retrieve("video_" + "0" * 32)
    with pytest.raises(openai.NotFoundError):
        sdk.with_options(api_key=OTHER_KEY).videos.retrieve(unfinished)
    with pytest.raises(openai.AuthenticationError) as unknown:
        sdk.with_options(api_key="nobody").videos.retrieve(unfinished)
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.APIStatusError) as large:
        sdk.videos.create(prompt="sea", input_reference=("a.png", b"x" * 1_100_000, "image/png"))
    assert (large.value.status_code, large.value.code) == (413, "request_too_large")
    assert url


def test_a_conflict_is_not_sent_again(served: Served) -> None:
    kit, url = served
    failed = kit.create()
    kit.fail(failed)
    attempts: list[str] = []
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=2) as sdk:
        sdk._client.event_hooks = {"request": [lambda request: attempts.append(str(request.url))]}
        with pytest.raises(openai.ConflictError):
            sdk.videos.download_content(failed)
    assert len(attempts) == 1

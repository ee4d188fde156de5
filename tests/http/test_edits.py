"""Edits, extensions and remixes by id: where the source comes from, and where the render goes."""

from dataclasses import replace
from typing import Any

import pytest

from bickford_sora.decisions.policy import built_in
from bickford_sora.renderers.openai import CAPABILITIES
from ledger.events import RenderDeleted, RenderExpired, RenderRemixed
from tests.http.films import mp4
from tests.http.houses import OTHER_KEY, SOURCE_BYTES_MAX, Kit, catalogue, error_of, make_kit, offer

REFUSED = "invalid_request_error"
NOTHING_BUT_CREATE = replace(CAPABILITIES, remix="none", edits=False, extensions=False)
BY_VIDEO = replace(NOTHING_BUT_CREATE, remix="video_reference")
ROUTES = {"edits": {}, "extensions": {"seconds": "8"}}


def upload(content: bytes, name: str = "sea.mp4") -> dict[str, Any]:
    return {"files": {"video": (name, content, "video/mp4")}}


def test_an_uploaded_source_is_checked_stored_and_measured(kit: Kit) -> None:
    film = mp4(frames=5)
    answer = kit.request("POST", "/v1/videos/edits", data={"prompt": "At night"}, **upload(film))
    assert answer.status_code == 200, answer.text
    video = answer.json()
    intent = kit.render(video["id"]).intent
    assert (intent.operation, intent.remix_video_id, intent.source_seconds) == ("edit", None, None)
    # 1.25 s are billed, and shown, as the 2 s they began.
    assert (video["seconds"], video["size"], video["remixed_from_video_id"]) == ("2", "720x1280", None)
    source = intent.source_video
    assert source is not None
    assert (source.duration_ms, source.width, source.height, source.media_type) == (1250, 720, 1280, "video/mp4")
    assert b"".join(kit.assets.open(source.storage_uri)) == film
    assert source.filename is not None
    assert kit.keys.open(source.filename) == "sea.mp4"


def test_an_upload_is_extended_by_the_segment_that_was_asked_for(kit: Kit) -> None:
    data = {"prompt": "And on", "seconds": "8", "model": "sora-2-pro"}
    answer = kit.request("POST", "/v1/videos/extensions", data=data, **upload(mp4()))
    assert answer.status_code == 200, answer.text
    render = kit.render(answer.json()["id"])
    intent = render.intent
    assert (intent.operation, intent.model) == ("extend", "sora-2-pro")
    assert (intent.seconds, intent.source_seconds, intent.video_seconds) == ("8", "1", "9")
    assert render.allowed is not None
    assert render.allowed.quote is not None
    assert render.allowed.quote.cost.amount_micro == 8 * 300_000  # the segment alone


@pytest.mark.parametrize("operation", ROUTES)
def test_one_of_our_videos_is_made_into_another_where_its_job_is(kit: Kit, operation: str) -> None:
    source = kit.finished()
    body = {"prompt": "At night", "video": {"id": source}, **ROUTES[operation]}
    answer = kit.request("POST", f"/v1/videos/{operation}", json=body)
    assert answer.status_code == 200, answer.text
    made = kit.render(answer.json()["id"])
    assert answer.json()["remixed_from_video_id"] == source
    assert (made.intent.remix_video_id, made.intent.source_video) == (source, None)
    assert made.allowed is not None
    assert (made.allowed.renderer, made.allowed.replica) == ("openai", "http://renderer")
    marked = kit.ledger.history(kit.render(source).stream)[-1].fact
    assert marked == RenderRemixed(remix_video_id=made.intent.video_id, operation=made.intent.operation)


def test_an_extension_of_an_extension_counts_everything_before_it(kit: Kit) -> None:
    source = kit.finished()
    for total in ("12", "20"):
        body = {"prompt": "And on", "video": {"id": source}, "seconds": "8"}
        source = kit.request("POST", "/v1/videos/extensions", json=body).json()["id"]
        assert kit.render(source).intent.video_seconds == total
        kit.submit(source, job_id=f"job_{total}")
        kit.complete(source)
        kit.store(source)
    remix = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": "At night"}).json()
    assert kit.render(remix["id"]).intent.seconds == "20"


def test_a_create_with_a_remix_id_is_a_remix(kit: Kit) -> None:
    source = kit.finished()
    body = {"prompt": "At night", "remix_video_id": source, "seconds": "4", "size": "720x1280", "model": "sora-2"}
    video = kit.request("POST", "/v1/videos", json=body).json()
    assert (video["remixed_from_video_id"], kit.render(video["id"]).intent.operation) == (source, "remix")
    for changed in ({"seconds": "8"}, {"size": "1280x720"}, {"model": "sora-2-pro"}):
        answer = kit.request("POST", "/v1/videos", json={**body, **changed})
        assert error_of(answer) == (400, REFUSED, *changed, "invalid_value")


def test_a_remix_from_the_stored_file_is_bound_to_no_replica() -> None:
    kit = make_kit(offers=catalogue(offer(capabilities=BY_VIDEO)))
    source = kit.finished()
    video = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": "At night"}).json()
    allowed = kit.render(video["id"]).allowed
    assert allowed is not None
    assert (allowed.renderer, allowed.replica) == ("openai", None)


def test_what_the_renderer_cannot_do_is_refused_before_anything_is_recorded() -> None:
    kit = make_kit(offers=catalogue(offer(capabilities=NOTHING_BUT_CREATE)))
    source = kit.finished()
    head = kit.ledger.head()
    files = len(kit.assets._contents)
    for operation, more in ROUTES.items():
        for body in ({"json": {"video": {"id": source}, "prompt": "x", **more}}, {"data": more | {"prompt": "x"}}):
            sent = body if "json" in body else {**body, **upload(b"never looked at")}
            answer = kit.request("POST", f"/v1/videos/{operation}", **sent)
            assert error_of(answer) == (400, REFUSED, None, "unsupported_by_renderer")
    answer = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": "x"})
    assert error_of(answer) == (400, REFUSED, "video_id", "remix_unsupported")
    answer = kit.request("POST", "/v1/videos", json={"prompt": "x", "remix_video_id": source})
    assert error_of(answer) == (400, REFUSED, "remix_video_id", "remix_unsupported")
    assert (kit.ledger.head(), len(kit.assets._contents)) == (head, files)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", (400, "video", "invalid_video")),
        (b"no film at all", (400, "video", "invalid_video")),
        (mp4()[:500], (400, "video", "invalid_video")),
        (mp4(64, 64), (400, "video", "source_shape_not_offered")),
        (b"x" * (SOURCE_BYTES_MAX + 1), (400, "video", "source_too_large")),
    ],
    ids=["empty", "garbage", "cut", "size", "large"],
)
def test_an_unusable_source_is_refused_and_leaves_no_trace(
    kit: Kit, content: bytes, error: tuple[int, str, str]
) -> None:
    answer = kit.request("POST", "/v1/videos/edits", data={"prompt": "x"}, **upload(content))
    status, _, param, code = error_of(answer)
    assert (status, param, code) == error
    assert kit.ledger.head() == 0
    assert not kit.assets._contents


def test_a_source_must_be_a_finished_video_of_this_project(kit: Kit) -> None:
    theirs, unfinished, failed, expired = kit.create(key=OTHER_KEY), kit.create(), kit.create(), kit.finished()
    deleted = kit.create()
    kit.fail(failed)
    kit.record(expired, RenderExpired(assets_deleted=1))
    kit.fail(deleted)
    kit.record(deleted, RenderDeleted())
    head = kit.ledger.head()
    for source, status, code in (
        (theirs, 404, "video_not_found"),
        ("video_" + "0" * 32, 404, "video_not_found"),
        ("job_1", 404, "video_not_found"),
        (deleted, 404, "video_not_found"),
        (unfinished, 400, "video_not_completed"),
        (failed, 409, "source_has_no_video"),
        (expired, 410, "source_expired"),
    ):
        for path, body, param in (
            ("/edits", {"video": {"id": source}}, "video"),
            ("/extensions", {"video": {"id": source}, "seconds": "8"}, "video"),
            ("", {"remix_video_id": source}, "remix_video_id"),
        ):
            answer = kit.request("POST", f"/v1/videos{path}", json={"prompt": "x", **body})
            assert error_of(answer) == (status, REFUSED, param, code)
    assert kit.ledger.head() == head


def test_a_segment_of_another_length_names_those_there_are(kit: Kit) -> None:
    body = {"prompt": "x", "seconds": "5", "video": {"id": kit.finished()}}
    answer = kit.request("POST", "/v1/videos/extensions", json=body)
    assert error_of(answer) == (400, REFUSED, "seconds", "invalid_value")
    assert "'4', '8', '12', '16', '20'" in answer.json()["error"]["message"]


def test_a_source_of_a_render_that_is_denied_is_not_kept() -> None:
    kit = make_kit(policy=built_in(1))
    answer = kit.request("POST", "/v1/videos/edits", data={"prompt": "x"}, **upload(mp4()))
    assert error_of(answer)[::3] == (403, "render_cost_exceeded")
    assert not kit.assets._contents


def test_a_failed_edit_of_an_upload_can_be_asked_for_again(kit: Kit) -> None:
    film = mp4()
    failed = kit.request("POST", "/v1/videos/edits", data={"prompt": "At night"}, **upload(film)).json()["id"]
    kit.fail(failed)
    again = kit.request("POST", f"/v1/videos/{failed}/retry").json()
    intent = kit.render(again["id"]).intent
    assert (intent.operation, intent.retry_of_video_id, again["prompt"]) == ("edit", failed, "At night")
    assert intent.source_video is not None
    assert b"".join(kit.assets.open(intent.source_video.storage_uri)) == film


@pytest.mark.parametrize("operation", ROUTES)
def test_a_failed_render_from_one_of_ours_can_be_asked_for_again(kit: Kit, operation: str) -> None:
    source = kit.finished()
    body = {"prompt": "At night", "video": {"id": source}, **ROUTES[operation]}
    failed = kit.request("POST", f"/v1/videos/{operation}", json=body).json()["id"]
    kit.fail(failed)
    again = kit.request("POST", f"/v1/videos/{failed}/retry")
    assert again.status_code == 200, again.text
    first, second = kit.render(failed).intent, kit.render(again.json()["id"]).intent
    assert (second.operation, second.remix_video_id) == (first.operation, source)
    assert (second.seconds, second.size, second.source_seconds) == (first.seconds, first.size, first.source_seconds)


def test_a_body_with_a_source_may_be_larger_than_others_and_not_endless() -> None:
    kit = make_kit(body_bytes_max=1_000)
    data = {"prompt": "x", "seconds": "8"}
    assert kit.request("POST", "/v1/videos/extensions", data=data, **upload(mp4())).status_code == 200
    assert error_of(kit.request("POST", "/v1/videos", data=data, **upload(mp4())))[::3] == (413, "request_too_large")
    endless = b"x" * (SOURCE_BYTES_MAX + 2_000_000)
    answer = kit.request("POST", "/v1/videos/edits", data=data, **upload(endless))
    assert error_of(answer)[::3] == (413, "request_too_large")

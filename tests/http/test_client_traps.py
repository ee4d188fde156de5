"""What clients that are already in use do with our answers. Each test is one known trap (reference of clients, 6)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bickford_sora.decisions.policy import built_in
from bickford_sora.http.video_object import Video
from bickford_sora.renderers.openai import CAPABILITIES
from tests.http.houses import NOW, Kit, catalogue, error_of, make_kit, offer


def shown(kit: Kit, video_id: str) -> dict[str, object]:
    answer = kit.request("GET", f"/v1/videos/{video_id}").json()
    assert isinstance(answer, dict)
    return answer


def test_tanstack_reads_expires_at_as_milliseconds_and_gets_1970_either_way(kit: Kit) -> None:
    """The protocol says seconds and we say seconds (ADR 0015); with `url` set it takes the link all the same."""
    kept = shown(kit, kit.finished())
    assert kept["expires_at"] is None
    expiring = shown(kit, kit.finished(expires_at=NOW + timedelta(days=30)))
    expires_at = expiring["expires_at"]
    assert isinstance(expires_at, int)
    assert datetime.fromtimestamp(expires_at / 1000, UTC).year == 1970
    assert datetime.fromtimestamp(expires_at, UTC) == (NOW + timedelta(days=30)).replace(microsecond=0)
    assert kept["url"]
    assert expiring["url"]


def test_tanstack_takes_an_unknown_status_as_processing_for_ever(kit: Kit) -> None:
    cancelled, expired, lost = kit.create(), kit.finished(expires_at=NOW), kit.create()
    kit.expire(expired)
    kit.fail(lost, "job_lost")
    statuses = {shown(kit, each)["status"] for each in (kit.create(), expired, lost)}
    assert statuses <= {"queued", "in_progress", "completed", "failed"}
    assert shown(kit, expired)["status"] == "completed"
    kit.request("DELETE", f"/v1/videos/{cancelled}")
    assert kit.request("GET", f"/v1/videos/{cancelled}").status_code == 404  # it says "Job not found" then


def test_tanstack_replaces_a_message_with_the_plural_of_video(kit: Kit) -> None:
    video_id = kit.create()
    kit.fail(video_id, message="Videos of this kind are not made.")
    error = shown(kit, video_id)["error"]
    assert isinstance(error, dict)
    assert error["message"] == "Video of this kind are not made."
    for path in ("/v1/videos/nothing", "/v1/videos/nothing/content", "/v1/videos?after=nothing"):
        error_of(kit.request("GET", path))  # checks it


def test_tanstack_tells_not_ready_by_400_on_content(kit: Kit) -> None:
    assert kit.request("GET", f"/v1/videos/{kit.create()}/content").status_code == 400


def test_tanstack_uses_the_url_instead_of_a_download_in_memory(kit: Kit) -> None:
    unfinished, finished = kit.create(), kit.finished(b"the file")
    assert shown(kit, unfinished)["url"] is None
    url = shown(kit, finished)["url"]
    assert isinstance(url, str)
    assert kit.request("GET", url.removeprefix("http://house"), key=None).content == b"the file"


def test_the_sdks_poll_helpers_keep_the_first_pause_they_are_told(kit: Kit) -> None:
    video_id = kit.create()
    pauses = [kit.request("GET", f"/v1/videos/{video_id}").headers.get("openai-poll-after-ms")]
    kit.submit(video_id)
    pauses.append(kit.request("GET", f"/v1/videos/{video_id}").headers.get("openai-poll-after-ms"))
    kit.progress(video_id, 40)
    pauses.append(kit.request("GET", f"/v1/videos/{video_id}").headers.get("openai-poll-after-ms"))
    kit.complete(video_id)
    pauses.append(kit.request("GET", f"/v1/videos/{video_id}").headers.get("openai-poll-after-ms"))
    assert pauses == ["1234"] * 4
    kit.store(video_id)
    assert "openai-poll-after-ms" not in kit.request("GET", f"/v1/videos/{video_id}").headers


def test_the_sdks_page_on_has_more_and_last_id_so_all_five_keys_are_always_there(kit: Kit) -> None:
    keys = {"object", "data", "first_id", "last_id", "has_more"}
    assert set(kit.request("GET", "/v1/videos").json()) == keys
    kit.create()
    assert set(kit.request("GET", "/v1/videos").json()) == keys


def test_unknown_query_parameters_are_ignored(kit: Kit) -> None:
    """LiteLLM adds `custom_llm_provider`, others add what they like."""
    video_id = kit.finished(b"the file")
    for path in ("/v1/videos", f"/v1/videos/{video_id}", f"/v1/videos/{video_id}/content"):
        assert kit.request("GET", path, params={"custom_llm_provider": "openai"}).status_code == 200


def test_every_answer_has_its_request_id(kit: Kit) -> None:
    video_id = kit.finished()
    for method, path in (
        ("GET", f"/v1/videos/{video_id}"),
        ("GET", f"/v1/videos/{video_id}/content"),
        ("HEAD", f"/v1/videos/{video_id}/content"),
        ("GET", f"/v1/videos/{video_id}/content?signature=0"),
        ("DELETE", f"/v1/videos/{video_id}"),
        ("GET", "/nowhere"),
    ):
        assert kit.request(method, path).headers["x-request-id"].startswith("req_")


def test_the_sdks_send_again_what_policy_refused_only_if_the_status_says_so() -> None:
    kit = make_kit(policy=built_in(1))
    assert kit.request("POST", "/v1/videos", json={"prompt": "sea"}).status_code == 403


def test_a_video_object_still_validates_where_clients_are_strict(kit: Kit) -> None:
    """More keys than the protocol has do no harm; `tests/clients` asks the SDK itself."""
    assert Video.model_validate(shown(kit, kit.finished())).duration == 4


@pytest.mark.parametrize(("cancels", "said"), [(True, "aborting"), (False, "not_supported")])
def test_deleting_an_unfinished_video_says_whether_the_renderer_stops(cancels: bool, said: str) -> None:
    kit = make_kit(offers=catalogue(offer(capabilities=replace(CAPABILITIES, cancels=cancels))))
    unsent, sent = kit.create(), kit.create()
    kit.submit(sent)
    assert kit.request("DELETE", f"/v1/videos/{unsent}").headers["bickford-cancellation"] == "not_sent"
    answer = kit.request("DELETE", f"/v1/videos/{sent}")
    assert (answer.json()["deleted"], answer.headers["bickford-cancellation"]) == (True, said)


def test_deleting_a_finished_video_cancels_nothing(kit: Kit) -> None:
    assert "bickford-cancellation" not in kit.request("DELETE", f"/v1/videos/{kit.finished()}").headers

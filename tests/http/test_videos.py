import re

import pytest

from bickford_sora.decisions.policy import built_in
from ledger.events import RenderAssetLost, RenderCompleted
from ledger.render import Phase
from tests.http.houses import BODY_BYTES_MAX, KEY, NOW, OTHER_KEY, Kit, error_of, make_kit, png

VIDEO_KEYS = {
    "id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt", "size",
    "seconds", "remixed_from_video_id", "error", "url", "duration", "review", "approval",
    "erased_at",
}  # fmt: skip


def test_a_created_video_has_all_its_keys_and_tells_when_to_ask_again(kit: Kit) -> None:
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A calm sea", "seconds": 8})
    video = answer.json()
    assert answer.status_code == 200
    assert set(video) == VIDEO_KEYS
    assert re.fullmatch(r"video_[0-9a-f]{32}", video["id"])
    assert (video["object"], video["status"], video["progress"]) == ("video", "queued", 0)
    assert (video["model"], video["seconds"], video["size"]) == ("sora-2", "8", "720x1280")
    assert (video["prompt"], video["created_at"]) == ("A calm sea", int(NOW.timestamp()))
    unknown = ("completed_at", "expires_at", "remixed_from_video_id", "error", "url", "review", "approval", "erased_at")
    assert [video[key] for key in unknown] == [None] * len(unknown)
    assert video["duration"] == 8
    assert answer.headers["openai-poll-after-ms"] == "1234"


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"prompt": "A calm sea", "size": "1280x720"}},
        {"files": {"prompt": (None, "A calm sea"), "size": (None, "1280x720")}},
        {"json": {"prompt": "A calm sea", "size": "1280x720"}},
    ],
    ids=["urlencoded", "multipart", "json"],
)
def test_every_kind_of_body_makes_the_same_render(kit: Kit, form: dict[str, object]) -> None:
    answer = kit.request("POST", "/v1/videos", **form)
    assert (answer.status_code, answer.json()["size"], answer.json()["prompt"]) == (200, "1280x720", "A calm sea")


def test_a_reference_image_is_stored_before_anything_is_paid_for(kit: Kit) -> None:
    image = png()
    files = {"input_reference": ("sea.png", image, "image/png")}
    answer = kit.request("POST", "/v1/videos", data={"prompt": "As this"}, files=files)
    assert answer.status_code == 200
    reference = kit.render(answer.json()["id"]).intent.input_reference
    assert reference is not None
    assert b"".join(kit.assets.open(reference.storage_uri)) == image
    assert reference.filename is not None
    assert kit.keys.open(reference.filename) == "sea.png"


def test_an_empty_file_without_a_name_is_no_file(kit: Kit) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nsea\r\n'
        b'--b\r\nContent-Disposition: form-data; name="input_reference"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n"
    )
    answer = kit.request(
        "POST", "/v1/videos", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code == 200
    assert kit.render(answer.json()["id"]).intent.input_reference is None


def test_the_same_idempotency_key_gets_the_first_answer_whatever_came_after(kit: Kit) -> None:
    request = {"json": {"prompt": "A calm sea"}, "headers": {"Idempotency-Key": "order-1"}}
    first = kit.request("POST", "/v1/videos", **request)
    kit.submit(first.json()["id"])
    kit.progress(first.json()["id"], 50)
    head = kit.ledger.head()
    again = kit.request("POST", "/v1/videos", **request)
    assert (again.status_code, again.json()) == (200, first.json())
    assert kit.ledger.head() == head


def test_an_idempotency_key_with_another_request_is_refused(kit: Kit) -> None:
    headers = {"Idempotency-Key": "order-1"}
    kit.request("POST", "/v1/videos", json={"prompt": "A calm sea"}, headers=headers)
    head = kit.ledger.head()
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A rough sea"}, headers=headers)
    assert error_of(answer) == (422, "invalid_request_error", "Idempotency-Key", "idempotency_key_reused")
    assert kit.ledger.head() == head


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_of_no_or_too_many_characters_is_refused(kit: Kit, key: str) -> None:
    answer = kit.request("POST", "/v1/videos", json={"prompt": "sea"}, headers={"Idempotency-Key": key})
    assert error_of(answer) == (400, "invalid_request_error", "Idempotency-Key", "invalid_idempotency_key")
    assert kit.ledger.head() == 0


def test_two_idempotency_keys_in_one_request_are_refused(kit: Kit) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = kit.request("POST", "/v1/videos", json={"prompt": "sea"}, headers=headers)
    assert error_of(answer)[3] == "invalid_idempotency_key"
    assert kit.ledger.head() == 0


def test_what_policy_refuses_is_told_as_forbidden_and_not_shown_as_a_video() -> None:
    kit = make_kit(policy=built_in(500_000))
    answer = kit.request("POST", "/v1/videos", json={"prompt": "sea", "seconds": "12"})
    assert error_of(answer) == (403, "permission_error", None, "render_cost_exceeded")
    assert [event.fact.TYPE for event in kit.ledger.read(0)] == ["render.intent", "render.denied"]
    assert kit.request("GET", "/v1/videos").json()["data"] == []


def test_a_video_is_completed_only_when_its_file_is_ours(kit: Kit) -> None:
    video_id = kit.create()

    def seen() -> tuple[str, int, bool]:
        answer = kit.request("GET", f"/v1/videos/{video_id}")
        return answer.json()["status"], answer.json()["progress"], "openai-poll-after-ms" in answer.headers

    kit.submit(video_id)
    assert seen() == ("queued", 0, True)
    kit.progress(video_id, 40)
    assert seen() == ("in_progress", 40, True)
    kit.complete(video_id)
    assert seen() == ("in_progress", 99, True)
    kit.store(video_id)
    assert seen() == ("completed", 100, False)
    assert kit.request("GET", f"/v1/videos/{video_id}").json()["completed_at"] == int(NOW.timestamp()) + 120


def test_a_failed_video_says_why_and_never_in_the_word_a_client_replaces(kit: Kit) -> None:
    video_id = kit.create()
    kit.fail(video_id, "moderation_blocked", "Such videos are refused")
    answer = kit.request("GET", f"/v1/videos/{video_id}")
    assert answer.status_code == 200
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"] == {"code": "moderation_blocked", "message": "Such video are refused"}
    assert "openai-poll-after-ms" not in answer.headers


def test_a_failure_without_words_gets_a_sentence(kit: Kit) -> None:
    video_id = kit.create()
    kit.fail(video_id, "deadline_exceeded")
    error = kit.request("GET", f"/v1/videos/{video_id}").json()["error"]
    assert error == {"code": "deadline_exceeded", "message": "The renderer did not finish in time."}


def test_an_erased_prompt_is_null_and_everything_else_stays(kit: Kit) -> None:
    video_id = kit.create()
    kit.fail(video_id, "refused", "Because of the sea")
    kit.keys.destroy(requester=kit.render(video_id).intent.requester, subject=video_id)
    video = kit.request("GET", f"/v1/videos/{video_id}").json()
    assert set(video) == VIDEO_KEYS
    assert (video["prompt"], video["error"]) == (None, {"code": "refused", "message": "The render failed."})
    assert kit.request("GET", "/v1/videos").json()["data"] == [video]


def test_the_list_shows_each_video_as_retrieve_does(kit: Kit) -> None:
    made = [kit.create(f"Take {number}") for number in range(3)]
    kit.submit(made[0])
    kit.complete(made[0])
    kit.fail(made[1], message="No")
    page = kit.request("GET", "/v1/videos").json()
    assert set(page) == {"object", "data", "first_id", "last_id", "has_more"}
    assert page["data"] == [kit.request("GET", f"/v1/videos/{each}").json() for each in reversed(made)]
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", made[2], made[0], False)
    assert kit.waits == [2.0]


def test_the_list_is_paged_in_both_orders(kit: Kit) -> None:
    made = [kit.create(f"Take {number}") for number in range(5)]

    def page(**query: object) -> tuple[list[int], bool]:
        body = kit.request("GET", "/v1/videos", params=query).json()
        return [made.index(each["id"]) for each in body["data"]], body["has_more"]

    assert page(limit=2) == ([4, 3], True)
    assert page(limit=2, after=made[3]) == ([2, 1], True)
    assert page(limit=2, after=made[1]) == ([0], False)
    assert page(limit=3, order="asc", unknown="ignored") == ([0, 1, 2], True)
    assert page(limit=3, order="asc", after=made[2]) == ([3, 4], False)
    assert page(limit=0) == ([], True)


def test_an_empty_list_has_all_its_keys(kit: Kit) -> None:
    body = kit.request("GET", "/v1/videos").json()
    assert body == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_paging_goes_on_from_a_video_that_was_deleted_meanwhile(kit: Kit) -> None:
    made = [kit.create(f"Take {number}") for number in range(3)]
    kit.request("DELETE", f"/v1/videos/{made[1]}")
    body = kit.request("GET", "/v1/videos", params={"after": made[1]}).json()
    assert [each["id"] for each in body["data"]] == [made[0]]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"limit": "101"}, (400, "invalid_request_error", "limit", "invalid_value")),
        ({"limit": "-1"}, (400, "invalid_request_error", "limit", "invalid_value")),
        ({"limit": "many"}, (400, "invalid_request_error", "limit", "invalid_value")),
        ({"order": "up"}, (400, "invalid_request_error", "order", "invalid_value")),
        ({"after": "video_" + "0" * 32}, (404, "invalid_request_error", "after", "video_not_found")),
        ({"after": "\0"}, (404, "invalid_request_error", "after", "video_not_found")),
    ],
)
def test_a_wrong_query_is_refused_by_name(kit: Kit, query: dict[str, str], error: tuple[object, ...]) -> None:
    assert error_of(kit.request("GET", "/v1/videos", params=query)) == error


def test_a_page_may_not_begin_behind_another_projects_video(kit: Kit) -> None:
    theirs = kit.create(key=OTHER_KEY)
    assert error_of(kit.request("GET", "/v1/videos", params={"after": theirs}))[0] == 404


def test_nobody_sees_another_projects_video(kit: Kit) -> None:
    video_id = kit.finished()
    head = kit.ledger.head()
    for method, path in (
        ("GET", f"/v1/videos/{video_id}"),
        ("GET", f"/v1/videos/{video_id}/content"),
        ("DELETE", f"/v1/videos/{video_id}"),
        ("POST", f"/v1/videos/{video_id}/retry"),
    ):
        answer = kit.request(method, path, key=OTHER_KEY)
        assert error_of(answer) == (404, "invalid_request_error", "video_id", "video_not_found"), path
    remix = kit.request("POST", f"/v1/videos/{video_id}/remix", key=OTHER_KEY, json={"prompt": "mine"})
    assert error_of(remix)[3] == "video_not_found"
    assert kit.request("GET", "/v1/videos", key=OTHER_KEY).json()["data"] == []
    assert kit.ledger.head() == head


def test_a_deleted_video_is_gone_for_its_owner_and_its_facts_stay(kit: Kit) -> None:
    video_id = kit.finished()
    answer = kit.request("DELETE", f"/v1/videos/{video_id}", headers={"content-type": "application/json"})
    assert answer.json() == {"id": video_id, "object": "video.deleted", "deleted": True}
    assert error_of(kit.request("GET", f"/v1/videos/{video_id}"))[3] == "video_not_found"
    assert error_of(kit.request("DELETE", f"/v1/videos/{video_id}"))[3] == "video_not_found"
    assert kit.render(video_id).deleted


def test_deleting_an_unfinished_video_cancels_it(kit: Kit) -> None:
    video_id = kit.create()
    kit.request("DELETE", f"/v1/videos/{video_id}")
    assert kit.render(video_id).phase is Phase.CANCELLED


def test_a_remix_names_its_source_and_inherits_the_rest(kit: Kit) -> None:
    source = kit.finished()
    answer = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": "At night"})
    video = answer.json()
    assert (video["remixed_from_video_id"], video["prompt"], video["seconds"]) == (source, "At night", "4")
    assert answer.headers["openai-poll-after-ms"] == "1234"
    assert kit.render(source).remixes == (video["id"],)


def test_a_remix_with_an_idempotency_key_is_made_once(kit: Kit) -> None:
    source = kit.finished()
    request = {"json": {"prompt": "At night"}, "headers": {"Idempotency-Key": "remix-1"}}
    first = kit.request("POST", f"/v1/videos/{source}/remix", **request)
    again = kit.request("POST", f"/v1/videos/{source}/remix", **request)
    assert first.json() == again.json()
    assert len(kit.render(source).remixes) == 1


def test_what_failed_can_be_asked_for_again_and_only_that(kit: Kit) -> None:
    failed = kit.create("A calm sea", seconds="12")
    refused = kit.request("POST", f"/v1/videos/{failed}/retry")
    assert error_of(refused) == (409, "invalid_request_error", "video_id", "video_not_failed")
    assert refused.headers["x-should-retry"] == "false"
    kit.fail(failed)
    video = kit.request("POST", f"/v1/videos/{failed}/retry", headers={"Idempotency-Key": "again"}).json()
    assert (video["prompt"], video["seconds"], video["status"]) == ("A calm sea", "12", "queued")
    assert kit.render(video["id"]).intent.retry_of_video_id == failed
    assert kit.request("POST", f"/v1/videos/{failed}/retry", headers={"Idempotency-Key": "again"}).json() == video


def test_a_retry_of_what_was_refused_says_that_its_image_is_gone() -> None:
    kit = make_kit(policy=built_in(1))
    files = {"input_reference": ("sea.png", png(), "image/png")}
    kit.request("POST", "/v1/videos", data={"prompt": "As this"}, files=files)
    denied = kit.ledger.read(0)[0].fact.model_dump()["video_id"]
    assert error_of(kit.request("POST", f"/v1/videos/{denied}/retry"))[::3] == (410, "reference_gone")


def test_the_facts_of_a_request_carry_its_id_its_trace_and_the_key_that_asked(kit: Kit) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answer = kit.request("POST", "/v1/videos", json={"prompt": "sea"}, headers=headers)
    caller = kit.house.callers.authenticate({"authorization": f"Bearer {KEY}"})
    for event in kit.ledger.read(0):
        assert event.context.correlation is not None
        assert answer.headers["x-request-id"] == f"req_{event.context.correlation.hex}"
        assert (event.context.trace, event.context.actor) == (trace, caller.key_id)


def test_a_lost_file_is_a_failed_video(kit: Kit) -> None:
    video_id = kit.create()
    kit.submit(video_id)
    kit.record(video_id, RenderCompleted(), RenderAssetLost(code="download_expired"))
    video = kit.request("GET", f"/v1/videos/{video_id}").json()
    assert (video["status"], video["progress"], video["completed_at"]) == ("failed", 99, None)


def test_an_observation_is_recorded_in_the_callers_thread(kit: Kit) -> None:
    seen = {"video_id": "video_x", "status": "completed", "prompt": "mine"}
    answer = kit.request("POST", "/v1/threads/thread 1/observations", json=seen)
    assert (answer.status_code, answer.json()) == (201, {"object": "thread.observation", "thread_id": "thread 1"})
    (event,) = kit.ledger.read(0)
    assert event.fact.TYPE == "caller.recorded"
    assert "mine" not in str(event.fact)


@pytest.mark.parametrize(
    ("thread_id", "body", "error"),
    [
        ("t", b'{"statsu": "completed"}', (400, "invalid_request_error", "statsu", "unknown_parameter")),
        ("t", b'{"progress": "much"}', (400, "invalid_request_error", "progress", "invalid_value")),
        ("t", b'{"prompt": "\\u0000"}', (400, "invalid_request_error", "prompt", "invalid_text")),
        ("t", b"[]", (400, "invalid_request_error", None, "invalid_json")),
        ("t" * 256, b"{}", (400, "invalid_request_error", "thread_id", "invalid_thread_id")),
        ("%00", b"{}", (400, "invalid_request_error", "thread_id", "invalid_thread_id")),
        ("t", b" " * 300_000, (413, "invalid_request_error", None, "request_too_large")),
    ],
)
def test_a_wrong_observation_is_refused(kit: Kit, thread_id: str, body: bytes, error: tuple[object, ...]) -> None:
    assert len(body) < BODY_BYTES_MAX
    answer = kit.request("POST", f"/v1/threads/{thread_id}/observations", content=body)
    assert error_of(answer) == error
    assert kit.ledger.head() == 0

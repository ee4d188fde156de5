"""Erasing and legal holds by HTTP: by admins alone, with a second one where that is wanted, and never a 500."""

from typing import Any

import httpx
import pytest

from bickford_sora.erasure_list import Listed
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit, error_of, make_kit


@pytest.fixture
def kit() -> Kit:
    return make_kit()


def erase(kit: Kit, key: str = ROOT_KEY, **asked: Any) -> httpx.Response:
    return kit.request("POST", "/v1/erasures", key=key, json={"reason": "asked by Mia", **asked})


def hold(kit: Kit, key: str = ROOT_KEY, **asked: Any) -> httpx.Response:
    return kit.request("POST", "/v1/holds", key=key, json={"reason": "a suit", **asked})


def test_an_erased_video_is_shown_as_erased_wherever_it_is_read(kit: Kit) -> None:
    video_id = kit.finished()
    kit.request(
        "POST",
        f"/v1/videos/{video_id}/reviews",
        json={
            "verdict": "approved",
            "clarity": 1,
            "continuity": 1,
            "brand_fit": 1,
            "review_time_minutes": 1,
            "notes": "Nice",
        },
    )
    answer = erase(kit, render=video_id)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "object": "erasure",
        "subject": video_id,
        "kind": "render",
        "unreadable": True,
        "renders_left": 0,
        "files_left": 1,
        "erased_at": kit.render(video_id).erased_at.timestamp() // 1,  # type: ignore[union-attr]
    }
    video = kit.request("GET", f"/v1/videos/{video_id}").json()
    assert (video["prompt"], video["url"], video["status"]) == (None, None, "completed")
    assert video["erased_at"] == answer.json()["erased_at"]
    assert kit.request("GET", "/v1/videos").json()["data"] == [video]
    assert error_of(kit.request("GET", f"/v1/videos/{video_id}/content")) == (
        410,
        "invalid_request_error",
        "video_id",
        "video_erased",
    )
    assert kit.request("GET", f"/v1/videos/{video_id}/reviews").json()["data"][0]["notes"] is None
    remix = kit.request("POST", f"/v1/videos/{video_id}/remix", json={"prompt": "A kite"})
    assert remix.status_code == 410
    assert kit.request("DELETE", f"/v1/videos/{video_id}").status_code == 200


def test_what_failed_and_was_erased_is_told_without_its_words(kit: Kit) -> None:
    video_id = kit.create("A secret")
    kit.submit(video_id)
    kit.fail(video_id, message="Your secret is refused")
    assert erase(kit, key=KEY, render=video_id).status_code == 200, "an admin of the project may"
    video = kit.request("GET", f"/v1/videos/{video_id}").json()
    assert video["prompt"] is None
    assert video["error"] == {"code": "moderation_blocked", "message": "The render failed."}
    assert error_of(kit.request("POST", f"/v1/videos/{video_id}/retry"))[3] == "prompt_erased"


def test_a_requester_is_erased_by_id_or_by_name(kit: Kit) -> None:
    made = kit.request("POST", "/v1/videos", key=ROOT_KEY, json={"prompt": "A kite", "requester": "mia@example.com"})
    video_id = made.json()["id"]
    kit.submit(video_id)
    kit.fail(video_id)
    by_name = erase(kit, requester_name=" mia@example.com ").json()
    assert (by_name["unreadable"], by_name["renders_left"]) == (True, 1)
    assert erase(kit, requester=by_name["subject"]).json() == by_name
    assert kit.request("GET", f"/v1/videos/{video_id}", key=ROOT_KEY).json()["prompt"] is None
    again = kit.request("POST", "/v1/videos", key=ROOT_KEY, json={"prompt": "Anew", "requester": "mia@example.com"})
    assert error_of(again)[::3] == (410, "erased")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "invalid_value"),
        ({"render": "video_1", "requester": "req-1"}, "invalid_value"),
        ({"render": "video_1", "reason": ""}, "invalid_value"),
        ({"render": 1}, "invalid_type"),
        ({"render": "video_1", "more": 1}, "unknown_parameter"),
        ({"render": "video_1"}, "video_not_found"),
        ({"requester": "../x"}, "requester_not_found"),
        ({"requester_name": "nobody"}, "requester_not_found"),
        ({"requester_name": " "}, "invalid_requester"),
    ],
)
def test_what_cannot_be_erased_is_said(kit: Kit, asked: dict[str, Any], code: str) -> None:
    assert error_of(erase(kit, **asked))[3] == code


def test_a_list_that_cannot_be_written_destroys_nothing(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = kit.finished()
    erasures = kit.house.erasing.erasures

    def full(_entry: Listed) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(erasures.kept, "append", full)
        assert error_of(erase(kit, render=video_id))[::3] == (503, "erasure_list_unavailable")
        assert kit.request("GET", f"/v1/videos/{video_id}").json()["prompt"] == "A calm sea"
    assert erasures.carry_out(kit.render(video_id).stream), "a worker goes on with it"
    assert kit.request("GET", f"/v1/videos/{video_id}").json()["prompt"] is None


def test_erasing_and_lifting_take_four_eyes_where_that_is_wanted() -> None:
    kit = make_kit(four_eyes=("erasures",))
    second, video_id = kit.second_admin(), kit.finished()
    place = hold(kit, scope="tenant").json()
    lift = f"/v1/holds/{place['id']}/lift"

    def agreed(answer: httpx.Response) -> None:
        status, _, change_id, code = error_of(answer)
        assert (status, code) == (403, "approval_required")
        said = kit.request("POST", f"/v1/changes/{change_id}", key=second, json={"decision": "approve"})
        assert said.json()["state"] == "approved"
        assert "Mia" not in said.json()["summary"]

    assert error_of(erase(kit, render=video_id))[3] == "legal_hold"
    agreed(kit.request("POST", lift, key=ROOT_KEY, json={"reason": "settled"}))
    assert kit.request("POST", lift, key=ROOT_KEY, json={"reason": "settled"}).status_code == 200
    agreed(erase(kit, render=video_id))
    assert kit.request("GET", f"/v1/videos/{video_id}").json()["prompt"] == "A calm sea"
    assert error_of(erase(kit, render=video_id, reason="another"))[3] == "approval_required"
    assert erase(kit, render=video_id).json()["unreadable"]


def test_a_hold_is_placed_shown_and_lifted(kit: Kit) -> None:
    video_id = kit.finished()
    placed = hold(kit, scope="render", subject=video_id).json()
    assert (placed["scope"], placed["subject"], placed["reason"]) == ("render", video_id, "a suit")
    assert kit.request("GET", "/v1/holds", key=ROOT_KEY).json() == {"object": "list", "data": [placed]}
    assert error_of(kit.request("DELETE", f"/v1/videos/{video_id}")) == (
        409,
        "invalid_request_error",
        "video_id",
        "legal_hold",
    )
    lift = f"/v1/holds/{placed['id']}/lift"
    assert kit.request("POST", lift, key=ROOT_KEY, json={"reason": "settled"}).json() == placed
    assert error_of(kit.request("POST", lift, key=ROOT_KEY, json={"reason": "settled"}))[::3] == (404, "hold_not_found")
    assert kit.request("GET", "/v1/holds", key=ROOT_KEY).json()["data"] == []
    assert kit.request("DELETE", f"/v1/videos/{video_id}").status_code == 200


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"scope": "render"}, "invalid_value"),
        ({"scope": "tenant", "subject": "x"}, "invalid_value"),
        ({"scope": "world"}, "invalid_value"),
        ({"scope": "render", "subject": "video_019a"}, "video_not_found"),
        ({"scope": "render", "subject": "video_019a00000000700080000000000000ff"}, "video_not_found"),
        ({"scope": "requester", "subject": "mia@example.com"}, "invalid_value"),
        ({}, "missing_required_parameter"),
    ],
)
def test_a_hold_on_nothing_is_refused(kit: Kit, asked: dict[str, Any], code: str) -> None:
    assert error_of(hold(kit, **asked))[3] == code


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_whoever_does_not_span_the_tenant_neither_holds_nor_erases_a_requester(kit: Kit, key: str) -> None:
    assert error_of(hold(kit, key, scope="project", subject="alpha"))[3] == "role_missing"
    hold(kit, scope="requester", subject="req-" + "1" * 16)
    assert kit.request("GET", "/v1/holds", key=key).json()["data"] == []
    theirs = hold(kit, scope="project", subject="alpha" if key == KEY else "beta").json()
    assert kit.request("GET", "/v1/holds", key=key).json()["data"] == [theirs]
    assert error_of(erase(kit, key, requester="req-" + "1" * 16))[3] == "role_missing"


@pytest.mark.parametrize("name", ["alice", "req-alice", "req-" + "1" * 15])
def test_a_hold_on_a_requester_by_name_is_refused_since_it_would_keep_nothing(kit: Kit, name: str) -> None:
    assert error_of(hold(kit, scope="requester", subject=name))[0] == 400


def test_another_tenant_erases_and_holds_nothing_of_ours(kit: Kit) -> None:
    video_id = kit.finished()
    assert error_of(erase(kit, FOREIGN_ROOT_KEY, render=video_id))[3] == "video_not_found"
    requester = kit.render(video_id).intent.requester
    assert error_of(erase(kit, FOREIGN_ROOT_KEY, requester=requester))[3] == "requester_not_found"
    refused = hold(kit, FOREIGN_ROOT_KEY, scope="render", subject=video_id)
    assert error_of(refused)[::3] == (404, "video_not_found")
    assert erase(kit, render=video_id).status_code == 200

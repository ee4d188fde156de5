"""Reviews: said by those who may, kept as facts, and shown with the video."""

from typing import Any

import pytest

from bickford_sora.decisions.reviews import NOTES_CHARS_MAX, REVIEW_MINUTES_MAX, REVIEWS_MAX
from bickford_sora.errors import Unauthorized
from bickford_sora.recording import Origin
from ledger import events as e
from tests.http.houses import KEY, Kit, error_of, make_kit

SAID: dict[str, Any] = {
    "verdict": "approved",
    "clarity": 0.9,
    "continuity": 0.85,
    "brand_fit": 1,
    "review_time_minutes": 0.7,
}
WEIGHTS = {"clarity": 0.3, "continuity": 0.3, "brand_fit": 0.3, "minute": -0.1}
INVALID = (400, "invalid_request_error")


@pytest.fixture(scope="module")
def shared() -> tuple[Kit, str]:
    """A stored video, for what leaves no trace."""
    kit = make_kit()
    return kit, kit.finished()


def review(kit: Kit, video_id: str, key: str = KEY, **change: Any) -> dict[str, Any]:
    answer = kit.request("POST", f"/v1/videos/{video_id}/reviews", key=key, json={**SAID, **change})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def reviews(kit: Kit, video_id: str) -> dict[str, Any]:
    found: dict[str, Any] = kit.request("GET", f"/v1/videos/{video_id}/reviews").json()
    return found


def video(kit: Kit, video_id: str) -> dict[str, Any]:
    found: dict[str, Any] = kit.request("GET", f"/v1/videos/{video_id}").json()
    return found


def test_what_was_said_is_scored_kept_and_shown_with_the_video(kit: Kit) -> None:
    video_id = kit.finished()
    assert video(kit, video_id)["review"] is None
    assert reviews(kit, video_id) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    made = review(kit, video_id, notes="The boom is in the picture")
    assert made["id"].startswith("review_")
    assert (made["object"], made["video_id"], made["verdict"]) == ("video.review", video_id, "approved")
    assert (made["review_time_s"], made["score"], made["weights"]) == (42, 0.755, WEIGHTS)
    assert made["notes"] == "The boom is in the picture"
    assert reviews(kit, video_id)["data"] == [made]
    assert video(kit, video_id)["review"] == {"verdict": "approved", "score": 0.755, "reviews": 1}
    assert kit.request("GET", "/v1/videos").json()["data"][0]["review"] == video(kit, video_id)["review"]
    assert kit.render(video_id).approved


def test_the_last_verdict_counts_and_none_is_lost(kit: Kit) -> None:
    video_id = kit.finished()
    made = [review(kit, video_id, verdict=verdict)["id"] for verdict in ("approved", "approved", "rejected")]
    page = reviews(kit, video_id)
    assert [each["id"] for each in page["data"]] == made
    assert (page["first_id"], page["last_id"]) == (made[0], made[-1])
    assert video(kit, video_id)["review"] == {"verdict": "rejected", "score": 0.755, "reviews": 3}
    assert not kit.render(video_id).approved


def test_notes_are_sealed_and_go_with_the_prompt(kit: Kit) -> None:
    video_id = kit.finished()
    review(kit, video_id, notes="planted notes")
    assert "planted notes" not in "".join(repr(event) for event in kit.ledger.read(0, limit=100))
    intent = kit.render(video_id).intent
    kit.keys.destroy(requester=intent.requester, subject=video_id)
    assert reviews(kit, video_id)["data"][0]["notes"] is None
    answer = kit.request("POST", f"/v1/videos/{video_id}/reviews", json={**SAID, "notes": "more"})
    assert error_of(answer) == (410, "invalid_request_error", "notes", "erased")
    assert review(kit, video_id)["score"] == 0.755, "a review without notes can still be given"


def test_an_approver_reviews_and_is_named_by_an_opaque_id(kit: Kit) -> None:
    video_id = kit.finished()
    key = kit.issue("approver")
    said = review(kit, video_id, key=key)
    requester = kit.house.callers.authenticate({"api-key": key}).requester
    assert said["reviewer"] == requester
    assert requester != kit.render(video_id).intent.requester


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"verdict": "fine"}, "invalid_value", "verdict"),
        ({"verdict": None}, "invalid_value", "verdict"),
        ({"clarity": 1.01}, "invalid_value", "clarity"),
        ({"continuity": -0.01}, "invalid_value", "continuity"),
        ({"brand_fit": "1"}, "invalid_type", "brand_fit"),
        ({"brand_fit": True}, "invalid_type", "brand_fit"),
        ({"review_time_minutes": -1}, "invalid_value", "review_time_minutes"),
        ({"review_time_minutes": REVIEW_MINUTES_MAX + 1}, "invalid_value", "review_time_minutes"),
        ({"notes": ""}, "invalid_value", "notes"),
        ({"notes": "n" * (NOTES_CHARS_MAX + 1)}, "invalid_value", "notes"),
        ({"score": 1}, "unknown_parameter", "score"),
    ],
    ids=str,
)
def test_a_wrong_review_is_refused_by_name_and_leaves_no_trace(
    shared: tuple[Kit, str], change: dict[str, Any], code: str, param: str
) -> None:
    kit, video_id = shared
    head = kit.ledger.head()
    answer = kit.request("POST", f"/v1/videos/{video_id}/reviews", json={**SAID, **change})
    assert error_of(answer) == (*INVALID, param, code)
    assert kit.ledger.head() == head


@pytest.mark.parametrize("name", SAID)
def test_a_review_is_whole(shared: tuple[Kit, str], name: str) -> None:
    kit, video_id = shared
    fields = {each: value for each, value in SAID.items() if each != name}
    answer = kit.request("POST", f"/v1/videos/{video_id}/reviews", json=fields)
    assert error_of(answer) == (*INVALID, name, "missing_required_parameter")


def test_what_has_no_video_is_not_reviewed(kit: Kit) -> None:
    waiting, failed, deleted = kit.create(), kit.create(), kit.finished()
    kit.submit(failed)
    kit.fail(failed)
    kit.request("DELETE", f"/v1/videos/{deleted}")
    head = kit.ledger.head()
    for video_id, status, code in (
        (waiting, 400, "video_not_completed"),
        (failed, 409, "video_failed"),
        (deleted, 404, "video_not_found"),
    ):
        answer = kit.request("POST", f"/v1/videos/{video_id}/reviews", json=SAID)
        assert error_of(answer) == (status, "invalid_request_error", "video_id", code)
    assert kit.ledger.head() == head


def test_a_video_has_so_many_reviews_and_no_more(kit: Kit) -> None:
    video_id = kit.finished()
    said = e.RenderReviewed(verdict="approved", clarity=1, continuity=1, brand_fit=1, review_time_s=1)
    kit.record(video_id, *[said] * (REVIEWS_MAX - 1))
    review(kit, video_id)
    answer = kit.request("POST", f"/v1/videos/{video_id}/reviews", json=SAID)
    assert error_of(answer) == (409, "invalid_request_error", "video_id", "too_many_reviews")
    assert reviews(kit, video_id)["data"][0]["score"] is None, "one that was recorded before there were scores"


def test_a_review_begun_with_a_key_that_is_revoked_meanwhile_is_not_recorded(kit: Kit) -> None:
    video_id = kit.finished()
    caller = kit.house.callers.authenticate({"api-key": kit.issue("approver")})
    origin = Origin("main", caller.key_id)
    assert kit.house.reviews.take(caller, video_id, SAID, origin=origin).said.score == 0.755
    kit.request("DELETE", f"/v1/api_keys/{caller.key_id}")
    with pytest.raises(Unauthorized):
        kit.house.reviews.take(caller, video_id, SAID, origin=origin)
    assert len(kit.render(video_id).reviews) == 1

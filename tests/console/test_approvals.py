"""The inbox of approvers: what waits and why, answered by somebody else than who asked, one by one and together."""

from html import unescape
from typing import Any

import pytest

from ledger import streams
from ledger.render import Phase
from tests.console.visits import visitor
from tests.http.houses import FOREIGN_KEY, OTHER_KEY, ROOT_KEY, Kit

POLICY = b"""\
version: 1
default: allow
rules:
- {id: big, effect: require_approval, when: {seconds_min: 8}, message: Long ones are looked at.}
"""
HOSTILE = "<img src=x onerror=alert(2)> {{ 7 * 7 }}"


@pytest.fixture
def holding(kit: Kit) -> Kit:
    headers = {"content-type": "application/yaml"}
    assert kit.request("POST", "/v1/policy", key=ROOT_KEY, content=POLICY, headers=headers).status_code == 200
    return kit


def _held(kit: Kit, prompt: str = "A sea") -> tuple[str, str]:
    video_id = kit.create(prompt, seconds="8")
    return video_id, video_id.replace("video_", "approval_")


def _inbox(kit: Kit, *roles: str) -> tuple[Any, dict[str, Any]]:
    somebody = visitor(kit, kit.issue(*roles))
    return somebody, somebody.get("/approvals.json").json()


def test_the_inbox_says_what_waits_and_why(holding: Kit) -> None:
    video_id, approval_id = _held(holding, HOSTILE)
    approver, inbox = _inbox(holding, "approver")
    (one,) = inbox["held"]
    assert (one["approval"]["id"], one["approval"]["rules"], one["may_answer"]) == (approval_id, ["big"], True)
    assert one["approval"]["cost"] == {"amount_micro": 800_000, "currency": "USD"}
    html = approver.get("/approvals").text
    for shown in ("Long ones are looked at.", "0.80 USD", f"/renders/{video_id}", f"/approvals/{approval_id}/answer"):
        assert shown in html, shown
    assert HOSTILE not in html
    assert HOSTILE in unescape(html)
    assert approval_id in approver.get(f"/approvals/{approval_id}/card").text


def test_an_answer_with_a_reason_starts_or_ends_it(holding: Kit) -> None:
    (yes, approve), (no, deny) = _held(holding), _held(holding)
    approver, _ = _inbox(holding, "approver")
    said = approver.post(f"/approvals/{approve}/answer", decision="approve", reason="Fine.")
    assert said.headers["location"] == "/approvals?done=approved"
    assert approver.post(f"/approvals/{deny}/answer", decision="deny", reason="Too dear.").status_code == 303
    assert (holding.render(yes).phase, holding.render(no).phase) == (Phase.ALLOWED, Phase.DENIED)
    assert approver.post(f"/approvals/{approve}/answer", decision="approve").status_code == 400
    assert approver.post(f"/approvals/{approve}/answer", decision="deny", reason="Late.").status_code == 409
    assert "started" in approver.get(f"/approvals/{approve}/card").text
    assert approver.get("/approvals.json").json()["held"] == []
    assert "Nothing waits for an approver" in approver.get("/approvals").text


def test_several_are_answered_together_and_one_that_is_too_late_hinders_no_other(holding: Kit) -> None:
    (first, one), (second, two) = _held(holding), _held(holding)
    approver, _ = _inbox(holding, "approver")
    said = {"decision": "approve", "reason-approve": "All fine.", "ids[]": [one]}
    assert approver.post("/approvals/answer", **said).headers["location"] == "/approvals?done=approved-several"
    said = {"decision": "deny", "reason-deny": "No.", "ids[]": [one, two]}
    assert approver.post("/approvals/answer", **said).headers["location"] == "/approvals?done=answered-some"
    assert (holding.render(first).phase, holding.render(second).phase) == (Phase.ALLOWED, Phase.DENIED)
    assert approver.post("/approvals/answer", decision="deny", **{"reason-deny": "No."}).status_code == 400


def test_nobody_answers_for_oneself_or_without_the_role(holding: Kit) -> None:
    key = holding.issue("requester", "approver")
    video_id = holding.create(key=key, seconds="8")
    approval_id = video_id.replace("video_", "approval_")
    own = visitor(holding, key)
    (one,) = own.get("/approvals.json").json()["held"]
    assert (one["is_own"], one["may_answer"]) == (True, False)
    assert "another approver answers" in own.get("/approvals").text
    assert own.post(f"/approvals/{approval_id}/answer", decision="approve", reason="Me.").status_code == 403
    auditor, inbox = _inbox(holding, "auditor")
    assert inbox["answerable"] == 0
    assert "/answer" not in auditor.get("/approvals").text
    assert auditor.post(f"/approvals/{approval_id}/answer", decision="deny", reason="No.").status_code == 403
    assert holding.render(video_id).phase is Phase.HELD


def test_others_see_nothing_of_it(holding: Kit) -> None:
    _, approval_id = _held(holding)
    for key in (OTHER_KEY, FOREIGN_KEY):
        other = visitor(holding, key)
        assert other.get("/approvals.json").json()["held"] == []
        assert other.get(f"/approvals/{approval_id}/card").status_code == 404


def test_news_count_what_came_behind_the_page(holding: Kit) -> None:
    _, first = _held(holding)
    somebody = visitor(holding)
    assert "waits" not in somebody.get(f"/approvals/news?after={first}").text
    _held(holding)
    assert "One more waits" in somebody.get(f"/approvals/news?after={first}").text


def test_what_was_refused_until_approved_is_started_by_who_asks(kit: Kit) -> None:
    text = POLICY.replace(b"seconds_min: 8}", b"seconds_min: 8}, on_hold: refuse")
    headers = {"content-type": "application/yaml"}
    assert kit.request("POST", "/v1/policy", key=ROOT_KEY, content=text, headers=headers).status_code == 200
    refused = kit.request("POST", "/v1/videos", json={"prompt": "A sea", "seconds": "8"})
    approval_id = refused.json()["error"]["param"]
    approver, _ = _inbox(kit, "approver")
    approver.post(f"/approvals/{approval_id}/answer", decision="approve", reason="Fine.")
    requester = visitor(kit)
    assert f"/approvals/{approval_id}/start" in requester.get("/approvals").text
    video_id = streams.approved_video_id(approval_id)
    assert requester.post(f"/approvals/{approval_id}/start").headers["location"] == f"/renders/{video_id}?done=started"

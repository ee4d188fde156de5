"""Held renders: nothing starts before somebody else said yes, once, in time; and money is set aside meanwhile."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from ledger import streams
from tests.http.houses import APPROVAL_S, KEY, OTHER_KEY, ROOT_KEY, Kit, error_of
from tests.ledger.spending import books_of, check_balanced

POLICY = """\
version: 1
default: allow
rules:
- {id: big, effect: require_approval, when: {seconds_min: 8}, on_hold: %s}
"""
YAML = {"content-type": "application/yaml"}
WHY = "It is fine."


@pytest.fixture
def waiting(kit: Kit) -> Kit:
    return held_by(kit, "wait")


@pytest.fixture
def refusing(kit: Kit) -> Kit:
    return held_by(kit, "refuse")


def held_by(kit: Kit, on_hold: str) -> Kit:
    text = POLICY % on_hold
    answer = kit.request("POST", "/v1/policy", key=ROOT_KEY, content=text.encode(), headers=YAML)
    assert answer.status_code == 200, answer.text
    return kit


def ask(kit: Kit, *, key: str = KEY, seconds: str = "8", **headers: str) -> httpx.Response:
    return kit.request("POST", "/v1/videos", key=key, json={"prompt": "A sea", "seconds": seconds}, headers=headers)


def held(kit: Kit, **headers: str) -> str:
    """The id of the approval that a new render waits for."""
    approval: dict[str, str] = ask(kit, **headers).json()["approval"]
    return approval["id"]


def answer(kit: Kit, approval_id: str, decision: str = "approve", *, key: str | None = None) -> httpx.Response:
    body = {"decision": decision, "reason": WHY}
    return kit.request("POST", f"/v1/approvals/{approval_id}", key=key or kit.issue("approver"), json=body)


def types(kit: Kit, approval_id: str) -> list[str]:
    video_id = streams.approved_video_id(approval_id)
    assert video_id is not None
    return [event.fact.TYPE for event in kit.ledger.history(streams.render("main", video_id))]


def books(kit: Kit) -> Any:
    found = books_of(event.fact for event in kit.ledger.history(streams.spend("main")))
    check_balanced(found)
    return found


def test_what_policy_holds_is_queued_for_the_client_and_nothing_is_submitted(waiting: Kit) -> None:
    video = ask(waiting).json()
    assert video["status"] == "queued"
    assert video["approval"] == {"id": video["id"].replace("video_", "approval_"), "status": "required"}
    assert types(waiting, video["approval"]["id"]) == ["render.intent", "render.approval_requested"]
    assert sum(books(waiting).open.values()) == 800_000, "its cost is set aside"
    assert ask(waiting, seconds="4").json()["approval"] is None


def test_an_approved_render_goes_its_way_by_the_price_and_place_it_was_asked_with(waiting: Kit) -> None:
    approval_id = held(waiting)
    approved = answer(waiting, approval_id).json()
    assert (approved["state"], approved["rule"], approved["prompt"]) == ("started", "big", "A sea")
    assert types(waiting, approval_id)[2:] == ["render.approved", "render.allowed"]
    video = waiting.request("GET", f"/v1/videos/{approved['video_id']}").json()
    assert (video["status"], video["approval"]) == ("queued", None)
    assert sum(books(waiting).open.values()) == 800_000


def test_a_denied_render_fails_and_what_was_set_aside_is_free_again(waiting: Kit) -> None:
    approval_id = held(waiting)
    denied = answer(waiting, approval_id, "deny").json()
    assert denied["state"] == "denied"
    video = waiting.request("GET", f"/v1/videos/{denied['video_id']}").json()
    assert (video["status"], video["error"]["code"]) == ("failed", "approval_denied")
    found = books(waiting)
    assert not found.open
    assert sum(found.released.values()) == 800_000


def test_whoever_asked_does_not_approve(waiting: Kit) -> None:
    assert error_of(answer(waiting, held(waiting), key=KEY)) == (403, "permission_error", None, "own_approval")


def test_a_key_that_asked_for_somebody_else_does_not_approve_either(waiting: Kit) -> None:
    key = waiting.issue("requester", "approver", by=ROOT_KEY, project="alpha", may_assert_requester=True)
    video = ask(waiting, key=key, **{"Bickford-Requester": "alice"}).json()
    assert error_of(answer(waiting, video["approval"]["id"], key=key))[3] == "own_approval"
    key_id = waiting.request("GET", "/v1/api_keys", key=ROOT_KEY).json()["data"][0]["id"]
    successor = waiting.request("POST", f"/v1/api_keys/{key_id}/rotate", key=ROOT_KEY, json={}).json()["secret"]
    assert error_of(answer(waiting, video["approval"]["id"], key=successor))[3] == "own_approval"


def test_an_approval_is_given_once(waiting: Kit) -> None:
    approval_id = held(waiting)
    assert answer(waiting, approval_id).status_code == 200
    head = waiting.ledger.head()
    for decision in ("approve", "deny"):
        refused = answer(waiting, approval_id, decision)
        assert error_of(refused)[::3] == (409, "approval_decided")
    assert "render.denied" not in [event.fact.TYPE for event in waiting.ledger.read(head)]


def test_an_approval_that_comes_too_late_is_refused(waiting: Kit) -> None:
    approval_id, key = held(waiting), waiting.issue("approver")
    waiting.clock.now += timedelta(seconds=APPROVAL_S)
    assert error_of(answer(waiting, approval_id, key=key))[::3] == (409, "approval_lapsed")


def test_a_revoked_approver_approves_nothing(waiting: Kit) -> None:
    key = waiting.issue("approver")
    approval_id = held(waiting)
    (issued,) = (
        each for each in waiting.request("GET", "/v1/api_keys").json()["data"] if each["roles"] == ["approver"]
    )
    waiting.request("DELETE", f"/v1/api_keys/{issued['id']}")
    assert answer(waiting, approval_id, key=key).status_code == 401
    assert types(waiting, approval_id)[2:] == []


def test_one_who_is_no_approver_and_one_of_another_project_decide_nothing(waiting: Kit) -> None:
    approval_id = held(waiting)
    assert error_of(answer(waiting, approval_id, key=waiting.issue("requester", "admin")))[3] == "role_missing"
    assert error_of(answer(waiting, approval_id, key=OTHER_KEY))[::3] == (404, "approval_not_found")
    assert error_of(answer(waiting, "approval_" + "0" * 32))[::3] == (404, "approval_not_found")
    assert error_of(answer(waiting, ask(waiting, seconds="4").json()["id"].replace("video_", "approval_")))[0] == 404


def test_a_deleted_render_needs_no_answer_and_its_money_is_free(waiting: Kit) -> None:
    approval_id = held(waiting)
    waiting.request("DELETE", f"/v1/videos/{approval_id.replace('approval_', 'video_')}")
    assert answer(waiting, approval_id).status_code == 404
    assert not books(waiting).open


def test_the_inbox_shows_what_waits_the_oldest_first_and_to_its_project_alone(waiting: Kit) -> None:
    ids = [held(waiting) for _ in range(3)]
    answer(waiting, ids[1])
    page = waiting.request("GET", "/v1/approvals", params={"limit": 1}).json()
    assert ([each["id"] for each in page["data"]], page["has_more"]) == (ids[:1], True)
    rest = waiting.request("GET", "/v1/approvals", params={"after": ids[0]}).json()
    assert [each["id"] for each in rest["data"]] == ids[2:]
    assert waiting.request("GET", "/v1/approvals", key=OTHER_KEY).json()["data"] == []
    assert len(waiting.request("GET", "/v1/approvals", key=ROOT_KEY).json()["data"]) == 2


def test_several_are_answered_each_for_itself(waiting: Kit) -> None:
    ids = [held(waiting) for _ in range(2)]
    answer(waiting, ids[0])
    body = {"approvals": [*ids, ids[1], "approval_x"], "decision": "deny", "reason": WHY}
    outcomes = waiting.request("POST", "/v1/approvals", key=waiting.issue("approver"), json=body).json()["data"]
    assert [each["id"] for each in outcomes] == [*ids, "approval_x"]
    assert [each["error"] and each["error"]["code"] for each in outcomes] == [
        "approval_decided",
        None,
        "approval_not_found",
    ]
    assert outcomes[1]["approval"]["state"] == "denied"


def test_a_refused_render_starts_when_its_key_is_sent_again_after_the_approval(refusing: Kit) -> None:
    key = {"Idempotency-Key": "k"}
    first = ask(refusing, **key)
    status, kind, approval_id, code = error_of(first)
    assert (status, kind, code) == (403, "permission_error", "approval_required")
    assert approval_id in first.json()["error"]["message"]
    assert error_of(ask(refusing, **key))[2:] == (approval_id, "approval_required"), "it is the same one"
    assert answer(refusing, approval_id).json()["state"] == "approved"
    assert types(refusing, approval_id)[-1] == "render.approved", "it has not started"
    started = ask(refusing, **key)
    assert started.status_code == 200
    assert types(refusing, approval_id)[-1] == "render.allowed"
    assert ask(refusing, **key).json()["id"] == started.json()["id"]
    assert types(refusing, approval_id).count("render.allowed") == 1
    assert list(books(refusing).reserved.values()) == [800_000]


def test_a_refused_render_without_a_key_is_started_by_its_approval(refusing: Kit) -> None:
    approval_id = error_of(ask(refusing))[2]
    place = f"/v1/approvals/{approval_id}/start"
    assert error_of(refusing.request("POST", place))[3] == "approval_required"
    answer(refusing, approval_id)
    for _ in range(2):
        assert refusing.request("POST", place).json()["status"] == "queued"
    assert types(refusing, approval_id).count("render.allowed") == 1


def test_a_refused_render_that_was_denied_says_so_to_its_key(refusing: Kit) -> None:
    key = {"Idempotency-Key": "k"}
    approval_id = error_of(ask(refusing, **key))[2]
    answer(refusing, approval_id, "deny")
    assert error_of(ask(refusing, **key))[::3] == (403, "approval_denied")


def test_a_budget_holds_for_what_waits_for_an_approver(waiting: Kit) -> None:
    cap = {"window": "total", "cap": {"amount_micro": 1_000_000, "currency": "USD"}}
    waiting.request("PUT", "/v1/budgets/all", key=ROOT_KEY, json=cap)
    assert [ask(waiting).status_code for _ in range(2)] == [200, 429]


def test_the_same_key_sent_again_gets_the_same_held_render(waiting: Kit) -> None:
    first, second = (ask(waiting, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == second.json()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"decision": "approve"}, "reason"),
        ({"decision": "approve", "reason": " "}, "reason"),
        ({"decision": "approve", "reason": "x" * 1_001}, "reason"),
        ({"decision": "perhaps", "reason": "x"}, "decision"),
        ({"reason": "x"}, "decision"),
        ({"decision": "deny", "reason": "x", "loud": True}, "loud"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(waiting: Kit, body: dict[str, Any], param: str) -> None:
    approval_id, key = held(waiting), waiting.issue("approver")
    head = waiting.ledger.head()
    refused = waiting.request("POST", f"/v1/approvals/{approval_id}", key=key, json=body)
    assert error_of(refused)[::2] == (400, param)
    assert waiting.ledger.head() == head


def issued(kit: Kit, *roles: str) -> tuple[str, str]:
    """The id of a new key, and the key."""
    made = kit.request("POST", "/v1/api_keys", json={"name": "Bo", "roles": [*roles]}).json()
    return made["id"], made["secret"]


def delegate(kit: Kit, key_id: str, *, key: str, **change: Any) -> httpx.Response:
    body = {"expires_in_s": 3600, **change}
    return kit.request("POST", f"/v1/api_keys/{key_id}/delegate", key=key, json=body)


def test_an_approver_has_another_one_approve_for_a_while(waiting: Kit) -> None:
    bo_id, bo = issued(waiting, "requester")
    approver = waiting.issue("approver")
    assert error_of(answer(waiting, held(waiting), key=bo))[3] == "role_missing"
    assert delegate(waiting, bo_id, key=approver).json()["approver_until"] is not None
    assert answer(waiting, held(waiting), key=bo).json()["state"] == "started"
    own = ask(waiting, key=bo).json()["approval"]["id"]
    assert error_of(answer(waiting, own, key=bo))[3] == "own_approval"
    late = held(waiting)
    waiting.pass_time(3600)
    assert error_of(answer(waiting, late, key=bo))[3] == "role_missing"


def test_what_was_delegated_goes_no_further_and_to_no_approver(waiting: Kit) -> None:
    (bo_id, bo), (cy_id, _) = issued(waiting, "requester"), issued(waiting, "requester")
    ann_id, ann = issued(waiting, "approver")
    assert delegate(waiting, bo_id, key=ann).status_code == 200
    assert error_of(delegate(waiting, cy_id, key=bo))[3] == "role_missing"
    assert error_of(delegate(waiting, ann_id, key=waiting.issue("approver")))[::3] == (409, "api_key_approves")
    assert error_of(delegate(waiting, bo_id, key=OTHER_KEY))[::3] == (404, "api_key_not_found")
    for seconds in (59, 31 * 24 * 3600 + 1):
        assert error_of(delegate(waiting, cy_id, key=ann, expires_in_s=seconds))[2:] == (
            "expires_in_s",
            "invalid_value",
        )

"""Four eyes: what governs is changed when a second admin agreed, once, and exactly as it was proposed."""

from typing import Any

import httpx
import pytest

from tests.http.houses import APPROVAL_S, FOREIGN_ROOT_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit, error_of, make_kit

CAP = {"window": "month", "cap": {"amount_micro": 1_000_000, "currency": "USD"}}
RAISED = {"window": "month", "cap": {"amount_micro": 2_000_000, "currency": "USD"}}
POLICY = b"version: 1\ndefault: allow\n"
YAML = {"content-type": "application/yaml"}


@pytest.fixture
def careful() -> Kit:
    return make_kit(four_eyes=("policy", "budgets", "keys"))


@pytest.fixture
def second(careful: Kit) -> str:
    """Another admin of the tenant, from before there was a rule about admins."""
    return careful.second_admin()


def put(kit: Kit, fields: dict[str, Any], key: str = ROOT_KEY) -> httpx.Response:
    return kit.request("PUT", "/v1/budgets/monthly", key=key, json=fields)


def change_of(answer: httpx.Response) -> str:
    """The id of the change that a second admin has to agree to."""
    status, kind, change_id, code = error_of(answer)
    assert (status, kind, code) == (403, "permission_error", "approval_required")
    assert str(change_id) in answer.json()["error"]["message"]
    return str(change_id)


def say(kit: Kit, change_id: str, key: str, decision: str = "approve") -> httpx.Response:
    return kit.request("POST", f"/v1/changes/{change_id}", key=key, json={"decision": decision})


def cap(kit: Kit) -> int:
    micro: int = kit.request("GET", "/v1/budgets/monthly", key=ROOT_KEY).json()["cap"]["amount_micro"]
    return micro


def test_a_cap_is_raised_when_a_second_admin_agreed_and_then_once(careful: Kit, second: str) -> None:
    assert put(careful, CAP).status_code == 200, "a new cap lets nothing more happen"
    change_id = change_of(put(careful, RAISED))
    assert cap(careful) == 1_000_000
    assert change_of(put(careful, RAISED)) == change_id, "it is proposed once"
    assert say(careful, change_id, second).json()["state"] == "approved"
    assert put(careful, RAISED).status_code == 200
    assert cap(careful) == 2_000_000
    assert careful.request("GET", f"/v1/changes/{change_id}", key=ROOT_KEY).json()["state"] == "made"
    put(careful, CAP)
    assert change_of(put(careful, RAISED)) == change_id
    assert cap(careful) == 1_000_000, "to raise it again takes four eyes again"


@pytest.mark.parametrize(
    "fields", [{**RAISED, "cap": {"amount_micro": 2_000_001, "currency": "USD"}}, {**CAP, "hard": False}]
)
def test_what_was_approved_is_made_and_nothing_else(careful: Kit, second: str, fields: dict[str, Any]) -> None:
    put(careful, CAP)
    say(careful, change_of(put(careful, RAISED)), second)
    change_of(put(careful, fields))
    assert cap(careful) == 1_000_000


def test_a_cap_is_lowered_by_one_and_removed_by_two(careful: Kit, second: str) -> None:
    put(careful, RAISED)
    assert put(careful, CAP).status_code == 200
    remove = ("DELETE", "/v1/budgets/monthly")
    say(careful, change_of(careful.request(*remove, key=ROOT_KEY)), second)
    assert careful.request(*remove, key=ROOT_KEY).status_code == 200


def test_a_policy_is_published_by_two(careful: Kit, second: str) -> None:
    def publish(key: str) -> httpx.Response:
        return careful.request("POST", "/v1/policy", key=key, content=POLICY, headers=YAML)

    change_id = change_of(publish(ROOT_KEY))
    assert careful.request("GET", "/v1/policy/versions", key=ROOT_KEY).json()["data"] == []
    say(careful, change_id, second)
    assert change_of(publish(second)) != change_id, "another one's approval is not one's own"
    assert publish(ROOT_KEY).status_code == 200


def test_a_key_of_an_admin_is_issued_by_two_and_any_other_by_one(careful: Kit, second: str) -> None:
    def issue(*roles: str) -> httpx.Response:
        return careful.request("POST", "/v1/api_keys", key=ROOT_KEY, json={"name": "Ann", "roles": [*roles]})

    assert issue("requester").status_code == 200
    say(careful, change_of(issue("admin", "auditor")), second)
    change_of(issue("admin"))
    assert issue("admin", "auditor").json()["secret"]


def test_whoever_proposed_a_change_does_not_agree_to_it(careful: Kit) -> None:
    put(careful, CAP)
    change_id = change_of(put(careful, RAISED))
    assert error_of(say(careful, change_id, ROOT_KEY))[::3] == (403, "own_approval")
    assert change_of(put(careful, RAISED)) == change_id


@pytest.mark.parametrize("named", [{}, {"Bickford-Requester": "bob@example.com"}])
def test_whoever_proposed_a_change_agrees_by_no_successor_of_its_key_and_in_no_other_name(
    careful: Kit, named: dict[str, str]
) -> None:
    second = careful.second_admin(may_assert_requester=True)
    put(careful, CAP)
    change_id = change_of(put(careful, RAISED, second))
    found = careful.request("GET", f"/v1/changes/{change_id}", key=ROOT_KEY).json()["proposed_with"]
    successor = careful.request("POST", f"/v1/api_keys/{found}/rotate", key=second, json={}).json()["secret"]
    body = {"decision": "approve"}
    said = careful.request("POST", f"/v1/changes/{change_id}", key=successor, json=body, headers=named)
    assert error_of(said)[::3] == (403, "own_approval")
    assert say(careful, change_id, ROOT_KEY).json()["state"] == "approved"


def test_a_change_is_agreed_to_by_who_could_make_it(careful: Kit) -> None:
    put(careful, CAP)
    change_id = change_of(put(careful, RAISED))
    for key in (KEY, OTHER_KEY, FOREIGN_ROOT_KEY):
        assert error_of(say(careful, change_id, key))[::3] == (404, "change_not_found")


def test_a_denied_change_stays_denied_until_its_time_is_over(careful: Kit, second: str) -> None:
    put(careful, CAP)
    change_id = change_of(put(careful, RAISED))
    assert say(careful, change_id, second, "deny").json()["state"] == "denied"
    assert error_of(put(careful, RAISED))[::3] == (403, "change_denied")
    assert error_of(say(careful, change_id, second))[::3] == (409, "approval_decided")
    careful.pass_time(APPROVAL_S)
    assert change_of(put(careful, RAISED)) == change_id


@pytest.mark.parametrize("is_approved", [False, True])
def test_an_approval_that_comes_or_is_used_too_late_is_none(careful: Kit, second: str, is_approved: bool) -> None:
    put(careful, CAP)
    change_id = change_of(put(careful, RAISED))
    if is_approved:
        say(careful, change_id, second)
    careful.pass_time(APPROVAL_S)
    if not is_approved:
        assert error_of(say(careful, change_id, second))[::3] == (409, "approval_lapsed")
    change_of(put(careful, RAISED))
    assert cap(careful) == 1_000_000

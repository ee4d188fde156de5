"""Budgets over HTTP: set by an admin of the tenant, held to from the next render on, shown with what is left."""

from typing import Any

import httpx
import pytest

from tests.http.houses import FOREIGN_ROOT_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit, error_of

BUDGETS = "/v1/budgets"
COST_MICRO = 400_000
"""Of the default: four seconds of sora-2."""
DOLLAR = {"amount_micro": 1_000_000, "currency": "USD"}


def put(kit: Kit, budget_id: str = "monthly", *, key: str = ROOT_KEY, **fields: Any) -> httpx.Response:
    asked = {"window": "month", "cap": DOLLAR, **fields}
    return kit.request("PUT", f"{BUDGETS}/{budget_id}", key=key, json=asked)


def seen(kit: Kit, budget_id: str = "monthly", *, key: str = ROOT_KEY) -> dict[str, Any]:
    found: dict[str, Any] = kit.request("GET", f"{BUDGETS}/{budget_id}", key=key).json()
    return found


def ask(kit: Kit, *, key: str = KEY, **headers: str) -> httpx.Response:
    return kit.request("POST", "/v1/videos", key=key, json={"prompt": "A calm sea"}, headers=headers)


def test_renders_are_taken_up_to_the_cap_and_no_further(kit: Kit) -> None:
    assert put(kit).json()["headroom"] == 1_000_000
    assert [ask(kit).status_code for _ in range(3)] == [200, 200, 429]
    shown = seen(kit)
    assert (shown["used"], shown["headroom"], shown["period"]) == (2 * COST_MICRO, 200_000, "2026-11")
    assert (shown["cap"], shown["cap_count"], shown["unit"], shown["closed"]) == (DOLLAR, None, "money", False)


def test_the_refusal_names_the_budget_and_its_headroom_and_is_not_to_be_repeated(kit: Kit) -> None:
    put(kit, cap={"amount_micro": 300_000, "currency": "USD"})
    answer = ask(kit, **{"Idempotency-Key": "k"})
    assert error_of(answer) == (429, "insufficient_quota", None, "insufficient_quota")
    assert answer.headers["x-should-retry"] == "false"
    assert "'monthly' (tenant, month) has 0.30 USD of 0.30 USD left" in answer.json()["error"]["message"]
    put(kit)
    assert ask(kit, **{"Idempotency-Key": "k"}).status_code == 200, "a refusal binds no key"


def test_a_denied_render_is_on_record_with_the_budget_and_what_it_saw(kit: Kit) -> None:
    put(kit, cap={"amount_micro": 0, "currency": "USD"})
    ask(kit)
    denied = kit.ledger.read(0)[-1].fact
    assert denied.TYPE == "render.denied"
    assert denied.verdict.rules[-1] == "budget:monthly"  # type: ignore[attr-defined]
    assert denied.verdict.saw["cap"] == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({"unit": "renders", "cap": None, "cap_count": 1}, 1),
        ({"unit": "seconds", "cap": None, "cap_count": 11}, 2),
        ({"scope": "project:alpha", "cap": {"amount_micro": 400_000, "currency": "USD"}}, 1),
        ({"scope": "project:beta", "cap": {"amount_micro": 0, "currency": "USD"}}, 3),
        ({"cap": {"amount_micro": 0, "currency": "USD"}, "hard": False}, 3),
    ],
)
def test_every_kind_of_cap_holds(kit: Kit, fields: dict[str, Any], accepted: int) -> None:
    asked = {name: value for name, value in {"window": "day", "cap": DOLLAR, **fields}.items() if value is not None}
    assert kit.request("PUT", f"{BUDGETS}/b", key=ROOT_KEY, json=asked).status_code == 200
    assert sum(ask(kit).status_code == 200 for _ in range(3)) == accepted


def test_what_is_in_flight_is_limited_until_it_ends(kit: Kit) -> None:
    fields = {"window": "in_flight", "unit": "renders", "cap_count": 1}
    kit.request("PUT", f"{BUDGETS}/flight", key=ROOT_KEY, json=fields)
    video_id = ask(kit).json()["id"]
    refused = ask(kit)
    assert error_of(refused) == (429, "rate_limit_error", None, "rate_limit_exceeded")
    assert refused.headers["retry-after"] == "5"
    assert "ate limit" in refused.json()["error"]["message"]
    kit.request("DELETE", f"/v1/videos/{video_id}")
    assert ask(kit).status_code == 200


def test_a_budget_that_is_removed_holds_no_longer(kit: Kit) -> None:
    put(kit, cap={"amount_micro": 0, "currency": "USD"})
    assert ask(kit).status_code == 429
    assert kit.request("DELETE", f"{BUDGETS}/monthly", key=ROOT_KEY).json()["deleted"] is True
    assert ask(kit).status_code == 200
    assert error_of(kit.request("DELETE", f"{BUDGETS}/monthly", key=ROOT_KEY))[::3] == (404, "budget_not_found")


def test_setting_the_same_again_records_nothing(kit: Kit) -> None:
    put(kit)
    head = kit.ledger.head()
    assert put(kit).status_code == 200
    assert kit.ledger.head() == head


def test_only_an_admin_of_the_tenant_sets_budgets(kit: Kit) -> None:
    for answer in (put(kit, key=KEY), kit.request("DELETE", f"{BUDGETS}/x", key=kit.issue("admin"))):
        assert error_of(answer) == (403, "permission_error", None, "tenant_admin_needed")


def test_a_budget_holds_whoever_a_key_asks_for(kit: Kit) -> None:
    video_id = ask(kit, key=ROOT_KEY, **{"Bickford-Requester": "mia@example.com"}).json()["id"]
    requester = kit.render(video_id).intent.requester
    cap = {"amount_micro": 2 * COST_MICRO, "currency": "USD"}
    assert put(kit, "mia", scope=f"requester:{requester}", cap=cap).status_code == 200
    asked = [ask(kit, key=ROOT_KEY, **{"Bickford-Requester": "mia@example.com"}).status_code for _ in range(2)]
    assert (asked, ask(kit, key=ROOT_KEY).status_code) == ([200, 429], 200)
    assert error_of(put(kit, "cut", scope=f"requester:{requester[:-1]}"))[3] == "invalid_value"


def test_a_project_sees_its_own_budgets_and_the_tenants(kit: Kit) -> None:
    put(kit, "all")
    put(kit, "alpha", scope="project:alpha")
    put(kit, "somebody", scope="requester:req-0123456789abcdef")
    shown = {
        key: [each["id"] for each in kit.request("GET", BUDGETS, key=key).json()["data"]]
        for key in (ROOT_KEY, KEY, OTHER_KEY, FOREIGN_ROOT_KEY)
    }
    assert shown == {
        ROOT_KEY: ["all", "alpha", "somebody"],
        KEY: ["all", "alpha"],
        OTHER_KEY: ["all"],
        FOREIGN_ROOT_KEY: [],
    }
    assert kit.request("GET", f"{BUDGETS}/alpha", key=OTHER_KEY).status_code == 404


def test_another_tenants_budget_of_the_same_name_is_another_budget(kit: Kit) -> None:
    put(kit)
    put(kit, key=FOREIGN_ROOT_KEY, cap={"amount_micro": 0, "currency": "USD"})
    assert ask(kit).status_code == 200
    kit.request("DELETE", f"{BUDGETS}/monthly", key=FOREIGN_ROOT_KEY)
    assert seen(kit)["cap"] == DOLLAR


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"window": "week"}, "invalid_value", "window"),
        ({"scope": "everybody"}, "invalid_value", "scope"),
        ({"scope": "key:1"}, "invalid_value", "scope"),
        ({"cap": {"amount_micro": -1, "currency": "USD"}}, "invalid_value", "cap.amount_micro"),
        ({"cap": {"amount_micro": 2**53, "currency": "USD"}}, "invalid_value", "cap.amount_micro"),
        ({"cap": {"amount_micro": 1.5, "currency": "USD"}}, "invalid_type", "cap.amount_micro"),
        ({"cap": {"amount_micro": 1, "currency": "dollars"}}, "invalid_value", "cap.currency"),
        ({"cap_count": 3}, "invalid_value", None),
        ({"unit": "renders"}, "invalid_value", None),
        ({"thresholds": [0]}, "invalid_value", "thresholds.0"),
        ({"thresholds": [101]}, "invalid_value", "thresholds.0"),
        ({"thresholds": [1] * 11}, "invalid_value", "thresholds"),
        ({"cup": 1}, "unknown_parameter", "cup"),
        ({"hard": "yes"}, "invalid_type", "hard"),
    ],
)
def test_what_is_no_budget_is_refused_by_name(kit: Kit, fields: dict[str, Any], code: str, param: str | None) -> None:
    head = kit.ledger.head()
    assert error_of(put(kit, **fields)) == (400, "invalid_request_error", param, code)
    assert kit.ledger.head() == head


@pytest.mark.parametrize("budget_id", ["Monthly", "1st", "a" * 64, "a b"])
def test_what_is_no_name_of_a_budget_is_refused(kit: Kit, budget_id: str) -> None:
    assert error_of(put(kit, budget_id))[2:] == ("budget_id", "invalid_value")

"""What is left of the limits, in the headers of every answer to a request for a render."""

from typing import Any

import httpx
import pytest

from bickford_sora.allowance import Allowance, RequestsLeft, tightest
from bickford_sora.http.limit_headers import limit_headers
from tests.http.houses import KEY, ROOT_KEY, Kit, make_kit

LIMIT, REMAINING, RESET = (f"x-ratelimit-{name}-requests" for name in ("limit", "remaining", "reset"))
OURS = ("bickford-budget", "bickford-budget-remaining-micro", "bickford-budget-currency")


def put(kit: Kit, budget_id: str, **fields: Any) -> None:
    answer = kit.request("PUT", f"/v1/budgets/{budget_id}", key=ROOT_KEY, json=fields)
    assert answer.status_code == 200, answer.text


def ask(kit: Kit, **headers: str) -> httpx.Response:
    return kit.request("POST", "/v1/videos", key=KEY, json={"prompt": "A calm sea"}, headers=headers)


def money(answer: httpx.Response) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(name) for name in OURS)


def requests(answer: httpx.Response) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(name) for name in (LIMIT, REMAINING, RESET))


def dollars(amount: float) -> dict[str, Any]:
    return {"amount_micro": round(amount * 1_000_000), "currency": "USD"}


def test_without_a_limit_no_header_tells_of_one(kit: Kit) -> None:
    answer = ask(kit)
    assert answer.status_code == 200
    assert {*requests(answer), *money(answer)} == {None}


def test_the_tightest_budget_of_money_tells_what_it_then_has_left(kit: Kit) -> None:
    put(kit, "company", window="month", cap=dollars(5))
    put(kit, "films", scope="project:alpha", window="day", cap=dollars(1))
    put(kit, "hint", window="day", cap=dollars(0.1), hard=False)
    put(kit, "others", scope="project:beta", window="day", cap=dollars(0.1))
    assert [money(ask(kit)) for _ in range(2)] == [("films", "600000", "USD"), ("films", "200000", "USD")]
    refused = ask(kit)
    assert refused.status_code == 429
    assert money(refused) == ("films", "200000", "USD")


def test_caps_that_pass_by_themselves_speak_as_rate_limits(kit: Kit) -> None:
    put(kit, "pace", window="minute", unit="renders", cap_count=3)
    first = ask(kit)
    assert requests(first)[:2] == ("3", "2")
    assert 59 < float(first.headers[RESET].removesuffix("s")) < 60, "the minute had just begun"
    put(kit, "flight", window="in_flight", unit="renders", cap_count=2)
    put(kit, "long", window="minute", unit="seconds", cap_count=900)
    put(kit, "ever", window="total", unit="renders", cap_count=2)
    assert requests(ask(kit)) == ("2", "0", "5s")
    kit.request("DELETE", "/v1/budgets/ever", key=ROOT_KEY)
    refused = ask(kit)
    assert (refused.status_code, *requests(refused)) == (429, "2", "0", "5s")


def test_the_rate_limit_of_the_key_counts_where_it_is_tighter() -> None:
    kit = make_kit(requests_per_minute_max=3)
    put(kit, "pace", window="minute", unit="renders", cap_count=9)
    told = [requests(ask(kit)) for _ in range(4)]
    assert [each[:2] for each in told] == [("3", "2"), ("3", "1"), ("3", "0"), ("3", "0")]
    assert float(str(told[-1][2]).removesuffix("s")) == pytest.approx(60, abs=0.1)


def test_a_repetition_is_told_of_the_key_alone(kit: Kit) -> None:
    put(kit, "company", window="month", cap=dollars(5))
    told = [money(ask(kit, **{"Idempotency-Key": "k"})) for _ in range(2)]
    assert told == [("company", "4600000", "USD"), (None, None, None)], "nothing was decided anew"


def test_of_equal_limits_the_one_that_takes_longest_to_pass_is_told() -> None:
    first, second = RequestsLeft(5, 0, 20), RequestsLeft(9, 0, 900)
    assert tightest(first, None, second) == second
    assert limit_headers(Allowance(first))[RESET] == "20ms"

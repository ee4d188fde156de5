"""Spend in the browser: the numbers of the report, drawn to scale, for whoever oversees and of what they may see."""

import csv
import io
from dataclasses import replace
from html import unescape

import pytest

from bickford_sora.console.charts import HEIGHT, LEFT, WIDTH, Day, daily, running
from tests.console.visits import visitor
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, ROOT_KEY, Kit

DOLLAR = {"amount_micro": 1_000_000, "currency": "USD"}


def test_the_page_says_what_the_report_says(kit: Kit) -> None:
    kit.finished()
    kit.create(purpose="draft")
    cap = {"window": "month", "cap": DOLLAR}
    assert kit.request("PUT", "/v1/budgets/monthly", key=ROOT_KEY, json=cap).status_code == 200
    somebody = visitor(kit, ROOT_KEY)
    page = somebody.get("/spend.json").json()
    report = kit.request("GET", "/v1/spend", key=ROOT_KEY).json()
    assert page["days"] == report
    (dollars,) = page["currencies"]
    assert (dollars["settled_micro"], dollars["open_micro"], dollars["reserved_micro"]) == (400_000, 400_000, 800_000)
    assert dollars["forecast_micro"] == report["forecast"][0]["amount_micro"]
    assert [each["micro"] for each in dollars["running"]["caps"]] == [1_000_000]
    by = {each["by"]: each["rows"] for each in page["breakdowns"]}
    assert {each["name"]: each["renders"] for each in by["purpose"]} == {"draft": 1, None: 1}
    assert [(each["name"], each["settled_micro"]) for each in by["model"]] == [("sora-2", 400_000)]
    html = unescape(somebody.get("/spend").text)
    for shown in ("0.40 USD", "cap 1.00 USD", "expected for the whole month", "monthly", "By requester", "0.20 USD"):
        assert shown in html, shown


def test_what_the_page_may_lack_is_said(kit: Kit) -> None:
    kit.create()
    somebody, said = visitor(kit, ROOT_KEY), "The last 3 facts of the ledger may be missing here"
    assert said not in somebody.get("/spend").text
    kit.fall_behind(3)
    kit.app.state.console = replace(kit.app.state.console, house=kit.house)
    assert said in somebody.get("/spend").text
    assert somebody.get("/spend/charges.csv").status_code == 503


def test_a_cap_of_all_projects_is_not_drawn_over_the_spend_of_one(kit: Kit) -> None:
    kit.create()
    kit.request("PUT", "/v1/budgets/all", key=ROOT_KEY, json={"window": "month", "cap": DOLLAR})
    kit.request(
        "PUT", "/v1/budgets/one", key=ROOT_KEY, json={"window": "month", "cap": DOLLAR, "scope": "project:beta"}
    )
    somebody = visitor(kit, ROOT_KEY)
    assert somebody.get("/spend.json?project=alpha").json()["currencies"][0]["running"]["caps"] == []
    assert somebody.get("/spend.json").json()["currencies"][0]["running"]["caps"] != []


def test_the_charges_are_a_file(kit: Kit) -> None:
    video_id = kit.finished()
    answer = visitor(kit, ROOT_KEY).get("/spend/charges.csv?since=2026-11&until=&project=")
    assert answer.headers["content-disposition"] == 'attachment; filename="charges.csv"'
    assert answer.text == kit.request("GET", "/v1/spend/charges.csv", key=ROOT_KEY).text
    assert video_id in next(csv.reader(io.StringIO(answer.text.splitlines()[1])))


def test_other_days_have_no_forecast_and_too_many_no_chart(kit: Kit) -> None:
    somebody = visitor(kit, ROOT_KEY)
    assert "Nothing was spent in these days" in somebody.get("/spend?since=2026-01&until=2026-01").text
    kit.create()
    (dollars,) = somebody.get("/spend.json?since=2026-01").json()["currencies"]
    assert (dollars["forecast_micro"], dollars["by_day"]) == (None, None)
    assert somebody.get("/spend?since=soon").status_code == 400


def test_spend_is_for_those_who_oversee_and_of_their_tenant(kit: Kit) -> None:
    kit.create()
    requester = visitor(kit, kit.issue("requester"))
    for path in ("/spend", "/spend.json", "/spend/charges.csv"):
        assert requester.get(path).status_code == 403
    assert 'href="/spend"' not in requester.get("/renders").text
    assert visitor(kit, FOREIGN_ROOT_KEY).get("/spend.json").json()["currencies"] == []
    assert visitor(kit, KEY).get("/spend?project=beta").status_code == 404


def _days(*used: int) -> list[Day]:
    return [Day(f"2026-11-{number:02}", micro, 0) for number, micro in enumerate(used, start=1)]


def test_a_chart_is_to_scale() -> None:
    chart = daily([Day("2026-11-01", 3_000_000, 1_000_000), Day("2026-11-02", 0, 0)], [8_000_000])
    first, second = chart.bars
    assert first.settled_height == pytest.approx(3 * first.open_height, abs=0.2)
    assert first.open_y + first.open_height == pytest.approx(first.settled_y)
    assert second.settled_height == second.open_height == 0
    assert chart.caps[0].y < first.open_y
    assert [each.micro for each in chart.scale] == [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000]
    assert first.x >= LEFT
    assert second.x + second.width <= WIDTH


def test_what_is_expected_goes_on_where_what_was_used_ends() -> None:
    chart = running(_days(10, 20, 0, 0), [], passed=2, expected_micro=60)
    used, expected = chart.used.split(), chart.expected.split()
    assert len(used) == 3
    assert expected[0] == used[-1]
    assert float(expected[-1].split(",")[0]) == WIDTH
    assert running(_days(10), [], passed=1, expected_micro=10).expected == ""
    assert all(0 <= float(each.split(",")[1]) <= HEIGHT for each in used)

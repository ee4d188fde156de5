"""Spend over HTTP: whatever a render cost is told once, to whoever oversees it, and as a file finance can read."""

import csv
import io
from typing import Any

import httpx
import pytest

from bickford_sora.decisions.chargeback import FOCUS_COLUMNS
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit, error_of

COST_MICRO = 400_000


def ask(kit: Kit, **params: Any) -> httpx.Response:
    return kit.request("GET", "/v1/spend", key=ROOT_KEY, params=params)


def report(kit: Kit, *, key: str = ROOT_KEY, **params: Any) -> dict[str, Any]:
    answer = kit.request("GET", "/v1/spend", key=key, params=params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_what_a_render_cost_is_told_by_whatever_it_counts_for(kit: Kit) -> None:
    kit.finished()
    kit.create(key=OTHER_KEY)
    told = {each["name"]: each for each in report(kit, by="project")["data"]}
    assert told["alpha"]["settled_micro"] == told["beta"]["open_micro"] == COST_MICRO
    assert told["alpha"]["open_micro"] == told["beta"]["settled_micro"] == 0
    for by, name in (("model", "sora-2"), ("day", "2026-11-20"), ("month", "2026-11"), ("tag", None)):
        (one,) = report(kit, by=by)["data"]
        assert (one["name"], one["renders"], one["seconds"], one["currency"]) == (name, 2, 8, "USD")


def test_the_forecast_goes_on_as_the_month_began(kit: Kit) -> None:
    kit.create()
    told = report(kit)
    assert (told["since"], told["until"]) == ("2026-11-01", "2026-11-30")
    (forecast,) = told["forecast"]  # 19.5 of 30 days have passed
    assert forecast["currency"] == "USD"
    assert forecast["amount_micro"] == pytest.approx(COST_MICRO * 30 / 19.5, rel=1e-4)
    assert report(kit, since="2026-11-02")["forecast"] is None


def test_a_project_is_told_of_its_own_spend_alone(kit: Kit) -> None:
    kit.create()
    assert report(kit, key=KEY, by="project")["data"][0]["name"] == "alpha"
    assert report(kit, key=OTHER_KEY)["data"] == report(kit, key=FOREIGN_ROOT_KEY)["data"] == []
    assert report(kit, project="beta")["data"] == []
    answer = kit.request("GET", "/v1/spend", key=OTHER_KEY, params={"project": "alpha"})
    assert error_of(answer)[2:] == ("project", "project_not_found")


def test_charges_are_pages_and_a_file_of_focus_columns(kit: Kit) -> None:
    video_id = kit.finished()
    kit.create()
    page = kit.request("GET", "/v1/spend/charges", key=ROOT_KEY).json()
    (charge,) = page["data"]
    assert (charge["video_id"], charge["cost"]["amount_micro"], charge["kind"]) == (video_id, COST_MICRO, "settled")
    assert page["has_more"] is False
    assert (
        kit.request("GET", "/v1/spend/charges", key=ROOT_KEY, params={"after": charge["position"]}).json()["data"] == []
    )
    file = kit.request("GET", "/v1/spend/charges.csv", key=ROOT_KEY)
    assert file.headers["content-type"].startswith("text/csv")
    header, row = csv.reader(io.StringIO(file.text))
    assert tuple(header) == FOCUS_COLUMNS
    told = dict(zip(header, row, strict=True))
    expected = {
        "BilledCost": "0.4",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-11-01",
        "BillingPeriodEnd": "2026-12-01",
        "ChargePeriodStart": "2026-11-20",
        "ConsumedQuantity": "4",
        "ResourceId": video_id,
        "SkuId": "sora-2",
        "SubAccountId": "alpha",
    }
    assert told.items() >= expected.items()


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-13"}, "until"),
        ({"since": "2026-02-30"}, "since"),
        ({"by": "colour"}, "by"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(kit: Kit, params: dict[str, str], param: str) -> None:
    answer = ask(kit, **params)
    assert answer.status_code == 400
    assert error_of(answer)[2] == param


def test_nothing_is_told_of_days_in_which_nothing_was_spent(kit: Kit) -> None:
    kit.create()
    assert report(kit, since="2026-10", until="2026-10")["data"] == []
    assert report(kit, since="2026-11-20", until="2026-11-20")["data"] != []


def test_what_the_read_model_has_not_come_to_is_not_silently_missing(kit: Kit) -> None:
    kit.finished()
    kit.create()
    before = report(kit)
    assert before["behind"] == kit.request("GET", "/v1/spend/charges", key=ROOT_KEY).json()["behind"] == 0
    kit.fall_behind(3)
    assert report(kit)["behind"] == kit.request("GET", "/v1/spend/charges", key=ROOT_KEY).json()["behind"] == 3
    assert report(kit, as_of=str(kit.ledger.head()))["behind"] == 0, "folded from the ledger itself"
    refused = kit.request("GET", "/v1/spend/charges.csv", key=ROOT_KEY)
    assert error_of(refused) == (503, "server_error", None, "projection_behind"), "a file has no place to say so"
    kit.fall_behind(0)
    assert report(kit) == before

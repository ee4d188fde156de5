import re
from html import unescape

import pytest

from bickford_sora.decisions import price_table
from bickford_sora.decisions.catalogue import Catalogue, Price
from tests.console.visits import visitor
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit, catalogue, offer

HOSTILE = "<script>alert(1)</script>"
PATHS = ("/settings", "/settings/budgets", "/settings/prices", "/settings/renderers", "/settings/endpoints")
ENDPOINT = {"name": HOSTILE, "url": "https://hooks.example/x", "event_types[]": ["video.completed", "video.failed"]}


def _secret(html: str) -> str:
    found = re.search(r'<pre class="secret">([^<]+)</pre>', html)
    assert found, html
    return unescape(found[1])


@pytest.mark.parametrize("path", PATHS)
def test_every_page_has_a_twin_and_is_for_those_who_oversee(kit: Kit, path: str) -> None:
    assert visitor(kit, ROOT_KEY).get(path).status_code == 200
    assert visitor(kit, ROOT_KEY).get(f"{path}.json").headers["content-type"] == "application/json"
    auditor, requester = visitor(kit, kit.issue("auditor")), visitor(kit, kit.issue("requester"))
    assert 'class="actions"' not in auditor.get(path).text
    assert requester.get(path).status_code == (200 if path == "/settings/budgets" else 403)


def test_a_key_is_issued_shown_once_rotated_and_revoked(kit: Kit) -> None:
    admin = visitor(kit)
    shown = admin.post("/settings/keys", **{"name": HOSTILE, "roles[]": ["requester", "auditor"]})
    secret = _secret(shown.text)
    assert "no-store" in shown.headers["cache-control"]
    assert kit.request("GET", "/v1/audit/questions", key=secret).status_code == 200
    (listed,) = admin.get("/settings.json").json()["keys"]
    html = admin.get("/settings").text
    assert (listed["name"], listed["roles"], listed["status"]) == (HOSTILE, ["requester", "auditor"], "active")
    assert listed["id"] in html
    assert secret not in html
    assert HOSTILE not in html
    rotated = admin.post(f"/settings/keys/{listed['id']}/rotate", overlap_hours="1")
    successor = _secret(rotated.text)
    assert successor != secret
    assert admin.post(f"/settings/keys/{listed['id']}/revoke").headers["location"] == "/settings?done=revoked"
    assert kit.request("GET", "/v1/videos", key=secret).status_code == 401
    assert kit.request("GET", "/v1/videos", key=successor).status_code == 200


def test_a_key_is_nobody_elses_to_see_or_end(kit: Kit) -> None:
    kit.issue("requester", by=KEY)
    (listed,) = visitor(kit).get("/settings.json").json()["keys"]
    for key in (OTHER_KEY, FOREIGN_ROOT_KEY):
        other = visitor(kit, key)
        assert other.get("/settings.json").json()["keys"] == []
        assert other.post(f"/settings/keys/{listed['id']}/revoke").status_code == 404
    auditor = visitor(kit, kit.issue("auditor"))
    assert auditor.post("/settings/keys", name="Mine").status_code == 403


def test_a_budget_is_set_changed_and_removed_by_an_admin_of_the_tenant(kit: Kit) -> None:
    root, of_a_project = visitor(kit, ROOT_KEY), visitor(kit)
    asked = {"budget_id": "monthly", "scope": "tenant", "window": "month", "unit": "money"}
    sent = {**asked, "amount": "250.50", "currency": "USD", "thresholds": "50, 80 %", "hard": "1"}
    assert of_a_project.post("/settings/budgets", **sent).status_code == 403
    assert root.post("/settings/budgets", **sent).headers["location"] == "/settings/budgets?done=set"
    (budget,) = root.get("/settings/budgets.json").json()["budgets"]
    assert budget["cap"] == {"amount_micro": 250_500_000, "currency": "USD"}
    assert (budget["hard"], budget["thresholds"]) == (True, [50, 80])
    assert "250.50 USD" in of_a_project.get("/settings/budgets").text
    assert 'action="/settings/budgets"' not in of_a_project.get("/settings/budgets").text
    count = {"budget_id": "few", "scope": "tenant", "window": "day", "unit": "renders", "amount": "9"}
    assert root.post("/settings/budgets", **count).status_code == 303
    assert root.post("/settings/budgets/monthly/remove").status_code == 303
    assert [each["cap_count"] for each in root.get("/settings/budgets.json").json()["budgets"]] == [9]


@pytest.mark.parametrize(("name", "wrong"), [("amount", "much"), ("thresholds", "half"), ("window", "century")])
def test_a_wrong_field_is_named(kit: Kit, name: str, wrong: str) -> None:
    asked = {"budget_id": "b", "scope": "tenant", "window": "day", "unit": "money", "amount": "1", "currency": "USD"}
    answer = visitor(kit, ROOT_KEY).post("/settings/budgets", **{**asked, name: wrong})
    assert answer.status_code == 400
    assert name in answer.text or "percentages" in answer.text or "amount" in answer.text


def test_an_endpoint_is_added_its_secret_shown_once_and_removed(kit: Kit) -> None:
    admin = visitor(kit)
    secret = _secret(admin.post("/settings/endpoints", **ENDPOINT).text)
    (listed,) = admin.get("/settings/endpoints.json").json()["endpoints"]
    html = admin.get("/settings/endpoints").text
    assert listed["event_types"] == ["video.completed", "video.failed"]
    assert "https://hooks.example/x" in html
    assert secret not in html
    assert HOSTILE not in html
    other = _secret(admin.post(f"/settings/endpoints/{listed['id']}/rotate", keep_old="1").text)
    assert other != secret
    assert visitor(kit, OTHER_KEY).post(f"/settings/endpoints/{listed['id']}/delete").status_code == 404
    assert admin.post(f"/settings/endpoints/{listed['id']}/delete").status_code == 303
    assert "No endpoint is told" in admin.get("/settings/endpoints").text


def test_renderers_are_shown_without_their_secrets(kit: Kit) -> None:
    root = visitor(kit, ROOT_KEY)
    assert "http://two" in root.get("/settings/renderers").text
    for path in ("/settings/renderers", "/settings/renderers.json"):
        assert "sk-secret" not in root.get(path).text


def test_prices_are_shown_as_they_are_on_record(kit: Kit) -> None:
    prices = Price("second", {"720p": 100_000, "1080p": 3_125}, "USD", source=HOSTILE)
    routes = catalogue(offer(prices=(prices,))).routes
    text = price_table.text_of(routes)
    kit.house.price_tables.publish(Catalogue(routes, price_table.hash_of(text), text))
    root = visitor(kit, ROOT_KEY)
    (row,) = root.get("/settings/prices.json").json()["prices"]["data"]
    html = root.get("/settings/prices").text
    assert row["micro_per_unit"] == {"720p": 100_000, "1080p": 3_125}
    assert "0.003125 USD" in html
    assert HOSTILE not in html
    assert "0.003125 USD" in visitor(kit, FOREIGN_ROOT_KEY).get("/settings/prices").text, "every tenant's prices"

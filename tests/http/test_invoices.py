"""Invoices over HTTP: every line beside what was recorded, and what differs corrected once, in today's books."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bickford_sora import invoices
from bickford_sora.decisions.drafts import Draft
from bickford_sora.recording import Origin
from ledger import streams
from ledger.events import JobClaimed, SpendAdjusted
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, NOW, OTHER_KEY, ROOT_KEY, Kit, error_of
from tests.http.test_spend import report

PATH = "/v1/spend/reconciliations"
COST_MICRO = 400_000
LISTS = ("matched", "differing", "theirs_only", "ours_only")


def claim(kit: Kit, video_id: str, job_id: str, renderer: str = "openai") -> None:
    stream = streams.job(renderer, "openai-default", job_id)
    fact = JobClaimed(renderer=renderer, credential="openai-default", job_id=job_id, video_id=video_id)
    kit.recording.append(Draft(((stream, fact),), {stream: 0}), Origin("main", "worker"))


def billed(kit: Kit, number: int, *, key: str = KEY, ends: bool = True) -> str:
    """The id of a render whose job `job_N` is known, and settled if it ended."""
    video_id = kit.create(key=key)
    kit.submit(video_id, job_id=f"job_{number}")
    claim(kit, video_id, f"job_{number}")
    if ends:
        kit.complete(video_id)
    return video_id


def csv_of(*lines: str, header: str = "job_id,amount,currency,date,invoice") -> str:
    return "\n".join([header, *lines])


def send(kit: Kit, *lines: str, key: str = ROOT_KEY, **fields: Any) -> httpx.Response:
    return kit.request("POST", PATH, key=key, json={"invoice": csv_of(*lines), **fields})


def reconciled(kit: Kit, *lines: str, **fields: Any) -> dict[str, Any]:
    answer = send(kit, *lines, **fields)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def named(told: dict[str, Any]) -> dict[str, list[str]]:
    """What is in each list, by the video, or by how the invoice names it."""
    return {name: [each["video_id"] or each["billed_id"] for each in told[name]] for name in LISTS}


def corrections(kit: Kit) -> list[SpendAdjusted]:
    facts = [event.fact for event in kit.ledger.history(streams.spend("main"))]
    return [fact for fact in facts if isinstance(fact, SpendAdjusted)]


def test_every_line_has_its_place_with_its_facts(kit: Kit) -> None:
    same, other, missing, running = (billed(kit, number, ends=number != 4) for number in (1, 2, 3, 4))
    told = reconciled(
        kit,
        "job_1,0.40,USD,2026-11-20,R-7",
        f"{other},0.45,USD,2026-11-21,R-7",
        "job_9,1,USD,2026-11-20,R-7",
        "job_4,0.4,USD,2026-11-20,R-7",
    )
    assert named(told) == {
        "matched": [same],
        "differing": [other, running],
        "theirs_only": ["job_9"],
        "ours_only": [missing],
    }
    assert (told["since"], told["until"], told["adjusted"]) == ("2026-11-20", "2026-11-21", 0)
    differs, open_ = told["differing"]
    assert (differs["billed"]["amount_micro"], differs["cost"]["amount_micro"]) == (450_000, COST_MICRO)
    assert differs["adjustment"] == {"amount_micro": 50_000, "currency": "USD"}
    assert (differs["billed_id"], differs["lines"], differs["invoice"]) == (other, [3], "R-7")
    facts = [kit.ledger.read(position - 1, limit=1)[0].fact.TYPE for position in differs["positions"]]
    assert facts == ["spend.reserved", "spend.settled"]
    assert (open_["state"], open_["adjustment"]) == ("open", None), "its end may still settle it"
    (ours,) = told["ours_only"]
    assert (ours["jobs"], ours["day"], ours["project"], ours["billed"]) == (["job_3"], "2026-11-20", "alpha", None)


def test_what_differs_is_corrected_once_and_for_whom_it_counts(kit: Kit) -> None:
    video_id = billed(kit, 1)
    lines = ("job_1,0.45,USD,2026-11-20,R-7",)
    told = reconciled(kit, *lines, adjust=True, reason="As billed")
    assert (told["adjusted"], told["differing"][0]["adjustment"]["amount_micro"]) == (1, 50_000)
    (fact,) = corrections(kit)
    assert (fact.video_id, fact.cost.amount_micro, fact.invoice, fact.day) == (video_id, 50_000, "R-7", "2026-11-20")
    assert (fact.project, fact.model, fact.renderer) == ("alpha", "sora-2", "openai")
    assert fact.reason is not None
    assert kit.keys.open(fact.reason) == "As billed"
    head = kit.ledger.head()
    again = reconciled(kit, *lines, adjust=True)
    assert (again["adjusted"], named(again)["matched"]) == (0, [video_id])
    assert kit.ledger.head() == head


def test_a_closed_month_is_never_changed_only_followed(kit: Kit) -> None:
    billed(kit, 1)
    before = report(kit, by="month", since="2026-11", until="2026-11")["data"]
    kit.clock.now += timedelta(days=20)
    reconciled(kit, "job_1,0.15,USD,2026-11-20,R-7", adjust=True)
    assert report(kit, by="month", since="2026-11", until="2026-11")["data"] == before
    (december,) = report(kit, by="month", since="2026-12", until="2026-12")["data"]
    assert (december["adjusted_micro"], december["settled_micro"]) == (-250_000, 0)


def test_a_correction_counts_for_the_budgets(kit: Kit) -> None:
    billed(kit, 1)
    asked = {"window": "month", "cap": {"amount_micro": 1_000_000, "currency": "USD"}}
    kit.request("PUT", "/v1/budgets/company", key=ROOT_KEY, json=asked)
    reconciled(kit, "job_1,0.90,USD,,", adjust=True)
    assert kit.request("GET", "/v1/budgets/company", key=ROOT_KEY).json()["used"] == 900_000
    assert kit.request("POST", "/v1/videos", json={"prompt": "One more"}).status_code == 429


def test_what_nobody_paid_for_and_the_vendor_bills_is_corrected_too(kit: Kit) -> None:
    failed = billed(kit, 1, ends=False)
    kit.fail(failed)
    told = reconciled(kit, "job_1,0.1,USD,,", adjust=True)
    assert (told["differing"][0]["state"], told["adjusted"]) == ("released", 1)
    assert report(kit)["data"][0]["adjusted_micro"] == 100_000


def test_several_lines_and_several_jobs_of_one_render_are_one_amount(kit: Kit) -> None:
    video_id = billed(kit, 1)
    claim(kit, video_id, "job_1b")
    told = reconciled(kit, "job_1,0.15,USD,,", "job_1,0.15,USD,,", "job_1b,0.1,USD,,")
    assert named(told)["matched"] == [video_id]
    assert (told["matched"][0]["lines"], told["matched"][0]["jobs"]) == ([2, 3, 4], ["job_1", "job_1b"])


def test_a_render_in_another_currency_is_told_and_not_corrected(kit: Kit) -> None:
    billed(kit, 1)
    told = reconciled(kit, "job_1,0.4,EUR,,", adjust=True)
    assert (told["adjusted"], told["differing"][0]["adjustment"]) == (0, None)
    assert error_of(send(kit, "job_1,0.4,EUR,,", "job_1,0.4,USD,,"))[3] == "invoice_invalid"


def test_the_renderer_whose_invoice_it_is_bounds_what_is_compared(kit: Kit) -> None:
    mine, other = billed(kit, 1), billed(kit, 2)
    claim(kit, other, "job_1", renderer="elsewhere")
    ambiguous = send(kit, "job_1,0.4,USD,,")
    assert "several renderers" in ambiguous.json()["error"]["message"]
    told = reconciled(kit, "job_1,0.4,USD,2026-11-20,", renderer="elsewhere")
    assert named(told) == {"matched": [], "differing": [], "theirs_only": ["job_1"], "ours_only": []}
    assert mine not in str(told)


def test_the_days_can_be_said(kit: Kit) -> None:
    billed(kit, 1)
    assert reconciled(kit, "job_9,1,USD,,")["since"] is None
    assert named(reconciled(kit, "job_9,1,USD,,", since="2026-11"))["ours_only"] != []
    assert named(reconciled(kit, "job_9,1,USD,,", since="2026-11-21", until="2026-12"))["ours_only"] == []
    assert error_of(send(kit, since="never"))[2:] == ("since", "invalid_value")


def test_a_project_compares_its_own_and_only_an_admin_of_the_tenant_corrects(kit: Kit) -> None:
    mine, theirs = billed(kit, 1), billed(kit, 2, key=OTHER_KEY)
    lines = (
        "job_1,0.5,USD,2026-11-20,",
        "job_2,0.25,USD,2026-11-20,",
        "job_2,0.25,USD,2026-11-20,",
        f"{theirs},1,USD,,",
    )
    told = reconciled(kit, *lines, key=KEY)
    assert named(told)["differing"] == [mine]
    assert [(each["billed_id"], each["jobs"]) for each in told["theirs_only"]] == [("job_2", []), (theirs, [])]
    assert named(reconciled(kit, *lines, key=FOREIGN_ROOT_KEY))["theirs_only"] == ["job_1", "job_2", theirs]
    auditor = kit.issue("auditor", by=ROOT_KEY, spans_tenant=True)
    assert send(kit, *lines, key=auditor).status_code == 200
    for key, code in ((KEY, "tenant_admin_needed"), (auditor, "role_missing")):
        assert error_of(send(kit, *lines, key=key, adjust=True))[::3] == (403, code)
    assert corrections(kit) == []


def test_a_wrong_line_leaves_everything_as_it_was(kit: Kit) -> None:
    billed(kit, 1)
    head = kit.ledger.head()
    refused = send(kit, "job_1,0.9,USD,,", "job_2,lots,USD,,", adjust=True)
    assert error_of(refused) == (400, "invalid_request_error", "invoice", "invoice_invalid")
    assert "Line 3" in refused.json()["error"]["message"]
    assert error_of(kit.request("POST", PATH, key=ROOT_KEY, json={}))[2:] == ("invoice", "missing_required_parameter")
    assert kit.ledger.head() == head


def test_the_same_invoice_from_four_at_once_corrects_once(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoices, "ADJUSTED_TOGETHER_MAX", 2)
    for number in range(5):
        billed(kit, number)
    lines = [f"job_{number},0.41,USD,2026-11-20,R-7" for number in range(5)]
    with ThreadPoolExecutor(4) as threads:
        told = [*threads.map(lambda _: reconciled(kit, *lines, adjust=True), range(4))]
    assert len(corrections(kit)) == sum(each["adjusted"] for each in told) == 5
    assert {fact.cost.amount_micro for fact in corrections(kit)} == {10_000}
    assert NOW.strftime("%Y-%m-%d") == corrections(kit)[0].day

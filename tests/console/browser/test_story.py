"""The whole story, by people in Chromium on a running server: from a prompt in a form to a proof in a file."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.benchmarks.database import temporary_database
from tests.cli.commands import run
from tests.cli.commands import served as serving
from tests.console.browsing import NO_PLAYWRIGHT, PLAYED, PLAYED_S, Watched, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect
pytestmark = pytest.mark.xdist_group("browser")

POLICY = """\
version: 1
default: allow
rules:
- {id: long, effect: require_approval, when: {seconds_min: 4}, on_hold: wait, message: Long ones are looked at.}
"""
PROMPT = "Ferries leave the harbour at dawn"
REMIXED = "Ferries leave the harbour at dusk"
COST = "0.40"


@dataclass(frozen=True)
class Studio:
    """A running server where long renders need approval, and the keys of who works with it."""

    data_dir: Path
    database: str
    url: str
    root: str
    requester: str
    approver: str

    def public_key(self) -> str:
        """Of the ledger's log, which auditors have from elsewhere."""
        said = run(self.data_dir, "checkpoint", "keys", BICKFORD_DATABASE_URL=self.database).stdout
        return said.split()[0]


@pytest.fixture(scope="module")
def studio(server_url: str) -> Iterator[Studio]:
    with (
        temporary_database(server_url) as database,
        serving(BICKFORD_DATABASE_URL=database, BICKFORD_CHECKPOINT_INTERVAL_S="1") as server,
    ):
        root = server.announced.split()[-1]
        with httpx.Client(base_url=server.base_url, headers={"authorization": f"Bearer {root}"}) as client:
            yaml = {"content-type": "application/yaml"}
            client.post("policy", content=POLICY, headers=yaml).raise_for_status()
            keys = [
                client.post("api_keys", json={"name": role, "roles": [role]}).raise_for_status().json()["secret"]
                for role in ("requester", "approver")
            ]
        yield Studio(server.data_dir, database, server.base_url.removesuffix("/v1"), root, *keys)


@pytest.mark.timeout(600)
def test_from_a_prompt_to_a_proof(studio: Studio, browser: "Browser", tmp_path: Path) -> None:
    url = studio.url
    with (
        watched(browser, url) as requester,
        watched(browser, url, key=studio.approver) as approver,
        watched(browser, url, key=studio.root) as overseer,
    ):
        asks = requester.sign_in(studio.requester)
        _ask(asks)
        _approve(approver, PROMPT)
        _see_it_made(asks)
        first = asks.url.partition("?")[0]
        _remix(asks)
        _approve(approver, REMIXED)
        _see_it_made(asks)
        expect(approver.open("/approvals").locator(".empty")).to_contain_text("Nothing waits")
        asks.goto(f"{first}/lineage")
        expect(asks.locator("#content")).to_contain_text(REMIXED)
        _see_what_it_cost(overseer)
        _verify(overseer, studio, tmp_path)
        assert requester.problems == approver.problems == overseer.problems == []


def _ask(page: "Page") -> None:
    """By the form, which says what it costs and that somebody else looks at it first."""
    page.get_by_role("link", name="New", exact=True).click()
    page.get_by_label("What to show").fill(PROMPT)
    said = page.locator("#said")
    page.get_by_label("Length").select_option("1")
    expect(said.locator(".price")).to_have_text("0.10 USD")
    expect(said.locator(".state")).to_have_text("allows it")
    page.get_by_label("Length").select_option("4")
    expect(said.locator(".price")).to_have_text(f"{COST} USD")
    expect(said.locator(".state")).to_have_text("wants an approver")
    page.get_by_role("button", name="Ask for it: an approver looks first").click()
    expect(page.locator("h1")).to_have_text(PROMPT)
    _is_held(page)


def _is_held(page: "Page") -> None:
    expect(page.locator("#render .state").first).to_have_text("needs approval")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    # Marks the page: the mark is gone with the page, so it is known whether that was loaded anew.
    page.evaluate("document.body.dataset.same = 'yes'")


def _approve(visit: Watched, prompt: str) -> None:
    """Somebody else does, with a reason."""
    page = visit.open("/approvals")
    expect(page.locator(".ask")).to_have_text(prompt)
    page.get_by_role("button", name="Approve…").last.click()
    page.get_by_role("dialog").get_by_label("Reason").fill("It is as we agreed.")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").first).to_have_text("It was approved.")


def _see_it_made(page: "Page") -> None:
    """Without a reload, until it plays. On a busy machine nobody may look while it is in progress: see test_live."""
    expect(page.locator("#render .state").first).to_have_text("completed")
    expect(page.locator("video")).to_have_count(1)
    assert page.evaluate("document.body.dataset.same") == "yes"
    assert page.locator("video").evaluate(PLAYED) > PLAYED_S


def _remix(page: "Page") -> None:
    """It is a render of its own, and needs its own approval."""
    page.get_by_role("button", name="Remix…").click()
    page.get_by_label("New prompt").fill(REMIXED)
    page.get_by_role("button", name="Remix", exact=True).click()
    expect(page.locator("h1")).to_have_text(REMIXED)
    _is_held(page)


def _see_what_it_cost(visit: Watched) -> None:
    page = visit.open("/spend")
    expect(page.locator(".sums > div", has_text="settled").first).to_contain_text("0.80 USD")


def _verify(visit: Watched, studio: Studio, folder: Path) -> None:
    """The button has everything read again; the receipt it leads to is held to the root without the ledger."""
    page = visit.open("/audit/proof")
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator(".verdict h2")).to_have_text("Everything is as it was recorded")
    root = page.locator("dt", has_text="Root").locator("xpath=following-sibling::dd[1]").inner_text()
    assert re.fullmatch(r"[0-9a-f]{64}", root)
    page.get_by_label("Position").fill("1")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download its receipt").click()
    receipt = folder / "of.tlog-proof"
    download.value.save_as(receipt)
    nowhere = {"BICKFORD_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    checked = run(folder, "proof", "check", str(receipt), "--public-key", studio.public_key(), **nowhere)
    assert "in order" in checked.stdout
    with page.expect_download() as download:
        page.get_by_role("button", name="Export the facts").click()
    exported = folder / "ledger.jsonl"
    download.value.save_as(exported)
    types = [json.loads(line)["type"] for line in exported.read_text("utf-8").splitlines()]
    assert types.count("render.stored") == 2, "both renders"

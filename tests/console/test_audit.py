import errno
import io
import json
import re
import zipfile
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bickford_sora.console.commands import Commands, Ended
from bickford_sora.evidence.packing import Pack
from tests.console.visits import no_parts, visitor
from tests.http.folded_audit import FoldedAudit
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit

HOSTILE = "<script>alert(1)</script>"


def _types(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [each["type"] for each in page["facts"]]


def test_facts_are_found_by_what_is_in_the_address_and_the_twin_says_the_same(kit: Kit) -> None:
    first, second = kit.finished(), kit.create()
    somebody = visitor(kit)
    assert _types(somebody.get(f"/audit.json?video_id={second}").json()) == [
        "spend.reserved",
        "render.allowed",
        "render.intent",
    ]
    page = somebody.get("/audit.json?type=render.intent").json()
    assert [each["video_id"] for each in page["facts"]] == [second, first]
    html = somebody.get("/audit?type=render.intent").text
    assert re.findall(r'href="/facts/([0-9a-f-]+)"', html) == [each["id"] for each in page["facts"]]
    assert 'name="type" value="render.intent"' in html


def test_a_page_says_how_many_facts_it_lacks_because_they_cannot_be_read(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.create()
    somebody = visitor(kit)
    tenant = somebody.get("/audit.json").json()["facts"][0]["tenant"]
    assert "facts are not here" not in somebody.get("/audit").text
    monkeypatch.setattr(FoldedAudit, "unreadable", [(tenant, 1), (tenant, 2)])
    assert somebody.get("/audit.json").json()["parked"] == 2
    assert "2 facts are not here" in somebody.get("/audit").text


def test_what_the_audit_has_not_come_to_is_said_to_be_missing(kit: Kit) -> None:
    video_id = kit.create()
    somebody, said = visitor(kit), "of the ledger may be missing here"
    first, *_, newest = (each.event_id for each in kit.ledger.read(0, limit=100))
    pages = ("/audit", "/audit/questions/spend_without_video", f"/renders/{video_id}", f"/facts/{first}", "/batches")
    assert somebody.get(f"/facts/{newest}").status_code == 200
    assert not any(said in somebody.get(page).text for page in pages)
    kit.fall_behind(1)
    kit.app.state.console = replace(kit.app.state.console, house=kit.house)
    assert all(f"The last 1 fact {said}" in somebody.get(page).text for page in pages)
    assert [somebody.get(f"{page}.json").json()["behind"] for page in pages] == [1] * len(pages)
    assert somebody.get(f"/facts/{newest}").status_code == 503, "it is recorded, and not unknown"


def test_actors_are_told_by_the_names_of_their_keys_to_who_may_read_them(kit: Kit) -> None:
    team = kit.issue("requester", name=HOSTILE)
    video_id = kit.create(key=team)
    audit = visitor(kit).get(f"/audit?video_id={video_id}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</span>" in audit
    assert HOSTILE not in audit
    page = visitor(kit).get(f"/renders/{video_id}.json").json()
    assert page["names"] == {page["asked_with"]: HOSTILE}
    assert visitor(kit, team).get(f"/renders/{video_id}.json").json()["names"] == {}


def test_the_facts_go_on_page_by_page(kit: Kit) -> None:
    for _ in range(20):
        kit.create()
    somebody = visitor(kit)
    first = somebody.get("/audit.json").json()
    second = somebody.get(f"/audit.json?after={first['after']}").json()
    positions = [each["position"] for page in (first, second) for each in page["facts"]]
    assert positions == sorted(positions, reverse=True)
    assert len(positions) == len(set(positions)) == kit.ledger.head()
    assert second["after"] is None
    assert f"after={first['after']}" in somebody.get("/audit").text


@pytest.mark.parametrize("query", ["since=soon", "position_min=many", "request_id=odd", "after=odd", "project=beta"])
def test_a_filter_that_cannot_be_understood_is_named(kit: Kit, query: str) -> None:
    answer = visitor(kit).get(f"/audit?{query}")
    assert answer.status_code in {400, 404}
    assert query.partition("=")[0] in answer.text


def test_the_facts_are_for_those_who_oversee(kit: Kit) -> None:
    requester = visitor(kit, kit.issue("requester"))
    for path in ("/audit", "/audit/proof", "/audit/questions/unused_keys", "/audit/receipt?position=1"):
        assert requester.get(path).status_code == 403, path
    assert requester.post("/audit/verify").status_code == 403
    assert 'href="/audit"' not in requester.get("/renders").text


@pytest.mark.parametrize("key", [OTHER_KEY, FOREIGN_ROOT_KEY])
def test_nobody_else_sees_them(kit: Kit, key: str) -> None:
    video_id = kit.create()
    other = visitor(kit, key)
    assert other.get("/audit.json").json()["facts"] == []
    assert "Nothing was recorded yet" in other.get("/audit").text
    assert "No fact matches" in other.get("/audit?type=render.intent").text
    assert other.post(f"/audit/pack/{video_id}").status_code == 404
    kit.checkpoint()
    assert other.get("/audit/receipt?position=1").status_code == 404


def test_a_ready_made_question_is_answered(kit: Kit) -> None:
    somebody = visitor(kit)
    twin = somebody.get("/audit/questions/unused_keys.json").json()
    html = somebody.get("/audit/questions/unused_keys").text
    assert twin["finds"] in html
    assert all(row["key_id"] in html for row in twin["rows"])
    assert somebody.get("/audit/questions/odd").status_code == 404


def test_everything_is_verified_and_what_proves_it_can_be_taken_along(kit: Kit) -> None:
    kit.create(HOSTILE)
    somebody = visitor(kit, ROOT_KEY)
    assert "No checkpoint yet" in somebody.get("/audit/proof").text
    assert somebody.get("/audit/checkpoint").status_code == 400
    newest = kit.checkpoint()
    assert somebody.post("/audit/verify", "/audit/proof").headers["location"] == "/audit/proof"
    page, html = somebody.get("/audit/proof.json").json(), somebody.get("/audit/proof").text
    assert page["check"]["answer"]["held"] is True
    assert page["check"]["command"] == "bickford-sora verify --json"
    assert "Everything is as it was recorded" in html
    assert page["checkpoint"]["root_hex"] == newest.root.hex()
    assert newest.root.hex() in html
    assert somebody.get("/audit/checkpoint").text == newest.note
    receipt = somebody.get("/audit/receipt?position=1")
    assert receipt.text == kit.request("GET", "/v1/ledger/proof?position=1").text
    assert "attachment" in receipt.headers["content-disposition"]


def test_what_was_found_wrong_is_shown_as_text(kit: Kit) -> None:
    finding = {"kind": "facts_changed", "first": 3, "last": 4, "message": HOSTILE, "exact": True}
    said = b'{"held": false, "facts": 9, "findings": [%s]}' % json.dumps(finding).encode()
    _commanded(kit, lambda *_: Ended(11, said))
    somebody = visitor(kit, ROOT_KEY)
    somebody.post("/audit/verify", "/audit/proof")
    html = somebody.get("/audit/proof").text
    assert "Not everything is as it was recorded" in html
    assert HOSTILE not in html
    assert "3 to 4" in html


def test_a_check_that_came_to_nothing_says_what_to_do(kit: Kit) -> None:
    _commanded(kit, lambda *_: Ended(1, b""))
    somebody = visitor(kit, ROOT_KEY)
    somebody.post("/audit/verify", "/audit/proof")
    assert "The check came to no answer" in somebody.get("/audit/proof").text


def test_the_evidence_of_a_render_is_packed(kit: Kit) -> None:
    video_id = kit.finished()
    somebody = visitor(kit)
    assert somebody.send("POST", f"/audit/pack/{video_id}").status_code == 403
    answer = somebody.post(f"/audit/pack/{video_id}")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert video_id.encode() in archive.read("facts.jsonl")
    assert f"evidence-on-{video_id}.zip" in answer.headers["content-disposition"]


def test_the_ledger_is_exported_by_who_spans_the_tenant(kit: Kit) -> None:
    kit.create()
    root = visitor(kit, ROOT_KEY)
    assert 'action="/audit/export"' in root.get("/audit/proof").text
    with capture_logs() as logged:
        answer = root.post("/audit/export")
    (line,) = [each for each in logged if each["event"] == "ledger_exported"]
    assert str(line["actor"]).startswith("key_")
    assert len(answer.content.splitlines()) == kit.ledger.head()
    assert 'filename="ledger.jsonl"' in answer.headers["content-disposition"]
    assert root.post("/audit/export", since="soon").status_code == 400
    failed = root.post("/audit/export", since="2000-01-01")
    assert (failed.status_code, "export_failed" in failed.text) == (503, True)
    of_a_project = visitor(kit)
    assert "/audit/export" not in of_a_project.get("/audit/proof").text
    for each in (of_a_project, visitor(kit, FOREIGN_ROOT_KEY)):
        assert each.post("/audit/export", "/audit/proof").status_code == 403


@pytest.mark.parametrize("key", [KEY, FOREIGN_ROOT_KEY])
def test_a_check_is_for_those_who_span_the_tenant(kit: Kit, key: str) -> None:
    finding = {"kind": "facts_changed", "first": 3, "last": 4, "message": HOSTILE, "exact": True}
    said = json.dumps({"held": False, "facts": 9, "findings": [finding]}).encode()
    _commanded(kit, lambda *_: Ended(11, said))
    other = visitor(kit, key)
    assert other.post("/audit/verify", "/audit/proof").status_code == 403
    visitor(kit, ROOT_KEY).post("/audit/verify", "/audit/proof")
    page, html = other.get("/audit/proof.json").json(), other.get("/audit/proof").text
    assert (page["check"]["answer"], page["findings"]) == ({"held": False, "facts": 9}, 1)
    assert "1 finding." in html
    assert "/audit/verify" not in html


def test_evidence_for_which_there_is_no_room_is_asked_for_later(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    video_id = kit.finished()
    monkeypatch.setattr(Pack, "write", full)
    answer = visitor(kit).post(f"/audit/pack/{video_id}")
    assert answer.status_code == 503
    assert "pack_failed" in answer.text


def _commanded(kit: Kit, run: object) -> None:
    commands = Commands(run, no_parts, kit.clock, start=lambda work: work())  # type: ignore[arg-type] # a plain function
    kit.app.state.console = replace(kit.app.state.console, commands=commands)

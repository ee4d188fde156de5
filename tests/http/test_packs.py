"""Evidence over HTTP: one archive that holds what the key may read, sealed as it was."""

import io
import zipfile
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.http.folded_audit import FoldedAudit
from tests.http.houses import KEY, OTHER_KEY, ROOT_KEY, Kit, error_of


def ask(kit: Kit, *, key: str = ROOT_KEY, **params: Any) -> httpx.Response:
    return kit.request("GET", "/v1/audit/pack", key=key, params=params)


def files(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_video_is_packed_with_what_proves_it(kit: Kit) -> None:
    video_id = kit.finished()
    kit.checkpoint()
    answer = ask(kit, video_id=video_id)
    assert f'filename="evidence-on-{video_id}.zip"' in answer.headers["content-disposition"]
    packed = files(answer)
    facts = packed["facts.jsonl"].splitlines()
    assert sum(name.startswith("receipts/") for name in packed) == len(facts) > 1
    assert {"index.html", "checkpoint", "log.key", "verify_ledger.py", "README.txt"} <= packed.keys()


def test_the_log_says_who_took_evidence_of_what(kit: Kit) -> None:
    video_id = kit.finished()
    kit.checkpoint()
    with capture_logs() as logged:
        ask(kit, video_id=video_id)
        error_of(ask(kit))
    (line,) = [each for each in logged if each["event"] == "evidence_packed"]
    assert line["about"] == f"evidence-on-{video_id}"
    assert str(line["actor"]).startswith("key_")


def test_a_period_has_the_facts_that_the_key_reads(kit: Kit) -> None:
    kit.finished()
    kit.create(key=OTHER_KEY)
    period = {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    everything, own = (files(ask(kit, key=key, **period))["facts.jsonl"].splitlines() for key in (ROOT_KEY, KEY))
    assert len(everything) == kit.ledger.head() > len(own) > 0
    assert b'"beta"' not in b"".join(own)


def test_the_page_says_how_many_facts_could_not_be_looked_through(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = kit.finished()
    assert b"Not looked through" not in files(ask(kit, video_id=video_id))["index.html"]
    tenant = kit.request("GET", "/v1/audit/events", key=ROOT_KEY).json()["data"][0]["tenant"]
    monkeypatch.setattr(FoldedAudit, "unreadable", [(tenant, 3), ("other", 4)])
    page = files(ask(kit, video_id=video_id))["index.html"]
    assert b"Not looked through" in page
    assert b"1 fact of the tenant" in page


def test_a_pack_is_about_one_thing(kit: Kit) -> None:
    video_id, since = kit.finished(), "2026-01-01T00:00:00Z"
    for asked in ({}, {"since": since}, {"video_id": video_id, "since": since}):
        assert error_of(ask(kit, **asked)) == (400, "invalid_request_error", None, "pack_of_nothing")
    assert error_of(ask(kit, since=since, until=since))[3] == "nothing_recorded"
    assert error_of(ask(kit, key=OTHER_KEY, video_id=video_id))[0] == 404

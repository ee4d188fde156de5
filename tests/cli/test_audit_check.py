"""The check as an operator runs it: what is wrong gives the exit status, and what to do stands beside it."""

import json
from pathlib import Path
from typing import Any

from bickford_sora.checking.findings import Verdict
from bickford_sora.cli.checking import NOT_COUNTED, STATUSES
from bickford_sora.composition.books import open_books
from bickford_sora.settings import Settings
from ledger import streams
from ledger.envelope import Context, Decision, Fact
from ledger.events import IdempotencyBound, JobClaimed
from tests.ledger.ledger_facts import NOON, new_id

from .commands import run

NOBODY = "http://127.0.0.1:9/v1"
"""Where no renderer answers."""


def record(folder: Path, url: str, stream: str, fact: Fact) -> None:
    with open_books(Settings(data_dir=folder, database_url=url)) as books:  # type: ignore[arg-type]
        context = Context("main", "key_1", NOON)
        books.ledger.append(Decision.of([(stream, fact)], heads={}, context=context, new_id=new_id))


def test_the_check_names_what_is_wrong_and_what_to_do(database_url: str, tmp_path: Path) -> None:
    def check(*options: str, status: int = 0, **given: str) -> Any:
        return run(tmp_path, "audit", "check", *options, status=status, BICKFORD_DATABASE_URL=database_url, **given)

    assert "nothing is lost, doubled, stuck or unaccounted for" in check().stdout
    unreachable = check("--renderers", status=NOT_COUNTED, OPENAI_BASE_URL=NOBODY, OPENAI_API_KEY="sk-none")
    assert "not counted: openai: renderer_unreachable" in unreachable.stderr

    video_id = streams.video_id(new_id())
    claim = JobClaimed(renderer="r", credential="c", job_id="job-1", video_id=video_id)
    record(tmp_path, database_url, streams.job("r", "c", "job-1"), claim)
    said = check(status=STATUSES[Verdict.UNACCOUNTED])
    assert f"job job-1 is claimed for {video_id}" in said.stdout
    assert "NOT in order: 1 unaccounted" in said.stdout
    assert "claim_unmatched: A rule of the ledger was broken" in said.stderr

    bound = IdempotencyBound(request_hash="a" * 64, video_id=video_id, project="default", requester="req-1")
    record(tmp_path, database_url, streams.idempotency("main", "default", "k"), bound)
    told = json.loads(check("--json", status=STATUSES[Verdict.LOST]).stdout)
    assert told["counts"] == {"claim_unmatched": 1, "render_missing": 1}
    assert {each["verdict"] for each in told["findings"]} == {"lost", "unaccounted"}

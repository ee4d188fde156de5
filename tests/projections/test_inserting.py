"""What the database makes of stored events is what the facts say, in every form they were ever stored in."""  # noqa: INP001

from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

import pytest
from render_histories import SHA, Author, Tables, insert_raw

from ledger.application import Ledger
from ledger.sql import query
from projections.audit import AUDIT
from projections.errors import RebuildRefused
from projections.port import Pool, Projection
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.spend import SPEND
from tests.http.folded_audit import audit_events, marks
from tests.ledger.golden import FOLDER
from tests.made_in_sql import movements

_STREAMS = {"render": "render:acme:01931b7e5c4f7a3b8d2e6f1a9c0b4d5e", "spend": "spend:acme", "budget": "spend:acme"}
WITH_NUL = rb'{"f":{"credential":"main","job_id":"nul \u0000","renderer":"vllm","video_id":"video_1"},"v":1}'
"""Valid JSON, and a valid fact, that PostgreSQL's text cannot hold."""


@pytest.fixture
def projections() -> list[Projection]:
    return [AUDIT, SPEND]


def test_rows_say_what_the_facts_say(
    ledger_database: str, ledger: Ledger, projector: Projector, rebuild: Rebuild, tables: Tables
) -> None:
    versions = Counter[str]()
    for path in sorted(FOLDER.glob("*.json")):
        type_name = path.name.partition(".v")[0]
        stream = _STREAMS.get(type_name.partition(".")[0], "other:1")
        versions[stream] += 1
        insert_raw(ledger_database, stream, versions[stream], type_name, path.read_bytes())
    assert projector.catch_up() == versions.total()
    told = ledger.read(0)
    audited, moved = [astuple(each) for each in audit_events(ledger)], list(movements(told))
    marked = sorted((each.position, each.stream, "acme", *mark) for each in told for mark in marks(each))
    assert len(moved) > len({event.fact.TYPE for event in told if event.fact.TYPE.startswith("spend.")})
    for act in (projector.catch_up, rebuild.rebuild):
        act()
        assert sorted(tables.rows(AUDIT, "events")) == audited
        assert sorted(tables.rows(AUDIT, "marks")) == marked != []
        assert sorted(tables.rows(SPEND, "movements")) == moved


def test_a_row_the_database_cannot_make_is_named(
    *, ledger_database: str, projector: Projector, rebuild: Rebuild, author: Author, tables: Tables, pool: Pool
) -> None:
    author.stored_render()
    author.flush()
    projector.catch_up()
    live = tables.everything()
    bad = f"job:{SHA}"
    position = insert_raw(ledger_database, bad, 1, "job.claimed", WITH_NUL)
    with pytest.raises(RebuildRefused, match=f"{bad} version 1: UntranslatableCharacter"):
        rebuild.rebuild()
    assert tables.everything() == live
    author.stored_render()
    head = author.flush()
    assert projector.catch_up() == head
    with pool.connection() as connection:
        parked = connection.execute("select name, stream, position, error_code from projections.parked").fetchall()
    assert parked == [("audit", bad, position, "unprojectable_event")]
    assert sorted(row[0] for row in tables.rows(AUDIT, "events")) == [
        each for each in range(1, head + 1) if each != position
    ]


def test_where_no_segment_is_closed_no_event_is_looked_at_for_moved_payloads(pool: Pool, author: Author) -> None:
    author.stored_render()
    author.flush()
    bounds = {"after": 0, "until": 5, "categories": None, "only": None}
    with pool.connection() as connection:
        found = connection.execute("explain (analyze, format json) " + query("moved", "projections.sql"), bounds)
        plan = next(iter(found))[0][0]["Plan"]
    loops = {node["Relation Name"]: node["Actual Loops"] for node in _nodes(plan) if "Relation Name" in node}
    assert loops == {"segments": 1, "events": 0}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)

"""What the database makes of stored events is what the facts say, in every form they were ever stored in."""  # noqa: INP001

import pytest
from render_histories import SHA, Author, Tables, insert_raw

from ledger.application import Ledger
from ledger.envelope import Event
from projections.audit import AUDIT
from projections.errors import RebuildRefused
from projections.port import Pool, Projection, Row
from projections.projector import Projector
from projections.rebuild import Rebuild
from tests.ledger.golden import FOLDER

RENDER = "render:acme:01931b7e5c4f7a3b8d2e6f1a9c0b4d5e"
WITH_NUL = rb'{"f":{"credential":"main","job_id":"nul \u0000","renderer":"vllm","video_id":"video_1"},"v":1}'
"""Valid JSON, and a valid fact, that PostgreSQL's text cannot hold."""


@pytest.fixture
def projections() -> list[Projection]:
    return [AUDIT]


def audited(event: Event) -> Row:
    """The row of an event, from its fact."""
    known, context = vars(event.fact), event.context
    video_id = f"video_{event.stream.rpartition(':')[2]}" if event.stream == RENDER else known.get("video_id")
    return (
        event.position,
        event.stream,
        event.version,
        event.fact.TYPE,
        event.event_id,
        event.recorded_at,
        context.occurred_at,
        context.tenant,
        context.actor,
        context.correlation,
        context.causation,
        context.trace,
        known.get("project"),
        video_id,
        known.get("requester"),
        known.get("renderer"),
        known.get("job_id"),
        known.get("webhook_event_id"),
        known.get("code"),
    )


def test_an_audit_row_says_what_the_fact_says(
    ledger_database: str, ledger: Ledger, projector: Projector, rebuild: Rebuild, tables: Tables
) -> None:
    versions = {RENDER: 0, "other:1": 0}
    for path in sorted(FOLDER.glob("*.json")):
        type_name = path.name.partition(".v")[0]
        stream = RENDER if type_name.startswith("render.") else "other:1"
        versions[stream] += 1
        insert_raw(ledger_database, stream, versions[stream], type_name, path.read_bytes())
    assert projector.catch_up() == sum(versions.values())
    expected = [audited(event) for event in ledger.read(0)]
    assert sorted(tables.rows(AUDIT, "events")) == expected
    rebuild.rebuild()
    assert sorted(tables.rows(AUDIT, "events")) == expected


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

"""Read models looked after from the command line."""

import json
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from bickford_sora.database.migrations import migrate
from projections.search import VERSION

from .commands import Said, run

BAD = f"job:{'ab' * 32}"


@pytest.fixture
def database(database_url: str) -> str:
    """A ledger with one event that a newer version wrote."""
    migrate(database_url, files("ledger.migrations"), schema="ledger")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into ledger.events (position, stream, version, type, event_id, recorded_at, occurred_at, tenant, "
            "actor, payload) values (1, %s, 1, 'job.unheard_of', gen_random_uuid(), now(), now(), 'main', 'x', %s)",
            (BAD, b'{"f":{},"v":1}'),
        )
    return database_url


def test_a_parked_stream_is_looked_after(database: str, tmp_path: Path) -> None:
    def command(*arguments: str, status: int = 0) -> Said:
        return run(tmp_path, *arguments, status=status, BICKFORD_DATABASE_URL=database)

    shown = json.loads(command("projections", "--json").stdout)
    assert shown["head"] == 1
    assert {each["state"] for each in shown["projections"]} == {"behind"}
    for _ in range(2):  # the first catches up
        assert "Not every fact is here: 1 streams have some that this version cannot read." in command("audit").stderr
    assert "that can be read" in command("audit", "show", "1", status=1).stderr
    assert command("replay", "search").stdout.startswith(f"search version {VERSION} is live at position 1\n")
    shown = json.loads(command("projections", "--json").stdout)
    words = next(each for each in shown["projections"] if each["name"] == "search")
    assert (words["position"], words["lag_events"], words["state"]) == (1, 0, "current")
    audit = next(each for each in shown["projections"] if each["name"] == "audit")
    assert (audit["position"], audit["parked"], audit["gaps"], audit["state"]) == (1, 1, 1, "current")
    assert f"audit\t{BAD}\t1\tunknown_event_type" in command("projections", "parked", "list").stdout
    assert "stays parked in audit: unknown_event_type" in command("projections", "parked", "retry", status=1).stdout
    assert command("projections", "parked", "skip", BAD).stdout == f"{BAD} is left as it is in 1 read models\n"
    command("projections", "parked", "retry")
    assert "\t1\t1\tcurrent\n" in command("projections").stdout  # one skipped, one gap
    assert "not_parked" in command("projections", "parked", "skip", "job:other", status=1).stderr
    assert BAD in command("projections", "check", "audit", status=1).stderr
    command("projections", "check", "nonsense", status=2)


def test_rows_that_somebody_edited_are_named(database_url: str, tmp_path: Path) -> None:
    given = {"BICKFORD_DATABASE_URL": database_url}
    assert "Every row is" in run(tmp_path, "projections", "check", **given).stderr
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into projection_lineage.edges values ('render:x', 'video_1', 'video_2', 'main', '', '', now())"
        )
    told = run(tmp_path, "projections", "check", "lineage", "--json", status=1, **given)
    assert json.loads(told.stdout)["differences"] == [
        {"projection": "lineage", "table": "edges", "key": "render:x", "kind": "unexpected", "columns": []}
    ]

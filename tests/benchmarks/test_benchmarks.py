import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from bickford_sora.decisions.rules.backtest import compare
from projections.port import Pool
from projections.rebuild import Rebuild
from tests.cli.commands import environment, start, stop

from . import (
    accept,
    append,
    audit,
    console,
    create,
    database,
    histories,
    intake,
    policy,
    poll,
    replay,
    rust_store,
    servers,
    soak,
    spend,
    stock,
    verify,
)


def test_the_append_benchmark_measures_all_sides(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "ROUNDS", 2)
    progress: list[str] = []
    measured = append.run(server_url, writers=2, seconds=0.05, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    ratios = ("ratio_stock_1", "ratio_stock", "ratio_stock_making")
    assert all(measured[name] > 0 for name in ("ours_1", "ours_2", "ours_2_making", "stock_2_making", *ratios))
    sides = 3 if rust_store.is_installed() else 2
    assert len(progress) == append.ROUNDS * 3 * sides + (sides == 2)


def test_the_replay_benchmark_measures_all_sides(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "ROUNDS", 2)
    progress: list[str] = []
    measured = replay.run(server_url, events=100, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert measured["events"] == measured["stock_sample_events"] == 100
    rates = ("ours_all", "ours_videos", "follow", "copy", "stock", "ratio_stock", "ratio_stock_follow", "ratio_copy")
    assert all(measured[name] > 0 for name in rates)
    assert len(progress) == 1 + replay.ROUNDS * 5


def test_the_verify_benchmark_measures_all_sides(server_url: str) -> None:
    progress: list[str] = []
    measured = verify.run(server_url, events=100, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    rates = ("ours", "copy", "tree", "hashlib", "ratio_copy", "ratio_hashlib", "ratio_cpu_hashlib", "ours_cpu_s")
    assert all(measured[name] > 0 for name in rates)
    assert len(progress) == 1 + verify.ROUNDS * 4


def test_the_audit_benchmark_asks_every_question(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROUNDS", 2)
    progress: list[str] = []
    measured = audit.run(server_url, events=4_000, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    names = ("ours", "baseline", "ratio", "median", "p95", "by_video", "by_a_word", "ratio_by_sha256")
    assert all(measured[name] > 0 for name in names)
    assert len(progress) == 2 + measured["questions"] + len(audit.BASELINE)


def test_the_console_benchmark_asks_every_question(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ROUNDS", 2)
    progress: list[str] = []
    measured = console.run(server_url, renders=2_000, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert all(measured[name] > 0 for name in ("median", "p95", "by_project", "stuck", "plain", "ratio_plain"))
    assert len(progress) == 2 + measured["questions"]


def test_the_create_benchmark_measures_a_whole_server(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "ROUNDS", 2)
    progress: list[str] = []
    measured = create.run(server_url, in_flight=2, seconds=0.2, litellm=None, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert all(measured[name] > 0 for name in ("ours_rate", "ours_p50_ms", "ours_p99_ms", "ours_mib"))
    assert measured["ours_failed"] == 0
    assert measured["ours_unsubmitted"] >= 0
    assert len(progress) == create.ROUNDS


@pytest.fixture
def forked_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway begins without importing anything. How it begins else, the benchmark of creates shows."""
    started = servers.started

    @contextmanager
    def begun(folder: Path, name: str, command: list[str], given: dict[str, str]) -> Iterator[object]:
        if name != "ours":
            with started(folder, name, command, given) as process:
                yield process
            return
        with (folder / f"{name}.log").open("w") as log:
            process = start(command[3:], environment(folder / "data", given), log, leads=True)
        try:
            yield process
        finally:
            stop(process)

    monkeypatch.setattr(servers, "started", begun)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_gateway")
def test_the_accept_benchmark_measures_an_offered_load(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "WARM_UP_S", 0.1)
    monkeypatch.setattr(database, "WAL_MIB", 16)  # nobody looks at how fast it is
    progress: list[str] = []
    measured = accept.run(server_url, rate=20.0, seconds=0.3, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert all(measured[name] > 0 for name in ("ours_rate", "ours_p99_ms", "bare_p99_ms", "ratio_bare_p99"))
    assert measured["ours_failed"] == measured["bare_failed"] == 0
    assert len(progress) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("forked_gateway")
def test_the_intake_benchmark_counts_exactly(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "RENDERS", 2)
    monkeypatch.setattr(database, "WAL_MIB", 16)  # as above
    progress: list[str] = []
    measured = intake.run(server_url, rate=50.0, seconds=0.3, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert all(measured[name] > 0 for name in ("ours", "bare", "ours_p99_ms", "ratio_bare", "cpu_ms_answering"))
    assert measured["is_exact"] is True
    assert len(progress) == 2


def test_the_spend_benchmark_measures_both_sides_and_counts_exactly(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spend, "ROUNDS", 1)  # each starts processes anew
    progress: list[str] = []
    measured = spend.run(server_url, processes=2, threads=2, seconds=0.2, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert all(measured[name] > 0 for name in ("ours", "row_lock", "ratio_row_lock", "accepted"))
    assert measured["is_exact"] is True
    assert len(progress) == spend.ROUNDS * 2


def test_the_poll_benchmark_measures_few_and_many(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "CLAIMS", 3)
    progress: list[str] = []
    measured = poll.run(server_url, few=100, many=200, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert all(measured[name] > 0 for name in ("ms_few", "ms_many", "ratio_many"))
    assert len(progress) == 2


@pytest.mark.usefixtures("forked_gateway")
def test_the_soak_looks_at_a_whole_server(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "LOOKS_EACH", 1)
    measured = soak.run(server_url, seconds=1.0, on_progress=lambda _: None)
    assert json.loads(json.dumps(measured)) == measured
    assert measured["creates"] > 0
    assert measured["late_mib"] > 0


def test_the_policy_benchmark_measures_rules_that_say_the_same() -> None:
    progress: list[str] = []
    measured = policy.run(intents=200, on_progress=progress.append)
    assert json.loads(json.dumps(measured)) == measured
    assert all(measured[name] > 0 for name in ("plain", "with_cel", "cel", "ratio_cel"))
    assert len(progress) == policy.ROUNDS * 3
    asked = [policy.recorded(number) for number in range(2_000)]
    plain, with_cel, cel = (compare(each, asked) for each in policy.policies().values())
    assert plain.by_rule == with_cel.by_rule == cel.by_rule
    assert len(plain.by_rule) == len(policy.RULES) + 1, "every rule decides something"


def test_the_stock_way_makes_the_rows_that_a_rebuild_makes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "RENDERS_AT_ONCE", 10)
    events = 10 * 15 + 30  # the next ten renders are only begun, so that every table has rows
    with replay.filled_ledger(database_url, events, lambda _: None) as (ledger, pool):
        Rebuild(ledger, pool, stock.PROJECTIONS).rebuild()
        sample = stock.save_stock_sample(database_url, ledger)
        stock.stock_seconds(database_url, sample)
        assert sample == events
        for projection in stock.PROJECTIONS:
            for table in projection.tables:
                made = _rows(pool, stock.stock_schema(projection), table)
                assert made
                assert made == _rows(pool, projection.schema, table)


def test_facts_are_recorded_a_while_after_they_occurred_as_in_a_real_ledger(database_url: str) -> None:
    with replay.filled_ledger(database_url, 200, lambda _: None) as (ledger, _):
        facts = ledger.read(0)
    recorded = [each.recorded_at for each in facts if each.recorded_at is not None]
    assert len(recorded) == len({*recorded}) == 200
    assert recorded == sorted(recorded)
    assert all(at > each.context.occurred_at for at, each in zip(recorded, facts, strict=True))


def test_a_benchmark_that_fails_leaves_no_database_behind(server_url: str) -> None:
    with pytest.raises(ZeroDivisionError), database.temporary_database(server_url) as url:  # noqa: PT012 - it has to fail inside
        name = conninfo.conninfo_to_dict(url)["dbname"]
        assert name in _databases(server_url)
        raise ZeroDivisionError
    assert name not in _databases(server_url)


def _rows(pool: Pool, schema: str, table: str) -> list[tuple[object, ...]]:
    with pool.connection() as connection:
        found = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, table))).fetchall()
    return sorted(found, key=repr)


def _databases(url: str) -> set[object]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("select datname from pg_database").fetchall()}

"""How many spending decisions a second several processes take on one head, beside a counter row in plain SQL.

Each decision accepts a render and sets its cost aside: three facts in two streams. All processes decide against one
cap of the tenant; in the end the ledger has to hold exactly what they were told. The baseline is what one would
otherwise write: a row that counts, updated under its lock where the cap allows, and one row inserted, in one
transaction, from as many processes and threads.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger import spend, streams
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.envelope import Context, Decision
from ledger.events import BudgetSet, Money
from ledger.identifiers import new_uuid7
from ledger.recorder import PostgresRecorder
from tests.benchmarks.database import temporary_database
from tests.benchmarks.deciding import COST_MICRO, TENANT
from tests.benchmarks.figures import ratio

ROUNDS = 3
BASELINE_CONNECTIONS_MAX = 80
"""The baseline has a connection for each thread; a server takes 100 unless it is told otherwise."""
CHECKOUT = Path(__file__).resolve().parents[2]


def run(
    url: str, *, processes: int, threads: int, seconds: float, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Measures for `seconds` in each round; decisions a second by name, ready for JSON. `url` may create databases."""
    rates: dict[str, list[float]] = {"ours": [], "row_lock": []}
    with temporary_database(url) as database:
        migrate(database, files("ledger.migrations"), schema="ledger")
        _counter(database)
        _cap(database, 10**15)
        accepted = 0
        for turn in range(1, ROUNDS + 1):
            for name, measured in rates.items():
                most = threads if name == "ours" else max(1, min(threads, BASELINE_CONNECTIONS_MAX // processes))
                counts = decide_in_processes(database, name, processes=processes, threads=most, seconds=seconds)
                accepted += sum(counts) if name == "ours" else 0
                measured.append(sum(counts) / seconds)
                on_progress(f"round {turn}/{ROUNDS}: {name}: {measured[-1]:,.0f} decisions/s")
        used = spent_micro(database)
    ours, row_lock = (sorted(rates[name])[ROUNDS // 2] for name in ("ours", "row_lock"))
    return {
        "unit": "decisions/s",
        "processes": processes,
        "threads": threads,
        "seconds": seconds,
        "ours": round(ours),
        "row_lock": round(row_lock),
        "ratio_row_lock": ratio(ours, row_lock),
        "accepted": accepted,
        "is_exact": used == accepted * COST_MICRO,
    }


def decide_in_processes(
    database: str, name: str, *, processes: int, threads: int, seconds: float, most: int = 10**9
) -> list[int]:
    """What each process was told it may have, all of them beginning at the same moment."""
    command = [sys.executable, "-m", "tests.benchmarks.deciding", name, database, f"{threads}", f"{seconds}", f"{most}"]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT) for _ in range(processes)]
    try:
        for each in started:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n", "a process could not begin"
        for each in started:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        return [json.loads(each.communicate(timeout=60 + seconds)[0]) for each in started]
    finally:
        for each in started:
            each.kill()
            each.wait()


def set_cap(database: str, renders: int) -> None:
    """A cap of the tenant for so many renders in total."""
    _cap(database, renders * COST_MICRO)


def spent_micro(database: str) -> int:
    """What the ledger says is used of the tenant's total, in millionths."""
    with open_pool(database, size_max=2) as pool:
        state = spend.fold(None, Ledger(PostgresRecorder(pool)).history(streams.spend(TENANT)))
    return 0 if state is None else state.used.get(("tenant", "total", "USD"), 0)


def _cap(database: str, micro: int) -> None:
    stream = streams.spend(TENANT)
    fact = BudgetSet(budget_id="all", scope="tenant", window="total", cap=Money(amount_micro=micro, currency="USD"))
    with open_pool(database, size_max=2) as pool:
        recorder = PostgresRecorder(pool)
        context = Context(TENANT, "benchmark", system_clock(), correlation=new_uuid7())
        Ledger(recorder).append(Decision.of([(stream, fact)], heads={stream: 0}, context=context, new_id=new_uuid7))
        recorder.close()


def _counter(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table counter (used bigint not null, cap bigint not null)")
        connection.execute("insert into counter values (0, %s)", [10**15])
        connection.execute("create table taken (id uuid primary key, cost bigint not null, facts text not null)")

"""What claiming and giving back one poll costs, with few and with many jobs in flight, and many renders in the queue.

The work items are written straight into the read model: so many jobs in flight at a renderer, all due, and as many
renders that wait for another renderer, which is full. Both sides claim `AT_ONCE` items, give them back a while later,
and so on for `CLAIMS` claims, as a work loop does. `ms` is of one item, claimed and released, by the clock on the wall.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from projections import schemas
from projections.leases import Hands, Leases, Room, Rooms
from projections.port import Pool
from projections.work import WORK
from tests.benchmarks.database import temporary_database
from tests.benchmarks.figures import ratio

AT_ONCE = 8
CLAIMS = 100
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PROJECTS = 10
HANDS = Hands(callee_max=AT_ONCE)
ROOMS = Rooms(rooms=[Room(renderer="full", in_flight_max=1)])


def run(url: str, *, few: int, many: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Claims among `few` jobs in flight, and among `many`; milliseconds an item, ready for JSON."""
    took = {}
    for renders in (few, many):
        with temporary_database(url) as database, open_pool(database, size_max=4) as pool:
            migrate(database, files("ledger.migrations"), schema="ledger")
            leases = _filled(pool, renders)
            began = time.perf_counter()
            leases.claim("bench", 1, 60, NOON, rooms=ROOMS)
            first_s = time.perf_counter() - began
            with pool.connection() as connection:
                connection.execute("vacuum analyze projection_work.items, work.agenda")
            took[renders] = _item_ms(leases)
            on_progress(f"{renders:,} in flight: {took[renders]:.3f} ms an item; taking all over {first_s:.1f} s")
    return {
        "unit": "ms of an item",
        "few": few,
        "many": many,
        "ms_few": round(took[few], 3),
        "ms_many": round(took[many], 3),
        "ratio_many": ratio(took[many], took[few]),
    }


def _filled(pool: Pool, renders: int) -> Leases:
    leases = Leases(pool)
    with pool.connection() as connection:
        with connection.transaction():
            schemas.create(connection, WORK, WORK.schema)
        columns = ", ".join(WORK.tables["items"])
        with (
            connection.cursor() as cursor,
            cursor.copy(f"copy projection_work.items ({columns}) from stdin") as rows,  # type: ignore[arg-type] - ours
        ):
            for number in range(1, renders + 1):
                rows.write_row(_row(number, "follow", "free"))
                rows.write_row(_row(renders + number, "submit", "full"))
            rows.write_row(_row(2 * renders + 1, "reconcile", "full"))
        with connection.transaction():
            schemas.create_indexes(connection, WORK, WORK.schema)
    leases.ensure()
    return leases


def _row(number: int, step: str, renderer: str) -> tuple[object, ...]:
    video_id = f"video_{number:032x}"
    stream, job = f"render:main:{video_id}", f"job:{number:064x}" if step == "follow" else None
    due_at = NOON + timedelta(days=1) if step == "reconcile" else None
    asked_at = NOON - timedelta(seconds=3_600 - number / 1_000)
    return (
        *(stream, "main", f"project-{number % PROJECTS}", video_id, step, due_at, renderer, job),
        *(1, asked_at, 3, number),
    )


def _item_ms(leases: Leases) -> float:
    items = 0
    began = time.perf_counter()
    for turn in range(CLAIMS):
        now = NOON + timedelta(seconds=turn)
        claimed = leases.claim("bench", 2 * AT_ONCE, 60, now, rooms=ROOMS, hands=HANDS)
        assert {item.step for item in claimed} == {"follow"}
        leases.release_all([(item, now + timedelta(hours=1)) for item in claimed])
        items += len(claimed)
    return (time.perf_counter() - began) / items * 1_000

"""Who is at which work item, and when it is due again.

What is to do is a projection (`projections.work`) and is rebuilt like any other. Who does it is not history: it is kept
here, beside it, in one row a step: the agenda. Items and webhooks are taken over into it once, when they come, so that
what is due is found by index however much is under way. Nothing breaks when a lease is lost or an item is stale: the
worker decides again from the render's stream, and the stream's head lets only one decision through.

Submissions wait in a queue, and whoever claims shares its workers among those they call, so that one that hangs leaves
some to the others: docs/adr/0031-fair-queue.md.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import get_args

from psycopg import Connection
from psycopg.rows import TupleRow, class_row, dict_row

from ledger.events import Step
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool

CLAIM_ITEMS_MAX = 1_000
"""Most items in one claim."""
CLAIM_LOCK = 7305811
"""Key of the advisory lock that claims, and what gives back, go through one by one; each takes milliseconds."""
RATE_LIMITED = "rate_limited"
"""Why a renderer takes nothing while as many submissions as may were begun in the last minute."""
WEBHOOK_PAUSE_S = 2.0
"""Least time between two looks at one job that webhooks ask for, in seconds. The first comes at once."""
STALE_LOOKS_MAX = 100
"""Rows of steps that are done already, which one claim may come across before it finds others, of all callees."""
STALE_CALLEES_MAX = 20
"""Callees of whom nothing is left to do, which one claim may come across before it finds others."""
AHEAD_S_MAX = 4_200.0
"""What is due later than that, in seconds, of steps that wait for no day, was made due by a clock that was wrong.

No lease and no pause lasts longer than an hour, and whose clock is wrong by more than ten minutes makes nothing due.
"""

_SQL = "projections.sql.leases"
_STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A step to take, leased to `owner`."""

    stream: str
    tenant: str
    project: str
    video_id: str | None
    """None for a delivery that is not about one video."""
    step: Step
    renderer: str | None
    job_stream: str | None
    created_at: datetime
    version: int
    """Of the stream when the item was made."""
    attempt: int
    """Counts the claims of this step, and tells a lease from a later one."""
    owner: str
    webhook_at: datetime | None = None
    """When the renderer's last webhook came, of a follow."""
    callee: str = ""
    """Whom the step calls: a renderer, or as `tenant/project` the endpoints of a project. Empty: nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much one renderer takes now."""

    renderer: str
    in_flight_max: int | None = None
    """Most jobs it has at a time, those included of which it is not known whether it took them. None: no limit."""
    submissions_per_minute_max: int | None = None
    """Most submissions that begin in any minute, whoever begins them. None: no limit."""
    submissions_max: int | None = None
    """Most submissions that may begin now. None: no limit."""
    closed: str | None = None
    """Why none may begin now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What submissions are claimed by. A renderer that is not named takes everything."""

    rooms: Collection[Room] = ()
    weights: Mapping[str, int] = field(default_factory=dict)
    """By `tenant/project`, how many turns it has where others have one; 1 for those not named."""
    overdue: datetime | None = None
    """Renders that were asked for before this are claimed whoever's turn it is: they waited too long."""


ANY_ROOM = Rooms()
"""Every renderer takes everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """The workers of whoever claims, and how they are shared among callees.

    Nobody gets one more than is left free to the others: of a claim's `limit` those who hold least come first, and one
    that holds as many as are free gets none. Of one tenant's projects that holds for all together.
    """

    callee_max: int
    """Most workers that one callee holds."""
    held: Mapping[str, int] = field(default_factory=dict)
    """How many each holds now, by callee and by tenant; see `holders`."""


def holders(callee: str) -> set[str]:
    """By whose names a worker is counted that calls this one: its own, and that of the tenant whose endpoints it is."""
    return {callee, callee.partition("/")[0]}


class Leases:
    """Hands out work items, each to one worker at a time. Safe to use from many threads and processes.

    Every `now` is the caller's clock. Raises ledger.errors.Unavailable when the database does not answer.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ensure(self) -> None:
        """Makes the tables unless they are there."""
        with reading(self._pool) as connection, connection.transaction():
            _in_turn(connection)
            connection.execute(query("schema", _SQL))

    def claim(  # noqa: PLR0917 - who, how many, how long and when, as `renew` has them
        self,
        owner: str,
        limit: int,
        lease_s: float,
        now: datetime,
        steps: Collection[Step] = _STEPS,
        rooms: Rooms = ANY_ROOM,
        hands: Hands | None = None,
    ) -> list[WorkItem]:
        """At most `limit` items that are due, longest due first, leased for `lease_s` seconds.

        Of submissions those whose turn it is, and no more than there is room for; of each callee no more than there are
        hands for (None: all). What is not claimed stays as it is. An item whose lease ran out is claimed again. Raises
        ValueError for a limit that is not 1 to `CLAIM_ITEMS_MAX`.
        """
        if not 0 < limit <= CLAIM_ITEMS_MAX:
            raise ValueError(f"limit is 1 to {CLAIM_ITEMS_MAX}")
        with reading(self._pool) as connection, connection.transaction():
            _in_turn(connection)
            _take_over(connection, now)
            _by_index(connection)
            turns = _turns(connection, limit, now, rooms, _full(limit, hands)) if "submit" in steps else []
            key = {
                "owner": owner,
                "limit": limit,
                "looks": STALE_LOOKS_MAX,
                "now": now,
                "lease_until": now + timedelta(seconds=lease_s),
                "steps": [each for each in steps if each != "submit"],
                "turns": json.dumps(turns, default=str),
                "overdue": rooms.overdue if "submit" in steps else None,
                "callees": limit + STALE_CALLEES_MAX,
                "callee_max": CLAIM_ITEMS_MAX if hands is None else hands.callee_max,
                "held": json.dumps({} if hands is None else dict(hands.held)),
                "shared": int(hands is not None),
                "counted": [each.renderer for each in rooms.rooms if each.submissions_per_minute_max is not None],
            }
            with connection.cursor(row_factory=class_row(WorkItem)) as cursor:
                return cursor.execute(query("claim", _SQL), key, prepare=True).fetchall()

    def release(self, item: WorkItem, due_at: datetime | None) -> bool:
        """Gives an item back; due again at `due_at` (None: at once), or sooner when a webhook came meanwhile.

        False when the lease had run out and the item was claimed again.
        """
        [released] = self.release_all([(item, due_at)])
        return released

    def release_all(self, items: Sequence[tuple[WorkItem, datetime | None]]) -> list[bool]:
        """As `release` for each, all or none of them."""
        key = {
            "streams": [item.stream for item, _ in items],
            "steps": [item.step for item, _ in items],
            "owners": [item.owner for item, _ in items],
            "attempts": [item.attempt for item, _ in items],
            "due": [due_at for _, due_at in items],
        }
        with reading(self._pool) as connection, connection.transaction():
            _in_turn(connection)  # rows are locked by several statements that each lock several
            _by_index(connection)
            released = {*connection.execute(query("release", _SQL), key, prepare=True).fetchall()}
        return [(item.stream, item.step, item.owner, item.attempt) in released for item, _ in items]

    def renew(self, item: WorkItem, lease_s: float, now: datetime) -> bool:
        """Keeps an item leased, for work that takes long. False when the lease had run out and was claimed again."""
        key = {**_leased(item), "lease_until": now + timedelta(seconds=lease_s)}
        with reading(self._pool) as connection:
            return connection.execute(query("renew", _SQL), key).rowcount == 1

    def end(self, owner: str, now: datetime) -> int:
        """Has all leases of an owner run out now. Returns how many those were.

        For one that is certainly dead: what it had begun need not wait until a lease that nobody holds is over.
        """
        with reading(self._pool) as connection, connection.transaction():
            _in_turn(connection)
            return connection.execute(query("end", _SQL), {"owner": owner, "now": now}).rowcount

    def sweep(self, now: datetime) -> int:
        """Takes over what was overlooked, and removes what is kept of steps that are done. Returns how many those were.

        Looks at everything, so it is for once a minute.
        """
        with reading(self._pool) as connection, connection.transaction():
            _in_turn(connection)
            connection.execute(query("sweep_taken_over", _SQL))
            connection.execute(query("sweep_items", _SQL))
            connection.execute(query("sweep_callees", _SQL))
            connection.execute(query("sweep_ahead", _SQL), {"now": now, "latest": now + timedelta(seconds=AHEAD_S_MAX)})
            connection.execute(query("sweep_turns", _SQL))
            return connection.execute(query("sweep_agenda", _SQL), {"now": now}).rowcount


def _in_turn(connection: Connection[TupleRow]) -> None:
    """Waits until nobody else claims or gives back, until the end of the transaction."""
    connection.execute("select pg_advisory_xact_lock(%s)", (CLAIM_LOCK,), prepare=True)


def _by_index(connection: Connection[TupleRow]) -> None:
    """Has all that comes in this transaction find its rows by index, by one plan for every time."""
    connection.execute(query("by_index", _SQL), prepare=True)


def _leased(item: WorkItem) -> dict[str, object]:
    return {"stream": item.stream, "step": item.step, "owner": item.owner, "attempt": item.attempt}


def _take_over(connection: Connection[TupleRow], now: datetime) -> None:
    """Takes over the items and webhooks the read model got since the last look."""
    with connection.cursor(row_factory=dict_row) as cursor:
        reached = cursor.execute(query("news", _SQL), prepare=True).fetchone()
    if reached is not None:
        connection.execute(query("take_over_items", _SQL), {"now": now}, prepare=True)
        pause = timedelta(seconds=WEBHOOK_PAUSE_S)
        connection.execute(query("take_over_nudges", _SQL), {"now": now, "pause": pause}, prepare=True)
        connection.execute(query("take_over_webhooks", _SQL), prepare=True)
        connection.execute(query("taken_over", _SQL), reached, prepare=True)


def _full(limit: int, hands: Hands | None) -> list[str]:
    """Those of whom nothing may be claimed."""
    if hands is None:
        return []
    return [callee for callee, tasks in hands.held.items() if tasks >= min(limit, hands.callee_max)]


def _turns(
    connection: Connection[TupleRow], limit: int, now: datetime, rooms: Rooms, full: Collection[str]
) -> list[dict[str, object]]:
    """Whose turn it is to be submitted, at renderers that are not full."""
    key = {
        "full": [*full],
        "limit": limit,
        "now": now,
        "rooms": json.dumps([asdict(each) for each in rooms.rooms]),
        "weights": json.dumps(dict(rooms.weights)),
        "rate_limited": RATE_LIMITED,
    }
    if any(each.submissions_per_minute_max is not None for each in rooms.rooms):
        connection.execute(query("forget_begun", _SQL), key)
    connection.execute(query("vacancies", _SQL), key, prepare=True)
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("turns", _SQL), key, prepare=True).fetchall()

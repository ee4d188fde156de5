"""Which renders are there, by whatever people look for them by?

Asked of the read models of videos, spend, work and words. Renders come in the order of their ids, which is that of
their making, and are looked through from the newest back, for as long as somebody waits gladly: a rare match far back
takes several pages, each of which says how far it came.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ledger import streams
from ledger.render import Phase
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool
from projections.words import folded

PAGE_RENDERS_MAX = 100
LOOK_RENDERS_MIN = 2_000
"""Renders that the first look of a page goes through; most pages are full after it."""
LOOK_GROWTH = 3
"""How many times as many the next look goes through."""
LOOK_S_MAX = 0.15
"""How long the looks of a page may take, in seconds. One begins only if it is expected to end within it."""
IDS_MAX = 5_000
"""Most renders of a small set (those with certain words, those that are stuck) that are gone through."""
_SQL = "projections.sql.renders"
_BEHIND_ALL = "video_g"
"""Greater than every video id."""

Among = Literal["held", "retrying", "stuck"]
"""Small sets: wait for an approver; met trouble and are tried again; go on for longer than they should."""
Order = Literal["newest", "dearest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which renders are looked for; all that is given must hold."""

    tenant: str
    project: str | None = None
    """None: of every project of the tenant."""
    phases: Sequence[Phase] = ()
    """Empty: all but denied ones."""
    deleted: bool = False
    requester: str | None = None
    model: str | None = None
    renderer: str | None = None
    video_id: str | None = None
    tag: str | None = None
    purpose: str | None = None
    cost_micro_min: int | None = None
    cost_micro_max: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Excluded."""
    words: str | None = None
    """Of prompts, fields and errors, as typed into a search box."""
    among: Among | None = None
    stuck_before: datetime | None = None
    """For `stuck`: renders that were asked for before this moment."""
    order: Order = "newest"
    """`dearest` looks at renders made since `since`, at most `IDS_MAX` of them."""


@dataclass(frozen=True, slots=True)
class RenderRow:
    """One render as the list shows it. `prompt` and `failure_message` are ciphertext."""

    video_id: str
    tenant: str
    project: str
    requester: str
    operation: str
    phase: Phase
    progress: int
    model: str
    seconds: str
    size: str
    prompt: str
    created_at: datetime
    completed_at: datetime | None
    expired: bool
    erased: bool
    deleted_at: datetime | None
    remixed_from_video_id: str | None
    failure_code: str | None
    failure_message: str | None
    renderer: str | None
    review_verdict: str | None
    purpose: str | None
    tags: Sequence[str]
    currency: str | None
    """None: no price was known, or nothing was set aside."""
    cost_micro: int
    """What was set aside and not given back, with corrections: what it cost once it is settled."""
    settled: bool
    step: str | None
    """What is done about it next, None when nothing is."""
    retry_at: datetime | None
    """When it is tried again after trouble."""


@dataclass(frozen=True, slots=True)
class Found:
    """Some renders, in order."""

    renders: tuple[RenderRow, ...]
    after: str | None
    """Where the next look begins; None: everything was looked through."""

    @property
    def has_more(self) -> bool:
        """Whether there may be more."""
        return self.after is not None


class Renders:
    """Answers from the read models. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic

    def page(self, wanted: Wanted, *, after: str | None = None, limit: int = 50) -> Found:
        """The renders that match, behind `after`.

        Raises ValueError for a limit that is not 1 to `PAGE_RENDERS_MAX`.
        """
        if not 0 < limit <= PAGE_RENDERS_MAX:
            raise ValueError(f"limit is 1 to {PAGE_RENDERS_MAX}")
        with reading(self._pool) as connection:
            ids = _small_set(connection, wanted)
            if wanted.order == "dearest":
                return _dearest(connection, wanted, ids, after, limit)
            asked = _asked(wanted, ids, after, limit + 1)
            if ids is not None:
                return _cut(_rows(connection, "page", {**asked, "look": len(ids)}), limit, None)
            return self._looked(connection, asked, limit)

    def _looked(self, connection: Connection[TupleRow], asked: dict[str, Any], limit: int) -> Found:
        """What a few looks find, each of which begins where the one before it ended, and goes further back."""
        began, found = self._monotonic(), list[RenderRow]()
        look = LOOK_RENDERS_MIN
        while True:
            began_look = self._monotonic()
            asked |= {"look": look, "limit": limit + 1 - len(found)}
            found += _rows(connection, "page", asked)
            if len(found) > limit:
                return _cut(found, limit, None)
            row = connection.execute(query("reached", _SQL), asked, prepare=False).fetchone()
            reached = row[0] if row else None
            now = self._monotonic()
            is_time_over = now - began + LOOK_GROWTH * (now - began_look) > LOOK_S_MAX
            if reached is None or is_time_over:
                return _cut(found, limit, reached)
            look *= LOOK_GROWTH
            asked["before"] = reached

    def some(self, tenant: str, project: str | None, video_ids: Sequence[str]) -> Found:
        """Those of these renders that are known, deleted and denied ones too, the last asked for first."""
        wanted = Wanted(tenant=tenant, project=project, phases=[*Phase])
        found: list[RenderRow] = []
        with reading(self._pool) as connection:
            for deleted in (False, True):
                asked = _asked(replace(wanted, deleted=deleted), list(video_ids), None, len(video_ids))
                asked["look"] = len(video_ids)
                found += _rows(connection, "page", asked)
        return Found(tuple(sorted(found, key=lambda each: each.video_id, reverse=True)), None)


def _cut(rows: Sequence[RenderRow], limit: int, reached: str | None) -> Found:
    """At most `limit` of them. Where there are no more, the next look begins at `reached`."""
    if len(rows) > limit:
        return Found(tuple(rows[:limit]), rows[limit - 1].video_id)
    return Found(tuple(rows), reached)


def _dearest(
    connection: Connection[TupleRow], wanted: Wanted, ids: list[str] | None, after: str | None, limit: int
) -> Found:
    """By what they cost. `after` counts those that were shown."""
    shown = int(after) if after is not None and after.isdecimal() and len(after) <= len(str(IDS_MAX)) else 0
    asked = {**_asked(wanted, ids, None, limit + 1), "shown": shown, "look": IDS_MAX}
    rows = _rows(connection, "dearest", asked)
    return Found(tuple(rows[:limit]), str(shown + limit) if len(rows) > limit else None)


def _rows(connection: Connection[TupleRow], name: str, asked: Mapping[str, Any]) -> list[RenderRow]:
    with connection.cursor(row_factory=class_row(RenderRow)) as cursor:
        # Planned for what is asked: most filters are absent most of the time.
        found = cursor.execute(query(name, _SQL), asked, prepare=False).fetchall()
    return [replace(row, phase=Phase(row.phase)) for row in found]


def _small_set(connection: Connection[TupleRow], wanted: Wanted) -> list[str] | None:
    """The ids of the small sets that are asked for, all of which must hold; None: no such set is."""
    asked = {
        "tenant": wanted.tenant,
        "project": wanted.project,
        "words": wanted.words and folded(wanted.words),
        "tag": wanted.tag,
        "stuck_before": wanted.stuck_before,
        "limit": IDS_MAX,
    }
    worded = "words" if wanted.project is None else "words_of_project"
    names = [wanted.among, wanted.words and worded, wanted.tag and "tagged"]
    sets = [
        {video_id for (video_id,) in connection.execute(query(name, _SQL), asked, prepare=False)}
        for name in names
        if name
    ]
    if wanted.video_id is not None:
        sets.append({wanted.video_id})
    return sorted(set.intersection(*sets)) if sets else None


def _asked(wanted: Wanted, ids: list[str] | None, after: str | None, limit: int) -> dict[str, Any]:
    costs = wanted.cost_micro_min, wanted.cost_micro_max, wanted.purpose
    of_spend = any(each is not None for each in costs)
    low = _id_at(wanted.since) if wanted.since else ""
    high = _id_at(wanted.until) if wanted.until else _BEHIND_ALL
    return {
        **asdict(wanted),
        "phases": [phase.value for phase in wanted.phases or (set(Phase) - {Phase.DENIED})],
        "ids": ids,
        "from": low,
        "before": min(high, after) if after is not None else high,
        "of_spend": of_spend,
        "limit": limit,
    }


def _id_at(moment: datetime) -> str:
    """Not greater than the id of any render that was asked for then or later: UUIDv7 begins with the millisecond."""
    epoch = datetime.fromtimestamp(0, tz=moment.tzinfo)
    milliseconds = max(0, (moment - epoch) // timedelta(milliseconds=1))
    return streams.video_id(UUID(int=milliseconds << 80))

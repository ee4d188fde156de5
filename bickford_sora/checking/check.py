"""The check: every record in the ledger's order, and what is wrong by the end. Pure but for the files it is given."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from bickford_sora.checking import bindings, files, jobs
from bickford_sora.checking.bindings import Bindings
from bickford_sora.checking.deliveries import Deliveries
from bickford_sora.checking.files import Files, LookAt
from bickford_sora.checking.findings import Finding, Findings, Kind
from bickford_sora.checking.jobs import Counted, Jobs
from bickford_sora.checking.money import Money
from bickford_sora.checking.patience import Patience
from bickford_sora.checking.records import History, Record
from bickford_sora.checking.renders import OpenRender, Renders
from ledger.events import TYPES

CATEGORIES = frozenset(
    {"render", "job", "webhook", "idempotency", "spend", "delivery", "character", "requester"},
)
"""Streams whose facts are read; of the others only the place in the order counts."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a check came to."""

    findings: tuple[Finding, ...]
    counts: Mapping[Kind, int]
    """How many there are of each kind; `findings` lists at most FINDINGS_MAX of one."""
    facts: int
    files: int
    open_renders: int
    """Renders that are under way."""
    open_max: int
    """Most things that were open at once: what memory held."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counts


class Check:
    """Takes records in the ledger's order. `history` gives a stream's records again, `look_at` looks at a file."""

    def __init__(self, *, history: History, look_at: LookAt, counted: tuple[Counted, ...] = ()) -> None:
        self._findings = Findings()
        self._renders = Renders(self._findings, history, self._closed)
        self._jobs = Jobs(self._findings, self._renders, history, counted)
        self._money = Money(self._findings, self._renders)
        self._bindings = Bindings(self._findings)
        self._deliveries = Deliveries(self._findings)
        self._files = Files(self._findings, look_at)
        self._position = 0
        self._facts = 0
        self._open_max = 0
        self._by_category: Mapping[str, Callable[[Record], None]] = MappingProxyType(
            {
                "render": self._renders.told,
                "job": self._jobs.claimed,
                "webhook": self._jobs.webhook,
                "idempotency": self._bindings.bound,
                "spend": self._money.told,
                "delivery": self._deliveries.told,
            }
        )

    def told(self, record: Record) -> None:
        """One more record."""
        self._in_order(record)
        unknown = _unknown(record)
        if unknown is not None:
            self._findings.add(Kind.TYPE_UNKNOWN, record.stream, record.position, unknown)
        category = record.category
        if category not in CATEGORIES:
            return
        if record.type in bindings.MAKING:
            self._bindings.made(record)
        if record.type == bindings.REFUSING:
            self._bindings.refused(record)
        if record.type in jobs.NAMING:
            self._jobs.named(record)
        if record.type in jobs.GIVING_UP:
            self._jobs.gave_up(record)
        if record.type in files.NAMING or record.type in files.REMOVING:
            self._files.told(record)
        follow = self._by_category.get(category)
        if follow is not None:
            follow(record)
        self._open_max = max(self._open_max, self._open)

    def finish(self, now: datetime, patience: Patience) -> Report:
        """What is wrong as of `now`."""
        open_renders = len(self._renders.open)
        self._renders.stuck(now, patience)
        self._jobs.finish(now, patience)
        self._bindings.finish()
        self._deliveries.finish(now, patience)
        self._files.finish(now)
        return Report(
            findings=tuple(self._findings.listed),
            counts=dict(self._findings.counts),
            facts=self._facts,
            files=self._files.looked_at,
            open_renders=open_renders,
            open_max=self._open_max,
        )

    @property
    def _open(self) -> int:
        books = (self._jobs, self._bindings, self._deliveries, self._files)
        return len(self._renders.open) + sum(each.open for each in books)

    def _in_order(self, record: Record) -> None:
        self._facts += 1
        expected = self._position + 1
        if record.position != expected:
            message = f"position {record.position} where {expected} is due"
            self._findings.add(Kind.POSITION_MISSING, record.stream, record.position, message)
        self._position = record.position

    def _closed(self, render: OpenRender) -> None:
        self._jobs.forget(render)


def _unknown(record: Record) -> str | None:
    """What of a record this version does not know; None: nothing."""
    known = TYPES.get(record.type)
    if known is None:
        return f"type {record.type!r} is not known"
    if record.schema > known.SCHEMA:
        return f"type {record.type!r} is known up to schema {known.SCHEMA}, and not its schema {record.schema}"
    return None


def check(
    records: Iterable[Record],
    *,
    history: History,
    look_at: LookAt,
    now: datetime,
    patience: Patience,
    counted: tuple[Counted, ...] = (),
) -> Report:
    """Checks a whole ledger, from its first record."""
    checked = Check(history=history, look_at=look_at, counted=counted)
    for record in records:
        checked.told(record)
    return checked.finish(now, patience)

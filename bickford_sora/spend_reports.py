"""Reports of spend: totals by what one asks about, a forecast, and charges for chargeback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from bickford_sora.decisions import chargeback
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest, NotFound
from bickford_sora.pasts import OnProgress, Past
from bickford_sora.recording import Recording
from projections.spend import By, Charge, Span, Total


class SpendQuery(Protocol):
    """The read model of spend. Errors: `ledger.errors.Unavailable` when the database does not answer."""

    def totals(self, span: Span, by: By, /) -> Sequence[Total]:
        """Sums by one property, by its name."""

    def charges(self, span: Span, after: int = 0, /) -> Sequence[Charge]:
        """Some of what was settled and corrected behind a position, in the ledger's order; none at the end."""


@dataclass(frozen=True, slots=True)
class SpendReport:
    """What was spent in some days."""

    span: Span
    by: By
    totals: Sequence[Total]
    forecast_micro: Mapping[str, int] | None
    """What the month will have cost, by currency; None unless the days are those of the present month."""


@dataclass(frozen=True, slots=True)
class SpendReports:
    """Answers about spend. Safe to use from several threads.

    Every method raises `ledger.errors.Unavailable` when the database does not answer.
    """

    recording: Recording
    query: SpendQuery

    def report(self, span: Span, by: By) -> SpendReport:
        """Totals of some days."""
        totals = self.query.totals(span, by)
        month = chargeback.days_of(chargeback.month_of(self.recording.periods().day))
        if (span.first, span.last) != month:
            return SpendReport(span, by, totals, None)
        days = totals if by != "tag" else self.query.totals(span, "day")  # a render with two tags is spent once
        return SpendReport(span, by, totals, chargeback.forecast_micro(days, self.recording.local_now()))

    def report_past(
        self, past: Past, span: Span, by: By, on_progress: OnProgress = lambda _done, _total: None
    ) -> SpendReport:
        """Totals of some days as they were then. No forecast: what came after is known by now."""
        return SpendReport(span, by, past.totals(span, by, on_progress), None)

    def page(self, span: Span, after: int) -> Sequence[Charge]:
        """What was settled and corrected behind a position, in the ledger's order; nothing at the end."""
        return self.query.charges(span, after)

    def span(
        self, caller: Caller, since: str | None, until: str | None, project: str | None, *, at: datetime | None = None
    ) -> Span:
        """Whose spend is asked about, and of which days, both included: of the present month where none are given.

        `at`: the moment it is asked as of; None: now. Raises InvalidRequest for days that are none, and NotFound for a
        project the caller does not read.
        """
        if project is not None and not caller.reads(project):
            raise NotFound(
                "No project of this name is readable with this key.", code="project_not_found", param="project"
            )
        return Span(caller.tenant, project or caller.readable, *self.days(since, until, at=at))

    def days(self, since: str | None, until: str | None, *, at: datetime | None = None) -> tuple[str, str]:
        """The first and the last day that are asked about; as `span`."""
        today = self.recording.periods(at).day
        first, last = chargeback.days_of(chargeback.month_of(today))
        return (
            _day(since, "since") if since else first,
            _day(until, "until", at_end=True) if until else max(last, today),
        )


def _day(text: str, param: str, *, at_end: bool = False) -> str:
    """A day, or the first or last one of a month."""
    try:
        if len(text) == len("2026-11"):
            return chargeback.days_of(text)[at_end]
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InvalidRequest(
            "A day is written as 2026-11-20, a month as 2026-11.", code="invalid_value", param=param
        ) from None

"""The state as it was: folded from the ledger up to a position, never guessed from rows that went on since."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest
from bickford_sora.finding import readable
from ledger import lifecycle, streams
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.envelope import Event
from ledger.port import POSITION_MAX
from ledger.render import Phase, Render
from projections.spend import By, Span, Total
from projections.spend_totals import totals

AS_OF_CHARS_MAX = 64
AS_OF_FACTS_MAX = 100_000
"""Most facts that one request folds to answer with a list or totals: some seconds of a core."""
PROGRESS_EVENTS = 1_000
"""Events between two calls of a progress callback."""

OnProgress = Callable[[int, int], None]
"""Called with the events folded and the most there can be."""


def _nobody(_done: int, _total: int) -> None:
    """Where nobody wants to know of progress."""


@dataclass(frozen=True, slots=True)
class PastPage:
    """Some renders as they were, in order."""

    renders: tuple[Render, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Past:
    """The ledger up to a position. Every method raises `ledger.errors.Unavailable` when it does not answer.

    Pages and totals fold `facts_max` facts at most, where it is given, and raise InvalidRequest when it takes more.
    """

    ledger: Ledger
    position: int
    facts_max: int | None = None

    @property
    def at(self) -> datetime:
        """When its last event was recorded."""
        return self.ledger.recorded_at(self.position)

    def render(self, tenant: str, video_id: str) -> Render | None:
        """A render as it was, None when it did not exist. Raises InvalidStream for what is no video id."""
        return lifecycle.fold(None, self.ledger.past(streams.render(tenant, video_id), self.position))

    def of_tenant(self, tenant: str) -> Callable[[str], Render | None]:
        """Finds a tenant's renders as they were, by their video ids."""
        return lambda video_id: self.render(tenant, video_id)

    def find(self, caller: Caller, video_id: str, *, param: str) -> Render:
        """A render the caller reads. Raises NotFound when there was none, it is another's, or was deleted by then."""
        found = self.render(caller.tenant, video_id) if streams.is_video_id(video_id) else None
        return readable(found, caller, param=param)

    def page(
        self,
        tenant: str,
        project: str | None,
        after_video_id: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
        *,
        on_progress: OnProgress = _nobody,
    ) -> PastPage:
        """Renders as `projections.videos.Videos.page` would have listed them. Holds no more than the page."""
        found = self._renders(tenant, project, after_video_id, desc=order == "desc", on_progress=on_progress)
        page = tuple(islice(found, limit + 1))
        on_progress(self.position, self.position)
        return PastPage(page[:limit], has_more=len(page) > limit)

    def totals(self, span: Span, by: By, on_progress: OnProgress = _nobody) -> list[Total]:
        """Spend as `projections.spend.SpendTable.totals` would have told it."""
        found = [*totals(self._spend(span.tenant, on_progress), span, by)]
        on_progress(self.position, self.position)
        return found

    def _renders(
        self, tenant: str, project: str | None, after: str | None, *, desc: bool, on_progress: OnProgress
    ) -> Iterator[Render]:
        begin = None if after is None else streams.render(tenant, after)
        done = 0
        histories = self.ledger.histories(f"render:{tenant}:", until=self.position, after=begin, desc=desc)
        for _, events in histories:
            done = self._counted(done, len(events), on_progress)
            render = lifecycle.fold(None, events)
            assert render is not None  # noqa: S101 - a stream has events
            if project in (None, render.intent.project) and not render.deleted and render.phase is not Phase.DENIED:
                yield render

    def _spend(self, tenant: str, on_progress: OnProgress) -> Iterator[Event]:
        done = 0
        for event in self.ledger.paged_history(streams.spend(tenant), self.position):
            done = self._counted(done, 1, on_progress)
            yield event

    def _counted(self, done: int, more: int, on_progress: OnProgress) -> int:
        """How many facts are folded now. Tells of it now and then. Raises InvalidRequest when they are too many."""
        if self.facts_max is not None and done + more > self.facts_max:
            raise InvalidRequest(
                f"What was then is folded from its facts, and this takes more than {self.facts_max}. Ask for a smaller "
                "page, or have an operator run `bickford-sora videos list` or `spend` with --as-of.",
                code="as_of_too_large",
                param="as_of",
            )
        if done // PROGRESS_EVENTS != (done + more) // PROGRESS_EVENTS:
            on_progress(done + more, self.position)
        return done + more


@dataclass(frozen=True, slots=True)
class Pasts:
    """Finds the past somebody names, of which pages and totals fold `facts_max` facts at most.

    Safe to use from several threads.
    """

    ledger: Ledger
    clock: Clock
    facts_max: int | None = None

    def now(self) -> Past:
        """Everything that is recorded: what is read of it belongs together, whatever is recorded meanwhile."""
        return self._past(self.ledger.head())

    def at(self, as_of: str, *, param: str = "as_of") -> Past:
        """The past as of a position or a moment: `1234`, or ISO 8601, in UTC where it names no time zone.

        Raises InvalidRequest for what is neither, for what is not recorded yet, and for what is before the first fact.
        """
        named = as_of.strip()
        head = self.ledger.head()
        if named.isascii() and named.isdigit() and len(named) < len(str(POSITION_MAX)):
            position = int(named)
            if not 0 < position <= head:
                raise _out_of_range(f"The ledger has the positions 1 to {head}.", param)
            return self._past(position)
        moment = _moment(named, param)
        if moment > max(self.clock(), self.ledger.recorded_at(head) if head else moment):
            raise _out_of_range("That moment is still to come.", param)
        position = self.ledger.position_at(moment)
        if not position:
            raise _out_of_range("Nothing was recorded by then.", param)
        return self._past(position)

    def _past(self, position: int) -> Past:
        return Past(self.ledger, position, self.facts_max)


def _moment(named: str, param: str) -> datetime:
    try:
        moment = datetime.fromisoformat(named[:AS_OF_CHARS_MAX])
    except ValueError:
        raise InvalidRequest(
            "Name a position in the ledger, such as 1234, or a moment, such as 2026-11-20T12:00:00Z.",
            code="invalid_value",
            param=param,
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _out_of_range(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(f"{message} Name another position or moment.", code="as_of_out_of_range", param=param)

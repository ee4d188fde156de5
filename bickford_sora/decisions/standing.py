"""How each render stood in its lineage when it was decided: told from facts in the order of the ledger. Pure."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from bickford_sora.decisions.lineage import CADENCE
from ledger.events import RenderIntent


@dataclass(frozen=True, slots=True)
class Standing:
    """What a lineage was to a render that was asked for."""

    remix_depth: int = 0
    renders_in_last_hour: int = 0
    """Of its purpose."""
    seconds_since_last_render: int | None = None
    has_approved_draft: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a render is."""

    first: str
    """The first video of its lineage."""
    steps: int
    is_draft: bool


@dataclass(slots=True)
class Standings:
    """Every lineage, as far as the facts have come."""

    _places: dict[str, _Place] = field(default_factory=dict)
    """By video."""
    _asked_at: dict[tuple[str, str | None], deque[datetime]] = field(default_factory=dict)
    """By lineage and purpose: those of the last hour, and always the last one."""
    _approved: dict[str, set[str]] = field(default_factory=dict)
    """By lineage, its drafts that are approved."""

    def of(self, intent: RenderIntent, at: datetime) -> Standing:
        """How a render that is asked for now stands."""
        place = self._place(intent)
        before = self._asked_at.get((place.first, intent.purpose), deque())
        return Standing(
            remix_depth=place.steps,
            renders_in_last_hour=sum(at - each < CADENCE for each in before),
            seconds_since_last_render=max(0, int((at - before[-1]).total_seconds())) if before else None,
            has_approved_draft=bool(self._approved.get(place.first)),
        )

    def joined(self, intent: RenderIntent, at: datetime) -> None:
        """Takes in a render that was allowed."""
        place = self._place(intent)
        self._places[intent.video_id] = place
        asked_at = self._asked_at.setdefault((place.first, intent.purpose), deque())
        asked_at.append(at)
        while at - asked_at[0] >= CADENCE:
            asked_at.popleft()

    def reviewed(self, video_id: str, *, approved: bool) -> None:
        """Takes in what was last said of a video."""
        place = self._places.get(video_id)
        if place is not None and place.is_draft:
            drafts = self._approved.setdefault(place.first, set())
            (drafts.add if approved else drafts.discard)(video_id)

    def _place(self, intent: RenderIntent) -> _Place:
        source, is_draft = intent.remix_video_id, intent.purpose == "draft"
        if source is None:
            return _Place(intent.video_id, 0, is_draft)
        place = self._places.get(source)
        return _Place(source, 1, is_draft) if place is None else _Place(place.first, place.steps + 1, is_draft)

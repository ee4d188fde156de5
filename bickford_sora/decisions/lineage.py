"""A video's lineage, as a policy sees it: everything that was made, by whatever steps, from one first video."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from bickford_sora.decisions.declared import Purpose
from bickford_sora.decisions.request import VideoRequest
from ledger.events import RenderIntent

CADENCE = timedelta(hours=1)
LINEAGE_RENDERS_MAX = 500
"""Most renders of a lineage that are looked at. A larger one counts as having rendered that often in the last hour."""
ANCESTORS_MAX = 100
"""Most steps that are followed from a video up to the first of its lineage."""


@dataclass(frozen=True, slots=True)
class Member:
    """One render of a lineage."""

    purpose: Purpose | None
    asked_at: datetime
    approved: bool = False
    """Whether who looked at it last approved of it."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a new render joins. Empty for one that begins a lineage."""

    remix_depth: int = 0
    """Steps from the first video to the new render."""
    changes: int = 0
    """In how many places the new render differs from its source."""
    members: tuple[Member, ...] = ()
    """Who is in it; known only where a policy asks about them."""
    heads: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """The streams of its members as they were seen. Whoever joins moves one of them."""

    def renders_in_last_hour(self, purpose: Purpose | None, at: datetime) -> int:
        """How many of a purpose were asked for in the 60 minutes before `at`."""
        if len(self.members) >= LINEAGE_RENDERS_MAX:
            return LINEAGE_RENDERS_MAX
        return sum(each.purpose == purpose and at - each.asked_at < CADENCE for each in self.members)

    def seconds_since_last_render(self, purpose: Purpose | None, at: datetime) -> int | None:
        """Whole seconds since the last of a purpose; never below 0. None: there is none."""
        last = max((each.asked_at for each in self.members if each.purpose == purpose), default=None)
        return None if last is None else max(0, int((at - last).total_seconds()))

    @property
    def has_approved_draft(self) -> bool:
        """Whether one of its drafts is approved."""
        return any(each.purpose == "draft" and each.approved for each in self.members)


def changes(request: VideoRequest, source: RenderIntent, was: Mapping[str, str | None]) -> int:
    """In how many of prompt, model, seconds, size and each field beyond the protocol a request differs from its source.

    `was` holds the source's texts in the clear, `prompt` among them; one that was erased differs from every other.
    """
    now = {**request.fields, "prompt": request.prompt, "model": request.model, "size": request.size}
    before = {**source.fields, **was, "model": source.model, "size": source.size}
    if request.operation != "extend":
        now["seconds"], before["seconds"] = request.seconds, source.video_seconds
    return sum(name not in now or name not in before or now[name] != before[name] for name in now.keys() | before)

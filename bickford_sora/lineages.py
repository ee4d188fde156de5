"""Reading a video's lineage from the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass

from bickford_sora.decisions.lineage import ANCESTORS_MAX, LINEAGE_RENDERS_MAX, Lineage, Member, changes
from bickford_sora.decisions.request import VideoRequest
from ledger import streams
from ledger.application import Ledger
from ledger.keys import Keys
from ledger.render import Render


@dataclass(frozen=True, slots=True)
class Lineages:
    """Finds what a new render joins. Safe to use from several threads. Raises ledger.errors.Unavailable."""

    ledger: Ledger
    keys: Keys

    def of(self, source: Render | None, request: VideoRequest, *, with_members: bool) -> Lineage:
        """The lineage of `source`, which a request wants to be made from."""
        if source is None:
            return Lineage()
        ancestors = [*self._ancestors(source)]
        members = [*self._members(ancestors[-1])] if with_members else []
        return Lineage(
            remix_depth=len(ancestors),
            changes=self._changes(source, request),
            members=tuple(Member(each.intent.purpose, each.created_at, approved=each.approved) for each in members),
            heads={each.stream: each.version for each in members},
        )

    def _ancestors(self, source: Render) -> Iterator[Render]:
        """A video, what it was made from, and so on to the first."""
        found: Render | None = source
        for _ in range(ANCESTORS_MAX):
            if found is None:
                return
            yield found
            made_from = found.intent.remix_video_id
            found = self._render(found, made_from) if made_from is not None else None

    def _members(self, first: Render) -> Iterator[Render]:
        """A video and everything that was made from it, nearest first."""
        waiting, found = [first], 1
        while waiting:
            each = waiting.pop(0)
            yield each
            for video_id in each.remixes[: LINEAGE_RENDERS_MAX - found]:
                made = self._render(each, video_id)
                if made is not None:
                    waiting.append(made)
                    found += 1

    def _render(self, relative: Render, video_id: str) -> Render | None:
        return self.ledger.render(streams.render(relative.tenant, video_id))

    def _changes(self, source: Render, request: VideoRequest) -> int:
        sealed = {"prompt": source.intent.prompt, **source.intent.text_fields}
        opened = self.keys.open_all(sealed.values())
        return changes(request, source.intent, {name: opened[each] for name, each in sealed.items()})

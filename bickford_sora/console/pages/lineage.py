"""Lineage: what a video was made from and what was made from it, from left to right, with what each step changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.differences import Piece, differences
from bickford_sora.console.routing import Pages
from bickford_sora.families import Change, Family, Gone, Relative
from bickford_sora.http.as_of import AsOf
from bickford_sora.http.lineages import family_of
from bickford_sora.http.roles import READS
from ledger.render import Phase

pages = Pages()


class Changed(BaseModel):
    """One thing that differs between a video and its source."""

    field: str
    before: str | None
    after: str | None
    gone: Gone | None
    """Why words are gone; None: they are not."""
    words: Sequence[Piece]
    """Of texts, what changed in them; empty where one of them is not there."""


class FamilyMember(BaseModel):
    """One video, and what was made from it."""

    video_id: str
    operation: str
    depth: int
    """Steps from the video asked about; below 0 for what it was made from."""
    phase: Phase
    progress: int
    has_files: bool
    deleted: bool
    created_at: datetime
    model: str
    seconds: str
    size: str
    prompt: str | None
    gone: Gone | None
    changes: Sequence[Changed]
    made: list[Self]
    """What was made from it, in the order of its making."""


class LineagePage(BaseModel):
    """A video among its family."""

    video_id: str
    count: int
    first: FamilyMember
    """What all of them were made from."""
    has_more: bool
    """Whether the family is larger than what is shown."""
    as_of: int | None


@pages.page("/renders/{video_id}/lineage", "lineage.html", takes=READS)
async def lineage(video_id: str, visit: TheVisit, *, as_of: AsOf = None) -> LineagePage:
    """The family as it is now; with `as_of`, as it was then."""
    return await visit.read(lambda visit: _page(visit, video_id, as_of or None))


# What follows runs in the synchronous world, behind the crossing.


def _page(visit: Visit, video_id: str, as_of: str | None) -> LineagePage:
    found, past = family_of(visit.house, visit.caller, video_id, as_of)
    return LineagePage(
        video_id=video_id,
        count=len(found.relatives),
        first=_tree(found),
        has_more=found.has_more,
        as_of=past.position if as_of is not None else None,
    )


def _tree(found: Family) -> FamilyMember:
    """The family as a tree: each stands behind its source."""
    members = {each.video_id: _member(each) for each in found.relatives}
    for each in found.relatives:
        source = members.get(each.render.intent.remix_video_id or "")
        if source is not None:
            source.made.append(members[each.video_id])
    return members[found.relatives[0].video_id]


def _member(relative: Relative) -> FamilyMember:
    render, intent = relative.render, relative.render.intent
    return FamilyMember(
        video_id=intent.video_id,
        operation=intent.operation,
        depth=relative.depth,
        phase=render.phase,
        progress=render.progress,
        has_files=render.phase is Phase.STORED and not (render.expired or render.goes),
        deleted=render.deleted,
        created_at=render.created_at,
        model=intent.model,
        seconds=intent.video_seconds,
        size=intent.size,
        prompt=relative.prompt,
        gone=relative.gone,
        changes=[_changed(each) for each in relative.changes],
        made=[],
    )


def _changed(change: Change) -> Changed:
    both = change.before is not None and change.after is not None
    words = differences(change.before or "", change.after or "") if both and _is_text(change) else []
    return Changed(field=change.field, before=change.before, after=change.after, gone=change.gone, words=words)


def _is_text(change: Change) -> bool:
    return " " in f"{change.before}{change.after}"

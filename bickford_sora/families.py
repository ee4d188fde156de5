"""What a video was made from, what was made from it, and what each step changed: read from the ledger."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bickford_sora.decisions.lineage import ANCESTORS_MAX, LINEAGE_RENDERS_MAX
from ledger.envelope import Sealed
from ledger.keys import Keys
from ledger.render import Phase, Render

Look = Callable[[str], Render | None]
"""Finds a render by its video id: as it is, or as it was."""
Gone = Literal["erased", "deleted"]
"""Why words cannot be shown: their key was destroyed, or the video was deleted."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between a video and its source."""

    field: str
    before: str | None
    """None: the source did not have it, or its words are gone."""
    after: str | None
    gone: Gone | None = None


@dataclass(frozen=True, slots=True)
class Relative:
    """One video of a family."""

    render: Render
    depth: int
    """Steps from the video asked about: below 0 for what it was made from, above 0 for what was made from it."""
    prompt: str | None
    gone: Gone | None = None
    changes: tuple[Change, ...] = ()
    """From its source."""

    @property
    def video_id(self) -> str:
        """Its id."""
        return self.render.intent.video_id


@dataclass(frozen=True, slots=True)
class Family:
    """A video among its ancestors and descendants. The first of all comes first, then each behind its source."""

    video_id: str
    relatives: tuple[Relative, ...]
    has_more: bool
    """Whether there are more than are shown."""


@dataclass(slots=True)
class _Found:
    """Renders in order, with their depths."""

    renders: list[tuple[Render, int]] = field(default_factory=list)
    has_more: bool = False


def family(video: Render, look: Look, keys: Keys) -> Family:
    """The family of a video. Raises ledger.errors.Unavailable."""
    found = _Found()
    _look_up(video, look, found)
    _look_down(video, look, found)
    renders = [render for render, _ in found.renders]
    words = _words(renders, keys)
    by_id = {each.intent.video_id: each for each in renders}
    relatives = tuple(_relative(render, depth, by_id, words) for render, depth in found.renders)
    return Family(video.intent.video_id, relatives, found.has_more)


def _look_up(video: Render, look: Look, found: _Found) -> None:
    """Adds what the video was made from, the first of all first."""
    source = video
    while (made_from := source.intent.remix_video_id) is not None and len(found.renders) < ANCESTORS_MAX:
        relative = _of(video, look(made_from))
        if relative is None:
            break
        found.renders.insert(0, (relative, -len(found.renders) - 1))
        source = relative
    found.has_more = len(found.renders) == ANCESTORS_MAX and source.intent.remix_video_id is not None


def _look_down(video: Render, look: Look, found: _Found) -> None:
    """Adds the video and what was made from it, each behind its source."""
    count = 1
    waiting = [(video, 0)]
    while waiting:
        render, depth = waiting.pop()
        found.renders.append((render, depth))
        made = []
        for video_id in render.remixes:
            if count == LINEAGE_RENDERS_MAX:
                found.has_more = True
                break
            each = _of(video, look(video_id))
            if each is not None and each.phase is not Phase.DENIED:  # a denied render made no video
                made.append((each, depth + 1))
                count += 1
        waiting += reversed(made)


def _of(video: Render, relative: Render | None) -> Render | None:
    """A relative, if it is of the video's project: nobody is shown another's."""
    return relative if relative is not None and relative.intent.project == video.intent.project else None


def _words(renders: list[Render], keys: Keys) -> Mapping[Sealed, str | None]:
    """The words of those that are not deleted, None for those that were erased."""
    return keys.open_all(text for each in renders if not each.deleted for text in _sealed(each).values())


def _sealed(render: Render) -> dict[str, Sealed]:
    return {"prompt": render.intent.prompt, **render.intent.text_fields}


def _relative(render: Render, depth: int, by_id: Mapping[str, Render], words: Mapping[Sealed, str | None]) -> Relative:
    intent = render.intent
    source = by_id.get(intent.remix_video_id or "")
    prompt = words.get(intent.prompt)
    changes = () if source is None else tuple(_changes(source, render, words))
    return Relative(render, depth, prompt, _gone(render, prompt), changes)


def _gone(render: Render, text: str | None) -> Gone | None:
    return "deleted" if render.deleted else "erased" if text is None else None


def _changes(source: Render, render: Render, words: Mapping[Sealed, str | None]) -> Iterator[Change]:
    """In what a video differs from its source. Words that are gone differ from all others."""
    texts_before, texts_after = _sealed(source), _sealed(render)
    for name in dict.fromkeys([*texts_after, *texts_before]):
        before, after = (sealed.get(name) for sealed in (texts_before, texts_after))
        shown = [None if each is None else words.get(each) for each in (before, after)]
        gone = (before and _gone(source, shown[0])) or (after and _gone(render, shown[1])) or None
        if gone or shown[0] != shown[1]:
            yield Change(name, shown[0], shown[1], gone)
    plain_before, plain_after = _plain(source), _plain(render)
    for name in dict.fromkeys([*plain_after, *plain_before]):
        if plain_before.get(name) != plain_after.get(name):
            yield Change(name, plain_before.get(name), plain_after.get(name))


def _plain(render: Render) -> dict[str, str]:
    """What is not sealed, as text."""
    intent = render.intent
    fields = {name: str(value) for name, value in sorted(intent.fields.items())}
    return {"model": intent.model, "seconds": intent.video_seconds, "size": intent.size, **fields}

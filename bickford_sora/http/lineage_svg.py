"""A lineage as a picture: SVG 1.1, drawn from left to right, readable on its own. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from xml.sax.saxutils import escape  # nosec B406

from bickford_sora.families import Change, Family, Gone, Relative
from ledger.render import STATUSES

BOX_WIDTH = 330
BOX_HEIGHT = 116
COLUMN_WIDTH = 440
ROW_HEIGHT = 136
MARGIN = 24
LINE_HEIGHT = 20
BOX_CHARS_MAX = 38
"""Of a text, as many characters as a box holds; all of it is in the box's title."""
TITLE_CHARS_MAX = 2_000

_COLOURS: Mapping[str, str] = MappingProxyType(
    {"queued": "#8a6d00", "in_progress": "#0b5cad", "completed": "#1a7f37", "failed": "#b42318"}
)
_GONE: Mapping[Gone, str] = MappingProxyType({"erased": "(erased)", "deleted": "(deleted)"})


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a video is drawn: its upper left corner."""

    relative: Relative
    x: float
    y: float


def drawn(found: Family) -> str:
    """The picture of a family."""
    boxes = _laid_out(found.relatives)
    width = max(box.x for box in boxes.values()) + BOX_WIDTH + MARGIN
    height = max(box.y for box in boxes.values()) + BOX_HEIGHT + MARGIN
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="14">',
        f"<title>Lineage of {_text(found.video_id)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *_edges(boxes),
        *(part for box in boxes.values() for part in _box(box, asked_about=found.video_id)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _laid_out(relatives: Sequence[Relative]) -> Mapping[str, _Box]:
    """A column a generation; a row a video that nothing was made from, and a source beside the middle of its own."""
    first = min(each.depth for each in relatives)
    made: dict[str, list[str]] = {each.video_id: [] for each in relatives}
    for each in relatives:
        made.get(each.render.intent.remix_video_id or "", []).append(each.video_id)
    rows: dict[str, float] = {}
    used = 0
    for each in reversed(relatives):  # each stands behind its source, so that what was made from it has its row
        below = [rows[video_id] for video_id in made[each.video_id]]
        rows[each.video_id] = (below[0] + below[-1]) / 2 if below else used
        used += not below
    return {
        each.video_id: _Box(
            each,
            MARGIN + (each.depth - first) * COLUMN_WIDTH,
            MARGIN + (used - 1 - rows[each.video_id]) * ROW_HEIGHT,
        )
        for each in relatives
    }


def _edges(boxes: Mapping[str, _Box]) -> Iterator[str]:
    for box in boxes.values():
        source = boxes.get(box.relative.render.intent.remix_video_id or "")
        if source is not None:
            start, end = (source.x + BOX_WIDTH, source.y + BOX_HEIGHT / 2), (box.x, box.y + BOX_HEIGHT / 2)
            middle = (start[0] + end[0]) / 2
            yield (
                f'<path d="M {start[0]:g} {start[1]:g} C {middle:g} {start[1]:g} {middle:g} {end[1]:g} '
                f'{end[0]:g} {end[1]:g}" fill="none" stroke="#6b7280" stroke-width="1.5"/>'
            )


def _box(box: _Box, *, asked_about: str) -> Iterator[str]:
    relative = box.relative
    intent, status = relative.render.intent, STATUSES[relative.render.phase]
    mine = relative.video_id == asked_about
    colour = _COLOURS[status]
    yield f'<g transform="translate({box.x:g} {box.y:g})">'
    yield f"<title>{_text(_title(relative))}</title>"
    yield (
        f'<rect width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8" fill="{"#eef4ff" if mine else "#f9fafb"}" '
        f'stroke="{colour}" stroke-width="{3 if mine else 1.5:g}"/>'
    )
    words = f"deleted, {status}" if relative.render.deleted else status
    lines = (
        ("#111827", 'font-family="monospace" font-size="13"', relative.video_id),
        (colour, 'font-weight="bold"', f"{intent.operation}: {words.replace('_', ' ')}"),
        ("#374151", "", f"{intent.model}, {intent.video_seconds} s, {intent.size}"),
        ("#111827", 'font-style="italic"', _shortened(_prompt(relative))),
        ("#374151", "", _shortened(_changed(relative))),
    )
    for number, (fill, style, text) in enumerate(lines, start=1):
        place = f'x="12" y="{number * LINE_HEIGHT + 2}" fill="{fill}"'
        yield f"<text {' '.join(filter(None, (place, style)))}>{_text(text)}</text>"
    yield "</g>"


def _title(relative: Relative) -> str:
    changes = [_change(each) for each in relative.changes]
    return "\n".join([relative.video_id, _prompt(relative), *changes])[:TITLE_CHARS_MAX]


def _changed(relative: Relative) -> str:
    names = ", ".join(each.field for each in relative.changes)
    return f"changed: {names}" if names else ""


def _change(change: Change) -> str:
    missing = _GONE[change.gone] if change.gone else "none"
    before, after = (missing if each is None else each for each in (change.before, change.after))
    return f"{change.field}: {before} → {after}"


def _prompt(relative: Relative) -> str:
    return _GONE[relative.gone] if relative.gone else relative.prompt or ""


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= BOX_CHARS_MAX else f"{text[: BOX_CHARS_MAX - 1]}…"


def _text(text: str) -> str:
    """The text as XML 1.0 can hold it (section 2.2): other characters are not allowed even when they are escaped."""
    return escape("".join(each if each.isprintable() or each == "\n" else " " for each in text))

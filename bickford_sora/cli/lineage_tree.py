"""A lineage as lines of text."""

from collections.abc import Iterator

from bickford_sora.http.lineages import LineageChange, LineageVideo, VideoLineage


def tree(lineage: VideoLineage) -> Iterator[str]:
    """A line a video, below its source, with what it changed of it; the video asked about has a star."""
    made: dict[str | None, list[LineageVideo]] = {}
    first, *others = lineage.data
    for each in others:
        made.setdefault(each.source_video_id, []).append(each)
    waiting = [(first, "", "")]
    while waiting:
        video, before, indent = waiting.pop()
        yield before + _line(video, is_asked_about=video.id == lineage.id)
        below = made.get(video.id, [])
        for each in reversed(below):
            last = each is below[-1]
            waiting.append((each, indent + ("└─ " if last else "├─ "), indent + ("   " if last else "│  ")))


def _line(video: LineageVideo, *, is_asked_about: bool) -> str:
    star = "* " if is_asked_about else ""
    status = f"{video.status}, deleted" if video.deleted else video.status
    about = f"{video.operation}, {status}, {video.model}, {video.seconds} s, {video.size}"
    changes = "; ".join(map(_change, video.changes)) if video.source_video_id else _words(video.prompt, video.gone)
    return f"{star}{video.id}  {about}  {changes or 'nothing changed'}"


def _change(change: LineageChange) -> str:
    return f"{change.field}: {_words(change.before, change.gone)} -> {_words(change.after, change.gone)}"


def _words(text: str | None, gone: str | None) -> str:
    if text is not None:
        return repr(text)
    return f"({gone})" if gone else "none"

"""Whole and partial answers from bytes in memory (RFC 9110 section 14, one range)."""

import re

from fastapi.responses import Response

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def serve_bytes(content: bytes, *, media_type: str, range_header: str | None) -> Response:
    """206 for a satisfiable single range, 416 for one beyond the end, else 200 with everything."""
    headers = {"accept-ranges": "bytes"}
    asked = _RANGE.fullmatch(range_header.strip()) if range_header else None
    if asked is None or asked[0] == "bytes=-":
        return Response(content, media_type=media_type, headers=headers)
    first, last = _bounds(asked[1], asked[2], len(content))
    if first > last:
        headers["content-range"] = f"bytes */{len(content)}"
        return Response(status_code=416, headers=headers)
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], status_code=206, media_type=media_type, headers=headers)


def _bounds(first: str, last: str, length: int) -> tuple[int, int]:
    """The first and last byte asked for; ``-n`` asks for the last n. First after last means none of them exists."""
    if first == "":
        return (max(0, length - int(last)), length - 1)
    return int(first), min(int(last) if last else length - 1, length - 1)

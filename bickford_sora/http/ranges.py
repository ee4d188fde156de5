"""Conditional and partial requests for a file whose bytes never change (RFC 9110 sections 13 and 14). Pure."""

import re

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class Unsatisfiable(Exception):  # noqa: N818 - the RFC's word
    """The range lies outside the file."""


def requested_range(header: str | None, if_range: str | None, *, etag: str, size_bytes: int) -> range | None:
    """The bytes that are asked for; None for the whole file.

    Several ranges, other units and what cannot be read are ignored, as the RFC allows; so is a range of another
    version of the file (`If-Range`). Raises Unsatisfiable.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = match[1], match[2]
    if first:
        return _from_to(int(first), int(last) if last else None, size_bytes)
    return _suffix(int(last), size_bytes) if last else None


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client says that it has this version of the file (`If-None-Match`, weak comparison)."""
    if if_none_match is None:
        return False
    named = {each.removeprefix("W/") for each in _named(if_none_match)}
    return "*" in named or etag in named


def is_another(if_match: str | None, etag: str) -> bool:
    """Whether the client wants another version of the file than this (`If-Match`, strong comparison)."""
    if if_match is None:
        return False
    named = _named(if_match)
    return "*" not in named and etag not in named


def _named(header: str) -> set[str]:
    """The entity tags in a list; ours hold no comma."""
    return {each.strip() for each in header.split(",")}


def _from_to(first: int, last: int | None, size_bytes: int) -> range | None:
    if last is not None and last < first:
        return None  # backwards: not a range at all
    if first >= size_bytes:
        raise Unsatisfiable
    return range(first, size_bytes if last is None else min(last + 1, size_bytes))


def _suffix(length: int, size_bytes: int) -> range:
    if length == 0:
        raise Unsatisfiable
    return range(max(size_bytes - length, 0), size_bytes)

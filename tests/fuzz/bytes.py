"""Bytes and values that were made wrong, and how many of them are tried."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.trying import tries

Raised = TypeVar("Raised", bound=Exception)
Test = TypeVar("Test", bound=Callable[..., object])

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1e999", "NaN", "\0", "-1", "9" * 400, "2026-13-45", "video_0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON, and what Python's reader takes for it."""


def refusal(expected: type[Raised], read: Callable[..., object], *given: object) -> Raised | None:
    """The error with which `read` refused what it was given; None when it took it. Any other error is a finding."""
    try:
        read(*given)
    except expected as error:
        return error
    return None


def tried(examples: int) -> Callable[[Test], Test]:
    """So many examples in a thorough run."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=tries(examples), deadline=None, suppress_health_check=checks)


def damaged(*samples: bytes) -> st.SearchStrategy[bytes]:
    """A sample with up to four places cut out, doubled, or overwritten."""

    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        content = draw(st.sampled_from(samples))
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(0, len(content)))
            end = min(len(content), start + draw(st.sampled_from([0, 1, 2, 4, 8, 64])))
            piece = draw(st.binary(max_size=8) | st.just(content[start:end] * 2) | st.sampled_from(PIECES))
            content = content[:start] + piece + content[end:]
        return content

    return made()


PIECES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"\n",
    b"\r\n",
    b"\n\n",
    b'"',
    b"{",
    b"[" * 2_000,
    b"-1",
    b"9" * 30,
    b"\xf0\x9f\x8e\xa5",
    b"null",
]


def altered(sample: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """A JSON object with some fields replaced by anything, or missing; sometimes damaged as text, too."""

    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        fields = dict(sample)
        for name in draw(st.lists(st.sampled_from(sorted(sample)), max_size=3, unique=True)):
            if draw(st.booleans()):
                fields[name] = draw(JSON)
            else:
                del fields[name]
        written = json.dumps(fields).encode()
        return draw(damaged(written)) if draw(st.integers(0, 4)) == 0 else written

    return made()

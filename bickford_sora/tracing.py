"""Spans of what is done, so that a trace shows a render's way through processes; none where no collector is configured.

A fact carries the trace id of the request that caused it, and a span the positions of the facts it appended: one leads
to the other, whichever is at hand.
"""

from collections.abc import Iterator
from contextlib import contextmanager

SERVICE = "bickford-sora"


class Span:
    """Something that is being done. This one is told to nobody."""

    trace: str | None = None
    """The id of its trace, in hex."""

    def set(self, name: str, value: str | int) -> None:
        """Says something more about it."""


class Tracing:
    """Makes spans. These are told to nobody: what everything has until a collector is configured."""

    is_told = False
    """Whether anybody hears of its spans. Where nobody does, what comes in thousands makes none."""

    @contextmanager
    def span(
        self,
        name: str,  # noqa: ARG002 - of those that are told to somebody, as the next ones
        *,
        parent: str | None = None,  # noqa: ARG002
        linked: str | None = None,  # noqa: ARG002
        **attributes: str | int,  # noqa: ARG002
    ) -> Iterator[Span]:
        """A span until the end of the block, within the one that is open in this thread.

        `parent` is a W3C traceparent to go on from; `linked` the id of another trace that this belongs to.
        """
        yield Span()

    def link(self, linked: str) -> None:
        """Links the span that is open in this thread to another trace, by its id: what it is about came from there."""

    def traceparent(self) -> str | None:
        """The W3C traceparent of the span that is open in this thread; None when there is none."""
        return None

    def close(self) -> None:
        """Tells what was not told yet."""

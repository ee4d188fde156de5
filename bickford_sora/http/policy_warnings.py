"""What a policy warns of, in an answer's header: a Dictionary of Structured Fields (RFC 9651), by rule.

bickford-warnings: at-night="Nobody is there to look at it.", advice.light="The prompt names no light: …"
"""

from collections.abc import Iterator, Sequence

from ledger.events import VerdictWarning
from ledger.render import Render

WARNINGS = "bickford-warnings"
WARNINGS_CHARS_MAX = 4_000
"""Longest header: what does not fit any more is left out, and is still on record."""
_FIRST, _LAST = " ", "~"
"""The characters a plain String may hold."""


def warning_headers(render: Render) -> dict[str, str]:
    """The header, for a render that was allowed with warnings."""
    warnings = render.allowed.verdict.warnings if render.allowed else ()
    return {WARNINGS: ", ".join(_fitting(warnings))} if warnings else {}


def _fitting(warnings: Sequence[VerdictWarning]) -> Iterator[str]:
    chars = 0
    for each in warnings:
        member = f"{each.rule}={_text(each.message)}"
        chars += len(member) + 2
        if chars > WARNINGS_CHARS_MAX:
            return
        yield member


def _text(message: str) -> str:
    """A String where plain ASCII says it, else a Display String."""
    if all(_FIRST <= each <= _LAST for each in message):
        escaped = message.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    plain = set(range(ord(_FIRST), ord(_LAST) + 1)) - {ord("%"), ord('"')}
    return '%"' + "".join(chr(byte) if byte in plain else f"%{byte:02x}" for byte in message.encode()) + '"'

"""Regular expressions of RE2: whatever the pattern and the text, the time is linear in the text's length."""

import re2

PATTERN_CHARS_MAX = 2_000
MEMORY_BYTES_MAX = 1024 * 1024
"""For one compiled pattern. A larger one is refused when the policy is read."""


class Pattern:
    """A compiled pattern."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError with RE2's reason."""
        options = re2.Options()
        options.log_errors = False
        options.max_mem = MEMORY_BYTES_MAX
        options.never_capture = True
        try:
            self._compiled = re2.compile(pattern, options)
        except re2.error as error:
            raise ValueError(f"not an RE2 pattern: {_reason(error)}") from None

    def is_in(self, text: str) -> bool:
        """Whether it matches anywhere."""
        return self._compiled.search(text) is not None


def checked(pattern: str) -> str:
    """The pattern as it is. Raises ValueError when RE2 does not take it."""
    Pattern(pattern)
    return pattern


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    told = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
    if "perl operator" in told or "escape sequence: \\" in told:
        return f"{told} (RE2 has no look-around and no backreferences)"
    return told

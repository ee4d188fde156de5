"""Makes the synchronous client out of the asynchronous one: the same tokens, without waiting in an event loop.

    python tests/tools/generate_synchronous_client.py

`async` and `await` are dropped, names are exchanged (`NAMES`), the first line of the docstring is replaced, and the
project's formatter has the last word. A test fails when a generated file is not what this makes.
"""

import io
import subprocess
import sys
import token
import tokenize
from collections.abc import Iterator
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "bickford_sora" / "client"
GENERATED = {"asynchronous.py": "synchronous.py", "aio.py": "functions.py"}
DOCSTRINGS = {
    "asynchronous.py": "The client, for code that blocks.",
    "aio.py": "The helper functions, for code that blocks.",
}
NAMES = {
    "AsyncBickfordClient": "BickfordClient",
    "AsyncClient": "Client",
    "AsyncSleep": "Sleep",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "async_sleep": "sleep",
    "asynchronous": "synchronous",
    "new_async_client": "new_client",
}
PHRASES = {
    "An async context manager; one event loop, any number of tasks.": "A context manager; any number of threads."
}
"""What is said otherwise inside docstrings."""


def generated(name: str) -> str:
    """The synchronous twin of a file of the client."""
    source = (CLIENT / name).read_text("utf-8")
    first_line, _, rest = "".join(_exchanged(source)).partition("\n")
    closing = '"""' if first_line.endswith('"""') else ""
    docstring = f'"""{DOCSTRINGS[name]} Generated from `{name}` by tests/tools: change that file.{closing}'
    return _formatted(f"{docstring}\n{rest}")


def _exchanged(source: str) -> Iterator[str]:
    """The source's tokens with what lies between them, changed where need be."""
    lines = source.splitlines(keepends=True)
    row, column = 1, 0
    for each in tokenize.generate_tokens(io.StringIO(source).readline):
        yield _between(lines, (row, column), each.start)
        row, column = each.end
        if each.type == token.NAME and each.string in {"async", "await"}:
            column += 1  # and the blank behind it
        elif each.type == token.NAME:
            yield NAMES.get(each.string, each.string)
        else:
            yield _phrased(each.string) if each.type == token.STRING else each.string


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]] if start[0] <= len(lines) else ""
    return lines[start[0] - 1][start[1] :] + "".join(lines[start[0] : end[0] - 1]) + " " * end[1]


def _phrased(text: str) -> str:
    for phrase, replacement in PHRASES.items():
        text = text.replace(phrase, replacement)
    return text


def _formatted(source: str) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    for arguments in (["check", "--select", "I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        command = [ruff, *arguments, "--stdin-filename", CLIENT / "synchronous.py", "-"]
        run = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
        source = run.stdout
    return source


if __name__ == "__main__":
    for written_by_hand, twin in GENERATED.items():
        (CLIENT / twin).write_text(generated(written_by_hand), "utf-8")

"""Writes docs/compatibility.md out of what tests recorded (`tests.compatibility.record`).

    python -m tests.tools.generate_compatibility FOLDER

The folder holds the JSON lines of every process of one or more runs. A cell that fails once fails; one that was
recorded with two other results is a mistake of the tests and ends this program.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from bickford_sora.renderers.dialects import DIALECTS
from tests.clients.litellm_package import REQUIREMENT
from tests.compatibility import TABLES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
NODE_PACKAGES = ROOT / "tests" / "clients" / "node" / "package.json"
SHOWN = {"works": "yes", "refused": "refused", "no call": "-", "fails": "**no**"}
NOT_TRIED = "not tried"
HEADING = """\
# What works with what

Generated from test results. [Clients](compat.md) says what each client makes of us, and
[renderers](reference/renderers.md) what each dialect is. Do not edit this page: run the tests with a folder to record
in, the LiteLLM tier included, and write it again.

```sh
mkdir recorded
BICKFORD_COMPATIBILITY_DIR=recorded BICKFORD_TEST_LITELLM=1 \\
    pytest tests/clients tests/renderers tests/http/test_webhook_endpoints.py
python -m tests.tools.generate_compatibility recorded
```
"""
CLIENTS = """\
## Clients and routes

{versions}.

Each calls a running gateway over a socket.
**yes**: tried, and it works. **-**: the client has no call for it, which is tried too.
"""
RENDERERS = """\
## Renderers and features

Each dialect over a socket, with the simulator speaking it. **yes**: tried, and it works. **refused**: the dialect says
that it has no such thing, and what it does instead was tried.

- A thumbnail or spritesheet that is refused is made by us from the video.
- *cancel*: a job that cannot be stopped is deleted, or left alone where that is refused too; either way it is billed.
- *finds lost jobs*: where that is refused, a submission without an answer is held instead of being sent again.
- The fields after that are beyond the protocol; `openai` takes those that are configured.
"""

Cells = Mapping[tuple[str, str, str], str]


def recorded(folder: Path) -> Cells:
    """The result of each (table, row, column).

    Raises:
        ValueError: a cell both works and is refused.
    """
    cells: dict[tuple[str, str, str], str] = {}
    for line in _lines(folder):
        cell = (line["table"], line["row"], line["column"])
        before, now = cells.get(cell, line["result"]), line["result"]
        if before != now and "fails" not in {before, now}:
            raise ValueError(f"{cell} is recorded as {before!r} and as {now!r}")
        cells[cell] = "fails" if "fails" in {before, now} else now
    return cells


def _lines(folder: Path) -> Iterator[dict[str, str]]:
    for file in sorted(folder.glob("*.jsonl")):
        yield from map(json.loads, file.read_text("utf-8").splitlines())


def page(cells: Cells) -> str:
    """The whole page."""
    clients = CLIENTS.format(versions=versions())
    return "\n".join([HEADING, clients, *_table("clients", cells), "", RENDERERS, *_table("renderers", cells), ""])


def _table(table: str, cells: Cells) -> Iterator[str]:
    """A table turned on its side, which is narrower: what is tried goes down, who is tried goes across."""
    rows, columns = TABLES[table]
    yield f"| | {' | '.join(map(heading, rows))} |"
    yield f"|---|{'---|' * len(rows)}"
    for column in columns:
        results = (cells.get((table, row, column)) for row in rows)
        yield f"| {column} | {' | '.join(SHOWN.get(each or '', NOT_TRIED) for each in results)} |"


def heading(row: str) -> str:
    """Who is tried, as the head of a column says it."""
    if row not in DIALECTS:
        return row
    return f"{row} (experimental)" if DIALECTS[row].experimental else row


def versions() -> str:
    """Which packages are tried, as the page says it."""
    node = json.loads(NODE_PACKAGES.read_text("utf-8"))["dependencies"]
    names = ("openai", "@tanstack/ai", "@tanstack/ai-openai", "ai")
    listed = ", ".join(f"`{name}` {node[name]}" for name in names)
    litellm = REQUIREMENT.rpartition("==")[2]
    return f"Python: `openai` {version('openai')}, `litellm` {litellm}; npm: {listed}"


if __name__ == "__main__":
    PAGE.write_text(page(recorded(Path(sys.argv[1]))), "utf-8")

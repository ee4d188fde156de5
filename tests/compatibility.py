"""Cells of the compatibility tables, written down by the tests that try them."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from bickford_sora.decisions.fields import BeyondProtocol
from bickford_sora.renderers.dialects import DIALECTS

RESULTS = ("works", "refused", "no call", "fails")
"""The last one is written of a test that fails; "no call": of a client that was seen to have none for a route."""

ROUTES = (
    "create",
    "create with a file",
    "create with a URL",
    "retrieve",
    "list",
    "delete",
    "content",
    "thumbnail",
    "spritesheet",
    "remix",
    "edit",
    "extend",
    "characters",
    "webhook endpoints",
    "Idempotency-Key",
    "errors",
)
CLIENTS = ("openai (Python)", "openai (Node)", "TanStack AI", "Vercel AI SDK", "litellm", "curl")
FEATURES = (
    "create",
    "reference image",
    "remix",
    "edits",
    "extensions",
    "characters",
    "thumbnail",
    "spritesheet",
    "several outputs",
    "list",
    "delete",
    "cancel",
    "failed job told",
    "finds lost jobs",
    *BeyondProtocol.model_fields,
)
TABLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {"clients": (CLIENTS, ROUTES), "renderers": (tuple(DIALECTS), FEATURES)}
)
"""The rows and the columns of each table. Nothing else can be recorded."""


@contextmanager
def record(table: str, row: str, column: str, *, result: str = "works") -> Iterator[None]:
    """Notes what became of trying a cell: `result`, or "fails" with whatever was raised.

    One JSON line in the folder that BICKFORD_COMPATIBILITY_DIR names; nothing without it. Also a decorator.
    """
    rows, columns = TABLES[table]
    assert (row in rows, column in columns, result in RESULTS) == (True, True, True), (table, row, column, result)
    try:
        yield
    except BaseException:
        _note(table, row, column, "fails")
        raise
    _note(table, row, column, result)


@contextmanager
def has_no_call(client: str, *routes: str) -> Iterator[None]:
    """Notes that a client has no call for some routes: around the look at the calls it has."""
    try:
        yield
    except BaseException:
        for route in routes:
            _note("clients", client, route, "fails")
        raise
    for route in routes:
        with record("clients", client, route, result="no call"):
            pass


def _note(table: str, row: str, column: str, result: str) -> None:
    folder = os.environ.get("BICKFORD_COMPATIBILITY_DIR")
    if folder is None:
        return
    line = json.dumps({"table": table, "row": row, "column": column, "result": result})
    with (Path(folder) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as notes:
        notes.write(line + "\n")

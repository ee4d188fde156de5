"""Writes golden bytes for examples that have none yet: `python -m tests.ledger.golden`. It never overwrites one.

Bytes that were released are in ledgers for ever. When a fact has changed, raise its SCHEMA, write `upcast`, and run
this: the new version gets a file of its own beside the old one.
"""

from collections.abc import Mapping
from pathlib import Path

from ledger.envelope import Fact
from ledger.mapper import encode

FOLDER = Path(__file__).parents[1] / "golden"


def path_of(fact: Fact, folder: Path = FOLDER) -> Path:
    """Where the bytes of a fact's present schema are pinned."""
    return folder / f"{fact.TYPE}.v{fact.SCHEMA}.json"


def add_missing(examples: Mapping[str, Fact], folder: Path = FOLDER) -> list[Path]:
    """Pins the bytes of every example that has none yet; the files that were added."""
    added = []
    for fact in examples.values():
        path = path_of(fact, folder)
        if not path.exists():
            with path.open("xb") as file:
                file.write(encode(fact) + b"\n")
            added.append(path)
    return added


if __name__ == "__main__":
    from .examples import EXAMPLES

    for added in add_missing(EXAMPLES):
        print(f"added {added.name}")  # noqa: T201 - its answer

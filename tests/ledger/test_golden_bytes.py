"""What is in a ledger is read for ever: the stored bytes of every fact are pinned in tests/golden."""

import re
from pathlib import Path

import orjson
import pytest

from ledger.envelope import Fact
from ledger.events import LIFECYCLE, TYPES
from ledger.mapper import FactMapper, encode

from .examples import EXAMPLES
from .golden import FOLDER, add_missing, path_of

EACH = pytest.mark.parametrize("fact", EXAMPLES.values(), ids=EXAMPLES)
PINNED = sorted(FOLDER.glob("*.json"))
_NAME = re.compile(r"(?P<type>[a-z_]+\.[a-z_]+)\.v(?P<schema>[1-9][0-9]*)\.json")


def test_every_fact_has_an_example_and_golden_bytes() -> None:
    assert set(EXAMPLES) == set(TYPES)
    assert {path_of(fact) for fact in EXAMPLES.values()} <= set(PINNED)


def test_every_golden_file_is_of_a_known_type() -> None:
    assert {_NAME.fullmatch(path.name)["type"] for path in PINNED} == set(TYPES)


def test_every_version_that_was_ever_written_is_pinned() -> None:
    for name, fact in TYPES.items():
        pinned = {int(_NAME.fullmatch(path.name)["schema"]) for path in FOLDER.glob(f"{name}.v*.json")}
        assert pinned == set(range(1, fact.SCHEMA + 1))


@EACH
def test_an_example_leaves_nothing_to_its_defaults(fact: Fact) -> None:
    filled = fact.model_dump()
    assert all(value is not None for value in filled.values())
    assert set(filled) == set(type(fact).model_fields)


@EACH
def test_the_bytes_written_today_are_the_golden_bytes(fact: Fact) -> None:
    assert encode(fact) + b"\n" == path_of(fact).read_bytes()


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.stem)
def test_golden_bytes_are_read_as_the_example(path: Path) -> None:
    name = _NAME.fullmatch(path.name)["type"]
    read = FactMapper().decode(name, path.read_bytes(), place=path.name)
    assert type(read) is TYPES[name]
    if path == path_of(EXAMPLES[name]):
        assert read == EXAMPLES[name]
    else:
        stored = orjson.loads(path.read_bytes())["f"]
        assert _within(stored, orjson.loads(encode(read))["f"]), "an upcast keeps what was recorded"


def _within(old: object, new: object) -> bool:
    """Whether everything an older version stored is still said."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and _within(value, new[name]) for name, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_within, old, new))
    return old == new


@EACH
def test_a_changed_field_changes_the_bytes(fact: Fact) -> None:
    stored = orjson.loads(encode(fact))
    for field in stored["f"]:
        renamed = {**stored, "f": {f"{name}_" if name == field else name: value for name, value in stored["f"].items()}}
        with pytest.raises(Exception, match="not a valid"):
            FactMapper().decode(fact.TYPE, orjson.dumps(renamed), place="here")


def test_the_lifecycles_seven_names_are_for_ever() -> None:
    assert LIFECYCLE == (
        "render.intent",
        "render.queued",
        "render.progress",
        "render.completed",
        "render.failed",
        "render.stored",
        "render.remixed",
    )


def test_regenerating_only_adds_what_is_missing(tmp_path: Path) -> None:
    changed = tmp_path / "key.rotated.v1.json"
    changed.write_bytes(b"as it was released")
    added = add_missing(EXAMPLES, tmp_path)
    assert len(added) == len(TYPES) - 1
    assert changed.read_bytes() == b"as it was released"
    assert add_missing(EXAMPLES, tmp_path) == []

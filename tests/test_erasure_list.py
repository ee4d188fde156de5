"""The list of erasures: every line is on disk before a key goes, and damage is named by its line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bickford_sora.erasure_list import ErasureList, ErasureListDamaged, Listed
from ledger.events import ErasureDecided

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def entry(number: int) -> Listed:
    decided = ErasureDecided(subject=f"video_{number:032x}", kind="render", project="films", cause="asked")
    return Listed(at=AT, tenant="main", actor="key_1", requester="req-1", decided=decided)


@pytest.fixture
def kept(tmp_path: Path) -> ErasureList:
    made = ErasureList(tmp_path / "apart" / "erasures.jsonl")
    for number in range(3):
        made.append(entry(number))
    return made


def test_what_is_appended_is_read_again_by_whoever_opens_it(kept: ErasureList) -> None:
    ErasureList(kept.path).append(entry(3))
    assert [*ErasureList(kept.path)] == [entry(number) for number in range(4)]
    assert kept.path.stat().st_mode & 0o077 == 0


def test_a_list_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert not [*ErasureList(tmp_path / "none.jsonl")]


@pytest.mark.parametrize("cut", [1, 40])
def test_a_line_whose_writing_was_cut_short_counts_for_nothing(kept: ErasureList, cut: int) -> None:
    kept.path.write_bytes(kept.path.read_bytes()[:-cut])
    assert len([*kept]) == 2
    kept.append(entry(7))
    assert [*kept] == [entry(0), entry(1), entry(7)]


def test_only_a_part_of_the_first_line_is_no_line(tmp_path: Path) -> None:
    kept = ErasureList(tmp_path / "erasures.jsonl")
    kept.path.write_bytes(b'{"v": 1')
    kept.append(entry(0))
    assert [*kept] == [entry(0)]


@pytest.mark.parametrize("line", [0, 1])
@pytest.mark.parametrize("attack", ["changed", "removed", "swapped", "emptied", "no json", "of a newer form"])
def test_damage_is_named_by_its_line_and_nothing_is_read(kept: ErasureList, attack: str, line: int) -> None:
    lines = kept.path.read_bytes().splitlines(keepends=True)
    said = json.loads(lines[line])
    changes = {
        "changed": [lines[line].replace(b"key_1", b"key_2")],
        "removed": [],
        "emptied": [b"\n"],
        "no json": [b"{\n"],
        "of a newer form": [json.dumps({**said, "v": 2}).encode() + b"\n"],
        "swapped": [lines[line + 1], lines[line]],
    }
    lines[line : line + (2 if attack == "swapped" else 1)] = changes[attack]
    kept.path.write_bytes(b"".join(lines))
    with pytest.raises(ErasureListDamaged, match=rf"erasures\.jsonl, line {line + 1}: ") as damaged:
        list(kept)
    assert damaged.value.code == "erasure_list_damaged"


@pytest.mark.parametrize("last", [b"no line\n", b'{"n": "x"}\n', b'{"n": 3}\n', b"x" * 70_000])
def test_nothing_is_appended_behind_a_last_line_that_is_damaged(kept: ErasureList, last: bytes) -> None:
    lines = kept.path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:2], last])
    kept.path.write_bytes(damaged)
    with pytest.raises(ErasureListDamaged):
        kept.append(entry(9))
    assert kept.path.read_bytes() == damaged

"""An export held to checkpoints, offline: every tampering is found, where it is as far as hashes survive."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from ledger.exchange.manifest import Format, Manifest, TreeHead
from ledger.exchange.verifying import ExportCheck
from ledger.mapper import RecordedRow
from ledger.proof.errors import OtherLedger, Unsigned
from ledger.proof.leaves import leaf_of
from ledger.proof.notes import Note
from ledger.proof.tiles import Edge, Tile
from ledger.proof.verify import Verified
from tests.auditor.ledgers import LEDGER_ID, OTHER_SIGNER, SIGNER, Files, files, flipped

FACTS = 300
VERIFIERS = (SIGNER.verifier,)


@pytest.fixture
def ledger(tmp_path: Path) -> Files:
    return files(tmp_path, FACTS)


def manifest_of(export: Path, events: int) -> Manifest:
    """A manifest in order, as a forger would make it, too."""
    content = export.read_bytes()
    edge = Edge()
    edge.extend([bytes.fromhex(line.partition(b'"leafhash":"')[2][:64].decode()) for line in content.splitlines()])
    return Manifest(
        format=Format.JSONL,
        ledger_id=LEDGER_ID,
        first=1,
        last=events,
        filter={},
        events=events,
        file_bytes=len(content),
        file_sha256=hashlib.sha256(content).hexdigest(),
        tree=TreeHead(size=events, root=edge.root().hex()),
    )


def verified(ledger: Files, *sizes: int, events: int = FACTS, tiles: bool = False) -> Verified:
    """What is found when the export is held to checkpoints of these sizes."""
    notes = [(f"{size}.checkpoint", Note.parse((ledger.folder / f"{size}.checkpoint").read_bytes())) for size in sizes]
    manifest = manifest_of(ledger.export, events)
    kept = dict(_tiles(ledger.rows))
    read = (lambda tile: kept[tile]) if tiles else None
    check = ExportCheck(ledger.export, manifest, tiles=read, tiled=FACTS if tiles else 0)
    return check.verify(notes, VERIFIERS, lambda *_: None)


def _tiles(rows: Sequence[RecordedRow]) -> list[tuple[Tile, bytes]]:
    edge = Edge()
    return [*edge.extend([leaf_of(each) for each in rows]), *edge.partial()]


def test_all_of_it_holds_up_to_the_largest_checkpoint(ledger: Files) -> None:
    for size in (100, 280):
        ledger.checkpoint(size)
    found = verified(ledger, 100, 280)
    assert (found.held, found.facts, found.covered, found.checkpoints) == (True, FACTS, 280, 2)
    assert verified(ledger).covered == 0


def test_a_changed_line_is_named_and_what_follows_is_not_believed(ledger: Files) -> None:
    ledger.checkpoint(FACTS)
    lines = ledger.lines
    lines[41] = lines[41].replace(b'"tenant":"main"', b'"tenant":"mail"')
    ledger.write_lines(lines)
    (finding,) = verified(ledger, FACTS).findings
    assert (finding.kind, finding.first, finding.last) == ("facts_changed", 42, 42)
    assert finding.message.startswith("line 42: position 42: its columns are not those that were recorded")


def test_a_cut_export_lacks_facts_and_says_which(ledger: Files) -> None:
    ledger.checkpoint(FACTS)
    ledger.write_lines(ledger.lines[:-7])
    (finding,) = verified(ledger, FACTS).findings
    assert (finding.kind, finding.first, finding.last) == ("facts_missing", FACTS - 6, FACTS)


@pytest.mark.parametrize("filtered", [False, True])
def test_a_changed_line_of_a_part_is_named_by_its_position_in_the_ledger(ledger: Files, filtered: bool) -> None:
    manifest = manifest_of(ledger.export, FACTS)
    part = manifest.model_copy(
        update={"first": 50, "tree": None, "events": FACTS - 49, "filter": {"tenant": "main"} if filtered else {}}
    )
    lines = ledger.lines[49:]
    lines[2] = lines[2].replace(b'"tenant":"main"', b'"tenant":"mail"')
    ledger.write_lines(lines)
    (finding,) = ExportCheck(ledger.export, part).verify([], (), lambda *_: None).findings
    expected = (52, FACTS, False) if filtered else (52, 52, True)
    assert (finding.kind, finding.first, finding.last, finding.exact) == ("facts_changed", *expected)


@pytest.mark.parametrize("position", [1, 100, 101, FACTS])
def test_a_fact_made_again_with_all_hashes_is_found_between_checkpoints_or_exactly_by_tiles(
    position: int, ledger: Files
) -> None:
    for size in (100, FACTS):
        ledger.checkpoint(size)
    rows = [*ledger.rows]
    rows[position - 1] = replace(rows[position - 1], context=rows[position - 1].context._replace(actor="key_2"))
    ledger.write_rows(rows)
    (within,) = verified(ledger, 100, FACTS).findings
    assert (within.first, within.last, within.exact) == ((1, 100, False) if position <= 100 else (101, FACTS, False))
    (exact,) = verified(ledger, 100, FACTS, tiles=True).findings
    assert (exact.first, exact.last, exact.exact) == (position, position, True)


def test_facts_that_this_version_cannot_read_are_named_and_the_rest_is_checked(ledger: Files) -> None:
    changes = {5: {"topic": "render.dreamt"}, 9: {"state": b'{"f":{"mood":1},"v":1}'}}
    forged = [replace(each, **changes.get(each.id, {})) for each in ledger.rows]
    newer = Files(ledger.folder, forged)
    newer.write_rows(forged)
    newer.checkpoint(FACTS)
    found = verified(newer, FACTS)
    assert [(each.kind, each.first) for each in found.findings] == [("unknown_event_type", 5), ("invalid_event", 9)]
    assert found.covered == FACTS


def test_an_end_that_was_cut_is_found_though_its_manifest_was_made_again(ledger: Files) -> None:
    ledger.checkpoint(FACTS)
    ledger.write_lines(ledger.lines[:-7])
    (finding,) = verified(ledger, FACTS, events=FACTS - 7).findings
    assert (finding.kind, finding.first, finding.last) == ("facts_missing", FACTS - 6, FACTS)


def test_a_checkpoint_with_another_root_confirms_nothing(ledger: Files) -> None:
    ledger.checkpoint(FACTS, forge=flipped)
    found = verified(ledger, FACTS)
    assert (found.covered, found.findings[0].first, found.findings[0].last) == (0, 1, FACTS)


def test_a_checkpoint_of_another_key_or_another_ledger_is_refused(ledger: Files) -> None:
    ledger.checkpoint(FACTS, signer=OTHER_SIGNER)
    with pytest.raises(Unsigned, match=r"300\.checkpoint: no key that is trusted"):
        verified(ledger, FACTS)
    ledger.checkpoint(FACTS)
    note = ledger.folder / f"{FACTS}.checkpoint"
    note.write_text(note.read_text("utf-8").replace(str(LEDGER_ID), str(UUID(int=9))), "utf-8")
    with pytest.raises(OtherLedger):
        verified(ledger, FACTS)


@pytest.mark.parametrize(
    ("version", "of", "due"), [(2, 17, 1), (3, 16, 2), (1, 16, 2)], ids=["begins late", "gap", "twice"]
)
def test_a_version_that_is_not_due_in_its_stream_is_named(version: int, of: int, due: int, ledger: Files) -> None:
    stream = f"render:main:{of}"
    wrong = replace(ledger.rows[16], originator_id=stream, originator_version=version)
    ledger.write_rows([*ledger.rows[:16], wrong, *ledger.rows[17:]])
    (finding,) = verified(ledger).findings
    assert (finding.kind, finding.first, finding.last) == ("order_broken", 17, 17)
    assert finding.message == f"{stream} has version {version} here, where {due} is due"


@pytest.mark.parametrize("chosen", [{}, {"type": "render.progress"}], ids=["range", "selection"])
def test_in_a_part_versions_go_on_from_the_first_it_has(chosen: dict[str, str], ledger: Files) -> None:
    first, *others = (replace(ledger.rows[at], originator_id="render:main:1") for at in range(3))
    rows = [replace(row, originator_version=at) for row, at in zip((first, *others), (4, 6, 6), strict=True)]
    ledger.write_rows(rows)
    part = manifest_of(ledger.export, 3).model_copy(update={"filter": chosen, "tree": None})
    found = ExportCheck(ledger.export, part).verify([], VERIFIERS, lambda *_: None)
    due = [each.message[-8:] for each in found.findings]
    assert due == (["7 is due"] if chosen else ["5 is due", "7 is due"])
    assert found.kinds == {"order_broken"}


def test_a_part_is_held_to_no_checkpoint_and_none_of_another_ledger_is_taken(ledger: Files) -> None:
    ledger.checkpoint(FACTS, signer=OTHER_SIGNER)
    kept = ledger.folder / f"{FACTS}.checkpoint"
    part = manifest_of(ledger.export, FACTS).model_copy(update={"tree": None})

    def against() -> Verified:
        notes = [(kept.name, Note.parse(kept.read_bytes()))]
        return ExportCheck(ledger.export, part).verify(notes, [], lambda *_: None)

    assert (against().held, against().checkpoints, against().covered) == (True, 0, 0)
    kept.write_text(kept.read_text("utf-8").replace(str(LEDGER_ID), str(UUID(int=9))), "utf-8")
    with pytest.raises(OtherLedger):
        against()

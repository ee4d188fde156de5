"""Keys that sign checkpoints: made once, rotated on record, and never shown."""

from pathlib import Path
from uuid import UUID

import pytest

from bickford_sora.callers import KeyInvalid
from bickford_sora.log_signing import LogSigning, SignedFiles
from bickford_sora.recording import Recording
from ledger import streams
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.events.proof import Retirement
from ledger.identifiers import id_maker
from ledger.memory import MemoryRecorder
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, origin_of
from ledger.proof.errors import Unsigned

LEDGER_ID = UUID("0190a0b0-0000-7000-8000-000000000001")
ORIGIN = origin_of(LEDGER_ID)


@pytest.fixture
def recording() -> Recording:
    return Recording(Ledger(MemoryRecorder()), clock=system_clock, new_id=id_maker(system_clock))


@pytest.fixture
def signing(recording: Recording, tmp_path: Path) -> LogSigning:
    return LogSigning(recording, tmp_path / "keys", tenant="main")


def seeds(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "keys").iterdir())


def note_of(signing: LogSigning) -> str:
    signer = signing.signer(LEDGER_ID)
    assert signer is not None
    return Checkpoint(ORIGIN, 1, b"\1" * 32).signed(signer)


def test_the_first_key_is_made_and_published_once(signing: LogSigning, recording: Recording, tmp_path: Path) -> None:
    note = note_of(signing)
    assert note == note_of(signing)
    open_checkpoint(note, origin=ORIGIN, verifiers=signing.keys().verifiers)
    assert [event.fact.TYPE for event in recording.ledger.history(streams.log_key())] == ["log_key.published"]
    [seed] = (tmp_path / "keys").iterdir()
    assert seed.stat().st_mode & 0o777 == 0o600


def test_another_machine_does_not_sign_with_a_key_of_its_own(
    signing: LogSigning, recording: Recording, tmp_path: Path
) -> None:
    note_of(signing)
    other = LogSigning(recording, tmp_path / "other", tenant="main")
    assert other.signer(LEDGER_ID) is None
    assert not (tmp_path / "other").exists()


def test_a_key_signs_for_its_own_ledger_only(signing: LogSigning) -> None:
    note_of(signing)
    assert signing.signer(UUID(int=2)) is None


@pytest.mark.parametrize(("reason", "still_checked"), [("rotated", True), ("lost", True), ("stolen", False)])
def test_a_rotated_key_stays_listed(
    signing: LogSigning, tmp_path: Path, reason: Retirement, still_checked: bool
) -> None:
    before = note_of(signing)
    rotated = signing.rotate(LEDGER_ID, reason, actor="operator")
    keys = signing.keys()
    assert [each.retired_for for each in keys.keys] == [reason, None]
    assert keys.in_force is not None
    assert seeds(tmp_path) == [f"checkpoint-{keys.in_force.key_id}.key"]
    assert note_of(signing) == Checkpoint(ORIGIN, 1, b"\1" * 32).signed(rotated)
    open_checkpoint(note_of(signing), origin=ORIGIN, verifiers=keys.verifiers)
    if still_checked:
        open_checkpoint(before, origin=ORIGIN, verifiers=keys.verifiers)
    else:
        with pytest.raises(Unsigned):
            open_checkpoint(before, origin=ORIGIN, verifiers=keys.verifiers)


@pytest.mark.parametrize("content", ["", "AAAA", "?", "A" * 43 + "="])
def test_a_damaged_seed_is_named_and_not_replaced(signing: LogSigning, tmp_path: Path, content: str) -> None:
    note_of(signing)
    [seed] = (tmp_path / "keys").iterdir()
    seed.write_text(content)
    with pytest.raises(KeyInvalid, match=seed.name):
        signing.signer(LEDGER_ID)
    assert seed.read_text() == content


def test_what_a_key_signed_last_lies_beside_it_and_goes_with_it(signing: LogSigning, tmp_path: Path) -> None:
    note = note_of(signing)
    in_force = signing.keys().in_force
    assert in_force is not None
    assert signing.signed.newest(in_force.key_id) is None
    for each in ("another\n", note):
        signing.signed.keep(in_force.key_id, each)
    assert SignedFiles(tmp_path / "keys").newest(in_force.key_id) == Checkpoint(ORIGIN, 1, b"\1" * 32)
    assert seeds(tmp_path) == [f"checkpoint-{in_force.key_id}.key", f"checkpoint-{in_force.key_id}.signed"]
    signing.rotate(LEDGER_ID, "lost", actor="operator")
    assert [name for name in seeds(tmp_path) if in_force.key_id in name] == []


@pytest.mark.parametrize("content", [b"", b"a checkpoint\n", b"\xff"])
def test_a_damaged_last_checkpoint_is_named_and_nothing_signed_over_it(
    signing: LogSigning, tmp_path: Path, content: bytes
) -> None:
    note_of(signing)
    kept = tmp_path / "keys" / "checkpoint-abc.signed"
    kept.write_bytes(content)
    with pytest.raises(KeyInvalid, match=kept.name):
        signing.signed.newest("abc")

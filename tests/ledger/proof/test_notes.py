"""Notes and checkpoints against the examples of their specifications, and against what is not one."""

import base64
from uuid import UUID

import pytest

from ledger.proof.checkpoints import Checkpoint, open_checkpoint, origin_of
from ledger.proof.errors import Malformed, OtherLedger, Unsigned
from ledger.proof.merkle import EMPTY_ROOT
from ledger.proof.notes import Note, Signer, Verifier

from .vectors import CHECKPOINT, NOTE, NOTE_KEY, NOTE_SEED, NOTE_TEXT, POEM, ROOTS

ORIGIN = origin_of(UUID("0190a0b0-0000-7000-8000-000000000001"))
OURS = Signer(ORIGIN, b"\1" * 32)
THEIRS = Signer(ORIGIN, b"\2" * 32)
HEAD = Checkpoint(ORIGIN, 8, ROOTS[8])


def peter() -> Signer:
    return Signer("PeterNeumann", base64.b64decode(NOTE_SEED)[1:])


def test_a_note_of_the_reference_implementation_is_read_and_signed_alike() -> None:
    key = Verifier.parse(NOTE_KEY)
    assert Note.parse(NOTE).verified_by([key]) == (key,)
    assert str(Note.signed(NOTE_TEXT, peter())) == NOTE
    assert str(peter().verifier) == str(key) == NOTE_KEY


def test_the_text_of_a_note_ends_at_its_last_empty_line() -> None:
    note = Note.parse(POEM)
    assert note.text.endswith("\n\ned è subito sera.\n")
    assert [each.name for each in note.signatures] == ["quasimodo.example/salvatore"]
    assert str(note) == POEM


def test_the_checkpoint_of_the_specification_is_read() -> None:
    note = Note.parse(CHECKPOINT)
    found = Checkpoint.parse(note)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.text == note.text


def test_our_own_checkpoint_comes_back() -> None:
    note = HEAD.signed(OURS)
    assert open_checkpoint(note.encode(), origin=ORIGIN, verifiers=[OURS.verifier]) == HEAD
    assert Checkpoint.parse(Note.parse(Checkpoint(ORIGIN, 0, EMPTY_ROOT).signed(OURS))).size == 0


def test_signatures_of_others_are_ignored() -> None:
    note = HEAD.signed(THEIRS, OURS)
    assert open_checkpoint(note, origin=ORIGIN, verifiers=[OURS.verifier]) == HEAD
    with pytest.raises(Unsigned, match="no key that is trusted"):
        open_checkpoint(HEAD.signed(THEIRS), origin=ORIGIN, verifiers=[OURS.verifier])


def test_a_false_signature_of_a_trusted_key_makes_the_note_refused() -> None:
    note = Note.parse(HEAD.signed(OURS, THEIRS))
    forged = str(note).replace("\n8\n", "\n7\n")
    with pytest.raises(Unsigned, match="does not verify"):
        open_checkpoint(forged, origin=ORIGIN, verifiers=[OURS.verifier])


def test_a_checkpoint_of_another_ledger_is_named() -> None:
    other = origin_of(UUID(int=7))
    with pytest.raises(OtherLedger, match=other):
        open_checkpoint(
            Checkpoint(other, 8, ROOTS[8]).signed(Signer(other, b"\1" * 32)), origin=ORIGIN, verifiers=[OURS.verifier]
        )


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "text\n",
        NOTE_TEXT,
        NOTE[:-1],
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("— PeterNeumann", "- PeterNeumann"),
        NOTE.replace("— PeterNeumann", "—  PeterNeumann"),
        NOTE.replace("— PeterNeumann", "— Peter+Neumann"),
        NOTE.replace("x08go", "x08g*"),
        NOTE.replace("RyyBwJnAM=", "RyyBwJnAN="),
        NOTE.replace("cryptography", "crypto\tgraphy"),
        NOTE + "\n",
        NOTE_TEXT + "\n— PeterNeumann x08g\n",
        NOTE.encode().replace(b"If", b"\xff"),
        NOTE + "— PeterNeumann x08go/ZJ\n" * 100,
        "a" * 300_000,
    ],
)
def test_what_is_no_note_is_refused(damaged: str | bytes) -> None:
    with pytest.raises(Malformed):
        Note.parse(damaged)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n8\n",
        f"{ORIGIN}\n08\n{HEAD.text.splitlines()[2]}\n",
        f"{ORIGIN}\n-8\n{HEAD.text.splitlines()[2]}\n",
        f"{ORIGIN}\n8\nAAAA\n",
        f"{ORIGIN}\n8\n?\n",
        f"\n8\n{HEAD.text.splitlines()[2]}\n",
        f"{ORIGIN}\n8\n{HEAD.text.splitlines()[2]}\n\nmore\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="not a checkpoint"):
        Checkpoint.parse(Note.signed(text, OURS))


@pytest.mark.parametrize("at", range(len(NOTE_KEY)))
def test_a_damaged_public_key_is_refused(at: int) -> None:
    damaged = NOTE_KEY[:at] + chr(ord(NOTE_KEY[at]) ^ 1) + NOTE_KEY[at + 1 :]
    with pytest.raises(Malformed):
        Verifier.parse(damaged)
    with pytest.raises(Malformed):
        Verifier.parse(NOTE_KEY[:at])

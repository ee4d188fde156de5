"""Checkpoints (c2sp.org/tlog-checkpoint): a signed note of three lines, the origin, the size and the root.

The origin names the ledger by its id, so that a checkpoint of one ledger never passes for another's.
"""

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from ledger.proof.errors import Malformed, OtherLedger
from ledger.proof.merkle import HASH_BYTES
from ledger.proof.notes import Note, Signer, Verifier

ORIGIN_PREFIX = "bickford-sora/"

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES = 3


def origin_of(ledger_id: UUID) -> str:
    """The first line of this ledger's checkpoints, which is also the name of the keys that sign them."""
    return f"{ORIGIN_PREFIX}{ledger_id}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """That a ledger had this many facts, and this root above them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, *signers: Signer) -> str:
        """The signed note."""
        return str(Note.signed(self.text, *signers))

    @classmethod
    def parse(cls, note: Note) -> Self:
        """What a note says, signed by whomever. Lines behind the third are left alone. Raises Malformed."""
        lines = note.text.split("\n")[:-1]
        if len(lines) < _LINES or not all(lines):
            raise Malformed("not a checkpoint: its lines are origin, size and root, and none is empty")
        if _SIZE.fullmatch(lines[1]) is None:
            raise Malformed(f"not a checkpoint: its size is {lines[1][:40]!r}")
        return cls(lines[0], int(lines[1]), _root(lines[2]))


def open_checkpoint(note: str | bytes, *, origin: str, verifiers: Collection[Verifier]) -> Checkpoint:
    """The checkpoint in a signed note of this origin, checked. Raises Malformed, OtherLedger or Unsigned."""
    parsed = Note.parse(note)
    found = Checkpoint.parse(parsed)
    if found.origin != origin:
        raise OtherLedger(f"the checkpoint is of {found.origin!r}, not of {origin!r}")
    parsed.verified_by(verifiers)
    return found


def _root(line: str) -> bytes:
    try:
        root = base64.b64decode(line, validate=True)
    except ValueError as error:  # also of text beyond ASCII, for which it has no error of its own
        raise Malformed("not a checkpoint: its root is not base64") from error
    if len(root) != HASH_BYTES or base64.b64encode(root).decode() != line:
        raise Malformed(f"not a checkpoint: its root is not {HASH_BYTES} bytes in base64")
    return root

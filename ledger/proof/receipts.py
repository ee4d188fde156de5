"""Receipts (c2sp.org/tlog-proof@v1): that one fact is in the ledger, to be checked without the rest and offline.

The extra line carries the fact's envelope. It is not authenticated by itself: whoever checks hashes it and finds out
whether that is the leaf the proof leads up from.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from ledger.proof.checkpoints import Checkpoint
from ledger.proof.errors import Malformed, OtherLedger
from ledger.proof.hash_lines import FILE_BYTES_MAX, PATH_HASHES_MAX, hash_line, read_hash, read_line, written
from ledger.proof.leaves import leaf_hash
from ledger.proof.merkle import check_inclusion
from ledger.proof.notes import Note, Verifier

HEADER = "c2sp.org/tlog-proof@v1"
RECEIPT_BYTES_MAX = FILE_BYTES_MAX

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Receipt:
    """An index in the log, the way from there to a root, and the checkpoint that has this root."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    """The signed note, as it was taken."""
    extra: bytes | None = None
    """The fact's envelope."""

    def __str__(self) -> str:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {hash_line(self.extra)}")
        lines += [f"index {self.index}", *map(hash_line, self.path), "", self.checkpoint]
        return "\n".join(lines)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Reads a receipt. Raises Malformed, naming what is wrong with it."""
        head, separator, checkpoint = written(text).partition("\n\n")
        lines = head.split("\n")
        if not separator or lines[0] != HEADER:
            raise Malformed(f"not a receipt: it does not begin with {HEADER}")
        has_extra = len(lines) > 1 and lines[1].startswith("extra ")
        extra = read_line(lines.pop(1).removeprefix("extra ")) if has_extra else None
        match = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
        if match is None:
            raise Malformed("not a receipt: it names no index")
        path = tuple(map(read_hash, lines[2:]))
        if len(path) > PATH_HASHES_MAX:
            raise Malformed(f"a receipt has {PATH_HASHES_MAX} hashes at most")
        return cls(int(match[1]), path, checkpoint, extra)

    def check(
        self, *, verifiers: Collection[Verifier], origin: str | None = None, leaf: bytes | None = None
    ) -> Checkpoint:
        """The checkpoint it leads to, when it does.

        `leaf` is the leaf hash to look for, by default that of the envelope in the receipt. Raises Malformed,
        OtherLedger when `origin` is given and another's, Unsigned, or Mismatch.
        """
        note = Note.parse(self.checkpoint)
        checkpoint = Checkpoint.parse(note)
        if origin is not None and checkpoint.origin != origin:
            raise OtherLedger(f"the receipt is of {checkpoint.origin!r}, not of {origin!r}")
        note.verified_by(verifiers)
        if leaf is None and self.extra is None:
            raise Malformed("the receipt has no envelope: say which leaf it is about")
        leaf = leaf_hash(self.extra or b"") if leaf is None else leaf
        check_inclusion(leaf=leaf, index=self.index, size=checkpoint.size, proof=self.path, root=checkpoint.root)
        return checkpoint


def receipt_of(index: int, path: Sequence[bytes], checkpoint: str, envelope: bytes) -> Receipt:
    """A receipt of the fact that has this envelope."""
    return Receipt(index, tuple(path), checkpoint, envelope)

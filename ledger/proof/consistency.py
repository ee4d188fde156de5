"""That the facts under one checkpoint are the beginning of those under another, in a file to be checked offline.

The form is what witnesses are sent (c2sp.org/tlog-witness, add-checkpoint): `old SIZE`, the hashes of the proof
(RFC 6962 section 2.1.2) in base64, an empty line, and the later checkpoint.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.errors import Malformed, WrongSize
from ledger.proof.hash_lines import PATH_HASHES_MAX, hash_line, read_hash, written
from ledger.proof.merkle import check_consistency
from ledger.proof.notes import Verifier

HASHES_MAX = PATH_HASHES_MAX + 1
"""Longest consistency proof: the way of a leaf, and where it begins."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Consistency:
    """A proof between two sizes, and the checkpoint of the later one."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: str
    """The signed note, as it was taken."""

    def __str__(self) -> str:
        return "\n".join([f"old {self.old}", *map(hash_line, self.proof), "", self.checkpoint])

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Reads a file. Raises Malformed, naming what is wrong with it."""
        head, separator, checkpoint = written(text).partition("\n\n")
        first, *hashes = head.split("\n")
        match = _OLD.fullmatch(first)
        if not separator or match is None:
            raise Malformed("not a consistency proof: it does not begin with `old` and a size")
        if len(hashes) > HASHES_MAX:
            raise Malformed(f"a consistency proof has {HASHES_MAX} hashes at most")
        return cls(int(match[1]), tuple(map(read_hash, hashes)), checkpoint)

    def check(self, held: Checkpoint, *, verifiers: Collection[Verifier]) -> Checkpoint:
        """The later checkpoint, when it goes on from the one that is held.

        Raises Malformed, OtherLedger, Unsigned, Mismatch, or WrongSize for a proof that begins at another size.
        """
        later = open_checkpoint(self.checkpoint, origin=held.origin, verifiers=verifiers)
        if self.old != held.size:
            raise WrongSize(f"the proof begins at {self.old} facts, and the checkpoint is of {held.size}")
        check_consistency(old=held.size, old_root=held.root, new=later.size, new_root=later.root, proof=self.proof)
        return later

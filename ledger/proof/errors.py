"""What is wrong with a proof, by cause.

ProofError
├── Malformed        not in the form that its specification gives it: damaged, or something else
├── Unsigned         no key that we trust signed it
├── OtherLedger      a checkpoint of another ledger
├── NotCovered       a fact that no checkpoint covers yet, or a size the tree has not reached
├── Mismatch         the proof does not lead to the root: something was changed
│   └── WrongSize    it is for a tree of another size than what it is held to
└── Diverged         the tree that was kept and the ledger are no longer of one history: nothing is signed
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.errors import LedgerError


class ProofError(LedgerError):
    """Something is wrong with a proof."""

    code = "proof_error"


class Malformed(ProofError):  # noqa: N818 - the name states the cause
    """It is not in the form that its specification gives it: it was damaged, or is something else."""

    code = "proof_malformed"


class Unsigned(ProofError):  # noqa: N818
    """No key that is trusted signed it, or the signature of one does not verify."""

    code = "proof_unsigned"


class OtherLedger(ProofError):  # noqa: N818
    """It is of another ledger: its origin is not this ledger's."""

    code = "proof_of_other_ledger"


class NotCovered(ProofError):  # noqa: N818
    """No checkpoint covers this yet, or the tree has not reached that size."""

    code = "proof_not_covered"


class Mismatch(ProofError):  # noqa: N818
    """It does not lead to the root that was signed. Something was changed since."""

    code = "proof_mismatch"


class WrongSize(Mismatch):
    """It is for another size than what it is held to, and says nothing about that. Take one for this size."""

    code = "proof_wrong_size"


class Diverged(ProofError):  # noqa: N818
    """The tree that was kept and the ledger are not of one history any more. Run `bickford-sora verify`."""

    code = "proof_diverged"


@contextmanager
def named(name: str) -> Iterator[None]:
    """Has an error of a proof say which of several files it is about."""
    try:
        yield
    except ProofError as error:
        raise type(error)(f"{name}: {error}") from None

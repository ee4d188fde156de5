"""Everything that proves a ledger, built once."""

from dataclasses import dataclass
from typing import Self

from bickford_sora.log_signing import LogSigning
from ledger.clock import Clock
from ledger.proof.postgres import PostgresTree
from ledger.proof.proofs import Proofs
from ledger.proof.sequencer import Sequencer
from ledger.recorder import PostgresRecorder


@dataclass(frozen=True, slots=True)
class Proving:
    """The tree, who makes it grow and signs it, and what it proves."""

    tree: PostgresTree
    signing: LogSigning
    sequencer: Sequencer
    proofs: Proofs

    @classmethod
    def over(cls, recorder: PostgresRecorder, signing: LogSigning, *, clock: Clock, interval_s: float) -> Self:
        """Over a ledger in PostgreSQL; `interval_s` is the time between two checkpoints."""
        tree = PostgresTree(recorder)
        sequencer = Sequencer(tree, clock=clock, signer=signing.signer, interval_s=interval_s, signed=signing.signed)
        return cls(tree, signing, sequencer, Proofs(tree, recorder))

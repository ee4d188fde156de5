"""Ledgers with facts, and trees over them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ledger.application import Ledger
from ledger.proof.checkpoints import origin_of
from ledger.proof.notes import Signer
from ledger.proof.port import SignedMemory, TreeStore
from ledger.proof.sequencer import Sequencer
from tests.ledger.ledger_facts import NOON, decision, new_stream

INTERVAL_S = 60.0


def signer_of(ledger_id: UUID) -> Signer:
    return Signer(origin_of(ledger_id), b"\1" * 32)


def grow(ledger: Ledger, facts: int) -> None:
    """That many facts more, a hundred a stream."""
    while facts > 0:
        ledger.append(decision((new_stream(), 0), facts=min(facts, 100)))
        facts -= 100


@dataclass
class Proven:
    """A ledger, its tree, and a clock that stands still until it is moved."""

    ledger: Ledger
    store: TreeStore
    now: datetime = NOON
    may_sign: bool = True
    signed: SignedMemory | None = None
    sequencer: Sequencer = field(init=False)

    def __post_init__(self) -> None:
        self.sequencer = Sequencer(
            self.store,
            clock=lambda: self.now,
            signer=lambda ledger_id: signer_of(ledger_id) if self.may_sign else None,
            interval_s=INTERVAL_S,
            signed=self.signed,
        )

    def grow(self, facts: int) -> None:
        grow(self.ledger, facts)

    def sequence(self) -> None:
        while self.sequencer.step():
            pass

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

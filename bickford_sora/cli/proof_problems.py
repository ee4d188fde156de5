"""With which exit status a command ends that found something wrong with a proof or with the ledger."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from types import MappingProxyType

import typer

from bickford_sora.cli.output import note
from bickford_sora.cli.problems import explained
from ledger.proof.errors import Diverged, Malformed, Mismatch, NotCovered, OtherLedger, ProofError, Unsigned, WrongSize
from ledger.proof.findings import Kind

FOUND: Mapping[Kind, int] = MappingProxyType(
    {
        "facts_missing": 10,
        "facts_changed": 11,
        "tree_changed": 12,
        "checkpoint_changed": 13,
        "unknown_event_type": 14,
        "invalid_event": 15,
        "order_broken": 16,
        "asset_missing": 17,
        "asset_changed": 18,
        "payload_unreadable": 19,
    }
)
"""By what was found; of several the gravest, which is the first."""
FAILED: Mapping[type[ProofError], int] = MappingProxyType(
    {Malformed: 20, Unsigned: 21, OtherLedger: 22, Mismatch: 23, WrongSize: 23, NotCovered: 24, Diverged: 25}
)
"""By what is wrong with a checkpoint or a receipt."""


def status_of(kinds: AbstractSet[Kind]) -> int:
    """The exit status for what was found; 0 for nothing."""
    return next((status for kind, status in FOUND.items() if kind in kinds), 0)


@contextmanager
def proof_statuses() -> Iterator[None]:
    """Ends the command with a status of its own for each kind of error of a proof."""
    try:
        yield
    except ProofError as error:
        note(explained(error))
        raise typer.Exit(FAILED.get(type(error), 1)) from None

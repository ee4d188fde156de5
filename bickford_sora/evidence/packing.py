"""Making a pack of facts somebody may see: for a command that writes it to a file, and for a route that sends it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from bickford_sora.decisions.rules.evaluation import CompiledPolicy
from bickford_sora.evidence.gathering import Evidence, RowsAt, gather
from bickford_sora.evidence.pack import files_of, zip_files
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.keys import Keys
from ledger.proof.notes import Verifier
from ledger.proof.port import TreeReader


@dataclass(frozen=True, slots=True)
class Pack:
    """What is in a pack, to be written once."""

    evidence: Evidence
    files: Iterator[tuple[str, bytes]]
    made_at: datetime

    def write(self, target: IO[bytes]) -> int:
        """Writes the archive. Returns its number of files."""
        return zip_files(target, self.files, self.made_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Makes packs. Safe to use from several threads; raises `ledger.errors.Unavailable`, and Corrupt as `gather`."""

    ledger: Ledger
    rows_at: RowsAt
    tree: TreeReader
    verifiers: Callable[[], Sequence[Verifier]]
    """The keys that sign, or signed, checkpoints."""
    keys: Keys
    operator: str
    """The tenant that runs the server: what it pays renderers is every tenant's price."""
    built_in: CompiledPolicy
    """The policy that decided before any was published."""
    clock: Clock

    def pack(
        self, title: str, positions: Sequence[int], *, tenant: str, parked: int = 0, opens_texts: bool = False
    ) -> Pack:
        """A pack of the facts at these positions, and of those they rest on. Sealed texts stay sealed by default.

        `parked` is how many facts of the tenant could not be looked through for them; the page says so.
        """
        evidence = gather(
            self.ledger, self.rows_at, positions, tenant=tenant, operator=self.operator, built_in=self.built_in
        )
        made_at = self.clock()
        files = files_of(
            evidence,
            title=title,
            parked=parked,
            tree=self.tree,
            verifiers=self.verifiers(),
            keys=self.keys if opens_texts else None,
            made_at=made_at,
        )
        return Pack(evidence, files, made_at)

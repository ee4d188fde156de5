"""Holds every fact of a ledger to its tree, to checkpoints and to the rules of the ledger."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from ledger.payloads import ReadPayload, unread
from ledger.proof.findings import Finding, Findings, Kind
from ledger.proof.row_check import OnFact, Row, RowCheck
from ledger.proof.tiles import ReadTile
from ledger.proof.tree_check import Held, TreeCheck


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification came to."""

    facts: int
    """Facts that were read."""
    covered: int
    """Facts under the largest checkpoint that was right; those behind it are not covered yet."""
    checkpoints: int
    """Checkpoints that the ledger was held to."""
    findings: Sequence[Finding]
    left_off: int
    """Findings beyond those listed."""
    kinds: frozenset[Kind]

    @property
    def held(self) -> bool:
        """Whether nothing was found."""
        return not self.kinds

    def with_findings(self, findings: Findings) -> "Verified":
        """With what was found since."""
        return replace(self, findings=findings.listed, left_off=findings.left_off, kinds=frozenset(findings.kinds))


def verify_rows(
    batches: Iterable[Sequence[Row]],
    *,
    held: Sequence[Held],
    tiles: ReadTile | None,
    tiled: int,
    findings: Findings,
    watched: Collection[str] = (),
    on_fact: OnFact | None = None,
    payloads: ReadPayload = unread,
) -> Verified:
    """Checks rows in the order of their positions. `tiles` has the leaf hashes of the first `tiled` facts."""
    tree = TreeCheck(held, findings, tiles, tiled)
    rows = RowCheck(findings, size_needed=tree.size_needed, watched=watched, on_fact=on_fact, payloads=payloads)
    for batch in batches:
        tree.add(rows.leaves(batch))
    tree.finish()
    return Verified(
        facts=rows.next - 1,
        covered=tree.covered,
        checkpoints=len(held),
        findings=findings.listed,
        left_off=findings.left_off,
        kinds=frozenset(findings.kinds),
    )

"""A ledger in files, made with the package's own code: what an auditor may be given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from ledger.envelope import Context
from ledger.exchange.cloudevents import line_of
from ledger.mapper import RecordedRow, encode
from ledger.proof.checkpoints import Checkpoint, origin_of
from ledger.proof.leaves import envelope_of, leaf_of
from ledger.proof.merkle import Leaves, inclusion_proof, root
from ledger.proof.notes import Signer
from ledger.proof.receipts import receipt_of
from ledger.proof.tiles import Edge
from tests.ledger.examples import EXAMPLES
from tests.ledger.ledger_facts import NOON

LEDGER_ID = UUID(int=77)
ORIGIN = origin_of(LEDGER_ID)
SIGNER = Signer(ORIGIN, bytes(range(32)))
OTHER_SIGNER = Signer(ORIGIN, bytes(32))


def row(position: int) -> RecordedRow:
    """Some fact; some columns are without a value now and then."""
    facts = list(EXAMPLES.values())
    fact = facts[position % len(facts)]
    context = Context(
        tenant="main",
        actor='key_"é"\t\\/\x7f<>&',
        occurred_at=NOON + timedelta(microseconds=position % 3),
        correlation=UUID(int=position) if position % 2 else None,
        causation=UUID(int=position << 70) if position % 3 else None,
        trace=f"{position:032x}" if position % 5 else None,
    )
    payload = encode(fact) if position % 7 else encode(fact) + b" "
    return RecordedRow(
        f"render:main:{position}",
        1,
        fact.TYPE,
        payload,
        position,
        UUID(int=position),
        context,
        NOON + timedelta(seconds=position),
    )


@dataclass(frozen=True)
class Files:
    """The files of one ledger."""

    folder: Path
    rows: Sequence[RecordedRow]

    @property
    def export(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def lines(self) -> list[bytes]:
        return self.export.read_bytes().splitlines(keepends=True)

    def write_lines(self, lines: Sequence[bytes]) -> None:
        self.export.write_bytes(b"".join(lines))

    def write_rows(self, rows: Sequence[RecordedRow]) -> None:
        """An export of these, each with all its hashes in order."""
        self.write_lines([line_of(each, leaf_of(each), ORIGIN) for each in rows])

    def checkpoint(self, size: int, *, signer: Signer = SIGNER, forge: Callable[[bytes], bytes] = bytes) -> Path:
        """A signed checkpoint."""
        path = self.folder / f"{size}.checkpoint"
        path.write_text(Checkpoint(ORIGIN, size, forge(root(self._nodes(), size))).signed(signer), "utf-8")
        return path

    def tiles(self) -> Path:
        """The tree's hashes as others keep them."""
        edge = Edge()
        full = edge.extend([leaf_of(each) for each in self.rows])
        for tile, content in [*full, *edge.partial()]:
            path = self.folder / "tiles" / "tile" / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return self.folder / "tiles"

    def receipt(self, position: int, size: int) -> Path:
        """The receipt of one fact under the checkpoint of this size."""
        path = self.folder / f"{position}.tlog-proof"
        proof = inclusion_proof(self._nodes(), position - 1, size)
        note = self.checkpoint(size).read_text("utf-8")
        path.write_text(str(receipt_of(position - 1, proof, note, envelope_of(self.rows[position - 1]))), "utf-8")
        return path

    @property
    def key(self) -> Path:
        """The public key's file."""
        path = self.folder / "key"
        path.write_text(f"{SIGNER.verifier}\n", "utf-8")
        return path

    def _nodes(self) -> Leaves:
        return Leaves([leaf_of(each) for each in self.rows])


def files(folder: Path, count: int) -> Files:
    """The files of a ledger of so many facts."""
    made = Files(folder, [row(position) for position in range(1, count + 1)])
    made.write_rows(made.rows)
    return made


def flipped(root_hash: bytes) -> bytes:
    """Another root."""
    return bytes([root_hash[0] ^ 1]) + root_hash[1:]

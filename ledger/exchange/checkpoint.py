"""The checkpoint that lies beside an export."""

from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.exchange.manifest import Manifest, checkpoint_path
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.errors import named
from ledger.proof.notes import NOTE_BYTES_MAX, Note
from ledger.sql import query


def write_checkpoint(connection: Connection[TupleRow], export: Path, manifest: Manifest) -> Path | None:
    """Writes the newest checkpoint that the export can be held to. Returns its path, None where there is none.

    For an export of everything from position 1 on that is one of no more facts than it has; for any other it is one
    that covers its last fact, to go with receipts or tiles.
    """
    name = "checkpoint_within" if manifest.tree is not None else "checkpoint_covering"
    row = connection.execute(query(name), (manifest.last,)).fetchone()
    if row is None:
        return None
    path = checkpoint_path(export)
    path.write_text(row[0], "utf-8")
    return path


def read_checkpoint(path: Path) -> tuple[Note, Checkpoint]:
    """A checkpoint and its note, whose signatures nobody has checked yet. Raises ledger.proof.errors.Malformed."""
    with path.open("rb") as file:
        content = file.read(NOTE_BYTES_MAX + 1)
    with named(path.name):
        note = Note.parse(content)
        return note, Checkpoint.parse(note)

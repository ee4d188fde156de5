"""An export into an empty ledger: the same bytes, positions, moments, ids and root. All in one transaction."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.errors import InvalidEvent, UnknownEventType
from ledger.exchange.checkpoint import read_checkpoint
from ledger.exchange.errors import ExportDamaged, ImportRefused
from ledger.exchange.key_bundle import import_keys
from ledger.exchange.manifest import Manifest, checkpoint_path, read_manifest
from ledger.exchange.reading import Read, read_export
from ledger.keys import Keys
from ledger.mapper import FactMapper, RecordedRow
from ledger.sql import query

PROGRESS_EVENTS = 2_000
"""Facts between two calls of the progress callback."""
COLUMN_TYPES = (
    *("int8", "text", "int4", "text", "uuid", "timestamptz", "timestamptz"),
    *("text", "text", "uuid", "uuid", "text", "bytea"),
)
"""Of `ledger.events`, in the order of `copy_events.sql`."""

OnProgress = Callable[[int, int], None]
"""Called with the facts that were read, and their total."""


def import_file(
    connection: Connection[TupleRow], path: Path, on_progress: OnProgress, *, keys: tuple[Path, Keys] | None = None
) -> Manifest:
    """Reads an export into a ledger without facts, and takes over its ledger id.

    `keys`: the wrapped keys that were exported with it, and the keys of here, whose master key has to open them.

    A checkpoint that lies beside has to have the same root; whoever wants to know who signed it verifies the export.

    `connection` is the owner's: the application's role may not write rows of its own. Raises ImportRefused for a
    ledger that has facts, an export that does not begin with the first fact or leaves any out, events of types this
    version does not know or that are not valid, or keys of another master key; ExportDamaged, naming the place. After
    an error the ledger is as empty as before.
    """
    manifest = read_manifest(path)
    beside = checkpoint_path(path)
    held = [read_checkpoint(beside)[1]] if beside.exists() else []
    if not manifest.is_complete:
        raise ImportRefused(
            f"the export holds {_held(manifest)}: one that can be imported begins at position 1 and leaves nothing out"
        )
    with connection.transaction():
        connection.execute(query("import_lock"))
        _check_empty(connection)
        try:
            with connection.cursor() as cursor, cursor.copy(query("copy_events")) as copy:
                copy.set_types(COLUMN_TYPES)
                for read in _valid(read_export(path, manifest, held), manifest, on_progress):
                    copy.write_row(_columns(read.row))
        except psycopg.errors.IntegrityError as error:
            detail = error.diag.message_detail or error.diag.message_primary
            raise ExportDamaged("among the facts", f"the ledger cannot hold them: {detail}") from None
        except psycopg.errors.InsufficientPrivilege:
            raise ImportRefused("this role may only append: import as the owner of the ledger's tables") from None
        gap = connection.execute(query("stream_with_gap")).fetchone()
        if gap is not None:
            raise ExportDamaged(f"the stream {gap[0]}", "its versions do not follow one another from 1")
        connection.execute(query("adopt_ledger_id"), (manifest.ledger_id,))
        if keys is not None:
            import_keys(connection, *keys)
    # Committed: facts, identity and keys are there together. Before this line there was nothing.
    return manifest


def _check_empty(connection: Connection[TupleRow]) -> None:
    row = connection.execute(query("head")).fetchone()
    if row is not None and row[0]:
        raise ImportRefused(f"this ledger has {row[0]} facts: an export goes into an empty one")


def _valid(reads: Iterator[Read], manifest: Manifest, on_progress: OnProgress) -> Iterator[Read]:
    """The rows that are facts this version knows. Raises ImportRefused at the first that is not."""
    mapper = FactMapper()
    on_progress(0, manifest.events)
    for done, read in enumerate(reads, start=1):
        place = f"{read.place}, position {read.row.id}"
        try:
            mapper.decode(read.row.topic, read.row.state, place=place)
        except (UnknownEventType, InvalidEvent) as error:
            raise ImportRefused(str(error)) from error
        yield read
        if done % PROGRESS_EVENTS == 0:
            on_progress(done, manifest.events)
    on_progress(manifest.events, manifest.events)


def _columns(row: RecordedRow) -> tuple[object, ...]:
    context = row.context
    return (
        row.id,
        row.originator_id,
        row.originator_version,
        row.topic,
        row.event_id,
        row.recorded_at,
        context.occurred_at,
        context.tenant,
        context.actor,
        context.correlation,
        context.causation,
        context.trace,
        row.state,
    )


def _held(manifest: Manifest) -> str:
    filtered = f", only {', '.join(manifest.filter)}" if manifest.filter else ""
    return f"positions {manifest.first} to {manifest.last}{filtered}"

"""One byte of a copy of the ledger is changed, as only the database's owner can, and verification looks for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection, conninfo, sql
from psycopg.rows import TupleRow

from bickford_sora.composition.books import MIGRATIONS, Books
from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.identifiers import new_uuid7
from ledger.proof.findings import Findings
from ledger.proof.port import KeptCheckpoint
from ledger.proof.postgres import PostgresTree, TilesAhead
from ledger.proof.tree_check import Held
from ledger.proof.verify import Verified, verify_rows
from ledger.recorder import PostgresRecorder

_CHANGE = """
update ledger.events
set payload = convert_to(replace(convert_from(payload, 'UTF8'), '"seconds":"4"', '"seconds":"8"'), 'UTF8')
where position = %s
"""
"""Four seconds become eight: one byte, and a payload that is as good as before."""


def verified_after_change(books: Books, position: int) -> tuple[KeptCheckpoint, Verified]:
    """Verifies a copy of which the fact at `position`, an intent, was changed by its owner.

    It is held to a checkpoint and to the tiles of the ledger as it is.
    """
    checkpoint = books.proving.sequencer.take()
    with _copy(books) as url:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("alter table ledger.events disable trigger user")
            owner.execute(_CHANGE, (position,))
        with open_pool(url, size_max=2) as pool:
            recorder = PostgresRecorder(pool)
            verified = verify_rows(
                PostgresTree(recorder).rows(),
                held=[Held(checkpoint.size, checkpoint.root, "the checkpoint taken before")],
                tiles=TilesAhead(books.proving.tree),
                tiled=checkpoint.size,
                findings=Findings(),
                payloads=books.ledger.payloads,
            )
            recorder.close()
    return checkpoint, verified


@contextmanager
def _copy(books: Books) -> Iterator[str]:
    """The address of a database with the same facts, dropped in the end. The ledger's own is in use."""
    name = f"bickford_copy_{new_uuid7(books.clock).hex}"
    with psycopg.connect(books.url, autocommit=True) as source:
        source.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        try:
            url = conninfo.make_conninfo(books.url, dbname=name)
            migrate(url, MIGRATIONS, schema="ledger")
            with psycopg.connect(url, autocommit=True) as target:
                _copy_events(source, target)
            yield url
        finally:
            source.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _copy_events(source: Connection[TupleRow], target: Connection[TupleRow]) -> None:
    with (
        source.cursor().copy("copy ledger.events to stdout (format binary)") as read,
        target.cursor().copy("copy ledger.events from stdin (format binary)") as written,
    ):
        for chunk in read:
            written.write(chunk)

"""A database for one run of a benchmark, and how the library is told about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo, sql

from ledger.identifiers import new_uuid7

WAL_MIB = 400
"""As much as a minute of the largest load writes, in MiB."""
_MESSAGE_MIB = 8


@contextmanager
def temporary_database(url: str, *, like: str = "template0") -> Iterator[str]:
    """The address of a new database in the same server, dropped in the end. `like` names one to copy, in no use."""
    name = f"bickford_bench_{new_uuid7().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        created = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")  # a third of the default's work
        connection.execute(created.format(sql.Identifier(name), sql.Identifier(like)))
        try:
            yield conninfo.make_conninfo(url, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def recycle_wal(url: str) -> None:
    """Has a server keep WAL files to write over, as one that has run at a load does. `url` may make checkpoints.

    A server that is new makes each file when it first needs one: appends wait until 16 MB of zeros are on the disk.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(WAL_MIB // _MESSAGE_MIB):
            connection.execute(
                "SELECT pg_logical_emit_message(false, 'benchmark', repeat(' ', %s))", [_MESSAGE_MIB << 20]
            )
        connection.execute("CHECKPOINT")


def library_settings(url: str) -> dict[str, str]:
    """The settings of the event sourcing library for a database."""
    place = conninfo.conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(place["dbname"]),
        "POSTGRES_HOST": str(place.get("host", "")),
        "POSTGRES_PORT": str(place.get("port", "5432")),
        "POSTGRES_USER": str(place.get("user", "")),
        "POSTGRES_PASSWORD": str(place.get("password", "unused")),
    }

"""A database for one run of a benchmark, and how the library is told about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo, sql

from ledger.identifiers import new_uuid7


@contextmanager
def temporary_database(url: str) -> Iterator[str]:
    """The address of a new database in the same server, dropped in the end."""
    name = f"bickford_bench_{new_uuid7().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        created = sql.SQL("CREATE DATABASE {} TEMPLATE template0 STRATEGY file_copy")  # a third of the default's work
        connection.execute(created.format(sql.Identifier(name)))
        try:
            yield conninfo.make_conninfo(url, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


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

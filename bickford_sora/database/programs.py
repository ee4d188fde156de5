"""PostgreSQL's own client programs, such as pg_dump, run on the server that is used here."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from bickford_sora.database.binaries import candidate_folders, installed
from bickford_sora.database.errors import PostgresNotFoundError


def find_program(name: str, folders: Sequence[Path] | None = None) -> Path:
    """The newest installed client program of this name: one may be newer than its server, never older.

    Raises PostgresNotFoundError.
    """
    for binaries in installed(list(candidate_folders()) if folders is None else folders):
        program = binaries.folder / name
        if Path(name).name == name and os.access(program, os.X_OK):
            return program
    on_path = shutil.which(name)
    if on_path is None:
        raise PostgresNotFoundError(
            f"PostgreSQL's program {name!r} was not found. Install it: apt install postgresql-client (Debian, Ubuntu)."
        )
    return Path(on_path)


def connection_environment(url: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment in which a client program connects to `url`, which no list of processes shows then."""
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in Conninfo.get_defaults()
        if option.envvar is not None
    }
    named = conninfo_to_dict(url).items()
    return {**inherited, **{variables[name]: str(value) for name, value in named if name in variables}}

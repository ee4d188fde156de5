"""`bickford-sora database`: PostgreSQL's own programs, on the database that is used here."""

import subprocess
from typing import Annotated

import typer

from bickford_sora.cli.looking import quiet_settings
from bickford_sora.composition.books import database as used_database
from bickford_sora.database.programs import connection_environment, find_program

database = typer.Typer(help="Run PostgreSQL's own programs on the database that is used here.", no_args_is_help=True)


@database.callback()
def _named() -> None:
    """Run PostgreSQL's own programs on the database that is used here."""


@database.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    program: Annotated[str, typer.Argument(help="pg_dump, pg_restore, psql or another one.", metavar="PROGRAM")],
) -> None:
    """Run one of PostgreSQL's programs, with what follows its name. Ends with its exit status."""
    settings = quiet_settings()
    found = find_program(program)
    with used_database(settings) as url:
        ended = subprocess.run(  # noqa: S603 - what an operator asks for
            [found, *context.args], env=connection_environment(url, settings.environment()), check=False
        )
    if ended.returncode:
        raise typer.Exit(ended.returncode)

"""All checks, in the order in which their problems have to be put right."""

import re
from collections.abc import Iterable, Iterator, Mapping

import psycopg
from pydantic import ValidationError

from bickford_sora.composition.books import database
from bickford_sora.database.binaries import candidate_folders, choose_binaries
from bickford_sora.database.errors import DatabaseSetupError
from bickford_sora.database.layout import Layout
from bickford_sora.doctor.books import NO_LEDGER, check_books, check_master_key
from bickford_sora.doctor.finding import Finding, ok, problem, skipped, warning
from bickford_sora.doctor.likeness import check_likeness
from bickford_sora.doctor.machine import check_machine, check_port
from bickford_sora.doctor.renderers import check_renderers
from bickford_sora.doctor.server import check_server, connect, has_schema, unreachable
from bickford_sora.doctor.sign_in import check_sign_in
from bickford_sora.settings import Settings
from bickford_sora.telemetry import log_threshold
from ledger.clock import Clock

OF_SETTINGS = "settings"
OF_CLIENTS = frozenset({"BICKFORD_BASE_URL"})
"""Settings that commands and clients read, and no server."""
_PREFIX = "BICKFORD_"
_SERVICE = re.compile(r"BICKFORD_SORA_(?:SERVICE_(?:HOST|PORT)|PORT(?:_\w+)?)\w*")
"""What Kubernetes sets in every pod for a Service of our name."""
OF_BOOKS = ("erasures", "read_models", "tree", "configuration", "files")
"""Checks that need a ledger to look at."""


def settings_or_problems() -> tuple[Settings | None, list[Finding]]:
    """The settings of the environment, else one problem for each of them that cannot be used. Names no value."""
    try:
        settings = Settings()
        log_threshold(settings.log_level)
    except ValidationError as error:
        return None, [_wrong(each) for each in error.errors(include_input=False, include_url=False)]
    except ValueError as error:
        return None, [problem(OF_SETTINGS, f"log_level: {error}", "Correct BICKFORD_LOG_LEVEL.")]
    return settings, [*_not_read(Settings.environment()), ok(OF_SETTINGS, "all can be read")]


def _not_read(environment: Iterable[str]) -> Iterator[Finding]:
    """Variables that look like settings of ours and are none: a slip of the pen leaves the default in force."""
    read = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | OF_CLIENTS
    found = (each for each in environment if each.startswith(_PREFIX) and _SERVICE.fullmatch(each) is None)
    for name in sorted(each for each in found if each not in read):
        yield warning(
            OF_SETTINGS,
            f"{name} is set, and is no setting",
            "Correct its name (docs/reference/settings.md has all) or unset it, unless the renderer file names it.",
        )


def examine(
    settings: Settings, *, clock: Clock, listen: tuple[str, int] | None = None, stand_in: bool = False
) -> Iterator[Finding]:
    """Looks at everything there is, and changes nothing. `listen` is the host and port that shall be free.

    `stand_in` says that the one that comes along shall render, and no other.
    """
    yield from check_machine(settings, clock)
    if listen is not None:
        yield check_port(*listen)
    yield from _check_database(settings, clock)
    if stand_in:
        yield skipped("renderers", "the stand-in renders")
    else:
        yield from check_renderers(settings, clock)
    yield check_sign_in(settings)


def _check_database(settings: Settings, clock: Clock) -> Iterator[Finding]:
    if settings.database_url is None and not Layout(settings.data_dir.absolute()).cluster.exists():
        yield _not_made_yet()
        yield from _not_looked_at(settings)
        return
    try:
        with database(settings) as url, connect(url) as connection:
            yield from check_server(connection, url, settings, clock)
            if has_schema(connection):
                yield from check_books(connection, url, settings, clock)
                yield from check_likeness(url, settings, clock)
            else:
                yield from _not_looked_at(settings)
    except DatabaseSetupError as error:
        cause, _, advice = str(error).partition(". ")
        yield problem("database", cause, advice or "Start again when that is put right.")
        yield from _not_looked_at(settings)
    except psycopg.Error as error:
        yield unreachable(error)
        yield from _not_looked_at(settings)


def _not_made_yet() -> Finding:
    try:
        binaries = choose_binaries(list(candidate_folders()), cluster_major=None)
    except DatabaseSetupError as error:
        return problem("database", str(error), "Install PostgreSQL, or set BICKFORD_DATABASE_URL.")
    return ok("database", f"PostgreSQL {binaries.major}.{binaries.minor} is there, and makes one at the first start")


def _not_looked_at(settings: Settings) -> Iterator[Finding]:
    yield check_master_key(None, settings)
    yield from (skipped(each, NO_LEDGER) for each in OF_BOOKS)


def _wrong(error: Mapping[str, object]) -> Finding:
    place = ".".join(map(str, error["loc"])) if isinstance(error["loc"], tuple) else ""
    found = f"{place}: {error['msg']}" if place else str(error["msg"])
    return problem(OF_SETTINGS, found, "Correct it; docs/reference/settings.md says what it takes.")

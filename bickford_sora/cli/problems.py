"""Every error a command may end with, as one line: its code, its cause, and what to do next."""

import errno
from collections.abc import Callable

import psycopg
from psycopg_pool import PoolTimeout
from pydantic import ValidationError

from bickford_sora.assets.errors import AssetError
from bickford_sora.buckets import BucketUnusable
from bickford_sora.callers import KeyInvalid
from bickford_sora.cli.output import printable
from bickford_sora.client.errors import (
    SoraVideoError,
    SoraVideoFailed,
    SoraVideoTimeout,
    SoraVideoUnauthorized,
)
from bickford_sora.database.errors import DatabaseSetupError
from bickford_sora.erasure_list import ErasureListDamaged
from bickford_sora.errors import ProtocolError
from ledger.errors import LedgerError
from projections.errors import ProjectionError, UnknownProjection

LINE_CHARS_MAX = 2_000


class CommandRefused(Exception):  # noqa: N818 - it says what happened
    """A command cannot be run as things stand; the message says why and what to do."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def explained(error: Exception) -> str:
    """The line for standard error."""
    for kind, explain in _EXPLANATIONS:
        if isinstance(error, kind):
            code, message = explain(error)
            return printable(f"error ({code}): {message}")[:LINE_CHARS_MAX]
    return printable(f"error (unexpected): {type(error).__name__}: {error}. Please report this.")[:LINE_CHARS_MAX]


def _coded(error: Exception) -> tuple[str, str]:
    return str(getattr(error, "code", "error")), str(error)


def _with_advice(error: Exception) -> tuple[str, str]:
    """Of an error whose class says in its docstring what to do."""
    advice = (type(error).__doc__ or "").partition("\n")[0]
    return str(getattr(error, "code", "error")), f"{error}. {advice}"


def _from_server(error: Exception) -> tuple[str, str]:
    assert isinstance(error, SoraVideoError)  # noqa: S101 - the table says so
    request = f" (request {error.request_id})" if error.request_id else ""
    if error.code == API_KEY_MISSING:  # its message says what to do already
        return error.code, error.message
    listed = None if "'bickford-sora " in error.message else _LISTS.get(error.code)
    advice = f" List what there is with 'bickford-sora {listed}'." if listed else _next(error)
    stop = "." if advice and error.message[-1:].isalnum() else ""
    return error.code, f"{error.message}{stop}{advice}{request}"


def _next(error: SoraVideoError) -> str:
    return next((text for kind, text in _NEXT.items() if isinstance(error, kind)), "").format(id=error.video_id)


API_KEY_MISSING = "api_key_missing"
"""Code of the one refusal that comes from the client itself, before it asks the server."""
_NEXT = {
    SoraVideoUnauthorized: " Set BICKFORD_API_KEY to a key of this server; its first one lies in its keys/api.key.",
    SoraVideoFailed: " Ask again with 'bickford-sora videos retry {id}'.",
    SoraVideoTimeout: " See how it stands with 'bickford-sora videos show {id}'.",
}
"""What to do next where the server cannot know that a command asked."""
_LISTS = {
    "video_not_found": "videos list",
    "approval_not_found": "approvals list",
    "hold_not_found": "holds list",
    "api_key_not_found": "keys list",
    "webhook_endpoint_not_found": "endpoints list",
    "renderer_not_found": "renderers list",
    "budget_not_found": "budgets list",
}
"""The command that lists what was not found, by the error's code."""


def _settings(error: Exception) -> tuple[str, str]:
    # The values themselves are not repeated: they may be secrets.
    assert isinstance(error, ValidationError)  # noqa: S101 - the table says so
    wrong = [f"{'.'.join(map(str, each['loc'])) or error.title}: {each['msg']}" for each in error.errors()]
    return "settings_invalid", f"{'; '.join(wrong)}. Correct the setting (BICKFORD_ and its name) or the option."


def _system(error: Exception) -> tuple[str, str]:
    assert isinstance(error, OSError)  # noqa: S101 - the table says so
    if error.errno == errno.EADDRINUSE:
        return "address_in_use", "Another process has this port. Choose another one with --port, or end that process."
    return "system", f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}."


def _database(error: Exception) -> tuple[str, str]:
    return "database_unavailable", (
        f"The database does not answer ({type(error).__name__}). Check BICKFORD_DATABASE_URL and the server it names."
    )


_EXPLANATIONS: tuple[tuple[type[Exception], Callable[[Exception], tuple[str, str]]], ...] = (
    (CommandRefused, _coded),
    (SoraVideoError, _from_server),
    (ProtocolError, _coded),
    (LedgerError, _with_advice),
    (UnknownProjection, _coded),
    (ProjectionError, _with_advice),
    (DatabaseSetupError, _coded),
    (KeyInvalid, _coded),
    (ErasureListDamaged, _with_advice),
    (BucketUnusable, _coded),
    (AssetError, _coded),
    (ValidationError, _settings),
    (psycopg.OperationalError, _database),
    (PoolTimeout, _database),
    (OSError, _system),
)

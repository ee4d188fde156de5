"""Who may ask: configured and issued API keys, and the files in which keys of our own making lie."""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import SecretStr

from bickford_sora.decisions.api_keys import PREFIX, PROJECT, SECRET_BYTES, key_id_of, requester_of, tenant_of
from bickford_sora.decisions.caller import ROLES, Caller
from bickford_sora.decisions.requesters import Digest
from bickford_sora.errors import Unauthorized
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.settings import Settings
from ledger.durable import sync
from ledger.keys import KEY_BYTES

API_KEY_CHARS_MIN = 8
API_KEY_CHARS_MAX = 512
"""Longest API key in characters; a longer one is refused before it is hashed."""
BOOTSTRAP_PROJECT = "default"
"""The project of the bootstrap key."""

_PLACE = re.compile(rf"(?:[a-z][a-z0-9-]{{0,30}}/)?{PROJECT}")
_KEY = re.compile(rf"[!-~]{{{API_KEY_CHARS_MIN},{API_KEY_CHARS_MAX}}}")

PURPOSE = "api key"
"""What keyed hashes of API keys are for."""


class KeyInvalid(ValueError):  # noqa: N818 - the name states the cause
    """A key that was configured, or lies in a file, cannot be used. The message names the place and no secret."""

    code = "key_invalid"


class Callers:
    """Tells callers by their API key. Keeps keyed hashes only; safe to use from several threads.

    Configured keys come first and cost no query. They have every role in their project; those that span their tenant
    are the operator's own, and are also believed when they say on whose behalf they ask.
    """

    def __init__(
        self,
        projects: Mapping[str, str],
        *,
        digest: Digest,
        tenant: str = "main",
        spanning: Collection[str] = (),
        issued: IssuedKeys | None = None,
    ) -> None:
        """`projects` gives the project of each configured key, as `project` or, of another tenant, `tenant/project`.

        `spanning` are those of these keys that span their tenant; `issued` knows the keys that are not configured.
        """
        self._digest = digest
        self._issued = issued
        self._callers: dict[str, Caller] = {}
        for key, place in projects.items():
            digested = digest(PURPOSE, key.encode())
            of, _, project = place.rpartition("/")
            self._callers[digested] = _configured(digested, of or tenant, project, spans_tenant=key in spanning)
        self._by_key_id = {(each.tenant, each.key_id): each for each in self._callers.values()}

    def configured(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller of a request when its key is a configured one; takes no time. Raises Unauthorized for no key."""
        return self._callers.get(self._digest(PURPOSE, _presented(headers)))

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """The caller of a request, by `Authorization: Bearer KEY` or, where that is missing, `api-key: KEY`.

        Keys are found by their keyed hash, so the time taken tells nothing of a key. Raises Unauthorized, and
        `ledger.errors.Unavailable` when an issued key cannot be looked up.
        """
        presented = _presented(headers)
        digested = self._digest(PURPOSE, presented)
        caller = self._callers.get(digested)
        tenant = tenant_of(presented.decode("ascii", "replace"))
        if caller is None and self._issued is not None and tenant is not None:
            caller = self._issued.caller(tenant, digested)
        if caller is None:
            raise _unauthorized("Incorrect API key provided.")
        return caller

    def of_key(self, tenant: str, key_id: str) -> Caller:
        """The caller of a key that was presented before, as it is now. Raises as `authenticate`."""
        caller = self._by_key_id.get((tenant, key_id))
        if caller is None and self._issued is not None:
            caller = self._issued.of_key(tenant, key_id)
        if caller is None:
            raise _unauthorized("This API key is not accepted any more. Use another one.")
        return caller

    def confirmed(self, caller: Caller) -> Caller:
        """The caller by its key as it is now. Raises Unauthorized when it is not accepted any more."""
        return caller if self._issued is None else self._issued.confirmed(caller)


def configured_projects(bootstrap: SecretStr, settings: Settings) -> dict[str, str]:
    """The place of each API key, as `Callers` takes it: the bootstrap key's, and those of `BICKFORD_API_KEYS`.

    Raises KeyInvalid.
    """
    projects = {_checked(bootstrap.get_secret_value(), "BICKFORD_API_KEY"): BOOTSTRAP_PROJECT}
    listed = settings.api_keys.get_secret_value() if settings.api_keys else ""
    for number, entry in enumerate((part.strip() for part in listed.split(",") if part.strip()), start=1):
        place = f"entry {number} of BICKFORD_API_KEYS"
        project, separator, key = entry.partition("=")
        if not separator or _PLACE.fullmatch(project) is None:
            raise KeyInvalid(
                f"{place} is not project=key or tenant/project=key, their names being of a-z, 0-9 and '-', the "
                "project's also of '_'"
            )
        if projects.setdefault(_checked(key, place), project) != project:
            raise KeyInvalid(f"{place} has a key that another project has already")
    return projects


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The bootstrap API key."""

    secret: SecretStr
    made: bool
    """Whether it was made just now, and has to be shown to somebody."""


def load_or_make_api_key(path: Path, settings: Settings) -> ApiKey:
    """The configured bootstrap key, else the one in the file, which is made when there is none.

    Raises KeyInvalid when what is configured or stored is no key, OSError when the folder cannot be used.
    """
    if settings.api_key is not None:
        return ApiKey(SecretStr(_checked(settings.api_key.get_secret_value(), "BICKFORD_API_KEY")), made=False)
    fresh = PREFIX + secrets.token_hex(SECRET_BYTES)
    kept = _kept(path, fresh)
    return ApiKey(SecretStr(_checked(kept, str(path))), made=kept == fresh)


def load_or_make_master_key(path: Path, settings: Settings) -> bytes:
    """The configured master key, else the one in the file, which is made when there is none.

    Raises KeyInvalid when what is configured or stored is no key, OSError when the folder cannot be used. A damaged
    file is never replaced: every sealed text depends on it.
    """
    if settings.master_key is not None:
        return _decoded(settings.master_key.get_secret_value(), "BICKFORD_MASTER_KEY")
    fresh = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return _decoded(_kept(path, fresh), str(path))


def kept_master_key(path: Path, settings: Settings) -> bytes | None:
    """The master key as `load_or_make_master_key` would find it, None when it would make one. Raises as that."""
    return load_or_make_master_key(path, settings) if settings.master_key is not None or path.exists() else None


def _presented(headers: Mapping[str, str]) -> bytes:
    authorization = headers.get("authorization")
    if authorization is None:
        key = headers.get("api-key", "")
    else:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized("Send the API key as 'Authorization: Bearer KEY'.")
    key = key.strip()
    if not key:
        raise _unauthorized("No API key provided. Send it as 'Authorization: Bearer KEY'.")
    if len(key) > API_KEY_CHARS_MAX:
        raise _unauthorized("Incorrect API key provided.")
    return key.encode("utf-8", "surrogatepass")


def _unauthorized(message: str) -> Unauthorized:
    return Unauthorized(message, code="invalid_api_key")


def _configured(digested: str, tenant: str, project: str, *, spans_tenant: bool) -> Caller:
    return Caller(
        tenant,
        project,
        requester_of(digested),
        key_id_of(digested),
        frozenset(ROLES),
        spans_tenant=spans_tenant,
        may_assert_requester=spans_tenant,
    )


def _checked(key: str, place: str) -> str:
    if _KEY.fullmatch(key) is None:
        limits = f"{API_KEY_CHARS_MIN} to {API_KEY_CHARS_MAX}"
        raise KeyInvalid(f"{place}: an API key has {limits} visible ASCII characters and no spaces")
    return key


def _decoded(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyInvalid(f"{place}: the master key is {KEY_BYTES} bytes in base64; restore it from a backup")
    return key


def _kept(path: Path, fresh: str) -> str:
    """What the file holds; `fresh` when there was no file. Of several processes that make it at once, one does."""
    if not path.exists():
        make_key_file(path, fresh)
    return path.read_text(encoding="ascii", errors="replace").strip()


def make_key_file(path: Path, content: str) -> None:
    """Makes a file that only its owner reads, on disk when this returns. One that is there already stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as written:  # made with O_EXCL and mode 0600
        written.write(content.encode() + b"\n")
        written.flush()
        os.fsync(written.fileno())
        # The file appears whole or not at all; a crash before this line leaves a hidden file nobody reads.
        try:
            os.link(written.name, path)
        except FileExistsError:
            return  # another process was first, and its key is the key
    sync(path.parent)

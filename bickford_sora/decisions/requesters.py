"""On whose behalf a key asks: the name it gives, and the opaque id that stands for it. Pure.

Names are personal, so only the id is kept: a keyed hash of the name under its tenant, which nobody without the master
key can guess. The id is the unit of erasure: what its bearer wrote is sealed under a key that can be destroyed.
"""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest, RequesterNotAllowed

PARAM = "requester"
"""The body's field."""
HEADER = "Bickford-Requester"
"""The same for every request of a client (`default_headers`)."""
REQUESTER_CHARS_MAX = 255

_ID_CHARS = 32

Digest = Callable[[str, bytes], str]
"""A keyed hash in hex, by purpose: `ledger.keys.Keys.digest`."""


def on_behalf_of(caller: Caller, name: object, digest: Digest, *, param: str) -> Caller:
    """The caller as the one it names.

    Raises RequesterNotAllowed unless its key may name somebody, InvalidRequest for what is no name.
    """
    if not caller.may_assert_requester:
        raise RequesterNotAllowed(
            "This API key may not say on whose behalf it asks. Leave the requester out, or have an admin issue a key "
            "with may_assert_requester.",
            code="requester_not_allowed",
            param=param,
        )
    requester = id_of(caller.tenant, checked(name, param), digest)
    return replace(caller, requester=requester, asserted=True, owner=caller.holder)


def id_of(tenant: str, name: str, digest: Digest) -> str:
    """The id of whoever has this name in a tenant: the same in all its projects, and by all its keys."""
    return f"req-{digest('requester', json.dumps([tenant, name]).encode())[:_ID_CHARS]}"


def checked(name: object, param: str) -> str:
    """The name as it counts: composed (NFC), without space around it. Raises InvalidRequest for what is no name."""
    named = unicodedata.normalize("NFC", name).strip() if isinstance(name, str) else ""
    if not 0 < len(named) <= REQUESTER_CHARS_MAX or not named.isprintable():
        raise InvalidRequest(
            f"A requester has 1 to {REQUESTER_CHARS_MAX} characters that can be read.",
            code="invalid_requester",
            param=param,
        )
    return named

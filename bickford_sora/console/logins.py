"""A sign-in by the issuer that was begun in this browser: a signed cookie, kept until the browser is back."""

from typing import Any

from bickford_sora.console import signed
from bickford_sora.console.signed import Digest
from bickford_sora.oidc.code_flow import Login

PURPOSE = "console login"


def cookie(digest: Digest, login: Login) -> str:
    """The sign-in as a cookie's value."""
    return signed.written(digest, PURPOSE, [login.id, login.leads_to, login.ends])


def read(digest: Digest, kept: str | None) -> Login | None:
    """The sign-in in a cookie, also one that has ended; None for one that is not ours, or was altered."""
    said: Any = signed.read(digest, PURPOSE, kept)
    match said:
        case [str(login_id), str(leads_to), int(ends)]:
            return Login(login_id, leads_to, ends)
        case _:
            return None

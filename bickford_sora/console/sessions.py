"""Who is signed in: a signed cookie that names an API key and an end, and nothing else.

The key is looked up anew at every request, so a session ends with it. The signature is a keyed hash, as that of a
signed link; the CSRF token is another one, of the session's id.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from bickford_sora.decisions.caller import Caller
from ledger import streams
from ledger.identifiers import NewId

PURPOSE = "console session"
CSRF_PURPOSE = "console csrf"
SESSION_S = 12 * 3600
"""How long somebody stays signed in, in seconds."""
COOKIE_CHARS_MAX = 1_024
"""Longest cookie that is looked at."""


@dataclass(frozen=True, slots=True)
class Session:
    """That somebody signed in with an API key, until a moment."""

    id: str
    tenant: str
    key_id: str
    ends: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Makes and reads cookies. Safe to use from several threads."""

    digest: Callable[[str, bytes], str] = field(repr=False)
    """A keyed hash in hex, by purpose: `ledger.keys.Keys.digest`."""
    new_id: NewId
    session_s: int = SESSION_S

    def begin(self, caller: Caller, now: datetime) -> Session:
        """A new session of this caller."""
        ends = int(now.timestamp()) + self.session_s
        return Session(self.new_id().hex, caller.tenant, caller.key_id, ends)

    def cookie(self, session: Session) -> str:
        """The session as a cookie's value."""
        said = json.dumps([session.id, session.tenant, session.key_id, session.ends], separators=(",", ":")).encode()
        return f"{urlsafe_b64encode(said).decode()}.{self.digest(PURPOSE, said)}"

    def read(self, cookie: str | None, now: datetime) -> Session | None:
        """The session in a cookie; None for one that is not ours, was altered or has ended."""
        encoded, _, signature = (cookie or "")[:COOKIE_CHARS_MAX].partition(".")
        try:
            said = urlsafe_b64decode(encoded.encode("ascii"))
        except ValueError:
            return None
        if not hmac.compare_digest(self.digest(PURPOSE, said).encode(), signature.encode("utf-8", "surrogatepass")):
            return None
        session = _session(said)
        return session if session is not None and session.ends > now.timestamp() else None

    def csrf(self, session: Session) -> str:
        """What a form of this session has to bring back."""
        return self.digest(CSRF_PURPOSE, session.id.encode())

    def is_csrf(self, session: Session, token: object) -> bool:
        """Whether a form brought back what it was given."""
        given = token if isinstance(token, str) else ""
        return hmac.compare_digest(self.csrf(session).encode(), given.encode("utf-8", "surrogatepass"))


def _session(said: bytes) -> Session | None:
    """What was signed by us, which is nothing but a session; None for one of another form, of another version."""
    match json.loads(said):
        case [str(session_id), str(tenant), str(key_id), int(ends)]:
            is_well_formed = UUID(hex=session_id) and streams.is_tenant(tenant) and streams.is_key_id(key_id)
            return Session(session_id, tenant, key_id, ends) if is_well_formed else None
        case _:
            return None

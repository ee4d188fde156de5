"""Who is signed in: a signed cookie that names an API key or a person, and an end. No secret and no role is in it.

The key is looked up anew at every request, and so is what a person's groups may do: a session ends with either. The
signature is a keyed hash, as that of a signed link; the CSRF token is another one, of the session's id and place.
"""

import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from bickford_sora.console import signed
from bickford_sora.console.signed import Digest
from bickford_sora.decisions.caller import PERSON, Caller
from bickford_sora.oidc.people import Person, Place
from ledger import streams
from ledger.identifiers import NewId

PURPOSE = "console session"
CSRF_PURPOSE = "console csrf"
SESSION_S = 12 * 3600
"""How long somebody stays signed in by API key, in seconds."""


@dataclass(frozen=True, slots=True)
class OfKey:
    """Somebody who showed an API key."""

    tenant: str
    key_id: str


@dataclass(frozen=True, slots=True)
class OfPerson:
    """Somebody an issuer knows, and where they work: one of the places their groups have."""

    person: Person
    place: Place


@dataclass(frozen=True, slots=True)
class Session:
    """That somebody signed in, until a moment."""

    id: str
    who: OfKey | OfPerson
    ends: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Makes and reads cookies. Safe to use from several threads."""

    digest: Digest = field(repr=False)
    new_id: NewId
    session_s: int = SESSION_S

    def begin(self, caller: Caller, now: datetime) -> Session:
        """A new session of whoever has this API key."""
        return self._new(OfKey(caller.tenant, caller.key_id), self.session_s, now)

    def begin_person(self, person: Person, place: Place, session_s: int, now: datetime) -> Session:
        """A new session of a person."""
        return self._new(OfPerson(person, place), min(session_s, self.session_s), now)

    def at(self, session: Session, place: Place) -> Session:
        """The same session of a person at another place."""
        assert isinstance(session.who, OfPerson)  # noqa: S101 - a programmer's mistake
        return replace(session, who=replace(session.who, place=place))

    def cookie(self, session: Session) -> str:
        """The session as a cookie's value."""
        match session.who:
            case OfKey(tenant, key_id):
                said: list[Any] = [session.id, tenant, key_id, session.ends]
            case OfPerson(person, place):
                who = [person.id, person.name, [*person.groups]]
                said = [session.id, who, [place.tenant, place.project, place.spans_tenant], session.ends]
        return signed.written(self.digest, PURPOSE, said)

    def read(self, cookie: str | None, now: datetime) -> Session | None:
        """The session in a cookie; None for one that is not ours, was altered or has ended."""
        session = _session(signed.read(self.digest, PURPOSE, cookie))
        return session if session is not None and session.ends > now.timestamp() else None

    def csrf(self, session: Session) -> str:
        """What a form of this session has to bring back.

        At another place it is another: what a form was opened for there must not happen here.
        """
        place = session.who.place.name if isinstance(session.who, OfPerson) else ""
        return self.digest(CSRF_PURPOSE, f"{session.id}{place}".encode())

    def is_csrf(self, session: Session, token: object) -> bool:
        """Whether a form brought back what it was given."""
        given = token if isinstance(token, str) else ""
        return hmac.compare_digest(self.csrf(session).encode(), given.encode("utf-8", "surrogatepass"))

    def _new(self, who: OfKey | OfPerson, session_s: int, now: datetime) -> Session:
        return Session(self.new_id().hex, who, int(now.timestamp()) + session_s)


def _session(said: Any) -> Session | None:
    """What was signed by us, which is nothing but a session; None for one of another form, of another version."""
    match said:
        case [str(session_id), str(tenant), str(key_id), int(ends)]:
            is_well_formed = UUID(hex=session_id) and streams.is_tenant(tenant) and streams.is_key_id(key_id)
            return Session(session_id, OfKey(tenant, key_id), ends) if is_well_formed else None
        case [
            str(session_id),
            [str(person_id), str(name), list(groups)],
            [str(tenant), str(project), bool(spans)],
            int(ends),
        ]:
            is_well_formed = UUID(hex=session_id) and person_id.startswith(PERSON) and streams.is_tenant(tenant)
            who = OfPerson(Person(person_id, name, tuple(groups)), Place(tenant, project, spans))
            return Session(session_id, who, ends) if is_well_formed else None
        case _:
            return None

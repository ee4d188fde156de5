"""What somebody may do here: by the groups the issuer names, and by what those groups are mapped to now.

A person is known by a keyed hash of the issuer and its subject (`sub`), which does not change and is nobody else's: it
is the actor of what they do. Their requester is that of their name, as of every name in a tenant: a service that asks
on their behalf by the same name asks as the same requester.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bickford_sora.decisions.caller import PERSON, Caller
from bickford_sora.decisions.requesters import Digest, checked, id_of
from bickford_sora.errors import InvalidRequest, Unauthorized
from bickford_sora.oidc.errors import NotAMember, SignInRefused, refused
from bickford_sora.settings import OidcGroup

GROUPS_MAX = 1_000
"""Groups of one person that are looked at. Issuers name fewer: Entra ID stops at 200."""
MATCHED_MAX = 40
"""Groups of one person that are mapped here and kept in a session: a cookie holds no more."""

_ID_CHARS = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody works: a project, and whether they see the whole tenant from there.

    Seeing the whole tenant makes another place of it: roles are united within one, and a role that a group has in a
    project alone must not reach further because another group's does.
    """

    tenant: str
    project: str
    spans_tenant: bool = False

    @property
    def name(self) -> str:
        """As people tell it from others."""
        return f"{self.tenant}/{self.project}" + (" (whole tenant)" if self.spans_tenant else "")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in, as a session keeps them: no role, and no word of the issuer's but the name."""

    id: str
    """Keyed hash of issuer and subject: the actor of their facts."""
    name: str
    groups: tuple[str, ...]
    """Keyed hashes of those groups that were mapped when they signed in."""


class People:
    """Tells what persons may do. Safe to use from several threads.

    Args:
        issuer: whose groups they are; a group of the same name at another issuer is another group.
        groups: what each group is mapped to; the places of the first come first.
        groups_claim: the claim that lists them.
        name_claim: the claim by which a person is a requester.
        digest: a keyed hash in hex, by purpose.
    """

    def __init__(
        self, issuer: str, groups: Sequence[OidcGroup], *, groups_claim: str, name_claim: str, digest: Digest
    ) -> None:
        self._issuer = issuer
        self._groups_claim = groups_claim
        self._name_claim = name_claim
        self._digest = digest
        self._mapped = [(self._hashed("oidc group", each.group), each) for each in groups]

    def known(self, claims: Mapping[str, Any]) -> Person:
        """Whoever an ID token is about. Raises NotAMember when none of their groups is mapped, and SignInRefused."""
        names = self._groups_of(claims)
        here = {each.group for _, each in self._mapped}
        hashed = dict.fromkeys(self._hashed("oidc group", name) for name in names if name in here)
        if not hashed:
            raise NotAMember(
                "You are known, and none of your groups has a role here. Ask whoever runs this server to put you into "
                "a group that has one, or to give yours one (BICKFORD_OIDC_GROUPS). Then sign in again.",
                reason="no_group",
            )
        if len(hashed) > MATCHED_MAX:
            raise SignInRefused(
                f"More than {MATCHED_MAX} of your groups have roles here, which no session holds. Ask whoever runs "
                "this server to map fewer.",
                reason="too_many_groups",
            )
        return Person(f"{PERSON}{self._hashed('oidc person', claims['sub'])}", self._name_of(claims), tuple(hashed))

    def places(self, person: Person) -> list[Place]:
        """Where they may work now, in the order of the mapping; none when none of their groups is mapped any more."""
        found = [_place(each) for hashed, each in self._mapped if hashed in person.groups]
        return list(dict.fromkeys(found))

    def caller(self, person: Person, place: Place) -> Caller:
        """The person at work, with the roles their groups have there now. Raises Unauthorized when there is none."""
        granted = [each for hashed, each in self._mapped if hashed in person.groups and _place(each) == place]
        if not granted:
            raise Unauthorized("Your groups have no role here any more. Sign in again.", code="not_signed_in")
        return Caller(
            place.tenant,
            place.project,
            id_of(place.tenant, person.name, self._digest),
            person.id,
            frozenset(role for each in granted for role in each.roles),
            spans_tenant=place.spans_tenant,
        )

    def _groups_of(self, claims: Mapping[str, Any]) -> list[str]:
        said = claims.get(self._groups_claim)
        if said is None and self._groups_claim in _names(claims.get("_claim_names")):
            # OpenID Connect Core section 5.6.2: they are to be had elsewhere. Entra ID does so beyond 200.
            raise SignInRefused(
                "The issuer leaves your groups out because there are too many. Ask whoever runs it to send those alone "
                "that belong to this application.",
                reason="groups_elsewhere",
            )
        listed = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        return [each for each in listed[:GROUPS_MAX] if isinstance(each, str)]

    def _name_of(self, claims: Mapping[str, Any]) -> str:
        # Some issuers leave it out, and some write it as text.
        if self._name_claim == "email" and claims.get("email_verified") not in (None, True, "true"):
            raise SignInRefused(
                "The issuer has not verified your address. Have it verified there, then sign in again.",
                reason="email_not_verified",
            )
        try:
            return checked(claims.get(self._name_claim), self._name_claim)
        except InvalidRequest:
            raise refused("name_missing") from None

    def _hashed(self, purpose: str, name: str) -> str:
        return self._digest(purpose, json.dumps([self._issuer, name]).encode())[:_ID_CHARS]


def _place(group: OidcGroup) -> Place:
    return Place(group.tenant, group.project, group.spans_tenant)


def _names(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

"""API keys, as an admin issues, rotates and revokes them (`/v1/api_keys`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bickford_sora.confirming import decided_as
from bickford_sora.decisions import api_keys as decisions
from bickford_sora.decisions.api_keys import Fresh, Grant
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.errors import NotFound
from bickford_sora.four_eyes import FourEyes
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.recording import Origin, Recording
from ledger import streams
from ledger.api_keys import ApiKey
from ledger.keys import Keys
from projections.api_keys import ApiKeyPage


class ApiKeysQuery(Protocol):
    """The read model of API keys. The tenant comes first, so that nobody is shown another's.

    Errors: `ledger.errors.Unavailable` when the database does not answer.
    """

    def page(self, tenant: str, project: str | None, after: str | None, limit: int, /) -> ApiKeyPage:
        """Keys of a project, or of all the tenant's (None), that were issued before the key `after`."""

    def count(self, tenant: str, project: str, now: datetime, /) -> int:
        """How many keys of a project are accepted now."""


@dataclass(frozen=True, slots=True)
class WithSecret:
    """An API key, and the one time it is shown."""

    api_key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """Issues, shows, rotates and revokes keys for an admin. Safe to use from several threads.

    A key the caller may not manage, because it is another project's, is NotFound like one that never was. Every method
    raises RoleMissing for what goes beyond the caller's own key, Unauthorized when that was revoked meanwhile, and
    `ledger.errors.Unavailable` when the database does not answer.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    digest: Callable[[str], str] = field(repr=False)
    """The keyed hash by which a presented key is known."""
    query: ApiKeysQuery
    four_eyes: FourEyes
    new_secret: Callable[[int], bytes]
    """So many unpredictable bytes."""

    @property
    def issued(self) -> IssuedKeys:
        """The keys as the ledger has them."""
        return IssuedKeys(self.recording.ledger, self.recording.clock)

    def issue(self, caller: Caller, fields: Mapping[str, object], *, origin: Origin) -> WithSecret:
        """A new key. Raises InvalidRequest, and Conflicting when the project has too many."""
        asked = decisions.read_new(fields)
        grant = decisions.granted(asked, caller)
        decisions.check_grant(caller, grant)
        now = self.recording.clock()
        decisions.check_room(self.query.count(caller.tenant, grant.project, now))
        secret, fresh = self._fresh(caller.tenant)
        name = self.keys.seal(
            asked.name, requester=decisions.requester_of(fresh.digest), subject=fresh.key_id, field="key.issued.name"
        )
        what = asked.model_dump(mode="json")

        def issued(who: Caller) -> Draft:
            agreed = NOTHING
            if "admin" in grant.roles:
                told = f"issue a key with the roles {', '.join(grant.roles)} in {grant.project}"
                subject = decisions.ANY_PROJECT if grant.spans_tenant else grant.project
                agreed = self.four_eyes.cleared(who, "keys", subject, what, told, origin=origin)
            key = decisions.issued(who, grant, fresh, name, now, expires_in_s=asked.expires_in_s)
            return key.together_with(agreed)

        self._decide(caller, issued, origin)
        return WithSecret(self.find(caller, fresh.key_id), secret)

    def find(self, caller: Caller, key_id: str, *, param: str = "key_id") -> ApiKey:
        """A key the caller may manage, as it is now. Raises NotFound."""
        key = self.issued.find(caller.tenant, key_id) if streams.is_key_id(key_id) else None
        if key is None or not caller.reads(key.project):
            raise NotFound("No API key with this id exists.", code="api_key_not_found", param=param)
        return key

    def rotate(self, caller: Caller, key_id: str, fields: Mapping[str, object], *, origin: Origin) -> WithSecret:
        """A successor; the old key is accepted beside it for a while. Raises InvalidRequest, NotFound, Conflicting."""
        rotation = decisions.read_rotation(fields)
        secret, fresh = self._fresh(caller.tenant)
        now = self.recording.clock()

        def rotated(who: Caller) -> Draft:
            return decisions.rotated(who, self._managed(who, key_id), fresh, rotation, now)

        self._decide(caller, rotated, origin)
        return WithSecret(self.find(caller, fresh.key_id), secret)

    def revoke(self, caller: Caller, key_id: str, *, origin: Origin) -> ApiKey:
        """Ends a key at once. Raises NotFound."""
        self._decide(caller, lambda who: decisions.revoked(who, self._managed(who, key_id)), origin)
        return self.find(caller, key_id)

    def delegate(self, caller: Caller, key_id: str, fields: Mapping[str, object], *, origin: Origin) -> ApiKey:
        """Lets another key of the caller's project approve in its place for a while.

        Raises InvalidRequest, NotFound, and Conflicting for a key that approves already, or has ended.
        """
        delegation = decisions.read_delegation(fields)
        now = self.recording.clock()

        def delegated(who: Caller) -> Draft:
            key = self.find(who, key_id)
            if key.project != who.project:
                raise NotFound("No API key with this id exists.", code="api_key_not_found", param="key_id")
            return decisions.delegated(who, key, delegation, now)

        self._decide(caller, delegated, origin)
        return self.find(caller, key_id)

    def page(self, caller: Caller, after: str | None, limit: int) -> ApiKeyPage:
        """The keys the caller may manage, the last issued first. Raises NotFound for an unknown `after`."""
        if after is not None:
            self.find(caller, after, param="after")
        return self.query.page(caller.tenant, caller.readable, after, limit)

    def _managed(self, caller: Caller, key_id: str) -> ApiKey:
        key = self.find(caller, key_id)
        decisions.check_grant(caller, Grant.of(key))
        return key

    def _fresh(self, tenant: str) -> tuple[str, Fresh]:
        secret = decisions.secret_of(tenant, self.new_secret(decisions.SECRET_BYTES))
        return secret, Fresh(tenant, self.digest(secret))

    def _decide(self, caller: Caller, decision: Callable[[Caller], Draft], origin: Origin) -> None:
        """Takes a decision and appends it; again when the caller's key or the managed one moved on meanwhile."""

        def attempt(who: Caller) -> None:
            if draft := decision(who):
                self.recording.append(draft, origin)

        busy = "The API key is being changed. Send the request again."
        decided_as(caller, self.recording, attempt, when_busy=busy)

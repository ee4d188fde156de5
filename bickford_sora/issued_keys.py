"""API keys as the ledger has them: looked up at every request, so that a revoked one is refused at once."""

from dataclasses import dataclass
from typing import cast

from bickford_sora.decisions import api_keys as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import Unauthorized
from ledger import api_keys, streams
from ledger.api_keys import ApiKey
from ledger.application import Ledger
from ledger.clock import Clock


@dataclass(frozen=True, slots=True)
class IssuedKeys:
    """Finds keys in their own streams; no read model can be behind. Safe to use from several threads.

    Raises `ledger.errors.Unavailable` when the database does not answer: then nobody is let in.
    """

    ledger: Ledger
    clock: Clock

    def find(self, tenant: str, key_id: str) -> ApiKey | None:
        """A key of this tenant as it is now; None when there is none of this id."""
        return cast("ApiKey | None", self.ledger.fold(streams.key(tenant, key_id), api_keys.fold))

    def caller(self, tenant: str, digest: str) -> Caller | None:
        """Whom the key with this keyed hash stands for; None when there is none.

        Raises Unauthorized when it is not accepted any more.
        """
        key = self.find(tenant, decisions.key_id_of(digest))
        # The id is a part of the hash; the whole of it decides.
        return decisions.caller_of(key, self.clock()) if key is not None and key.digest == digest else None

    def of_key(self, tenant: str, key_id: str) -> Caller | None:
        """Whom the key with this id stands for; None when there is none. Raises as `caller`."""
        key = self.find(tenant, key_id)
        return decisions.caller_of(key, self.clock()) if key is not None else None

    def holder(self, tenant: str, key_id: str) -> str | None:
        """Whoever has, or had, the key with this id; None for one that was not issued."""
        key = self.find(tenant, key_id) if streams.is_key_id(key_id) else None
        return key.requester if key is not None else None

    def confirmed(self, caller: Caller) -> Caller:
        """The caller by its key as it is now. Raises Unauthorized when it is not accepted any more."""
        if caller.key_head is None:
            return caller
        key = self.find(caller.tenant, caller.key_id)
        if key is None:
            raise Unauthorized("Incorrect API key provided.", code="invalid_api_key")
        decisions.check_accepted(key, self.clock())
        return caller.on((key.stream, key.version))

"""One signed call of a webhook endpoint (Standard Webhooks 1.0.0)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bickford_sora import webhook_signatures as signatures
from bickford_sora.decisions.deliveries import Outcome
from bickford_sora.egress import AddressRefused, Egress, FetchFailed
from bickford_sora.renderers.retry_after import read_retry_after_s
from bickford_sora.tracing import Tracing
from ledger.endpoints import Endpoint
from ledger.keys import Keys

DELIVERY_TIMEOUT_S = 15.0
"""Longest wait for an endpoint's answer, from the first look at its name, in seconds (Standard Webhooks: 15 to 30)."""

_HEADERS: Mapping[str, str] = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Calls endpoints. Safe to use from several threads."""

    egress: Egress
    keys: Keys
    timeout_s: float = DELIVERY_TIMEOUT_S
    observe: Callable[[str], None] = lambda _outcome: None
    """Told of each call what came of it: the status's class, such as 2xx, or why there was none."""
    tracing: Tracing = field(default_factory=Tracing)
    """Ends here: no endpoint is told our trace."""

    def send(self, endpoint: Endpoint, body: bytes, *, webhook_id: str, now: datetime) -> Outcome:
        """POSTs `body` once, signed with every secret in use, and says what came of it.

        No answer, or an address that is refused, is an outcome too. Raises ledger.errors.Erased when the endpoint's
        secrets cannot be read any more.
        """
        with self.tracing.span("endpoint call"):
            outcome = self._sent(endpoint, body, webhook_id=webhook_id, now=now)
        self.observe(outcome.code or f"{str(outcome.http_status)[:1]}xx")
        return outcome

    def _sent(self, endpoint: Endpoint, body: bytes, *, webhook_id: str, now: datetime) -> Outcome:
        secrets = [self.keys.open(each) for each in endpoint.secrets(now)]
        signed = signatures.sign(body, webhook_id=webhook_id, sent_at=now, secrets=secrets)
        url = self.keys.open(endpoint.url)
        try:
            answered = self.egress.post(url, body, {**_HEADERS, **signed}, timeout_s=self.timeout_s)
        except AddressRefused as error:
            return Outcome(None, error.code)
        except FetchFailed:
            return Outcome(None, "no_answer")
        return Outcome(answered.status, None, read_retry_after_s(answered.headers, now))

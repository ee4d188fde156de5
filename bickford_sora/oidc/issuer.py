"""The issuer as we ask it: its metadata, its keys, and an ID token for a code.

Its address is the operator's own setting and the issuer says the others itself, so they may be inside our network, as
renderers' are. All else that holds for calls to strangers holds here: bytes, seconds, no redirect, no environment.
"""

import base64
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

import orjson
from pydantic import SecretStr

from bickford_sora.egress import Egress, EgressError, FetchFailed
from bickford_sora.oidc.errors import IssuerUnusable, refused
from bickford_sora.oidc.metadata import IssuerKey, Metadata, read_keys, read_metadata

ANYWHERE = ("0.0.0.0/0", "::/0")
DISCOVERY = "/.well-known/openid-configuration"
ANSWER_BYTES_MAX = 256 * 1024
"""Largest answer of an issuer that is read, in bytes."""
ANSWER_S_MAX = 10.0
"""Longest wait for one, in seconds."""
KNOWN_S = 3600.0
"""How long metadata and keys are used before they are asked for again, in seconds."""
KEYS_PAUSE_S = 30.0
"""Least time between two looks for a key we do not know, in seconds: tokens must not make us ask at will."""
FAILURE_PAUSE_S = 5.0
"""How long an issuer that did not answer is left alone, in seconds: nobody waits behind those who wait already."""


@dataclass(frozen=True, slots=True)
class Client:
    """Us, as the issuer knows us."""

    id: str
    secret: SecretStr | None = None
    """None: a public client, which PKCE alone protects."""


@dataclass(frozen=True, slots=True)
class _Known:
    metadata: Metadata
    keys: tuple[IssuerKey, ...] = field(repr=False)
    at: float
    """Seconds of the clock that never runs backwards."""


class Issuer:
    """Asks one issuer. Safe to use from several threads; one at a time asks for metadata and keys.

    Every method raises IssuerUnusable when the issuer does not answer, or not as it has to.

    Args:
        url: the issuer's identifier, as it names itself.
        client: us.
        monotonic: seconds that never run backwards.
        tls: whom to trust; None trusts the usual authorities.
    """

    def __init__(
        self, url: str, client: Client, *, monotonic: Callable[[], float], tls: ssl.SSLContext | None = None
    ) -> None:
        self.url = url
        self.client = client
        self._monotonic = monotonic
        self._egress = Egress(allow_private=ANYWHERE, tls=tls)
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._failed: tuple[float, IssuerUnusable] | None = None

    def metadata(self) -> Metadata:
        """What it says of itself."""
        return self._looked_up(KNOWN_S).metadata

    def keys(self) -> Sequence[IssuerKey]:
        """Its keys, as they are known."""
        return self._looked_up(KNOWN_S).keys

    def newer_keys(self) -> Sequence[IssuerKey]:
        """Its keys, asked for again unless that was done a moment ago."""
        return self._looked_up(KEYS_PAUSE_S).keys

    def id_token(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token that the issuer gives for a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).

        Raises SignInRefused when it does not take the code. Whatever else it gives is not kept.
        """
        metadata = self.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        secret = self.client.secret.get_secret_value() if self.client.secret else None
        if secret is not None and not metadata.takes_secret_in_body:
            headers["authorization"] = _basic(self.client.id, secret)
        else:
            form |= {"client_id": self.client.id} | ({"client_secret": secret} if secret is not None else {})
        try:
            answer = self._egress.ask(
                metadata.token_endpoint,
                urlencode(form).encode(),
                headers,
                bytes_max=ANSWER_BYTES_MAX,
                timeout_s=ANSWER_S_MAX,
            )
        except FetchFailed as error:
            failure = _of_exchange(error)
        except EgressError as error:
            failure = _unusable(error)
        else:
            return _id_token_in(answer.content)
        raise failure

    def _looked_up(self, age_s_max: float) -> _Known:
        with self._lock:
            now = self._monotonic()
            if self._known is not None and now - self._known.at < age_s_max:
                return self._known
            if self._failed is not None and now - self._failed[0] < FAILURE_PAUSE_S:
                raise IssuerUnusable(self._failed[1].message, reason=self._failed[1].reason)
            try:
                metadata = read_metadata(self._get(self.url.rstrip("/") + DISCOVERY), self.url)
                keys = read_keys(self._get(metadata.jwks_uri))
            except IssuerUnusable as error:
                self._failed = (self._monotonic(), error)
                raise
            self._known, self._failed = _Known(metadata, keys, self._monotonic()), None
            return self._known

    def _get(self, url: str) -> bytes:
        try:
            return self._egress.fetch(url, bytes_max=ANSWER_BYTES_MAX, timeout_s=ANSWER_S_MAX, redirects_max=0).content
        except EgressError as error:
            failure = _unusable(error)
        raise failure


def _basic(client_id: str, secret: str) -> str:
    """HTTP Basic as RFC 6749 section 2.3.1 has it: both are written as in a form first."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _id_token_in(answer: bytes) -> str:
    try:
        said = orjson.loads(answer)
    except orjson.JSONDecodeError:
        said = None
    token = said.get("id_token") if isinstance(said, dict) else None
    if not isinstance(token, str):
        raise IssuerUnusable("The issuer gave no ID token for the code.", reason="no_id_token")
    return token


def _of_exchange(error: FetchFailed) -> Exception:
    """Of a code that was not exchanged: 400 is about the code, 401 about us (RFC 6749 section 5.2)."""
    if error.http_status == 400:  # noqa: PLR2004 - as said above
        return refused("code_not_taken")
    if error.http_status in {401, 403}:
        return IssuerUnusable(
            "The issuer does not accept this server as its client: BICKFORD_OIDC_CLIENT_ID or "
            "BICKFORD_OIDC_CLIENT_SECRET is not what it knows.",
            reason="client_refused",
        )
    return _unusable(error)


def _unusable(error: EgressError) -> IssuerUnusable:
    """What an operator is told; the address is in the setting, and nothing the other side wrote is repeated."""
    said = f": {error.reason}" if isinstance(error, FetchFailed) else ""
    status = f" {error.http_status}" if isinstance(error, FetchFailed) and error.http_status else ""
    return IssuerUnusable(f"The issuer did not answer as it has to{said}{status}.", reason=error.code)

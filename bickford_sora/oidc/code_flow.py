"""Signing somebody in by the authorization code flow with PKCE.

OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9700.

    begin ─ the browser goes to the issuer ─ finish

What a sign-in sends along, and has to come back, is made from its id by keyed hashes of three purposes. So the browser
keeps nothing but the id, and nobody who reads it there can answer in its place; and we keep nothing, but how often each
had the issuer asked.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlencode

from bickford_sora.decisions.requesters import Digest
from bickford_sora.oidc.errors import refused
from bickford_sora.oidc.exchanges import Exchanges
from bickford_sora.oidc.id_tokens import Expected, KeyUnknown, verified
from bickford_sora.oidc.issuer import Issuer
from bickford_sora.oidc.people import People, Person
from ledger.clock import Clock
from ledger.identifiers import NewId

LOGIN_S = 600
"""How long somebody may take at the issuer, in seconds."""
CODE_CHARS_MAX = 4_096
"""Longest authorization code, in characters."""


@dataclass(frozen=True, slots=True)
class Login:
    """A sign-in that was begun in a browser."""

    id: str
    leads_to: str
    """Where the browser goes behind it; a path of ours."""
    ends: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the issuer had the browser bring back (RFC 6749 section 4.1.2, RFC 9207)."""

    state: str
    code: str = field(default="", repr=False)
    issuer: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFlow:
    """Signs people in by one issuer. Safe to use from several threads.

    Methods raise IssuerUnusable when the issuer does not answer as it has to (`bickford_sora.oidc.errors`).
    """

    issuer: Issuer
    people: People
    label: str
    """What people call the issuer."""
    redirect_uri: str
    """Where the issuer sends browsers back to, as it was registered there."""
    scopes: tuple[str, ...]
    session_s: int
    """How long somebody stays signed in before the issuer is asked again, in seconds."""
    digest: Digest = field(repr=False)
    new_id: NewId
    clock: Clock
    exchanges: Exchanges = field(default_factory=Exchanges, repr=False)

    def begin(self, leads_to: str) -> tuple[Login, str]:
        """A new sign-in, and the issuer's address that it goes on at."""
        login = Login(self.new_id().hex, leads_to, int(self.clock().timestamp()) + LOGIN_S)
        asked = {
            "response_type": "code",
            "client_id": self.issuer.client.id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *self.scopes))),
            "state": self._state(login),
            "nonce": self._nonce(login),
            "code_challenge": _challenge(self._verifier(login)),
            "code_challenge_method": "S256",
        }
        return login, _with_query(self.issuer.metadata().authorization_endpoint, asked)

    def check(self, login: Login | None, answer: Answer) -> Login:
        """The sign-in that an answer is for. `login` is the one that the browser says it began, if it is one of ours.

        Nothing of what was brought is shown to the issuer. Raises SignInRefused.
        """
        if login is None or login.ends <= self.clock().timestamp():
            raise refused("login_missing")
        if not hmac.compare_digest(answer.state.encode(errors="replace"), self._state(login).encode()):
            raise refused("state_mismatch")
        self._check_issuer(answer)  # before anything else it says is looked at: it may be another one's (mix-up)
        if answer.error:
            raise refused("denied_at_issuer" if answer.error == "access_denied" else "error_at_issuer")
        if not 0 < len(answer.code) <= CODE_CHARS_MAX:
            raise refused("code_missing")
        return login

    def finish(self, login: Login | None, answer: Answer) -> Person:
        """Who signed in. `login` and `answer` are as for `check`.

        Raises SignInRefused, and NotAMember for somebody whom nothing here is for.
        """
        login = self.check(login, answer)
        # Here the browser is the one that began. A code of somebody else's does not fit the verifier, and a token of
        # another sign-in has not its nonce.
        self.exchanges.count(login.id)
        token = self.issuer.id_token(answer.code, self._verifier(login), self.redirect_uri)
        expected = Expected(self.issuer.url, self.issuer.client.id, self._nonce(login))
        now_s = self.clock().timestamp()
        try:
            claims = verified(token, self.issuer.keys(), expected, now_s)
        except KeyUnknown:
            claims = verified(token, self.issuer.newer_keys(), expected, now_s)
        return self.people.known(claims)

    def end_address(self, leads_to: str) -> str | None:
        """Where the issuer ends its own session, and comes back to `leads_to` (OpenID Connect RP-Initiated Logout 1.0).

        None where it offers none. No token goes with it, so that none has to be kept; the issuer asks the person.
        """
        endpoint = self.issuer.metadata().end_session_endpoint
        said = {"client_id": self.issuer.client.id, "post_logout_redirect_uri": leads_to}
        return _with_query(endpoint, said) if endpoint else None

    def _check_issuer(self, answer: Answer) -> None:
        """RFC 9207 section 2.4."""
        if answer.issuer is None and self.issuer.metadata().names_itself:
            raise refused("issuer_not_named")
        if answer.issuer is not None and answer.issuer != self.issuer.url:
            raise refused("issuer_mismatch")

    def _state(self, login: Login) -> str:
        return self.digest("oidc state", login.id.encode())

    def _nonce(self, login: Login) -> str:
        return self.digest("oidc nonce", login.id.encode())

    def _verifier(self, login: Login) -> str:
        return self.digest("oidc verifier", login.id.encode())


def _challenge(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def _with_query(endpoint: str, said: dict[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(said)}"

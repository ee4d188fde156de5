"""An issuer of OpenID Connect over a socket, which signs with real keys and says whatever a test has it say."""

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from joserfc import jwk, jwt
from joserfc.jwk import Key
from starlette.routing import Route

from bickford_sora.http.serving import ServerThread
from ledger.clock import Clock

CLIENT_ID, CLIENT_SECRET = "sora console", "planted+secret/of=the:client"
TOKEN_S = 300

Forge = Callable[[dict[str, Any], dict[str, Any]], str]
"""An ID token of this header and these claims."""


@dataclass
class SimulatedIssuer:
    """What it is and knows. Every test may change it, and begins with a fresh one at the same address."""

    url: str
    clock: Clock
    key: Key
    subject: str = "person-1"
    groups: Any = ("film-leads",)
    claims: dict[str, Any] = field(default_factory=dict)
    """Go before what a token would say; None leaves a claim out."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Go before what its discovery document would say."""
    published: list[dict[str, Any]] = field(default_factory=list)
    """Its JWK Set."""
    forge: Forge | None = None
    answers_iss: str | None = None
    is_public: bool = False
    looks: int = 0
    """How often its keys were asked for."""
    exchanges: int = 0
    """How often a token was asked for."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """What was asked for with each code; a code is for one exchange."""

    def __post_init__(self) -> None:
        self.published = self.published or [published(self.key)]
        self.answers_iss = self.answers_iss or self.url

    def discovery(self) -> dict[str, Any]:
        said = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/end",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return {**said, **self.metadata}

    def code_for(self, asked: dict[str, str]) -> str:
        """Somebody signed in: the code that the browser takes back."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        return code

    def back(self, asked: dict[str, str]) -> str:
        """Where the browser goes with it."""
        said = {"code": self.code_for(asked), "state": asked["state"], "iss": self.answers_iss}
        return f"{asked['redirect_uri']}?{urlencode(said)}"

    def token(self, form: dict[str, str], authorization: str | None) -> Response:
        """An ID token for a code (RFC 6749 section 5)."""
        self.exchanges += 1
        if not self._is_client(form, authorization):
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if asked is None or asked["code_challenge"] != challenge.decode():
            return JSONResponse({"error": "invalid_grant", "error_description": "planted words of the issuer"}, 400)
        assert form["redirect_uri"] == asked["redirect_uri"]
        return JSONResponse({"access_token": "planted-access-token", "id_token": self._id_token(asked["nonce"])})

    def _is_client(self, form: dict[str, str], authorization: str | None) -> bool:
        if self.is_public:
            return authorization is None and form.get("client_id") == CLIENT_ID
        basic = base64.b64encode(urlencode({CLIENT_ID: CLIENT_SECRET}).replace("=", ":", 1).encode()).decode()
        return authorization == f"Basic {basic}"

    def _id_token(self, nonce: str) -> str:
        now_s = int(self.clock().timestamp())
        said = {
            "iss": self.url,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "exp": now_s + TOKEN_S,
            "iat": now_s,
            "nonce": nonce,
            "email": "mia@example.com",
            "groups": self.groups,
            **self.claims,
        }
        claims = {name: value for name, value in said.items() if value is not None}
        header = {"alg": "ES256" if self.key.key_type == "EC" else "RS256", "kid": self.key.kid}
        return (self.forge or self.signed)(header, claims)

    def signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        return jwt.encode(header, claims, self.key, algorithms=[header["alg"]])


def rsa_key() -> Key:
    return jwk.RSAKey.generate_key(2048, auto_kid=True)


def ec_key() -> Key:
    return jwk.ECKey.generate_key("P-256", auto_kid=True)


def published(key: Key) -> dict[str, Any]:
    """A key as everybody may see it."""
    return dict(key.as_dict(private=False, use="sig"))


@contextmanager
def served() -> Iterator[tuple[str, FastAPI]]:
    """The address of an issuer, and its application: `app.state.issuer` is what answers."""
    app = FastAPI(routes=[Route(path, each, methods=["GET", "POST"]) for path, each in PATHS.items()])
    with ServerThread(app) as server:
        yield server.url, app


def _of(request: Request) -> SimulatedIssuer:
    found: SimulatedIssuer = request.app.state.issuer
    return found


async def _discovery(request: Request) -> Response:
    return JSONResponse(_of(request).discovery())


async def _keys(request: Request) -> Response:
    issuer = _of(request)
    issuer.looks += 1
    return JSONResponse({"keys": issuer.published})


async def _authorize(request: Request) -> Response:
    """A page with a button, and what it does."""
    if request.method == "GET":
        return HTMLResponse(
            "<link rel=icon href=data:,><h1>The issuer</h1><form method=post><button>Sign in as Mia</button></form>"
        )
    return RedirectResponse(_of(request).back(dict(request.query_params)), 303)


async def _token(request: Request) -> Response:
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    return _of(request).token(form, request.headers.get("authorization"))


async def _end(request: Request) -> Response:
    return RedirectResponse(request.query_params["post_logout_redirect_uri"], 303)


PATHS = {
    "/.well-known/openid-configuration": _discovery,
    "/keys": _keys,
    "/authorize": _authorize,
    "/token": _token,
    "/end": _end,
}


def signed_in_at(issuer: SimulatedIssuer, address: str) -> str:
    """Signs in at the issuer's address, and returns the path that the browser comes back to."""
    there, _, query = address.partition("?")
    assert there == f"{issuer.url}/authorize"
    parts = urlsplit(issuer.back(dict(parse_qsl(query))))
    return f"{parts.path}?{parts.query}"

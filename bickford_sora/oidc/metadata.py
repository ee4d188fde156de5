"""What an issuer says of itself, and its keys: bytes in, checked values or IssuerUnusable out.

OpenID Connect Discovery 1.0 section 4, RFC 8414, RFC 7517.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from joserfc import jwk
from joserfc.errors import JoseError

from bickford_sora.oidc.errors import IssuerUnusable

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""What an ID token may be signed with: by a private key of the issuer. Never `none`, never a shared secret (HS256)."""
RSA_BITS_MIN = 2048
KEYS_MAX = 64
"""Keys of one issuer that are looked at."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_PARAMETERS = frozenset({"kty", "n", "e", "crv", "x", "y"})
"""Of a public key (RFC 7518 section 6). What else a key says of itself is looked at here, or not at all."""

VerifyingKey = jwk.RSAKey | jwk.ECKey


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where an issuer is asked, and how."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    names_itself: bool = False
    """Whether its answers name it (RFC 9207): then one that does not is another's."""
    takes_secret_in_body: bool = False
    """Whether a client's secret belongs in the form, because the issuer does not take HTTP Basic."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that signs ID tokens."""

    kid: str | None
    algorithm: str | None
    """The only one it is for; None: whatever its kind can do."""
    key: VerifyingKey = field(repr=False)


def is_safe(url: str) -> bool:
    """Whether tokens may travel there: https, or this machine, as in development."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def read_metadata(document: bytes, issuer: str) -> Metadata:
    """The discovery document of this issuer. Raises IssuerUnusable."""
    said = _object(document, "its discovery document")
    if said.get("issuer") != issuer:
        raise IssuerUnusable(
            "The discovery document is another issuer's: BICKFORD_OIDC_ISSUER and the issuer it names have to be the "
            "same to the letter, a slash at the end included.",
            reason="issuer_mismatch",
        )
    if "code" not in _texts(said.get("response_types_supported", ["code"])):
        raise IssuerUnusable("The issuer does not offer the authorization code flow.", reason="no_code_flow")
    offered = _texts(said.get("id_token_signing_alg_values_supported", ["RS256"]))
    if not offered.intersection(ALGORITHMS):
        raise IssuerUnusable(
            f"The issuer signs ID tokens with none of {', '.join(ALGORITHMS)}.", reason="no_algorithm_in_common"
        )
    methods = _texts(said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]))
    return Metadata(
        issuer,
        _endpoint(said, "authorization_endpoint"),
        _endpoint(said, "token_endpoint"),
        _endpoint(said, "jwks_uri"),
        _endpoint(said, "end_session_endpoint") if said.get("end_session_endpoint") else None,
        names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        takes_secret_in_body="client_secret_basic" not in methods and "client_secret_post" in methods,
    )


def read_keys(document: bytes) -> tuple[IssuerKey, ...]:
    """The keys of a JWK Set that can sign ID tokens; others of the issuer's are left out. Raises IssuerUnusable."""
    keys = _object(document, "its keys").get("keys")
    if not isinstance(keys, list):
        raise IssuerUnusable("The issuer's keys are not a JWK Set.", reason="keys_invalid")
    found = [_key(each) for each in keys[:KEYS_MAX] if isinstance(each, dict)]
    usable = tuple(each for each in found if each is not None)
    if not usable:
        raise IssuerUnusable("The issuer has no key that can sign ID tokens.", reason="no_keys")
    return usable


def _key(said: Mapping[str, Any]) -> IssuerKey | None:
    kind, use = said.get("kty"), said.get("use", "sig")
    if kind not in ("RSA", "EC") or use != "sig":
        return None
    try:
        if kind == "RSA" and _bits(said["n"]) < RSA_BITS_MIN:
            return None
        key = jwk.import_key({name: value for name, value in said.items() if name in _PARAMETERS})
        assert isinstance(key, VerifyingKey)  # noqa: S101 - by its kty
        assert key.public_key  # noqa: S101 - made here, so that a point off the curve is found now
    except (JoseError, ValueError, KeyError, TypeError):
        return None  # an issuer may have keys of kinds we do not know
    kid, algorithm = said.get("kid"), said.get("alg")
    return IssuerKey(kid if isinstance(kid, str) else None, algorithm if isinstance(algorithm, str) else None, key)


def _bits(number: str) -> int:
    """Of a number in base64url, as RFC 7518 section 2 writes it."""
    return int.from_bytes(urlsafe_b64decode(f"{number}=="), "big").bit_length()


def _object(document: bytes, what: str) -> dict[str, Any]:
    try:
        said = orjson.loads(document)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise IssuerUnusable(f"What the issuer gave as {what} is no JSON object.", reason="answer_invalid")
    return said


def _endpoint(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    if not isinstance(url, str) or not is_safe(url):
        raise IssuerUnusable(
            f"The issuer's {name!r} is no address that begins with https://.", reason="endpoint_unsafe"
        )
    return url


def _texts(value: object) -> frozenset[str]:
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()

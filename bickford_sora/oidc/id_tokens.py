"""ID tokens: bytes in, what they claim out, or a refusal. Nothing is asked of anybody.

OpenID Connect Core 1.0 section 3.1.3.7; RFC 7515 and RFC 8725 (JWT best current practices).
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from joserfc import jws, jwt
from joserfc.errors import JoseError

from bickford_sora.oidc.errors import SignInRefused, refused
from bickford_sora.oidc.metadata import ALGORITHMS, IssuerKey

ID_TOKEN_CHARS_MAX = 64 * 1024
"""Longest ID token that is looked at, in characters: one with 200 groups has some 10,000."""
LEEWAY_S = 120
"""How far the issuer's clock may be from ours, in seconds."""
TOKEN_AGE_S_MAX = 900
"""How long ago an ID token may have been issued, in seconds. Some issuers date theirs back by five minutes."""
TIME_S_MAX = 2**53
SUBJECT_CHARS_MAX = 255
"""As OpenID Connect Core section 2 bounds it."""


class KeyUnknown(SignInRefused):
    """No key of the issuer's that we know is the token's; it may have been made since."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token has to say."""

    issuer: str
    client_id: str
    nonce: str


def verified(token: str, keys: Sequence[IssuerKey], expected: Expected, now_s: float) -> Mapping[str, Any]:
    """The claims of a token that the issuer signed for this client and this sign-in.

    Raises KeyUnknown when the key it names is not among these, and SignInRefused for everything else.
    """
    if len(token) > ID_TOKEN_CHARS_MAX:
        raise refused("token_too_long")
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError, RecursionError):
        raise refused("token_malformed") from None
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise refused("algorithm_not_allowed")
    key = _key_for(keys, header.get("kid"), str(algorithm))
    try:
        claims = jwt.decode(token, key.key, algorithms=[str(algorithm)]).claims
    except (JoseError, ValueError, RecursionError):
        raise refused("signature_invalid") from None
    _check(claims, expected, now_s)
    return claims


def _key_for(keys: Sequence[IssuerKey], kid: object, algorithm: str) -> IssuerKey:
    """The key a header names; where it names none, the only one there is."""
    kind = "EC" if algorithm.startswith("ES") else "RSA"
    able = [each for each in keys if each.key.key_type == kind and each.algorithm in {None, algorithm}]
    found = [each for each in able if each.kid == kid] if kid is not None else able
    if not found:
        raise KeyUnknown(refused("key_unknown").message, reason="key_unknown")
    if len(found) > 1:
        raise refused("key_ambiguous")
    return found[0]


def _check(claims: Mapping[str, Any], expected: Expected, now_s: float) -> None:
    if claims.get("iss") != expected.issuer:
        raise refused("issuer_mismatch")
    _check_audience(claims, expected.client_id)
    _check_times(claims, now_s)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(errors="replace"), expected.nonce.encode()):
        raise refused("nonce_mismatch")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS_MAX:
        raise refused("subject_missing")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """It is for this client; where it is for others too, it was issued to this one (`azp`)."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if client_id not in named:
        raise refused("audience_mismatch")
    authorized = claims.get("azp")
    if authorized != client_id and (authorized is not None or len(named) > 1):
        raise refused("authorized_party_mismatch")


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    expires, issued, begins = (claims.get(name) for name in ("exp", "iat", "nbf"))
    begins = issued if begins is None else begins
    if not _is_time(expires) or not _is_time(issued) or not _is_time(begins):
        raise refused("times_missing")
    if now_s >= expires + LEEWAY_S:
        raise refused("token_expired")
    if max(issued, begins) > now_s + LEEWAY_S:
        raise refused("token_not_yet_valid")
    if issued < now_s - TOKEN_AGE_S_MAX:
        raise refused("token_too_old")


def _is_time(value: object) -> TypeGuard[float]:
    """Seconds since 1970 (RFC 7519 section 2). JSON as Python reads it has NaN and infinities, too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < TIME_S_MAX

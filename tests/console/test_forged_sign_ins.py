"""Signing in by an issuer: every way in that must not be one, by its name."""

import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest
from joserfc import jwk, jwt
from joserfc.util import urlsafe_b64encode

from bickford_sora.console.attempts import ATTEMPTS_PER_MINUTE_MAX
from bickford_sora.oidc.code_flow import LOGIN_S
from bickford_sora.oidc.exchanges import EXCHANGES_PER_LOGIN_MAX, LOGINS_MAX, Exchanges
from bickford_sora.oidc.id_tokens import LEEWAY_S, TOKEN_AGE_S_MAX
from bickford_sora.oidc.issuer import FAILURE_PAUSE_S, KEYS_PAUSE_S
from tests.console import issuer as issuers
from tests.console.issuer import CLIENT_ID, CLIENT_SECRET, TOKEN_S, SimulatedIssuer, published
from tests.console.sign_ins import (
    CALLBACK,
    begun,
    changed,
    reason_of,
    refused,
    signed_in,
)
from tests.console.visits import HOST, Visitor
from tests.http.houses import Kit

# --- attacks on the way back -------------------------------------------------------------------


def test_another_state_is_refused(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    assert reason_of(somebody, changed(begun(somebody), state="0" * 64)) == "state_mismatch"


def test_a_code_that_no_browser_asked_for_is_refused(kit: Kit, issuer: SimulatedIssuer) -> None:
    back = begun(Visitor(kit))  # an attacker's own sign-in, which a victim's browser is led to
    assert reason_of(Visitor(kit), back) == "login_missing"
    victim = Visitor(kit)
    begun(victim)
    assert reason_of(victim, back) == "state_mismatch"


def test_a_stolen_code_does_not_fit_another_sign_in(kit: Kit, issuer: SimulatedIssuer) -> None:
    stolen = dict(parse_qsl(urlsplit(begun(Visitor(kit))).query))["code"]
    thief = Visitor(kit)
    assert reason_of(thief, changed(begun(thief), code=stolen)) == "code_not_taken"


def test_a_way_back_that_was_taken_is_not_taken_again(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    back = begun(somebody)
    kept = dict(somebody.cookies)
    assert somebody.get(back).status_code == 200
    assert reason_of(Visitor(kit), back) == "login_missing"
    assert reason_of(Visitor(kit, kept), back) == "code_not_taken"  # with a copy of the cookie


def test_one_sign_in_does_not_have_the_issuer_asked_again_and_again(kit: Kit, issuer: SimulatedIssuer) -> None:
    back = begun(somebody := Visitor(kit))
    kept = dict(somebody.cookies)
    reasons = [reason_of(Visitor(kit, dict(kept)), changed(back, code=f"guess-{n}")) for n in range(6)]
    assert reasons == ["code_not_taken"] * EXCHANGES_PER_LOGIN_MAX + ["login_spent"] * (6 - EXCHANGES_PER_LOGIN_MAX)
    assert issuer.exchanges == EXCHANGES_PER_LOGIN_MAX
    assert reason_of(Visitor(kit, dict(kept)), back) == "login_spent"
    assert signed_in(kit).get("/renders").status_code == 200, "who begins anew is not held up"


def test_beginning_again_does_not_have_the_issuer_asked_again_and_again(kit: Kit, issuer: SimulatedIssuer) -> None:
    def guessed(number: int) -> int:
        back = begun(somebody := Visitor(kit))
        return somebody.get(changed(back, code=f"guess-{number}")).status_code

    tried = [guessed(number) for number in range(ATTEMPTS_PER_MINUTE_MAX + 3)]
    assert tried == [401] * ATTEMPTS_PER_MINUTE_MAX + [429] * 3
    assert issuer.exchanges == ATTEMPTS_PER_MINUTE_MAX
    kit.pass_time(60)
    assert signed_in(kit).get("/renders").status_code == 200


def test_guesses_that_are_sent_at_once_do_not_have_the_issuer_asked_for_each(kit: Kit, issuer: SimulatedIssuer) -> None:
    begins = [(visitor := Visitor(kit), begun(visitor)) for _ in range(ATTEMPTS_PER_MINUTE_MAX + 6)]

    async def guess(client: httpx.AsyncClient, visitor: Visitor, back: str) -> None:
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        await client.get(changed(back, code="guess"), headers={"cookie": cookies})

    async def guess_all() -> None:
        app = httpx.ASGITransport(kit.app)
        async with httpx.AsyncClient(transport=app, base_url=HOST) as client, anyio.create_task_group() as group:
            for visitor, back in begins:
                group.start_soon(guess, client, visitor, back)

    anyio.run(guess_all)
    assert issuer.exchanges == ATTEMPTS_PER_MINUTE_MAX


def test_ways_back_that_nobody_began_keep_nobody_at_their_address_out(kit: Kit, issuer: SimulatedIssuer) -> None:
    for _ in range(ATTEMPTS_PER_MINUTE_MAX + 3):
        Visitor(kit).get(f"{CALLBACK}?code=x&state=y")
        Visitor(kit).get(changed(begun(Visitor(kit)), state="0" * 64))
    assert issuer.exchanges == 0
    assert signed_in(kit).get("/renders").status_code == 200


def test_sign_ins_that_are_counted_for_are_bounded() -> None:
    exchanges = Exchanges()
    for number in range(LOGINS_MAX + 1):
        exchanges.count(str(number))
    assert len(exchanges._made) == LOGINS_MAX


def test_a_sign_in_that_takes_too_long_is_begun_anew(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    back = begun(somebody)
    kit.pass_time(LOGIN_S + 1)
    assert reason_of(somebody, back) == "login_missing"


def test_an_altered_login_cookie_is_nobodys(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    back = begun(somebody)
    ((name, cookie),) = somebody.cookies.items()
    somebody.cookies = {name: ("A" if cookie[0] != "A" else "B") + cookie[1:]}
    assert reason_of(somebody, back) == "login_missing"


def test_an_answer_of_another_issuer_is_refused(kit: Kit, issuer: SimulatedIssuer) -> None:
    for iss in ("https://evil.example", f"{issuer.url}/"):
        somebody = Visitor(kit)
        assert reason_of(somebody, changed(begun(somebody), iss=iss)) == "issuer_mismatch"
    somebody = Visitor(kit)
    assert reason_of(somebody, begun(somebody) + "&iss=https%3A%2F%2Fevil.example") == "issuer_mismatch"


def test_an_answer_without_a_name_is_refused_where_the_issuer_names_itself(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    assert reason_of(somebody, changed(begun(somebody), iss=None)) == "issuer_not_named"


def test_an_issuer_that_does_not_name_itself_is_believed_by_its_tokens(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.metadata = {"authorization_response_iss_parameter_supported": False}
    somebody = Visitor(kit)
    assert somebody.get(changed(begun(somebody), iss=None)).status_code == 200


def test_what_the_issuer_says_is_wrong_is_not_shown(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    back = changed(begun(somebody), code=None, error="access_denied", error_description="<b>planted</b>")
    assert reason_of(somebody, back) == "denied_at_issuer"
    assert "planted" not in somebody.get(back).text


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere_behind_the_issuer(kit: Kit, issuer: SimulatedIssuer, address: str) -> None:
    somebody = Visitor(kit)
    answer = somebody.get(begun(somebody, address))
    assert 'content="0; url=/renders"' in answer.text
    assert "evil" not in answer.text


# --- attacks by tokens -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "0" * 64}, "nonce_mismatch"),
        ({"nonce": None}, "nonce_mismatch"),
        ({"aud": "another client"}, "audience_mismatch"),
        ({"aud": None}, "audience_mismatch"),
        ({"aud": [CLIENT_ID, "another client"]}, "authorized_party_mismatch"),
        ({"azp": "another client"}, "authorized_party_mismatch"),
        ({"iss": "https://evil.example"}, "issuer_mismatch"),
        ({"sub": None}, "subject_missing"),
        ({"sub": "x" * 256}, "subject_missing"),
        ({"exp": None}, "times_missing"),
        ({"exp": "never"}, "times_missing"),
        ({"exp": float("inf")}, "times_missing"),
        ({"iat": float("nan")}, "times_missing"),
        ({"exp": True}, "times_missing"),
        ({"iat": None}, "times_missing"),
        ({"email": None}, "name_missing"),
        ({"email": " "}, "name_missing"),
        ({"email_verified": False}, "email_not_verified"),
        ({"email_verified": "false"}, "email_not_verified"),
        ({"groups": None, "_claim_names": {"groups": "src1"}}, "groups_elsewhere"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    kit: Kit, issuer: SimulatedIssuer, claims: dict[str, Any], reason: str
) -> None:
    issuer.claims = claims
    assert refused(kit) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"exp": -LEEWAY_S}, "token_expired"),
        ({"iat": LEEWAY_S + 1}, "token_not_yet_valid"),
        ({"nbf": LEEWAY_S + 1}, "token_not_yet_valid"),
        ({"iat": -TOKEN_AGE_S_MAX - 1}, "token_too_old"),
        ({"exp": 1 - LEEWAY_S}, None),
        ({"iat": LEEWAY_S, "nbf": -TOKEN_S}, None),
    ],
)
def test_a_token_counts_for_its_time_and_a_leeway(
    kit: Kit, issuer: SimulatedIssuer, change: dict[str, int], reason: str | None
) -> None:
    now_s = int(kit.clock().timestamp())
    issuer.claims = {name: now_s + seconds for name, seconds in change.items()}
    if reason is None:
        signed_in(kit)
    else:
        assert refused(kit) == reason


def _unsigned(issuer: SimulatedIssuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = ({**header, "alg": "none"}, claims)
    return ".".join([*(urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts), ""])


def _shared(issuer: SimulatedIssuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """HS256 with the text of the public key, which everybody has, as the secret."""
    parts = ({**header, "alg": "HS256"}, claims)
    said = ".".join(urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts)
    signature = hmac.digest(issuer.key.as_pem(private=False), said.encode(), "sha256")
    return f"{said}.{urlsafe_b64encode(signature).decode()}"


def _by_client_secret(issuer: SimulatedIssuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode({**header, "alg": "HS256"}, claims, jwk.OctKey.import_key(CLIENT_SECRET), algorithms=["HS256"])


def _of_another_key(issuer: SimulatedIssuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """By a key of the attacker's, under the id of the issuer's."""
    return jwt.encode({**header, "alg": "ES256"}, claims, issuers.ec_key(), algorithms=["ES256"])


def _under_another_id(issuer: SimulatedIssuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return issuer.signed({**header, "kid": "another"}, claims)


def _bringing_its_key(issuer: SimulatedIssuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    key = issuers.ec_key()
    brought = {"alg": "ES256", "kid": key.kid, "jwk": key.as_dict(private=False)}
    return jwt.encode(brought, claims, key, algorithms=["ES256"])


def _altered(issuer: SimulatedIssuer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    head, _, signature = issuer.signed(header, claims).split(".")
    forged = {**claims, "groups": ["film-admins"]}
    return ".".join([head, urlsafe_b64encode(json.dumps(forged).encode()).decode(), signature])


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (_unsigned, "algorithm_not_allowed"),
        (_shared, "algorithm_not_allowed"),
        (_by_client_secret, "algorithm_not_allowed"),
        (_of_another_key, "key_unknown"),
        (_under_another_id, "key_unknown"),
        (_bringing_its_key, "key_unknown"),
        (_altered, "signature_invalid"),
        (lambda *_: "not a token", "token_malformed"),
        (lambda *_: "x" * 70_000, "token_too_long"),
    ],
)
def test_a_forged_token_is_refused(kit: Kit, issuer: SimulatedIssuer, forge: Callable[..., str], reason: str) -> None:
    issuer.forge = lambda header, claims: forge(issuer, header, claims)
    assert refused(kit) == reason


def test_a_key_that_the_issuer_made_since_is_found(kit: Kit, issuer: SimulatedIssuer) -> None:
    signed_in(kit)
    issuer.key = issuers.ec_key()
    issuer.published = [*issuer.published, published(issuer.key)]
    kit.pass_time(KEYS_PAUSE_S)
    signed_in(kit)
    assert issuer.looks == 2


def test_a_key_that_the_issuer_does_not_publish_is_refused_without_asking_again_and_again(
    kit: Kit, issuer: SimulatedIssuer
) -> None:
    issuer.key = issuers.ec_key()
    kit.pass_time(KEYS_PAUSE_S)
    assert [refused(kit) for _ in range(3)] == ["key_unknown"] * 3
    assert issuer.looks == 1
    kit.pass_time(KEYS_PAUSE_S)
    refused(kit)
    assert issuer.looks == 2


ODD_KEYS: list[dict[str, Any]] = [
    {"kty": "RSA", "e": "AQAB", "n": urlsafe_b64encode(b"\xff" * 128).decode(), "kid": "small"},
    {"kty": "RSA", "e": "AQAB"},
    {"kty": "RSA", "e": "AQAB", "n": 7},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
    {"kty": "oct", "k": "AAAA"},
    {"kty": "OKP", "crv": "Ed448", "x": "AA"},
    {"kty": ["RSA"]},
    {},
]


def test_keys_that_are_too_small_or_unknown_are_left_out(kit: Kit, issuer: SimulatedIssuer) -> None:
    mine = issuer.published
    issuer.published = [*ODD_KEYS, {**mine[0], "use": "enc"}]
    answer = Visitor(kit).get("/login/oidc")
    assert (answer.status_code, "does not work at the moment" in answer.text) == (503, True)
    issuer.published = [*ODD_KEYS, *mine]
    kit.pass_time(FAILURE_PAUSE_S)
    signed_in(kit)

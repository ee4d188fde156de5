"""Signing in by an issuer: from the button to a page in the right place, and every way in that must not be one."""

import hmac
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwk, jwt
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64encode
from structlog.testing import capture_logs

from bickford_sora.composition.sign_in import code_flow
from bickford_sora.console.attempts import ATTEMPTS_PER_MINUTE_MAX
from bickford_sora.decisions.requesters import id_of
from bickford_sora.oidc.code_flow import LOGIN_S
from bickford_sora.oidc.id_tokens import LEEWAY_S, TOKEN_AGE_S_MAX
from bickford_sora.oidc.issuer import FAILURE_PAUSE_S, KEYS_PAUSE_S
from bickford_sora.settings import Settings
from tests.console import issuer as issuers
from tests.console.issuer import CLIENT_ID, CLIENT_SECRET, TOKEN_S, SimulatedIssuer, published, signed_in_at
from tests.console.visits import Visitor, make_console_kit, visitor
from tests.http.houses import KEY, ROOT_KEY, Kit

GROUPS = [
    {"group": "film-leads", "project": "film", "roles": ["requester", "approver"]},
    {"group": "film-admins", "project": "film", "roles": ["admin"]},
    {"group": "finance, world", "project": "film", "roles": ["auditor"], "spans_tenant": True},
    {"group": "elsewhere", "tenant": "other", "project": "ads", "roles": ["requester"]},
]
HELD = b"""\
version: 1
default: allow
rules:
- {id: big, effect: require_approval, when: {seconds_min: 8}}
"""
CALLBACK = "/login/oidc/callback"


@pytest.fixture(scope="module")
def key() -> Key:
    return issuers.rsa_key()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, FastAPI]]:
    with issuers.served() as found:
        yield found


@pytest.fixture
def issuer(kit: Kit, served: tuple[str, FastAPI], key: Key) -> SimulatedIssuer:
    url, app = served
    app.state.issuer = SimulatedIssuer(url, kit.clock, key)
    configure(kit, app.state.issuer)
    return app.state.issuer  # type: ignore[no-any-return]


@cache
def settings_of(url: str, **given: Any) -> Settings:
    usual: dict[str, Any] = {
        "public_url": "http://house",
        "oidc_issuer": url,
        "oidc_label": "Example SSO",
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_groups": json.dumps(GROUPS),
    }
    return Settings(**{**usual, **given})


def configure(kit: Kit, issuer: SimulatedIssuer, *, console_api_keys: bool = True, **given: Any) -> None:
    """The house takes this issuer's people, as after a start with these settings."""
    settings = settings_of(issuer.url, **given)
    flow = code_flow(settings, digest=kit.keys.digest, new_id=kit.house.new_id, clock=kit.clock)
    assert flow is not None
    kit.app.state.issuer = issuer
    asked = replace(flow, issuer=type(flow.issuer)(issuer.url, flow.issuer.client, monotonic=kit.clock.seconds))
    state = kit.app.state
    state.console = replace(state.console, sign_in=asked, takes_api_keys=console_api_keys)


def begun(somebody: Visitor, leads_to: str = "/renders") -> str:
    """Presses the button, signs in at the issuer, and returns where the browser comes back to."""
    answer = somebody.get(f"/login/oidc?{urlencode({'next': leads_to})}")
    assert answer.status_code == 303, answer.text
    return signed_in_at(somebody.kit.app.state.issuer, answer.headers["location"])


def signed_in(kit: Kit, leads_to: str = "/renders") -> Visitor:
    somebody = Visitor(kit)
    answer = somebody.get(begun(somebody, leads_to))
    assert answer.status_code == 200, answer.text
    return somebody


def refused(kit: Kit, *, status: int = 401) -> str:
    """The reason in the log for which a sign-in that was begun rightly begins no session."""
    somebody = Visitor(kit)
    back = begun(somebody)
    return reason_of(somebody, back, status=status)


def reason_of(somebody: Visitor, back: str, *, status: int = 401) -> str:
    with capture_logs() as logged:
        answer = somebody.get(back)
    assert answer.status_code == status, answer.text
    assert 'role="alert"' in answer.text
    assert not somebody.cookies
    assert somebody.get("/renders").status_code == 303
    (line,) = [each for each in logged if each["event"] in {"sign_in_refused", "issuer_unusable"}]
    return str(line["reason"])


def changed(back: str, **change: str | None) -> str:
    """The way back with other parameters; None leaves one out."""
    path, _, query = back.partition("?")
    said = {**dict(parse_qsl(query)), **change}
    return f"{path}?{urlencode({name: value for name, value in said.items() if value is not None})}"


def hold_long_ones(kit: Kit) -> None:
    yaml = {"content-type": "application/yaml"}
    assert kit.request("POST", "/v1/policy", key=ROOT_KEY, content=HELD, headers=yaml).status_code == 200


def answered(somebody: Visitor, approval_id: str) -> int:
    """How somebody's yes to a held render is answered."""
    said = {"decision": "approve", "reason": "Fine."}
    return somebody.post(f"/approvals/{approval_id}/answer", "/approvals", **said).status_code


def actor_of(somebody: Visitor) -> str:
    found = re.search(r"oidc_[0-9a-f]{16}", somebody.get("/renders").text)
    assert found
    return found[0]


# --- the way in --------------------------------------------------------------------------------


def test_a_person_signs_in_and_works_where_their_groups_have_roles(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    assert "Sign in with Example SSO" in somebody.get("/login?next=/approvals").text
    answer = somebody.get(begun(somebody, "/approvals"))
    assert '<meta http-equiv="refresh" content="0; url=/approvals">' in answer.text
    assert somebody.get("/approvals").status_code == 200
    assert somebody.get("/settings").status_code == 403  # an admin's
    page = somebody.get("/renders").text
    assert "mia@example.com" in page
    assert "approver, requester" in page
    assert somebody.post("/new", "/new", prompt="A calm sea", model="sora-2").status_code == 303
    (asked,) = [each for each in kit.ledger.read(0, limit=100) if each.fact.TYPE == "render.intent"]
    assert (asked.context.tenant, asked.context.actor) == ("main", actor_of(somebody))
    assert getattr(asked.fact, "project", None) == "film"
    assert getattr(asked.fact, "requester", None) == id_of("main", "mia@example.com", kit.keys.digest)


def test_what_is_asked_of_the_issuer_says_pkce_state_and_nonce(kit: Kit, issuer: SimulatedIssuer) -> None:
    one, other = (parse_qs(urlsplit(Visitor(kit).get("/login/oidc").headers["location"]).query) for _ in range(2))
    assert one["redirect_uri"] == [f"http://house{CALLBACK}"]
    assert (one["response_type"], one["code_challenge_method"]) == (["code"], ["S256"])
    assert all(one[name] != other[name] for name in ("state", "nonce", "code_challenge"))
    assert len({one[name][0] for name in ("state", "nonce", "code_challenge")}) == 3
    # What travels by the browser tells nothing of the verifier.
    hashed = {urlsafe_b64encode(sha256(one[name][0].encode()).digest()).decode() for name in ("state", "nonce")}
    assert one["code_challenge"][0] not in hashed


def test_a_public_client_is_protected_by_pkce_alone(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.is_public = True
    configure(kit, issuer, oidc_client_secret="")
    assert signed_in(kit).get("/renders").status_code == 200


def test_roles_of_several_groups_are_united_in_one_place(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.groups = ["unknown here", "film-admins", "film-leads"]
    assert "admin, approver, requester" in signed_in(kit).get("/renders").text


def test_a_role_of_one_project_does_not_reach_further_by_another_groups_span(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.groups = ["film-admins", "finance, world"]
    somebody = signed_in(kit)
    assert "main/film (whole tenant)" in somebody.get("/renders").text
    assert "reads all" not in somebody.get("/renders").text
    assert somebody.post("/place", place="main/film (whole tenant)").status_code == 303
    page = somebody.get("/renders").text
    assert "reads all" in page
    assert somebody.get("/spend").status_code == 200
    assert somebody.post("/settings/keys", name="Mine", **{"roles[]": ["admin"]}).status_code == 403


def test_somebody_with_places_in_two_tenants_chooses_and_goes_to_no_other(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.groups = ["elsewhere", "film-leads"]
    somebody = signed_in(kit)
    assert somebody.post("/place", place="other/ads").status_code == 303
    assert somebody.post("/new", "/new", prompt="A calm sea", model="sora-2").status_code == 303
    (asked,) = [each for each in kit.ledger.read(0, limit=100) if each.fact.TYPE == "render.intent"]
    assert asked.context.tenant == "other"
    assert somebody.post("/place", place="main/film (whole tenant)").status_code == 400
    assert somebody.post("/place", place="main/default").status_code == 400


def test_the_login_cookie_is_kept_from_scripts_and_survives_the_way_back(kit: Kit, issuer: SimulatedIssuer) -> None:
    said = Visitor(kit).get("/login/oidc").headers["set-cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=lax", f"Max-Age={LOGIN_S}"} <= set(said)
    assert not re.search(r"[0-9a-f]{64}.*[0-9a-f]{64}", said[0])  # neither verifier nor nonce is in it


def test_the_session_cookie_is_strict_and_as_long_as_is_set(kit: Kit, issuer: SimulatedIssuer) -> None:
    configure(kit, issuer, oidc_session_s=900)
    somebody = Visitor(kit)
    said = somebody.get(begun(somebody)).headers.get_list("set-cookie")
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Max-Age=900"} <= set(said[0].split("; "))
    kit.pass_time(901)
    assert somebody.get("/renders").headers["location"].startswith("/login")


def test_over_https_both_cookies_never_travel_in_the_clear(served: tuple[str, FastAPI], key: Key) -> None:
    kit = make_console_kit(public_url="https://sora.example")
    url, app = served
    app.state.issuer = SimulatedIssuer(url, kit.clock, key)
    configure(kit, app.state.issuer, public_url="https://sora.example")
    somebody = Visitor(kit)
    back = begun(somebody)
    assert [*somebody.cookies] == ["__Host-bickford_login"]
    assert "Secure" in somebody.get(back).headers.get_list("set-cookie")[0].split("; ")
    assert [*somebody.cookies] == ["__Host-bickford_session"]


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


# --- who they are, and for how long ------------------------------------------------------------


@pytest.mark.parametrize("groups", [None, [], ["unknown here"], "unknown here", {"film-leads": True}, [["film-leads"]]])
def test_somebody_in_no_mapped_group_is_told_what_to_do(kit: Kit, issuer: SimulatedIssuer, groups: Any) -> None:
    issuer.groups = groups
    somebody = Visitor(kit)
    back = begun(somebody)
    assert reason_of(somebody, back, status=403) == "no_group"


def test_a_session_ends_with_the_mapping_of_its_groups(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.groups = ["film-leads", "film-admins"]
    somebody = signed_in(kit)
    configure(kit, issuer, oidc_groups=json.dumps(GROUPS[1:]))
    assert "<dd>admin</dd>" in somebody.get("/renders").text
    configure(kit, issuer, oidc_groups=json.dumps(GROUPS[2:]))
    assert somebody.get("/renders").status_code == 303
    assert somebody.get("/login").status_code == 200  # and not back to the page
    assert somebody.get("/renders.json").status_code == 401


def test_a_session_of_another_issuer_is_nobodys(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = signed_in(kit)
    other = SimulatedIssuer("https://other.example", kit.clock, issuer.key)
    configure(kit, other)
    assert somebody.get("/renders").status_code == 303
    kit.app.state.console = replace(kit.app.state.console, sign_in=None)
    assert somebody.get("/renders").status_code == 303


def test_an_altered_session_is_nobodys(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = signed_in(kit)
    ((name, cookie),) = somebody.cookies.items()
    for place in (0, 40, len(cookie) - 1):
        letters = [*cookie]
        letters[place] = "A" if letters[place] != "A" else "B"
        assert Visitor(kit, {name: "".join(letters)}).get("/renders").status_code == 303


def test_a_login_cookie_is_no_session(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = Visitor(kit)
    begun(somebody)
    ((_, cookie),) = somebody.cookies.items()
    assert Visitor(kit, {"bickford_session": cookie}).get("/renders").status_code == 303


def test_an_action_still_takes_the_token_of_its_session(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody, other = signed_in(kit), signed_in(kit)
    for path in ("/new", "/place", "/logout"):
        for fields in ({}, {"csrf": other.token()}):
            assert somebody.send("POST", path, data=fields).status_code == 403, path
    data = {"csrf": somebody.token(), "prompt": "A calm sea", "model": "sora-2"}
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert somebody.send("POST", "/new", data=data, headers=evil).status_code == 403
    assert somebody.send("POST", "/new", data=data).status_code == 303


def test_nobody_approves_what_they_asked_for_whatever_they_are_called_now(kit: Kit, issuer: SimulatedIssuer) -> None:
    hold_long_ones(kit)
    mia = signed_in(kit)
    assert mia.post("/new", "/new", prompt="A calm sea", model="sora-2", seconds="8").status_code == 303
    (asked,) = [each for each in kit.ledger.read(0, limit=100) if each.fact.TYPE == "render.intent"]
    video_id = str(getattr(asked.fact, "video_id", ""))
    approval_id = video_id.replace("video_", "approval_")
    assert answered(mia, approval_id) == 403
    issuer.claims = {"email": "mia.married@example.com"}
    assert answered(signed_in(kit), approval_id) == 403
    issuer.subject, issuer.claims = "person-2", {"email": "mia@example.com"}
    assert answered(signed_in(kit), approval_id) == 403
    issuer.claims = {"email": "noor@example.com"}
    assert answered(signed_in(kit), approval_id) == 303


def test_nobody_approves_what_a_service_asked_for_in_their_name(kit: Kit, issuer: SimulatedIssuer) -> None:
    hold_long_ones(kit)
    service = kit.issue("requester", by=ROOT_KEY, project="film", may_assert_requester=True)
    asked = {"prompt": "A calm sea", "seconds": "8", "requester": "mia@example.com"}
    approval_id = kit.request("POST", "/v1/videos", key=service, json=asked).json()["approval"]["id"]
    assert answered(signed_in(kit), approval_id) == 403


# --- ways in and out ---------------------------------------------------------------------------


def test_signing_in_by_key_can_be_closed_and_ends_the_sessions_it_began(kit: Kit, issuer: SimulatedIssuer) -> None:
    by_key = visitor(kit)
    configure(kit, issuer, console_api_keys=False)
    page = by_key.get("/login")
    assert (page.status_code, "api_key" in page.text) == (200, False)
    assert by_key.get("/renders").status_code == 303
    assert Visitor(kit).sign_in(KEY).status_code == 403
    assert kit.request("GET", "/renders.json").status_code == 200  # programs go on
    assert signed_in(kit).get("/renders").status_code == 200


def test_without_an_issuer_there_is_no_such_way_in(kit: Kit) -> None:
    for path in ("/login/oidc", CALLBACK, "/login/oidc/end"):
        assert Visitor(kit).get(path).status_code == 404
    assert "/login/oidc" not in Visitor(kit).get("/login").text


def test_whoever_signs_out_may_sign_out_at_the_issuer_too(kit: Kit, issuer: SimulatedIssuer) -> None:
    somebody = signed_in(kit)
    assert somebody.post("/logout").headers["location"] == "/login?done=signed-out"
    assert not somebody.cookies
    assert "Sign out at Example SSO as well" in somebody.get("/login?done=signed-out").text
    address = somebody.get("/login/oidc/end").headers["location"]
    assert address.startswith(f"{issuer.url}/end?client_id=sora+console&post_logout_redirect_uri=")
    assert httpx.get(address).headers["location"] == "http://house/login?done=signed-out"


def test_wrong_ways_back_are_counted_and_the_issuers_faults_are_not(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.metadata = {"issuer": f"{issuer.url}/"}
    assert {Visitor(kit).get("/login/oidc").status_code for _ in range(ATTEMPTS_PER_MINUTE_MAX + 1)} == {503}
    tried = [Visitor(kit).get(f"{CALLBACK}?code=x&state=y").status_code for _ in range(ATTEMPTS_PER_MINUTE_MAX + 1)]
    assert tried == [401] * ATTEMPTS_PER_MINUTE_MAX + [429]


def test_no_token_code_or_secret_is_in_a_log_page_or_cookie(kit: Kit, issuer: SimulatedIssuer) -> None:
    tokens: list[str] = []
    issuer.forge = lambda header, claims: tokens.append(issuer.signed(header, claims)) or tokens[-1]
    somebody = Visitor(kit)
    with capture_logs() as logged:
        back = begun(somebody)
        answers = [somebody.get(back), somebody.get("/renders"), somebody.get("/login")]
        issuer.claims = {"nonce": "wrong"}
        answers.append(Visitor(kit).get(begun(Visitor(kit))))
        other = Visitor(kit)
        answers.append(other.get(begun(other)))
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    said = json.dumps([logged, somebody.cookies, [(dict(each.headers), each.text) for each in answers]], default=str)
    for secret in (code, *tokens, *(each.split(".")[1] for each in tokens), CLIENT_SECRET, "planted-access-token"):
        assert secret not in said
    assert [each["event"] for each in logged if each["event"] == "signed_in"] == ["signed_in"]

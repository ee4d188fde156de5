"""Signing in by an issuer: from the button to a page in the right place, for how long, and out again."""

import json
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64encode
from structlog.testing import capture_logs

from bickford_sora.console.attempts import ATTEMPTS_PER_MINUTE_MAX
from bickford_sora.decisions.requesters import id_of
from bickford_sora.oidc.code_flow import LOGIN_S
from tests.console.issuer import CLIENT_SECRET, SimulatedIssuer
from tests.console.sign_ins import (
    CALLBACK,
    GROUPS,
    actor_of,
    answered,
    begun,
    configure,
    hold_long_ones,
    reason_of,
    signed_in,
)
from tests.console.visits import Visitor, make_console_kit, visitor
from tests.http.houses import KEY, ROOT_KEY, Kit

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


def test_over_https_both_cookies_never_travel_in_the_clear(issuers_site: tuple[str, FastAPI], issuer_key: Key) -> None:
    kit = make_console_kit(public_url="https://sora.example")
    url, app = issuers_site
    app.state.issuer = SimulatedIssuer(url, kit.clock, issuer_key)
    configure(kit, app.state.issuer, public_url="https://sora.example")
    somebody = Visitor(kit)
    back = begun(somebody)
    assert [*somebody.cookies] == ["__Host-bickford_login"]
    assert "Secure" in somebody.get(back).headers.get_list("set-cookie")[0].split("; ")
    assert [*somebody.cookies] == ["__Host-bickford_session"]


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


def test_a_form_that_was_opened_at_another_place_does_nothing_here(kit: Kit, issuer: SimulatedIssuer) -> None:
    issuer.groups = ["elsewhere", "film-leads"]
    somebody = signed_in(kit)
    data = {"csrf": somebody.token("/new"), "prompt": "A calm sea", "model": "sora-2"}
    assert somebody.post("/place", place="other/ads").status_code == 303
    assert somebody.send("POST", "/new", data=data).status_code == 403
    assert somebody.post("/place", place="main/film").status_code == 303
    assert somebody.send("POST", "/new", data=data).status_code == 303
    (asked,) = [each for each in kit.ledger.read(0, limit=100) if each.fact.TYPE == "render.intent"]
    assert asked.context.tenant == "main"


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

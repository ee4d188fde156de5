"""Signing in by a simulated issuer, as tests do it: the house's settings, the journey, and why one failed."""

import json
import re
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from structlog.testing import capture_logs

from bickford_sora.composition.sign_in import code_flow
from bickford_sora.settings import Settings
from tests.console.issuer import CLIENT_ID, CLIENT_SECRET, SimulatedIssuer, signed_in_at
from tests.console.visits import Visitor
from tests.http.houses import ROOT_KEY, Kit

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

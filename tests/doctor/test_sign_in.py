"""What keeps people from signing in by an issuer is named before they try."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from bickford_sora.decisions.api_keys import PROJECT
from bickford_sora.doctor.examination import settings_or_problems
from bickford_sora.doctor.finding import Finding
from bickford_sora.doctor.sign_in import check_sign_in
from bickford_sora.settings import OidcGroup, Settings
from ledger.clock import system_clock
from tests.console import issuer as issuers
from tests.console.issuer import SimulatedIssuer

GROUP = {"group": "film", "project": "film", "roles": ["requester"]}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, FastAPI]]:
    with issuers.served() as found:
        yield found


@pytest.fixture
def issuer(served: tuple[str, FastAPI]) -> SimulatedIssuer:
    url, app = served
    app.state.issuer = SimulatedIssuer(url, system_clock, issuers.ec_key())
    return app.state.issuer  # type: ignore[no-any-return]


def settings(**given: Any) -> Settings:
    usual = {
        "oidc_client_id": "sora",
        "oidc_groups": json.dumps([GROUP]),
        "public_url": "https://sora.example",
    }
    return Settings(**{**usual, **given})


def found(url: str | None, **given: Any) -> Finding:
    return check_sign_in(settings(oidc_issuer=url, **given))


def test_an_issuer_in_order_is_told_where_browsers_come_back_to(issuer: SimulatedIssuer) -> None:
    finding = found(issuer.url)
    assert (finding.state, finding.check) == ("ok", "sign_in")
    assert "https://sora.example/login/oidc/callback" in finding.found
    assert found(None).found == "people sign in to the console by API key alone"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "https://another.example"}, "to the letter"),
        ({"token_endpoint": "http://another.example/token"}, "'token_endpoint'"),
        ({"jwks_uri": None}, "'jwks_uri'"),
        ({"response_types_supported": ["id_token"]}, "authorization code flow"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "RS256"),
    ],
)
def test_an_issuer_that_says_something_else_is_named(
    issuer: SimulatedIssuer, metadata: dict[str, Any], said: str
) -> None:
    issuer.metadata = metadata
    finding = found(issuer.url)
    assert finding.state == "problem"
    assert said in finding.found
    assert finding.advice


def test_an_issuer_that_does_not_answer_or_is_none_is_named(issuer: SimulatedIssuer, tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:1", f"{issuer.url}/nothing/here"):
        finding = found(url)
        assert (finding.state, url in finding.found) == ("problem", True)
        assert finding.advice
    nowhere = found(issuer.url, oidc_ca_file=tmp_path / "none.pem")
    assert (nowhere.state, nowhere.advice) == ("problem", "Correct BICKFORD_OIDC_CA_FILE.")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"oidc_client_id": None}, "BICKFORD_OIDC_CLIENT_ID"),
        ({"oidc_groups": "[]"}, "BICKFORD_OIDC_GROUPS"),
        ({"public_url": None}, "BICKFORD_PUBLIC_URL"),
        ({"oidc_groups": "film"}, "JSON list"),
        ({"oidc_groups": json.dumps([{**GROUP, "roles": ["owner"]}])}, "roles"),
        ({"oidc_groups": json.dumps([{**GROUP, "roles": []}])}, "roles"),
        ({"oidc_groups": json.dumps([{**GROUP, "spans_tenant": True}])}, "'auditor' or 'admin'"),
        ({"oidc_groups": json.dumps([{**GROUP, "projekt": "film"}])}, "projekt"),
        ({"oidc_groups": json.dumps([{**GROUP, "tenant": "Main"}])}, "tenant"),
        ({"oidc_issuer": "http://sso.example"}, "https://"),
        ({"oidc_issuer": "https://user@sso.example"}, "https://"),
        ({"oidc_issuer": "https://sso.example?x"}, "https://"),
        ({"oidc_issuer": None, "console_api_keys": False}, "nobody could sign in"),
    ],
)
def test_settings_by_which_nobody_could_sign_in_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**{"oidc_issuer": "https://sso.example", **given})


def test_a_half_made_setting_is_named_without_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BICKFORD_OIDC_ISSUER", "https://sso.example")
    monkeypatch.setenv("BICKFORD_OIDC_CLIENT_SECRET", "planted-secret-of-the-client")
    _, (finding,) = settings_or_problems()
    assert "BICKFORD_OIDC_ISSUER needs BICKFORD_OIDC_CLIENT_ID" in finding.found
    assert "planted" not in finding.found


def test_a_group_names_a_project_as_a_key_does() -> None:
    (pattern,) = [each.pattern for each in OidcGroup.model_fields["project"].metadata if hasattr(each, "pattern")]
    assert pattern == f"^{PROJECT}$"

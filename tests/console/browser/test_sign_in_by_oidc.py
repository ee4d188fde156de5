"""The journey to an issuer and back, as a browser makes it: with its cookies, its policies and its redirects."""

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from tests.console import issuer as issuers
from tests.console.browsing import NO_PLAYWRIGHT, Served, watched
from tests.console.issuer import SimulatedIssuer
from tests.console.sign_ins import configure

if TYPE_CHECKING:
    from playwright.sync_api import Browser

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect
pytestmark = pytest.mark.xdist_group("browser")


def test_a_person_goes_to_the_issuer_and_comes_back_signed_in(
    browser: "Browser", served: Served, issuers_site: tuple[str, FastAPI]
) -> None:
    kit, url = served.kit, served.url
    there, app = issuers_site
    # Another site, as issuers are: to a browser, localhost and 127.0.0.1 are two.
    app.state.issuer = issuer = SimulatedIssuer(
        there.replace("127.0.0.1", "localhost"), kit.clock, issuers.ec_key(), groups=["film-leads", "elsewhere"]
    )
    configure(kit, issuer, public_url=url)
    with watched(browser, url) as visit:
        page = visit.open("/renders?state=held")
        page.get_by_role("link", name="Sign in with Example SSO").click()
        expect(page.get_by_role("heading", name="The issuer")).to_be_visible()
        page.get_by_role("button", name="Sign in as Mia").click()
        page.wait_for_url(f"{url}/renders?state=held")
        page.get_by_role("button", name="Account and appearance").click()
        expect(page.get_by_text("mia@example.com")).to_be_visible()
        assert {each["name"]: each["sameSite"] for each in page.context.cookies()} == {"bickford_session": "Strict"}
        page.get_by_role("button", name="other/ads").click()
        expect(page.get_by_role("button", name="Account and appearance")).to_have_text("ads")
        page.get_by_role("button", name="Account and appearance").click()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("link", name="Sign out at Example SSO as well").click()
        page.wait_for_url(f"{url}/login?done=signed-out")
        assert [each for each in visit.problems if there.rpartition(":")[2] not in each] == []

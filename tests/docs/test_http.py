from fastapi.routing import APIRoute

from bickford_sora.decisions.caller import ROLES
from bickford_sora.http import (
    api_keys,
    batches,
    characters,
    content,
    edits,
    health,
    policies,
    streams,
    threads,
    videos,
    webhook_endpoints,
    webhooks,
)
from bickford_sora.http.video_object import Video
from tests.docs.pages import REFERENCE, codes, rows, sections
from tests.http.test_every_route import ROUTES

TEXT = (REFERENCE / "http.md").read_text("utf-8")
PAGE = sections(TEXT, 2)


MODULES = (
    api_keys,
    batches,
    characters,
    edits,
    videos,
    content,
    policies,
    streams,
    threads,
    webhook_endpoints,
    webhooks,
    health,
)


def test_every_route_is_described_and_no_other() -> None:
    described = {(codes(row[0])[0], codes(row[1])[0]) for row in rows(PAGE["Routes"])}
    served = {
        (method, route.path)
        for module in MODULES
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert described == served


def test_every_status_of_a_video_is_described() -> None:
    statuses = Video.model_fields["status"].annotation
    assert [codes(row[0])[0] for row in rows(PAGE["The video object"])] == [*getattr(statuses, "__args__", ())]


def test_the_number_of_keys_is_right() -> None:
    assert f"All {len(Video.model_fields)} keys" in PAGE["The video object"]


def test_every_route_is_said_to_take_the_roles_that_it_takes() -> None:
    for row in rows(PAGE["Routes"]):
        at = (codes(row[0])[0], codes(row[1])[0])
        assert row[2] == _said(ROUTES[at].takes), at


def _said(roles: tuple[str, ...]) -> str:
    if not roles:
        return "no key"
    return "any" if len(roles) == len(ROLES) else ", ".join(f"`{role}`" for role in roles)

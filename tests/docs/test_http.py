from bickford_sora.decisions.caller import ROLES
from bickford_sora.http.video_object import Video
from tests.docs.pages import REFERENCE, codes, rows, sections
from tests.http.test_every_route import ROUTES

TEXT = (REFERENCE / "http.md").read_text("utf-8")
PAGE = sections(TEXT, 2)


OF_THE_FRAMEWORK = {"/openapi.json", "/docs", "/docs/oauth2-redirect"}


def test_every_route_is_described_and_no_other() -> None:
    described = {(codes(row[0])[0], codes(row[1])[0]) for row in rows(PAGE["Routes"])}
    assert described == {at for at in ROUTES if at[1] not in OF_THE_FRAMEWORK}


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

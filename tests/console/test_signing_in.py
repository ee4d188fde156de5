import pytest

from bickford_sora.console.acting import ACTION_BYTES_MAX
from bickford_sora.console.attempts import ATTEMPTS_PER_MINUTE_MAX
from bickford_sora.console.sessions import SESSION_S
from ledger.errors import Unavailable
from tests.console.visits import Visitor, make_console_kit, visitor
from tests.http.houses import FOREIGN_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit

NO_VIDEO = "video_0190a6a0-0000-7000-8000-000000000000"


def test_a_page_leads_whoever_is_not_signed_in_to_the_form_and_back(kit: Kit) -> None:
    nobody = Visitor(kit)
    answer = nobody.get("/renders?state=held")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Frenders%3Fstate%3Dheld"
    answer = nobody.sign_in(next="/renders?state=held")
    assert (answer.status_code, answer.headers["location"]) == (303, "/renders?state=held")
    assert nobody.get("/renders?state=held").status_code == 200


def test_a_json_twin_says_that_nobody_is_signed_in(kit: Kit) -> None:
    answer = Visitor(kit).get("/renders.json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")


def test_a_json_twin_takes_an_api_key_as_every_route_does(kit: Kit) -> None:
    assert kit.request("GET", "/renders.json").json()["renders"] == []


def test_a_wrong_key_begins_no_session(kit: Kit) -> None:
    nobody = Visitor(kit)
    answer = nobody.sign_in("bk_live_somebody_elses")
    assert answer.status_code == 401
    assert "Incorrect API key" in answer.text
    assert not nobody.cookies


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(kit: Kit) -> None:
    said = Visitor(kit).sign_in().headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict", f"Max-Age={SESSION_S}"} <= set(said.split("; "))
    assert KEY not in said


def test_over_https_the_cookie_never_travels_in_the_clear() -> None:
    kit = make_console_kit(public_url="https://sora.example")
    said = Visitor(kit).sign_in().headers["set-cookie"]
    assert said.startswith("__Host-bickford_session=")
    assert "Secure" in said.split("; ")


@pytest.mark.parametrize(
    ("public_url", "name"), [("https://sora.example", "bickford_session"), (None, "__Host-bickford_session")]
)
def test_a_cookie_by_the_other_name_is_nobodys(public_url: str | None, name: str) -> None:
    somebody = visitor(make_console_kit(public_url=public_url))
    ((_, cookie),) = somebody.cookies.items()
    somebody.cookies = {name: cookie}
    assert somebody.get("/renders").status_code == 303


@pytest.mark.parametrize("place", [0, 10, -1])
def test_an_altered_cookie_is_nobodys(kit: Kit, place: int) -> None:
    somebody = visitor(kit)
    ((name, cookie),) = somebody.cookies.items()
    letters = [*cookie]
    letters[place] = "A" if letters[place] != "A" else "B"
    somebody.cookies = {name: "".join(letters)}
    assert somebody.get("/renders").status_code == 303


def test_a_session_ends_by_itself(kit: Kit) -> None:
    somebody = visitor(kit)
    kit.pass_time(SESSION_S + 1)
    assert somebody.get("/renders").status_code == 303


def test_a_session_ends_with_its_key(kit: Kit) -> None:
    secret = kit.issue("requester")
    somebody = visitor(kit, secret)
    assert somebody.get("/renders").status_code == 200
    (key,) = [each for each in kit.request("GET", "/v1/api_keys").json()["data"] if each["name"] == "Ours"]
    kit.request("DELETE", f"/v1/api_keys/{key['id']}")
    assert somebody.get("/renders").status_code == 303
    assert somebody.get("/renders.json").status_code == 401


def test_whoever_signs_out_is_out(kit: Kit) -> None:
    somebody = visitor(kit)
    answer = somebody.post("/logout")
    assert answer.headers["location"] == "/login?done=signed-out"
    assert not somebody.cookies
    assert somebody.get("/renders").status_code == 303


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/a\nb",
        "",
    ],
)
def test_nobody_is_sent_elsewhere_behind_the_form(kit: Kit, address: str) -> None:
    assert Visitor(kit).sign_in(next=address).headers["location"] == "/renders"


def test_signing_in_is_tried_a_few_times_a_minute(kit: Kit) -> None:
    nobody = Visitor(kit)
    tried = [nobody.sign_in("bk_live_guessed_key").status_code for _ in range(ATTEMPTS_PER_MINUTE_MAX)]
    assert set(tried) == {401}
    answer = nobody.sign_in("bk_live_guessed_key")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    kit.pass_time(61)
    assert nobody.sign_in("bk_live_guessed_key").status_code == 401


def test_a_good_key_gets_in_whatever_others_try(kit: Kit) -> None:
    for _ in range(ATTEMPTS_PER_MINUTE_MAX + 1):
        Visitor(kit).sign_in("bk_live_guessed_key")
    for _ in range(ATTEMPTS_PER_MINUTE_MAX + 1):
        assert Visitor(kit).sign_in().status_code == 303


def test_a_session_is_held_to_its_keys_rate_limit() -> None:
    kit = make_console_kit(requests_per_minute_max=2)
    somebody = visitor(kit)
    assert [somebody.get("/renders").status_code for _ in range(3)] == [200, 200, 429]
    assert somebody.get("/renders").headers["retry-after"] == "30"
    assert somebody.get(f"/files/{NO_VIDEO}/thumbnail").status_code == 404


def test_a_form_without_a_file_is_small(kit: Kit) -> None:
    somebody = visitor(kit, ROOT_KEY)
    large = "x" * ACTION_BYTES_MAX
    assert somebody.post("/policy/lint", text=large).status_code == 413
    assert somebody.post("/new/quote", "/policy", prompt=large).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_another_sites_form_signs_nobody_in(kit: Kit, headers: dict[str, str]) -> None:
    answer = Visitor(kit).send("POST", "/login", data={"api_key": KEY}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_link_from_elsewhere_is_asked_for_again_by_ourselves(kit: Kit) -> None:
    answer = Visitor(kit).get("/renders", **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/renders">' in answer.text


def test_an_action_without_the_token_does_nothing(kit: Kit) -> None:
    video_id = kit.create()
    somebody = visitor(kit)
    for fields in ({}, {"csrf": "0" * 64}, {"csrf": visitor(kit, OTHER_KEY).token()}):
        answer = somebody.send("POST", f"/renders/{video_id}/cancel", data=fields)
        assert answer.status_code == 403, fields
    assert not kit.render(video_id).deleted
    assert somebody.post(f"/renders/{video_id}/cancel").status_code == 303
    assert kit.render(video_id).deleted


def test_another_sites_form_does_nothing_even_with_the_token(kit: Kit) -> None:
    video_id = kit.create()
    somebody = visitor(kit)
    data, headers = {"csrf": somebody.token()}, {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert somebody.send("POST", f"/renders/{video_id}/cancel", data=data, headers=headers).status_code == 403
    assert not kit.render(video_id).deleted


def test_an_api_key_does_nothing_by_a_form(kit: Kit) -> None:
    video_id = kit.create()
    assert kit.request("POST", f"/renders/{video_id}/cancel", data={"csrf": "x"}).status_code == 403


def test_a_role_that_only_reads_sees_no_action_and_may_do_none(kit: Kit) -> None:
    video_id = kit.finished()
    auditor = visitor(kit, kit.issue("auditor"))
    page = auditor.get(f"/renders/{video_id}")
    assert page.status_code == 200
    assert f"/renders/{video_id}/" not in page.text
    assert 'name="ids[]"' not in auditor.get("/renders").text
    assert auditor.post(f"/renders/{video_id}/delete").status_code == 403
    assert not kit.render(video_id).deleted


def test_nobody_sees_another_tenants_or_projects_renders(kit: Kit) -> None:
    video_id = kit.finished()
    for key in (FOREIGN_KEY, OTHER_KEY):
        stranger = visitor(kit, key)
        assert video_id not in stranger.get("/renders").text
        for path in (f"/renders/{video_id}", f"/renders/{video_id}/row", f"/files/{video_id}/video"):
            assert stranger.get(path).status_code == 404, path
        assert stranger.post(f"/renders/{video_id}/delete").status_code == 404
    assert video_id in visitor(kit, ROOT_KEY).get("/renders").text


def test_signing_in_puts_nothing_on_record_that_could_be_lost(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the connection broke")

    monkeypatch.setattr(type(kit.house.callers), "authenticate", away)
    answer = Visitor(kit).sign_in()
    assert (answer.status_code, "Nothing was changed" in answer.text) == (503, True)


def test_how_the_pages_look_is_kept_in_the_browser(kit: Kit) -> None:
    somebody = visitor(kit)
    assert (
        somebody.post("/theme", theme="dark", next="/renders?state=held").headers["location"] == "/renders?state=held"
    )
    assert '<html lang="en" data-theme="dark">' in somebody.get("/renders").text
    somebody.post("/theme", theme='"><script>')
    assert '<html lang="en" data-theme="auto">' in somebody.get("/renders").text

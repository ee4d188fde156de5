"""API keys over their lives: shown once, good for what they were issued for, and refused from the moment they end."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from bickford_sora.batches import Line
from bickford_sora.decisions.api_keys import EXPIRES_IN_S_MAX, NAME_CHARS_MAX, OVERLAP_S, OVERLAP_S_MAX
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.request import create_request
from bickford_sora.errors import TryLater, Unauthorized
from bickford_sora.http.serving import ServerThread
from bickford_sora.recording import Origin
from ledger.errors import Unavailable
from tests.http.houses import FOREIGN_KEY, KEY, ROOT_KEY, Kit, error_of

KEYS = "/v1/api_keys"
DAY_S = 24 * 3600
UNKNOWN = (401, "invalid_request_error", None, "invalid_api_key")
BEYOND = (403, "permission_error")


def issue(kit: Kit, *, by: str = KEY, **fields: Any) -> dict[str, Any]:
    answer = kit.request("POST", KEYS, key=by, json={"name": "Ours", **fields})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def rotate(kit: Kit, key_id: str, *, by: str = KEY, **fields: Any) -> dict[str, Any]:
    answer = kit.request("POST", f"{KEYS}/{key_id}/rotate", key=by, json=fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def revoke(kit: Kit, key_id: str) -> dict[str, Any]:
    answer = kit.request("DELETE", f"{KEYS}/{key_id}")
    assert answer.status_code == 200, answer.text
    revoked: dict[str, Any] = answer.json()
    return revoked


def seen(kit: Kit, key_id: str) -> dict[str, Any]:
    found: dict[str, Any] = kit.request("GET", f"{KEYS}/{key_id}").json()
    return found


def accepted(kit: Kit, secret: str) -> bool:
    answer = kit.request("GET", "/v1/videos", key=secret)
    if answer.status_code == 200:
        return True
    assert error_of(answer) == UNKNOWN
    return False


def types(kit: Kit) -> list[str]:
    return [event.fact.TYPE for event in kit.ledger.read(0, limit=1_000)]


# --- issued ---------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_works_at_once(kit: Kit) -> None:
    answer = kit.request("POST", KEYS, json={"name": "The film team"})
    made = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    secret = made.pop("secret")
    assert secret.startswith("bk_live_main_")
    assert (made["object"], made["name"], made["project"]) == ("api_key", "The film team", "alpha")
    assert (made["roles"], made["spans_tenant"], made["may_assert_requester"]) == (["requester"], False, False)
    assert (made["status"], made["expires_at"], made["replaces"], made["replaced_by"]) == ("active", None, None, None)
    assert seen(kit, made["id"]) == made, "and the key itself is not there"
    assert kit.request("GET", KEYS).json()["data"] == [made]
    video_id = kit.create(key=secret)
    assert (kit.render(video_id).intent.project, kit.render(video_id).intent.requester) == ("alpha", made["requester"])
    intent = next(event for event in kit.ledger.read(0, limit=1_000) if event.fact.TYPE == "render.intent")
    assert intent.context.actor == made["id"]


def test_a_key_is_in_no_fact_and_in_no_log(kit: Kit) -> None:
    with capture_logs() as logged:
        made = issue(kit, name="Planted name", roles=["requester", "admin"])
        kit.create(key=made["secret"])
        rotated = rotate(kit, made["id"])
        kit.request("GET", "/v1/videos", key=rotated["secret"] + "x")
        revoke(kit, rotated["id"])
        assert not accepted(kit, rotated["secret"])
    recorded = "".join(repr(event) + event.fact.model_dump_json() for event in kit.ledger.read(0, limit=1_000))
    assert "key.issued" in recorded
    for secret in (made["secret"], rotated["secret"]):
        random = secret.rpartition("_")[2]
        assert random not in recorded
        assert random not in str(logged)
    assert "Planted name" not in recorded + str(logged), "what it is called is sealed"


def test_keys_are_listed_in_pages_the_last_issued_first(kit: Kit) -> None:
    made = [issue(kit, name=f"Number {number}")["id"] for number in range(5)]
    found: list[str] = []
    while True:
        page = kit.request("GET", KEYS, params={"limit": 2, **({"after": found[-1]} if found else {})}).json()
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
    assert found == made[::-1]


NAMED = {"name": "Ours"}
WRONG: dict[str, tuple[Any, str, str]] = {
    "nothing": ({}, "missing_required_parameter", "name"),
    "no name": ({"name": ""}, "invalid_value", "name"),
    "a name of blanks": ({"name": " "}, "invalid_value", "name"),
    "a name nobody can read": ({"name": "a\x07b"}, "invalid_value", "name"),
    "a long name": ({"name": "n" * (NAME_CHARS_MAX + 1)}, "invalid_value", "name"),
    "a number for a name": ({"name": 7}, "invalid_type", "name"),
    "no role": ({**NAMED, "roles": []}, "invalid_value", "roles"),
    "an unknown role": ({**NAMED, "roles": ["owner"]}, "invalid_value", "roles.0"),
    "roles as text": ({**NAMED, "roles": "admin"}, "invalid_type", "roles"),
    "no project": ({**NAMED, "project": "Not A Project"}, "invalid_value", "project"),
    "no time": ({**NAMED, "expires_in_s": 0}, "invalid_value", "expires_in_s"),
    "too much time": ({**NAMED, "expires_in_s": EXPIRES_IN_S_MAX + 1}, "invalid_value", "expires_in_s"),
    "a fraction of time": ({**NAMED, "expires_in_s": 1.5}, "invalid_type", "expires_in_s"),
    "truth as text": ({**NAMED, "may_assert_requester": "yes"}, "invalid_type", "may_assert_requester"),
    "something unknown": ({**NAMED, "secret": "mine"}, "unknown_parameter", "secret"),
    "a requester that spans": ({**NAMED, "spans_tenant": True}, "invalid_value", "spans_tenant"),
    "an approver that spans": ({**NAMED, "roles": ["approver"], "spans_tenant": True}, "invalid_value", "spans_tenant"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_by_name_and_leaves_no_trace(kit: Kit, name: str) -> None:
    fields, code, param = WRONG[name]
    answer = kit.request("POST", KEYS, key=ROOT_KEY, json=fields)
    assert error_of(answer) == (400, "invalid_request_error", param, code)
    assert kit.ledger.head() == 0


@pytest.mark.parametrize("overlap_s", [-1, OVERLAP_S_MAX + 1])
def test_a_wrong_rotation_is_refused(kit: Kit, overlap_s: int) -> None:
    key_id = issue(kit)["id"]
    answer = kit.request("POST", f"{KEYS}/{key_id}/rotate", json={"overlap_s": overlap_s})
    assert error_of(answer) == (400, "invalid_request_error", "overlap_s", "invalid_value")
    assert seen(kit, key_id)["replaced_by"] is None


@pytest.mark.parametrize("key_id", ["key_0000000000000000", "key_", "KEY_0000000000000000", "video_1", "%00"])
def test_an_unknown_key_is_not_found(kit: Kit, key_id: str) -> None:
    expected = (404, "invalid_request_error", "key_id", "api_key_not_found")
    assert error_of(kit.request("GET", f"{KEYS}/{key_id}")) == expected
    assert error_of(kit.request("DELETE", f"{KEYS}/{key_id}")) == expected
    assert error_of(kit.request("POST", f"{KEYS}/{key_id}/rotate")) == expected


@pytest.mark.parametrize(
    ("beyond", "param"),
    [
        ({"project": "beta"}, "project"),
        ({"roles": ["admin"], "spans_tenant": True}, "spans_tenant"),
        ({"may_assert_requester": True}, "may_assert_requester"),
    ],
)
def test_an_admin_of_a_project_gives_nothing_that_reaches_further(kit: Kit, beyond: dict[str, Any], param: str) -> None:
    answer = kit.request("POST", KEYS, json={"name": "Ours", **beyond})
    assert error_of(answer) == (*BEYOND, param, "key_exceeds_issuer")
    assert kit.ledger.head() == 0
    assert kit.request("POST", KEYS, key=ROOT_KEY, json={"name": "Ours", **beyond}).status_code == 200


def test_an_admin_of_a_project_neither_rotates_nor_revokes_what_reaches_further(kit: Kit) -> None:
    key_id = issue(kit, by=ROOT_KEY, project="alpha", roles=["auditor"], spans_tenant=True)["id"]
    for answer in (
        kit.request("POST", f"{KEYS}/{key_id}/rotate"),
        kit.request("DELETE", f"{KEYS}/{key_id}"),
    ):
        assert error_of(answer) == (*BEYOND, "spans_tenant", "key_exceeds_issuer")
    assert seen(kit, key_id)["status"] == "active"


# --- presented ------------------------------------------------------------------------------


def test_only_the_whole_key_is_accepted_and_only_in_its_tenant(kit: Kit) -> None:
    secret = issue(kit)["secret"]
    head, _, random = secret.rpartition("_")
    for other in (
        secret[:-1],
        secret + "0",
        secret.upper(),
        f"{head}_{'0' * 64}",
        f"bk_live_acme_{random}",
        f"bk_live__{random}",
        f"bk_live_{'t' * 300}_{random}",
    ):
        assert not accepted(kit, other), other
    assert accepted(kit, secret)


def test_a_key_whose_time_is_over_is_refused_and_says_so_when_it_is_looked_at(kit: Kit) -> None:
    made = issue(kit, expires_in_s=DAY_S)
    assert made["expires_at"] == made["created_at"] + DAY_S
    assert accepted(kit, made["secret"])
    kit.clock.now += timedelta(seconds=DAY_S - 1)
    assert accepted(kit, made["secret"])
    kit.clock.now += timedelta(seconds=1)
    assert not accepted(kit, made["secret"])
    assert seen(kit, made["id"])["status"] == "expired"
    answer = kit.request("POST", f"{KEYS}/{made['id']}/rotate")
    assert error_of(answer) == (409, "invalid_request_error", None, "api_key_not_active")


def test_a_revoked_key_is_refused_at_once_and_for_good(kit: Kit) -> None:
    made = issue(kit)
    revoked = revoke(kit, made["id"])
    assert revoked["status"] == "revoked"
    assert revoked["revoked_at"] is not None
    assert not accepted(kit, made["secret"])
    head = kit.ledger.head()
    assert revoke(kit, made["id"]) == revoked
    assert kit.ledger.head() == head, "revoking twice changes nothing"
    answer = kit.request("POST", f"{KEYS}/{made['id']}/rotate")
    assert error_of(answer) == (409, "invalid_request_error", None, "api_key_not_active")
    assert [each["id"] for each in kit.request("GET", KEYS).json()["data"]] == [made["id"]], "it is still listed"


def test_while_the_database_is_away_no_issued_key_is_let_in(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = issue(kit)["secret"]

    def away(*_: object, **__: object) -> None:
        raise Unavailable("no answer")

    monkeypatch.setattr(kit.ledger, "fold", away)
    answer = kit.request("GET", "/v1/videos", key=secret)
    assert answer.status_code == 503
    assert kit.request("GET", "/v1/videos").status_code == 200, "configured keys need no database"


# --- rotated --------------------------------------------------------------------------------


def test_a_rotated_key_is_accepted_beside_its_successor_for_a_while(kit: Kit) -> None:
    old = issue(kit, roles=["requester", "auditor"])
    new = rotate(kit, old["id"])
    assert new["secret"] != old["secret"]
    same = ("name", "project", "requester", "roles", "spans_tenant", "may_assert_requester")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert (new["replaces"], seen(kit, old["id"])["replaced_by"]) == (old["id"], new["id"])
    assert accepted(kit, old["secret"])
    assert accepted(kit, new["secret"])
    kit.clock.now += timedelta(seconds=OVERLAP_S)
    assert not accepted(kit, old["secret"])
    assert accepted(kit, new["secret"])


def test_without_an_overlap_the_old_key_ends_at_once(kit: Kit) -> None:
    old = issue(kit)
    new = rotate(kit, old["id"], overlap_s=0)
    assert not accepted(kit, old["secret"])
    assert accepted(kit, new["secret"])


def test_a_rotation_lengthens_no_life_of_the_old_key_and_gives_the_new_one_as_long_again(kit: Kit) -> None:
    old = issue(kit, expires_in_s=3600)
    kit.clock.now += timedelta(seconds=1800)
    new = rotate(kit, old["id"], overlap_s=DAY_S)
    assert seen(kit, old["id"])["expires_at"] == old["expires_at"]
    assert new["expires_at"] - new["created_at"] == 3600
    other = issue(kit, expires_in_s=3600)
    assert rotate(kit, other["id"], expires_in_s=60)["expires_at"] < other["expires_at"]


def test_a_key_has_one_successor(kit: Kit) -> None:
    old = issue(kit)
    rotate(kit, old["id"])
    head = kit.ledger.head()
    answer = kit.request("POST", f"{KEYS}/{old['id']}/rotate")
    assert error_of(answer) == (409, "invalid_request_error", None, "api_key_rotated")
    assert kit.ledger.head() == head


# --- while something is decided -------------------------------------------------------------

Work = Callable[[Kit, Caller, str], object]
"""Something a caller does; given a video of its project."""


def create(kit: Kit, caller: Caller, _video_id: str) -> object:
    request, origin = create_request({"prompt": "A kite"}, {}), Origin(caller.tenant, caller.key_id)
    return kit.house.intake.ask(caller, request, kit.house.intake.terms(origin, "create", request))


def delete(kit: Kit, caller: Caller, video_id: str) -> object:
    return kit.house.intake.delete(caller, video_id, origin=Origin(caller.tenant, caller.key_id))


def batch(kit: Kit, caller: Caller, _video_id: str) -> object:
    lines = [Line(number, {"prompt": "A kite"}) for number in (1, 2, 3)]
    return kit.house.batches.take(caller, lines, key=None, origin=Origin(caller.tenant, caller.key_id))


def issue_another(kit: Kit, caller: Caller, _video_id: str) -> object:
    return kit.house.api_keys.issue(caller, {"name": "Another"}, origin=Origin(caller.tenant, caller.key_id))


WORKS: dict[str, tuple[Work, str]] = {
    "create": (create, "render.intent"),
    "delete": (delete, "render.deleted"),
    "batch": (batch, "render.intent"),
    "issue": (issue_another, "key.issued"),
}


@pytest.mark.parametrize("name", WORKS)
def test_what_was_begun_with_a_key_that_is_revoked_meanwhile_is_not_done(kit: Kit, name: str) -> None:
    work, fact = WORKS[name]
    video_id = kit.finished()
    made = issue(kit, roles=["requester", "admin"])
    caller = kit.house.callers.authenticate({"api-key": made["secret"]})
    revoke(kit, made["id"])
    before = types(kit).count(fact)
    with pytest.raises(Unauthorized) as refused:
        work(kit, caller, video_id)
    assert refused.value.code == "invalid_api_key"
    assert types(kit).count(fact) == before


@pytest.mark.parametrize("name", WORKS)
def test_what_was_begun_with_a_key_that_is_rotated_meanwhile_is_done(kit: Kit, name: str) -> None:
    work, fact = WORKS[name]
    video_id = kit.finished()
    made = issue(kit, roles=["requester", "admin"])
    caller = kit.house.callers.authenticate({"api-key": made["secret"]})
    rotate(kit, made["id"])
    before = types(kit).count(fact)
    work(kit, caller, video_id)
    assert types(kit).count(fact) > before


def test_of_creates_that_race_with_a_revocation_none_is_recorded_behind_it(kit: Kit) -> None:
    made = issue(kit)
    caller = kit.house.callers.authenticate({"api-key": made["secret"]})
    begun = threading.Event()
    refused: list[Exception] = []

    def keep_asking() -> None:
        while not refused:
            try:
                create(kit, caller, "")
            except (Unauthorized, TryLater) as error:
                refused.append(error)
            begun.set()

    askers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for each in askers:
        each.start()
    assert begun.wait(60)
    kit.house.api_keys.revoke(
        kit.house.callers.authenticate({"api-key": KEY}), made["id"], origin=Origin("main", "key_1")
    )
    for each in askers:
        each.join(60)
    order = types(kit)
    assert "render.intent" in order
    assert "render.intent" not in order[order.index("key.revoked") :]
    assert {type(error) for error in refused} == {Unauthorized}


def test_a_stream_ends_with_its_key(kit: Kit) -> None:
    made = issue(kit, roles=["auditor"])
    with ServerThread(kit.app, on_stopping=kit.house.tide.closing.set) as server:
        headers = {"authorization": f"Bearer {made['secret']}"}
        with httpx.stream("GET", f"{server.url}/v1/ledger/stream?after=0", headers=headers, timeout=60) as answer:
            lines = answer.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: key.issued"
            revoke(kit, made["id"])
            rest = list(lines)
    assert "event: key.revoked" not in rest


def test_the_same_name_of_a_project_in_another_tenant_is_another_project(kit: Kit) -> None:
    made = issue(kit, by=FOREIGN_KEY)
    assert made["project"] == "alpha"
    assert made["secret"].startswith("bk_live_acme_")
    video_id = kit.create()
    assert kit.request("GET", f"/v1/videos/{video_id}", key=made["secret"]).status_code == 404
    assert kit.request("GET", f"{KEYS}/{made['id']}").status_code == 404


def test_a_link_to_a_video_of_another_tenant_opens_it(kit: Kit) -> None:
    video_id = kit.create(key=FOREIGN_KEY)
    links = kit.house.links.reached_at("http://house")
    assert "tenant=acme" in str(links.video("acme", "alpha", video_id))
    answer = kit.request("GET", str(links.video("acme", "alpha", video_id)).removeprefix("http://house"), key=None)
    assert error_of(answer)[3] == "video_not_completed", "it is known, and has no file yet"
    altered = str(links.video("acme", "alpha", video_id)).replace("tenant=acme", "tenant=main")
    assert error_of(kit.request("GET", altered.removeprefix("http://house"), key=None))[3] == "link_invalid"
    unnamed = str(links.video("acme", "alpha", video_id)).replace("tenant=acme", "tenant=A%20B")
    assert error_of(kit.request("GET", unnamed.removeprefix("http://house"), key=None))[3] == "link_invalid"

"""The audit over HTTP: every fact is found by whatever it holds, by those who may, with what led to it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from ledger.events import CallerRecorded
from tests.http.folded_audit import FoldedAudit
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit, error_of, webhook

EVENTS = "/v1/audit/events"


def ask(kit: Kit, *, key: str = ROOT_KEY, **params: Any) -> httpx.Response:
    return kit.request("GET", EVENTS, key=key, params={"limit": 100, "order": "asc", **params})


def found(kit: Kit, **params: Any) -> list[dict[str, Any]]:
    answer = ask(kit, **params)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def types(events: list[dict[str, Any]]) -> list[str]:
    return [each["type"] for each in events]


def test_a_filter_that_is_none_is_refused_and_not_left_out(kit: Kit) -> None:
    for name in ("render", "vidoe_id", "Type"):
        assert error_of(ask(kit, **{name: kit.create()})) == (400, "invalid_request_error", name, "unknown_parameter")


def test_a_filter_that_is_given_twice_is_refused_and_not_left_out(kit: Kit) -> None:
    answer = kit.request("GET", f"{EVENTS}?type=render.intent&type=render.stored", key=ROOT_KEY)
    assert error_of(answer) == (400, "invalid_request_error", "type", "duplicate_parameter")


def test_every_fact_is_found_by_each_thing_it_holds(kit: Kit) -> None:
    video_id = kit.finished()
    kit.create(key=OTHER_KEY)
    body, headers = webhook()
    kit.request("POST", "/webhooks/openai", key=None, content=body, headers=headers)
    everything = found(kit)
    assert [each["position"] for each in everything] == [*range(1, kit.ledger.head() + 1)]
    (asset,) = kit.render(video_id).assets
    looked_for = {
        "video_id": video_id,
        "stream": kit.render(video_id).stream,
        "job_id": "job_1",
        "project": "beta",
        "requester": kit.render(video_id).intent.requester,
        "actor": "worker",
        "type": "render.stored",
        "webhook_event_id": "wh_1",
        "currency": "USD",
    }
    for name, value in looked_for.items():
        matching = [each for each in everything if each[name] == value]
        assert 0 < len(matching) < len(everything), name
        assert found(kit, **{name: value}) == matching, name
    assert (
        types(found(kit, sha256=asset.sha256)) == types(found(kit, storage_uri=asset.storage_uri)) == ["render.stored"]
    )
    assert types(found(kit, cost_micro_min=400_000, type="spend.settled")) == ["spend.settled"]
    assert found(kit, cost_micro_max=399_999) == []
    request = everything[0]["correlation"].replace("-", "")
    assert {each["correlation"] for each in found(kit, request_id=f"req_{request}")} == {everything[0]["correlation"]}
    assert found(kit, video_id=video_id, type="render.stored", actor="webhook") == [], "all that is given must hold"
    assert found(kit, position_min=3, position_max=5) == everything[2:5]


def test_a_rule_finds_the_decisions_it_matched_in(kit: Kit) -> None:
    policy = b"version: 1\ndefault: allow\nrules:\n- {id: long, effect: deny, when: {seconds_min: 12}}"
    kit.request("POST", "/v1/policy", key=ROOT_KEY, content=policy, headers={"content-type": "application/yaml"})
    kit.create()
    assert kit.request("POST", "/v1/videos", json={"prompt": "Long", "seconds": "12"}).status_code == 403
    assert types(found(kit, rule="long")) == ["render.denied"]
    assert found(kit, rule="longer") == []


def test_a_range_of_time_takes_in_its_beginning_and_not_its_end(kit: Kit) -> None:
    kit.create()
    first = kit.ledger.head()
    kit.pass_time(60)
    kit.create()
    begins, ends = kit.ledger.recorded_at(first + 1), kit.ledger.recorded_at(kit.ledger.head())
    later = [each["position"] for each in found(kit, since=begins.isoformat())]
    assert later == [*range(first + 1, kit.ledger.head() + 1)]
    assert [each["position"] for each in found(kit, until=begins.isoformat())] == [*range(1, first + 1)]
    assert found(kit, since=(ends + timedelta(microseconds=1)).isoformat()) == []
    assert found(kit, since="0001-01-01T00:00:00Z", until="0001-01-01T00:00:00Z") == []


def test_pages_begin_behind_an_event_in_either_order(kit: Kit) -> None:
    kit.finished()
    everything = [each["id"] for each in found(kit)]
    for order, expected in (("asc", everything), ("desc", everything[::-1])):
        told: list[str] = []
        has_more, after = True, {}
        while has_more:
            page = ask(kit, order=order, limit=3, **after).json()
            told += [each["id"] for each in page["data"]]
            assert (page["first_id"], page["last_id"]) == (told[-len(page["data"])], told[-1])
            has_more, after = page["has_more"], {"after": page["last_id"]}
        assert told == expected
    assert ask(kit, after=everything[-1]).json()["first_id"] is None


def test_a_page_says_how_many_facts_it_lacks_because_they_cannot_be_read(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.finished()
    assert ask(kit).json()["parked"] == 0
    tenant = found(kit)[0]["tenant"]
    monkeypatch.setattr(FoldedAudit, "unreadable", [(tenant, 1), (tenant, 3), (tenant, 5), ("other", 3)])
    assert ask(kit).json()["parked"] == 3
    assert ask(kit, type="render.intent").json()["parked"] == 3
    assert ask(kit, position_min=4, position_max=4).json()["parked"] == 3, "where they are is not told"


def test_what_the_audit_has_not_come_to_is_not_silently_missing(kit: Kit) -> None:
    video_id = kit.finished()
    questions = "/v1/audit/questions/spend_without_video"
    assert ask(kit).json()["behind"] == kit.request("GET", questions, key=ROOT_KEY).json()["behind"] == 0
    kit.fall_behind(3)
    assert ask(kit).json()["behind"] == kit.request("GET", questions, key=ROOT_KEY).json()["behind"] == 3
    pack = kit.request("GET", "/v1/audit/pack", key=ROOT_KEY, params={"video_id": video_id})
    assert error_of(pack) == (503, "server_error", None, "projection_behind"), "evidence is whole, or it is not given"


def test_a_fact_that_the_audit_may_lack_is_not_said_to_be_unknown(kit: Kit) -> None:
    kit.finished()
    theirs, newest = found(kit)[0], found(kit)[-1]
    kit.fall_behind(2)
    for key in (ROOT_KEY, OTHER_KEY, FOREIGN_ROOT_KEY):  # the same to everybody, so that nobody learns of another's
        for event_id in (newest["id"], str(UUID(int=1)), *([] if key == ROOT_KEY else [theirs["id"]])):
            told = kit.request("GET", f"{EVENTS}/{event_id}", key=key)
            assert error_of(told) == (503, "server_error", None, "projection_behind")
            assert told.headers["retry-after"] == "1"
            assert error_of(ask(kit, key=key, after=event_id))[3] == "projection_behind"
        receipt = kit.request("GET", "/v1/ledger/proof", key=key, params={"position": newest["position"]})
        assert error_of(receipt) == (503, "server_error", None, "projection_behind")
    assert error_of(ask(kit, key=OTHER_KEY, project="alpha"))[0] == 404, "that there is no such project is known"


def test_what_may_be_missing_among_the_effects_of_a_fact_is_said(kit: Kit) -> None:
    video_id = kit.finished()
    completed = found(kit, stream=kit.render(video_id).stream, type="render.completed")[0]
    whole = kit.request("GET", f"{EVENTS}/{completed['id']}", key=ROOT_KEY).json()
    kit.fall_behind(kit.ledger.head() - completed["position"])
    lacking = kit.request("GET", f"{EVENTS}/{completed['id']}", key=ROOT_KEY).json()
    assert whole["behind"] == 0 < len(whole["effects"])
    assert (lacking["effects"], lacking["behind"]) == ([], kit.ledger.head() - completed["position"])


def test_a_fact_is_told_with_its_words_its_causes_and_its_effects(kit: Kit) -> None:
    video_id = kit.finished()
    events = {each["type"]: each for each in found(kit, stream=kit.render(video_id).stream)}
    intent = kit.request("GET", f"{EVENTS}/{events['render.intent']['id']}", key=ROOT_KEY).json()
    assert intent["fact"]["prompt"] == "A calm sea"
    assert intent["causes"] == []
    assert "render.allowed" in types(intent["request"])
    stored = kit.request("GET", f"{EVENTS}/{events['render.stored']['id']}", key=ROOT_KEY).json()
    assert types(stored["causes"])[:1] == ["render.completed"]
    completed = kit.request("GET", f"{EVENTS}/{events['render.completed']['id']}", key=ROOT_KEY).json()
    assert "render.stored" in types(completed["effects"])
    assert {name: stored[name] for name in events["render.stored"]} == events["render.stored"]


def test_what_was_erased_is_told_as_erased(kit: Kit) -> None:
    video_id = kit.create("A secret")
    kit.keys.destroy(requester=kit.render(video_id).intent.requester, subject=video_id)
    (intent,) = found(kit, type="render.intent")
    assert kit.request("GET", f"{EVENTS}/{intent['id']}", key=ROOT_KEY).json()["fact"]["prompt"] == "(erased)"


def test_a_secret_is_told_to_nobody(kit: Kit) -> None:
    endpoint = {"name": "Ours", "url": "http://127.0.0.1:9/", "event_types": ["video.completed"]}
    made = kit.request("POST", "/v1/webhook_endpoints", json=endpoint).json()
    (created,) = found(kit, type="endpoint.created")
    told = kit.request("GET", f"{EVENTS}/{created['id']}", key=ROOT_KEY)
    assert told.json()["fact"]["secret"] == "(secret)"
    assert made["signing_secret"] not in told.text


def test_an_auditor_of_a_project_is_told_of_its_own_facts_alone(kit: Kit) -> None:
    theirs = kit.finished()
    kit.create(key=OTHER_KEY)
    mine = found(kit, key=OTHER_KEY)
    assert {each["project"] for each in mine} == {"beta"}
    assert "spend.reserved" in types(mine)
    assert found(kit, key=OTHER_KEY, video_id=theirs) == found(kit, key=FOREIGN_ROOT_KEY) == []
    other = found(kit, video_id=theirs)[0]["id"]
    never = str(UUID(int=1))
    assert error_of(ask(kit, key=OTHER_KEY, project="alpha"))[2:] == ("project", "project_not_found")
    for key in (OTHER_KEY, FOREIGN_ROOT_KEY):
        for event_id in (other, never, "nonsense"):
            told = kit.request("GET", f"{EVENTS}/{event_id}", key=key)
            assert error_of(told) == (404, "invalid_request_error", "event_id", "fact_not_found")
            assert error_of(ask(kit, key=key, after=event_id))[2:] == ("after", "fact_not_found")


def test_what_a_caller_wrote_down_of_anothers_video_does_not_tell_whose_it_is(kit: Kit) -> None:
    theirs = kit.create()
    kit.request("POST", "/v1/threads/mine/observations", key=OTHER_KEY, json={"video_id": theirs, "status": "queued"})
    (mine,) = found(kit, key=OTHER_KEY, type=CallerRecorded.TYPE)
    assert (mine["video_id"], mine["project"], mine["requester"]) == (theirs, "beta", None)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"limit": 0}, "invalid_value"),
        ({"limit": 101}, "invalid_value"),
        ({"order": "random"}, "invalid_value"),
        ({"since": "yesterday"}, "invalid_value"),
        ({"position_min": -1}, "invalid_value"),
        ({"cost_micro_min": 2**63}, "invalid_value"),
        ({"request_id": "req_x"}, "invalid_value"),
        ({"type": "a\0b"}, "invalid_text"),
        ({"video_id": "x" * 513}, "invalid_value"),
        ({"text": "kite"}, "search_off"),
        ({"text": ""}, "no_words"),
        ({"text": "!!! _ -"}, "no_words"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(kit: Kit, params: dict[str, Any], code: str) -> None:
    (name,) = params
    assert error_of(ask(kit, **params)) == (400, "invalid_request_error", name, code)


def test_questions_are_listed_and_answered_by_name(kit: Kit) -> None:
    listed = kit.request("GET", "/v1/audit/questions").json()["data"]
    names = [each["name"] for each in listed]
    assert names == ["unused_keys", "expired_approvals", "spend_without_video", "videos_without_decision"]
    held = b"version: 1\ndefault: allow\nrules:\n- {id: long, effect: require_approval, when: {seconds_min: 12}}"
    kit.request("POST", "/v1/policy", key=ROOT_KEY, content=held, headers={"content-type": "application/yaml"})
    video_id = kit.create(seconds="12")
    kit.pass_time(2 * 3600)
    answer = kit.request("GET", "/v1/audit/questions/expired_approvals", key=KEY).json()
    assert [each["video_id"] for each in answer["data"]] == [video_id]
    assert answer["finds"] == {each["name"]: each["finds"] for each in listed}["expired_approvals"]
    for key in (OTHER_KEY, FOREIGN_ROOT_KEY):
        assert kit.request("GET", "/v1/audit/questions/expired_approvals", key=key).json()["data"] == []
    unknown = kit.request("GET", "/v1/audit/questions/why")
    assert error_of(unknown) == (404, "invalid_request_error", "name", "question_not_found")
    assert "video_without" not in unknown.text, "messages lose the plural of video, and so would name no question"

"""On whose behalf a key asks: believed of few keys, kept as an opaque id, and never told to others."""

from typing import Any

import pytest

from bickford_sora.decisions.requesters import REQUESTER_CHARS_MAX
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, ROOT_KEY, Kit, error_of

NAME = "mia@example.com"
HEADER = {"Bickford-Requester": NAME}
BODY = {"prompt": "A kite"}


def requester(kit: Kit, key: str = ROOT_KEY, **options: Any) -> str:
    """Of a new render."""
    answer = kit.request("POST", "/v1/videos", key=key, **{"json": BODY, **options})
    assert answer.status_code == 200, answer.text
    return kit.render(answer.json()["id"]).intent.requester


@pytest.fixture
def trusted(kit: Kit) -> str:
    """A key of the project alpha that may say on whose behalf it asks."""
    return kit.issue("requester", by=ROOT_KEY, project="alpha", may_assert_requester=True)


def test_whom_a_trusted_key_names_is_the_requester_by_header_and_by_field(kit: Kit, trusted: str) -> None:
    own = requester(kit, trusted)
    named = requester(kit, trusted, headers=HEADER)
    assert named != own
    assert requester(kit, trusted, json={**BODY, "requester": NAME}) == named
    assert requester(kit, trusted, data={**BODY, "requester": NAME}) == named
    assert requester(kit, trusted, json={**BODY, "requester": None}) == own
    assert requester(kit, trusted, json={**BODY, "requester": "leo@example.com"}, headers=HEADER) not in {own, named}
    assert requester(kit, ROOT_KEY, headers=HEADER) == named, "the same in all projects and by all keys of a tenant"


def test_in_another_tenant_the_same_name_is_another_requester(kit: Kit, trusted: str) -> None:
    named = requester(kit, trusted, headers=HEADER)
    answer = kit.request("POST", "/v1/videos", key=FOREIGN_ROOT_KEY, json=BODY, headers=HEADER)
    assert answer.status_code == 200
    recorded = [event.fact for event in kit.ledger.read(0, limit=100) if event.fact.TYPE == "render.intent"]
    assert len({vars(fact)["requester"] for fact in recorded} | {named}) == 2


def test_the_name_is_nowhere_and_what_was_written_can_be_erased_with_it(kit: Kit, trusted: str) -> None:
    video_id = kit.request("POST", "/v1/videos", key=trusted, json=BODY, headers=HEADER).json()["id"]
    other = kit.create(key=trusted)
    recorded = "".join(repr(event) for event in kit.ledger.read(0, limit=100))
    assert "mia" not in recorded
    kit.keys.destroy(requester=kit.render(video_id).intent.requester)
    assert kit.request("GET", f"/v1/videos/{video_id}").json()["prompt"] is None
    assert kit.request("GET", f"/v1/videos/{other}").json()["prompt"] is not None, "another requester's"


def test_a_key_that_may_not_is_refused_whatever_it_asks(kit: Kit) -> None:
    head = kit.ledger.head()
    for answer, param in (
        (kit.request("POST", "/v1/videos", json=BODY, headers=HEADER), "Bickford-Requester"),
        (kit.request("GET", "/v1/videos", headers=HEADER), "Bickford-Requester"),
        (kit.request("POST", "/v1/videos", json={**BODY, "requester": NAME}), "requester"),
    ):
        assert error_of(answer) == (403, "permission_error", param, "requester_not_allowed")
        assert answer.headers["x-should-retry"] == "false"
        assert NAME not in answer.text
    assert kit.ledger.head() == head


@pytest.mark.parametrize("name", ["", " ", "a\tb", "n" * (REQUESTER_CHARS_MAX + 1), 7, ["a"]], ids=repr)
def test_what_is_no_name_is_refused(kit: Kit, name: object) -> None:
    answer = kit.request("POST", "/v1/videos", key=ROOT_KEY, json={**BODY, "requester": name})
    assert error_of(answer) == (400, "invalid_request_error", "requester", "invalid_requester")
    assert kit.ledger.head() == 0


@pytest.mark.parametrize(
    "headers",
    [
        [("Bickford-Requester", "")],
        [("Bickford-Requester", NAME), ("Bickford-Requester", "leo@example.com")],
        [(b"Bickford-Requester", b"\xff\xfe")],
    ],
    ids=["empty", "two", "not text"],
)
def test_a_header_that_is_no_name_is_refused(kit: Kit, headers: Any) -> None:
    answer = kit.request("GET", "/v1/videos", key=ROOT_KEY, headers=headers)
    assert error_of(answer) == (400, "invalid_request_error", "Bickford-Requester", "invalid_requester")


def test_a_name_is_the_same_however_it_is_spelled_in_unicode(kit: Kit) -> None:
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    named = {
        requester(kit, json={**BODY, "requester": composed}),
        requester(kit, json={**BODY, "requester": f" {decomposed} "}),
        requester(kit, headers=[(b"Bickford-Requester", composed.encode())]),
    }
    assert len(named) == 1


def test_a_line_of_a_batch_names_its_own(kit: Kit, trusted: str) -> None:
    lines = [{**BODY, "requester": NAME}, {**BODY, "requester": "leo@example.com"}, BODY, {**BODY, "requester": 7}]
    answer = kit.request("POST", "/v1/videos/batches", key=trusted, json={"requests": lines})
    *made, wrong = answer.json()["data"]
    requesters = [kit.render(each["video_id"]).intent.requester for each in made]
    assert requesters[0] == requester(kit, trusted, headers=HEADER)
    assert len(set(requesters)) == 3
    assert wrong["error"]["code"] == "invalid_requester"
    refused = kit.request("POST", "/v1/videos/batches", json={"requests": lines[:1]}).json()["data"]
    assert [each["error"]["code"] for each in refused] == ["requester_not_allowed"]


def test_one_idempotency_key_is_not_for_two_requesters(kit: Kit, trusted: str) -> None:
    once = {"Idempotency-Key": "mine", **HEADER}
    first = kit.request("POST", "/v1/videos", key=trusted, json=BODY, headers=once).json()["id"]
    assert kit.request("POST", "/v1/videos", key=trusted, json=BODY, headers=once).json()["id"] == first
    other = {**once, "Bickford-Requester": "leo@example.com"}
    answer = kit.request("POST", "/v1/videos", key=trusted, json=BODY, headers=other)
    assert error_of(answer)[3] == "idempotency_key_reused"


def test_a_configured_key_of_a_project_may_not(kit: Kit) -> None:
    assert kit.request("GET", "/v1/videos", key=KEY, headers=HEADER).status_code == 403
    assert kit.request("GET", "/v1/videos", key=ROOT_KEY, headers=HEADER).status_code == 200

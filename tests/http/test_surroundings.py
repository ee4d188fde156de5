"""What every answer has, and what is said when something breaks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bickford_sora.assets.errors import AssetStoreUnavailable
from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.http.app import create_app
from ledger.errors import SegmentUnreadable, UnknownEventType
from projections.errors import OtherVersion
from projections.videos import Page
from tests.http.houses import KEY, Kit, error_of, make_kit
from tests.http.test_every_route import ROUTES
from tests.logs import log_plainly
from tests.trying import tries


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    log_plainly()
    with capture_logs([structlog.contextvars.merge_contextvars]) as events:
        yield events


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/", (404, "invalid_request_error", None, "unknown_url")),
        ("GET", "/v1/models", (404, "invalid_request_error", None, "unknown_url")),
        ("GET", "/v1/videos/", (404, "invalid_request_error", None, "unknown_url")),
        ("PUT", "/v1/videos", (405, "invalid_request_error", None, "method_not_allowed")),
        ("GET", "/webhooks/openai", (405, "invalid_request_error", None, "method_not_allowed")),
    ],
)
def test_what_is_no_route_is_told_in_the_protocols_shape(
    kit: Kit, method: str, path: str, error: tuple[object, ...]
) -> None:
    assert error_of(kit.request(method, path)) == error


def test_a_method_that_is_not_taken_names_those_that_are(kit: Kit) -> None:
    assert set(kit.request("PUT", "/healthz").headers["allow"].split(", ")) == {"GET"}


def test_every_answer_has_an_id_of_ours_and_is_not_kept_by_caches(kit: Kit) -> None:
    answers = [
        kit.request(method, path, headers={"X-Client-Request-Id": "mine", "x-request-id": "mine"})
        for method, path in (("GET", "/v1/videos"), ("GET", "/nowhere"), ("GET", "/healthz"), ("POST", "/v1/videos"))
    ]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)
    assert "mine" not in ids
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_unreachable_ledger_is_for_later_when_sending_again_is_safe(kit: Kit) -> None:
    kit.recorder.close()
    answer = kit.request("POST", "/v1/videos", json={"prompt": "sea"}, headers={"Idempotency-Key": "k"})
    assert error_of(answer) == (503, "server_error", None, "ledger_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "x-should-retry" not in answer.headers


def test_a_create_whose_outcome_is_unknown_is_not_repeated_by_the_sdks(kit: Kit) -> None:
    kit.recorder.close()
    answer = kit.request("POST", "/v1/videos", json={"prompt": "sea"})
    assert error_of(answer) == (503, "server_error", None, "ledger_unavailable")
    assert answer.headers["x-should-retry"] == "false"


class BrokenVideos:
    """A read model with a mistake in it."""

    def get(self, *_: object) -> None:
        raise ZeroDivisionError("a detail nobody outside may see")

    def page(self, *_: object) -> Page:
        raise ZeroDivisionError("a detail nobody outside may see")


def test_our_own_mistake_leaks_nothing_and_is_logged_with_the_request(kit: Kit, logged: list[Any]) -> None:
    broken = replace(kit, app=create_app(replace(kit.house, videos=BrokenVideos())))
    answer = broken.request("GET", "/v1/videos")
    assert error_of(answer) == (500, "server_error", None, "internal_error")
    assert "detail" not in answer.text
    assert "x-should-retry" not in answer.headers
    (failed,) = [event for event in logged if event["event"] == "request_failed"]
    assert failed["request_id"] == answer.headers["x-request-id"]
    assert failed["exc_info"]


class OlderVideos(BrokenVideos):
    """A read model of another version."""

    def page(self, *_: object) -> Page:
        raise OtherVersion


def test_a_read_model_to_be_rebuilt_is_for_later_and_the_log_says_what_to_do(kit: Kit, logged: list[Any]) -> None:
    older = replace(kit, app=create_app(replace(kit.house, videos=OlderVideos())))
    answer = older.request("GET", "/v1/videos")
    assert error_of(answer) == (503, "server_error", None, "other_version")
    assert answer.headers["x-should-retry"] == "false"
    (said,) = [event for event in logged if event["event"] == "read_model_to_be_rebuilt"]
    assert said["run"] == "bickford-sora replay"


class NewerVideos(BrokenVideos):
    """Somewhere in it is a fact of a newer version."""

    def page(self, *_: object) -> Page:
        raise UnknownEventType("render:main:1 version 3: type 'render.sparkled' is not known")


def test_a_fact_that_cannot_be_read_is_named_as_that_and_the_log_says_which(kit: Kit, logged: list[Any]) -> None:
    newer = replace(kit, app=create_app(replace(kit.house, videos=NewerVideos())))
    answer = newer.request("GET", "/v1/videos")
    assert error_of(answer) == (500, "server_error", None, "unknown_event_type")
    assert answer.headers["x-should-retry"] == "false"
    assert "sparkled" not in answer.text
    (said,) = [event for event in logged if event["event"] == "fact_unreadable"]
    assert "render.sparkled" in said["fact"]
    assert said["run"] == "bickford-sora verify"


class SegmentedVideos(BrokenVideos):
    """Some of it is in a file that is not there."""

    def page(self, *_: object) -> Page:
        raise SegmentUnreadable("/srv/segments/segment-1.jsonl cannot be opened")


def test_a_missing_segment_is_for_an_operator_and_not_called_storage_that_is_away(kit: Kit) -> None:
    lacking = replace(kit, app=create_app(replace(kit.house, videos=SegmentedVideos())))
    answer = lacking.request("GET", "/v1/videos")
    assert error_of(answer) == (503, "server_error", None, "segment_unreadable")
    assert "closed segment" in answer.text
    assert "/srv/" not in answer.text


def test_our_own_mistake_in_a_create_is_not_repeated_by_the_sdks(kit: Kit) -> None:
    broken = replace(kit, app=create_app(replace(kit.house, keys=None)))
    answer = broken.request("POST", "/v1/videos", json={"prompt": "sea"})
    assert error_of(answer) == (500, "server_error", None, "internal_error")
    assert answer.headers["x-should-retry"] == "false"


class AwayAssets(MemoryAssetStore):
    """Storage that does not answer."""

    def open(self, *_: object, **__: object) -> Any:
        raise AssetStoreUnavailable("no answer")


def test_unreachable_storage_is_for_later(kit: Kit) -> None:
    video_id = kit.finished()
    away = replace(kit, app=create_app(replace(kit.house, assets=AwayAssets())))
    assert error_of(away.request("GET", f"/v1/videos/{video_id}/content"))[::3] == (503, "asset_store_unavailable")


def test_what_an_erased_caller_asks_for_is_gone(kit: Kit) -> None:
    kit.create()
    kit.keys.destroy(requester=kit.house.callers.authenticate({"api-key": KEY}).requester)
    assert error_of(kit.request("POST", "/v1/videos", json={"prompt": "sea"}))[::3] == (410, "erased")


def test_each_request_is_logged_by_its_route_and_never_with_its_prompt(kit: Kit, logged: list[Any]) -> None:
    video_id = kit.create("A secret sea")
    kit.request("GET", f"/v1/videos/{video_id}", headers={"traceparent": "garbage"})
    lines = [event for event in logged if event["event"] == "request"]
    assert [(each["method"], each["route"], each["status"]) for each in lines] == [
        ("POST", "/v1/videos", 200),
        ("GET", "/v1/videos/{video_id}", 200),
    ]
    assert all(each["video_id"] == video_id and each["trace_id"] is None for each in lines)
    assert len({each["actor"] for each in lines}) == 1
    assert str(lines[0]["actor"]).startswith("key_"), "who read is on no record but this"
    assert "secret sea" not in json.dumps(logged, default=str)
    assert KEY not in json.dumps(logged, default=str)


def test_health_says_that_the_process_runs_whatever_the_database_does(kit: Kit) -> None:
    kit.recorder.close()
    assert kit.request("GET", "/healthz", key=None).json() == {"status": "ok"}


def test_readiness_names_its_problems(kit: Kit) -> None:
    assert kit.request("GET", "/readyz", key=None).json() == {"status": "ready"}
    kit.problems.append("the database does not answer")
    answer = kit.request("GET", "/readyz", key=None)
    assert error_of(replaced(answer))[0] == 503
    assert answer.json()["problems"] == ["the database does not answer"]


def replaced(answer: httpx.Response) -> httpx.Response:
    return httpx.Response(answer.status_code, headers=answer.headers, json={"error": answer.json()["error"]})


def test_the_description_lists_every_route_with_its_body(kit: Kit) -> None:
    described = kit.request("GET", "/openapi.json", key=None).json()
    framework = {"/openapi.json", "/docs", "/docs/oauth2-redirect"}
    assert set(described["paths"]) == {path.replace(":path}", "}") for _, path in ROUTES} - framework
    for path in ("", "/edits", "/extensions", "/{video_id}/remix"):
        makes = described["paths"][f"/v1/videos{path}"]["post"]
        forms = {"multipart/form-data", "application/x-www-form-urlencoded"}
        assert set(makes["requestBody"]["content"]) == {*forms, "application/json"}
        assert makes["security"]
    assert kit.request("GET", "/docs", key=None).status_code == 200


NAMES = ["authorization", "api-key", "idempotency-key", "content-type", "content-length", "traceparent", "range",
         "if-range", "if-none-match", "x-request-id", "webhook-id", "accept", "host"]  # fmt: skip
garbage = st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
SHARED = make_kit()


@settings(max_examples=tries(150), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([name.encode() for name in NAMES]), garbage), max_size=5),
    st.sampled_from(
        [("GET", "/v1/videos"), ("POST", "/v1/videos"), ("GET", "/v1/videos/x/content"), ("POST", "/webhooks/openai")]
    ),
    st.booleans(),
)
def test_no_header_breaks_the_house(headers: list[tuple[bytes, bytes]], call: tuple[str, str], known: bool) -> None:
    answer = SHARED.request(call[0], call[1], headers=headers, key=KEY if known else None)
    assert answer.status_code in {200, 400, 401, 404, 413}
    if answer.status_code != 200:
        error_of(answer)
    assert SHARED.ledger.head() == 0

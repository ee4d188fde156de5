"""How many requests one API key may make."""

from datetime import timedelta

import pytest

from tests.http.houses import OTHER_KEY, Kit, error_of, make_kit, webhook


@pytest.fixture
def kit() -> Kit:
    return make_kit(requests_per_minute_max=3)


def exhausted(kit: Kit) -> None:
    for _ in range(3):
        assert kit.request("GET", "/v1/videos").status_code == 200


def test_a_key_that_asks_too_often_is_told_to_wait(kit: Kit) -> None:
    exhausted(kit)
    answer = kit.request("GET", "/v1/videos")
    assert error_of(answer) == (429, "rate_limit_error", None, "rate_limit_exceeded")
    assert "rate limit" in answer.json()["error"]["message"]
    assert 0 < int(answer.headers["retry-after-ms"]) <= 20_000
    assert answer.headers["retry-after"] == "20"
    assert "x-should-retry" not in answer.headers


def test_after_the_pause_it_is_served_again(kit: Kit) -> None:
    exhausted(kit)
    pause_ms = int(kit.request("GET", "/v1/videos").headers["retry-after-ms"])
    kit.clock.now += timedelta(milliseconds=pause_ms - 100)
    assert kit.request("GET", "/v1/videos").status_code == 429
    kit.clock.now += timedelta(milliseconds=200)
    assert kit.request("GET", "/v1/videos").status_code == 200
    assert kit.request("GET", "/v1/videos").status_code == 429


def test_a_minute_of_rest_does_not_save_up_more_than_a_minute(kit: Kit) -> None:
    kit.clock.now += timedelta(hours=1)
    exhausted(kit)
    assert kit.request("GET", "/v1/videos").status_code == 429


def test_a_refused_create_makes_nothing(kit: Kit) -> None:
    exhausted(kit)
    assert kit.request("POST", "/v1/videos", json={"prompt": "sea"}).status_code == 429
    assert kit.ledger.head() == 0


def test_each_key_has_its_own(kit: Kit) -> None:
    exhausted(kit)
    assert kit.request("GET", "/v1/videos", key=OTHER_KEY).status_code == 200


def test_what_shows_no_key_is_not_counted(kit: Kit) -> None:
    for _ in range(10):
        assert kit.request("GET", "/healthz", key=None).status_code == 200
        assert kit.request("GET", "/readyz", key=None).status_code == 200
        assert kit.request("GET", "/v1/videos", key="bk_live_wrong_key").status_code == 401
    body, headers = webhook()
    for _ in range(10):
        assert kit.request("POST", "/webhooks/openai", key=None, content=body, headers=headers).status_code == 200
    exhausted(kit)
    assert kit.request("GET", "/v1/videos").status_code == 429


def test_without_a_setting_there_is_no_limit() -> None:
    kit = make_kit()
    assert {kit.request("GET", "/v1/videos").status_code for _ in range(20)} == {200}

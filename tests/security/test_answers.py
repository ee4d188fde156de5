"""What a browser, and whoever measures, gets out of an answer."""

import pytest

from bickford_sora.callers import PURPOSE, Callers
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import Unauthorized
from tests.http.houses import Kit

ANSWERS = [
    ("GET", "/v1/videos"),
    ("POST", "/v1/videos"),
    ("GET", "/nowhere"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("POST", "/webhooks/openai"),
]


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_no_answer_is_sniffed_framed_or_tells_where_it_was_reached(kit: Kit, method: str, path: str) -> None:
    headers = kit.request(method, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    if path != "/docs":
        assert headers["content-security-policy"].startswith("default-src 'none'")


def test_a_file_is_named_typed_and_runs_nothing(kit: Kit) -> None:
    headers = kit.request("GET", f"/v1/videos/{kit.finished()}/content").headers
    assert headers["content-type"] == "video/mp4"
    assert headers["content-disposition"].startswith('inline; filename="video_')
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert not any(each.startswith("script-src") for each in policy)


def test_only_keyed_hashes_of_keys_are_compared() -> None:
    """With a hash that is the same for every key, every key is accepted: nothing else of it is looked at."""
    asked: list[bytes] = []

    def same_for_all(purpose: str, content: bytes) -> str:
        assert purpose == PURPOSE
        asked.append(content)
        return "0" * 64

    callers = Callers({"bk_live_the_right_one": "alpha"}, digest=same_for_all)
    for key in ("bk_live_the_right_one", "x", "bk_live_the_right_onf"):
        assert isinstance(callers.authenticate({"authorization": f"Bearer {key}"}), Caller)
    assert asked[1:] == [b"bk_live_the_right_one", b"x", b"bk_live_the_right_onf"]


def test_a_key_that_does_not_exist_is_hashed_as_one_that_does(kit: Kit) -> None:
    """No way out before the hash: a request with a wrong key does the work of one with a right key."""
    hashed: list[bytes] = []

    def counted(purpose: str, content: bytes) -> str:
        hashed.append(content)
        return kit.keys.digest(purpose, content)

    callers = Callers({"bk_live_the_right_one": "alpha"}, digest=counted)
    hashed.clear()
    callers.authenticate({"authorization": "Bearer bk_live_the_right_one"})
    right = len(hashed)
    for wrong in ("bk_live_the_right_onf", "Xk_live_the_right_one", "nothing-like-it-at-all"):
        hashed.clear()
        with pytest.raises(Unauthorized):
            callers.authenticate({"authorization": f"Bearer {wrong}"})
        assert len(hashed) == right

"""A server whose clock is wrong accepts nothing, and answers everything else."""

from dataclasses import replace
from typing import Any

import pytest

from bickford_sora.clocks import ClocksApart
from tests.http.films import mp4
from tests.http.houses import Kit, catalogue, error_of, make_kit, offer
from tests.http.test_characters import Maker

VIDEO = ("v.mp4", mp4(64, 48), "video/mp4")


@pytest.fixture
def kit() -> Kit:
    maker = Maker()
    return make_kit(offers=catalogue(offer(capabilities=maker.capabilities)), renderer=maker)


def jump(kit: Kit) -> None:
    def wrong() -> None:
        raise ClocksApart(86_400)

    for desk in (kit.house.intake._desk, kit.house.intake._making._desk):
        object.__setattr__(desk, "check_time", wrong)
    kit.app.state.house = kit.house = replace(kit.house, characters=replace(kit.house.characters, check_time=wrong))


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/videos", {"json": {"prompt": "A kite"}}),
        ("/v1/videos/{made}/remix", {"json": {"prompt": "A kite"}}),
        ("/v1/videos/edits", {"data": {"prompt": "A kite"}, "files": {"video": VIDEO}}),
        ("/v1/videos/extensions", {"data": {"prompt": "A kite", "seconds": "4"}, "files": {"video": VIDEO}}),
        ("/v1/videos/batches", {"json": {"requests": [{"prompt": "A kite"}]}}),
        ("/v1/videos/characters", {"data": {"name": "Ada"}, "files": {"video": VIDEO}}),
    ],
    ids=["create", "remix", "edit", "extend", "batch", "character"],
)
def test_by_a_wrong_clock_nothing_is_accepted_or_recorded(kit: Kit, path: str, asked: dict[str, Any]) -> None:
    made = kit.finished()
    jump(kit)
    head = kit.ledger.head()
    answer = kit.request("POST", path.format(made=made), **asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "clocks_apart"), answer.text
    assert answer.headers["retry-after"] == "1", "another server may take it"
    recorded = [event.fact.TYPE for event in kit.ledger.read(head)]
    assert recorded == (["batch.opened"] if path.endswith("batches") else [])


def test_by_a_wrong_clock_what_was_accepted_before_is_answered(kit: Kit) -> None:
    asked: dict[str, Any] = {"json": {"prompt": "A kite"}, "headers": {"idempotency-key": "k1"}}
    first = kit.request("POST", "/v1/videos", **asked).json()["id"]
    jump(kit)
    assert kit.request("POST", "/v1/videos", **asked).json()["id"] == first
    assert kit.request("GET", f"/v1/videos/{first}").json()["status"] == "queued"
    assert error_of(kit.request("POST", "/v1/videos", json={"prompt": "Another"}))[0] == 503

"""Many requests in one: each governed on its own, resumable, and nothing made twice."""

import json
from typing import Any

import pytest

from tests.http.houses import OTHER_KEY, Kit

GOOD = {"prompt": "A kite", "seconds": "4", "size": "720x1280"}
LINES = [
    {**GOOD, "custom_id": "first"},
    {**GOOD, "seconds": "5"},
    {**GOOD, "prompt": "A boat"},
]


def send(kit: Kit, lines: list[Any], key: str | None = None, **options: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    answer = kit.request("POST", "/v1/videos/batches", json={"requests": lines}, headers=headers, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_wrong_line_is_its_own_error_and_stops_no_other(kit: Kit) -> None:
    batch = send(kit, LINES)
    assert (batch["object"], batch["counts"]["total"]) == ("video.batch", 3)
    assert (batch["counts"]["accepted"], batch["counts"]["refused"], batch["counts"]["queued"]) == (2, 1, 2)
    first, second, third = batch["data"]
    assert (first["custom_id"], first["status"], first["error"]) == ("first", "queued", None)
    assert (second["video_id"], second["error"]["param"], second["error"]["code"]) == (None, "seconds", "invalid_value")
    assert "'4', '8', '12'" in second["error"]["message"]
    assert kit.request("GET", f"/v1/videos/{third['video_id']}").json()["prompt"] == "A boat"


@pytest.mark.parametrize("way", ["application/jsonl", "multipart"])
def test_json_lines_are_the_same_batch(kit: Kit, way: str) -> None:
    body = "\n".join(json.dumps(line) for line in LINES).encode() + b"\n"
    options: dict[str, Any] = (
        {"files": {"file": ("batch.jsonl", body, "application/jsonl")}}
        if way == "multipart"
        else {"content": body, "headers": {"content-type": way}}
    )
    answer = kit.request("POST", "/v1/videos/batches", **options)
    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"] == send(kit, LINES)["counts"]


def test_a_batch_that_is_sent_again_goes_on_and_makes_nothing_twice(kit: Kit) -> None:
    first = send(kit, LINES, key="batch-1")
    again = send(kit, LINES, key="batch-1")
    assert again == first
    assert len(kit.request("GET", "/v1/videos").json()["data"]) == 2


def test_a_batch_that_broke_off_is_finished_by_its_repetition(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bickford_sora.batches.LINES_RECORDED_AT_ONCE", 2)
    recorded = type(kit.house.batches)._record

    def dies(self: Any, *arguments: Any) -> None:
        monkeypatch.undo()
        raise RuntimeError("killed before the outcome of two lines was recorded")

    monkeypatch.setattr(type(kit.house.batches), "_record", dies)
    assert recorded is not dies
    headers = {"Idempotency-Key": "batch-1"}
    assert kit.request("POST", "/v1/videos/batches", json={"requests": LINES}, headers=headers).status_code == 500
    assert send(kit, LINES, key="batch-1")["counts"]["accepted"] == 2
    assert len(kit.request("GET", "/v1/videos").json()["data"]) == 2


def test_another_batch_under_the_same_key_is_refused(kit: Kit) -> None:
    send(kit, LINES, key="batch-1")
    answer = kit.request(
        "POST", "/v1/videos/batches", json={"requests": LINES[:1]}, headers={"Idempotency-Key": "batch-1"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_a_batch_shows_how_its_renders_stand(kit: Kit) -> None:
    batch = send(kit, LINES)
    kit.submit(batch["data"][0]["video_id"])
    kit.fail(batch["data"][0]["video_id"])
    now = kit.request("GET", f"/v1/videos/batches/{batch['id']}").json()
    assert (now["counts"]["failed"], now["counts"]["queued"]) == (1, 1)
    assert now["data"][0]["status"] == "failed"


def test_another_projects_batch_is_unknown(kit: Kit) -> None:
    batch = send(kit, LINES)
    answer = kit.request("GET", f"/v1/videos/batches/{batch['id']}", key=OTHER_KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "batch_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"requests": []}, "batch_size"),
        ({"requests": [GOOD] * 1_001}, "batch_size"),
        ({"requests": ["text"]}, "invalid_batch"),
        ({"requests": [{**GOOD, "custom_id": "x" * 65}]}, "invalid_value"),
        ({"lines": [GOOD]}, "invalid_batch"),
    ],
    ids=["none", "too many", "no object", "custom_id", "another name"],
)
def test_what_is_no_batch_is_refused_as_a_whole(kit: Kit, body: dict[str, Any], code: str) -> None:
    answer = kit.request("POST", "/v1/videos/batches", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert kit.request("GET", "/v1/videos").json()["data"] == []

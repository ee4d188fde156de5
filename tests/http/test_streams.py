"""Server-Sent Events over a real socket: nothing twice, nothing left out, nobody else's."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from bickford_sora.http import tide
from bickford_sora.http.serving import ServerThread
from bickford_sora.http.streams import HEARTBEAT_S
from tests.http.houses import KEY, OTHER_KEY, Kit, make_kit

AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
SMALL = {"prompt": "A kite", "seconds": "4", "size": "720x1280"}
SILENCE_S = HEARTBEAT_S - 1
"""What is told comes by itself: nobody waits for a stream to say that it is still there."""


@pytest.fixture
def served() -> Iterator[tuple[Kit, str]]:
    kit = make_kit()
    with ServerThread(kit.app, on_stopping=kit.house.tide.closing.set) as server:
        yield kit, server.url


def told(url: str, count: int, *, begun: Callable[[], object] = bool, **headers: str) -> list[tuple[int, str, Any]]:
    """The first events of a stream: id, name and data. `begun` is called when it has begun."""
    found: list[tuple[int, str, Any]] = []
    with httpx.stream("GET", url, headers={**AUTHORIZED, **headers}, timeout=SILENCE_S) as answer:
        assert answer.status_code == 200, answer.read()
        begun()
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        for line in answer.iter_lines():
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "id" in event:
                found.append((int(event["id"]), event["event"], json.loads(event["data"])))
                if len(found) == count:
                    break
                event = {}
    return found


def create(kit: Kit, key: str = KEY) -> str:
    answer = kit.request("POST", "/v1/videos", key=key, json=SMALL)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_every_fact_of_the_project_comes_once_and_in_order(served: tuple[Kit, str]) -> None:
    kit, url = served
    first = create(kit)
    create(kit, OTHER_KEY)
    second = create(kit)
    events = told(f"{url}/v1/ledger/stream?after=0", 6)
    assert [name for _, name, _ in events] == ["render.intent", "render.allowed", "spend.reserved"] * 2
    assert [data["video_id"] for *_, data in events] == [first] * 3 + [second] * 3, "nobody else's"
    assert [number for number, *_ in events] == sorted({number for number, *_ in events})
    assert not any("prompt" in data for *_, data in events)


def test_a_stream_that_broke_off_is_taken_up_without_gap_or_repetition(served: tuple[Kit, str]) -> None:
    kit, url = served
    for _ in range(30):
        create(kit)
    whole = told(f"{url}/v1/ledger/stream?after=0", 90)
    parts: list[tuple[int, str, Any]] = []
    while len(parts) < 90:
        after = {"Last-Event-ID": str(parts[-1][0])} if parts else {}
        parts += told(f"{url}/v1/ledger/stream?after=0", min(7, 90 - len(parts)), **after)
    assert parts == whole


def test_what_is_recorded_while_it_is_listened_to_comes_by_itself(served: tuple[Kit, str]) -> None:
    kit, url = served
    create(kit)
    events = told(f"{url}/v1/ledger/stream", 2, begun=lambda: create(kit))
    assert [name for _, name, _ in events] == ["render.intent", "render.allowed"], "from now on, not from the start"


def test_only_what_is_asked_for_comes(served: tuple[Kit, str]) -> None:
    kit, url = served
    video_id = create(kit)
    create(kit)
    assert [name for _, name, _ in told(f"{url}/v1/ledger/stream?after=0&type=render.allowed", 2)] == [
        "render.allowed"
    ] * 2
    assert {data["video_id"] for *_, data in told(f"{url}/v1/ledger/stream?after=0&video_id={video_id}", 2)} == {
        video_id
    }


def test_a_video_is_followed_to_its_end(served: tuple[Kit, str]) -> None:
    kit, url = served
    video_id = create(kit)
    data = []
    with httpx.stream("GET", f"{url}/v1/videos/{video_id}/stream", headers=AUTHORIZED, timeout=SILENCE_S) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                data.append(json.loads(line[6:]))
                if len(data) == 1:
                    kit.fail(video_id)
    assert (data[0]["status"], data[-1]["status"]) == ("queued", "failed"), "and then the stream is over"
    assert told(f"{url}/v1/videos/{video_id}/stream", 1, **{"Last-Event-ID": "99"})[0][2]["status"] == "failed"


def test_another_projects_video_is_unknown(served: tuple[Kit, str]) -> None:
    kit, url = served
    answer = httpx.get(f"{url}/v1/videos/{create(kit, OTHER_KEY)}/stream", headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "video_not_found")


@pytest.mark.parametrize("given", ["-1", "x", "9" * 30])
def test_a_last_event_id_that_no_stream_gave_is_refused(served: tuple[Kit, str], given: str) -> None:
    answer = httpx.get(f"{served[1]}/v1/ledger/stream", headers={**AUTHORIZED, "Last-Event-ID": given})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Last-Event-ID")


def test_a_server_that_stops_ends_its_streams(served: tuple[Kit, str]) -> None:
    kit, url = served
    with httpx.stream("GET", f"{url}/v1/ledger/stream", headers=AUTHORIZED, timeout=SILENCE_S) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        kit.house.tide.closing.set()
        assert [line for line in lines if line] == []


def test_more_streams_than_the_limit_are_told_so(served: tuple[Kit, str], monkeypatch: pytest.MonkeyPatch) -> None:
    kit, url = served
    monkeypatch.setattr(kit.house.tide, "_streams_max", 1)
    with httpx.stream("GET", f"{url}/v1/ledger/stream", headers=AUTHORIZED, timeout=SILENCE_S) as first:
        lines = first.iter_lines()
        assert next(lines)
        second = httpx.get(f"{url}/v1/ledger/stream", headers=AUTHORIZED)
    assert second.status_code == 429
    assert "rate limit" in second.json()["error"]["message"]
    assert tide.STREAMS_MAX > 1

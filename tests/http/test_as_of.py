"""Time travel over HTTP: what was answered then is answered again, whatever happened since."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.http.houses import FOREIGN_KEY, KEY, OTHER_KEY, ROOT_KEY, Kit, error_of, make_kit

DEEDS = 12
AHEAD_S = 86_400


class World:
    """A kit in which anything may happen, and what was answered in between."""

    def __init__(self, choice: random.Random) -> None:
        self.kit = make_kit()
        self.choice = choice
        self.videos: dict[str, list[str]] = {"asked": [], "stored": [], "ended": []}
        self.answered: dict[int, dict[str, Any]] = {}

    def go_on(self) -> None:
        deeds: list[Callable[[], None]] = [self._ask]
        if self.videos["asked"]:
            deeds += [self._store, self._fail]
        if self.videos["stored"]:
            deeds += [self._remix, self._delete]
        self.choice.choice(deeds)()
        self.kit.pass_time(self.choice.choice([1, 3600, AHEAD_S]))
        self.answered[self.kit.ledger.head()] = self.answers()

    def answers(self, as_of: int | None = None) -> dict[str, Any]:
        """What is told of everything, now or as of then; without links to files, which always are for now."""
        told = {}
        for path in self.paths():
            then = "" if as_of is None else f"{'&' if '?' in path else '?'}as_of={as_of}"
            answer = self.kit.request("GET", path + then, key=ROOT_KEY)
            told[path] = {**answer.json(), "forecast": None} if "spend" in path else without_links(answer.json())
        return told

    def paths(self) -> list[str]:
        every = [video_id for found in self.videos.values() for video_id in found]
        return [
            "/v1/videos",
            "/v1/videos?limit=2&order=asc",
            *(f"/v1/videos/{video_id}" for video_id in every),
            *(f"/v1/videos/{video_id}/lineage" for video_id in sorted(every)[:2]),
            "/v1/spend?since=2026-11-01&until=2026-12-31&by=key",
            "/v1/spend?by=project",
        ]

    def _ask(self) -> None:
        self.videos["asked"].append(self.kit.create(key=self.choice.choice([KEY, OTHER_KEY])))

    def _store(self) -> None:
        video_id = self._some("asked", "stored")
        self.kit.submit(video_id, job_id=f"job_{video_id}")
        self.kit.complete(video_id)
        self.kit.store(video_id)

    def _fail(self) -> None:
        self.kit.fail(self._some("asked", "ended"), message="Too bright")

    def _remix(self) -> None:
        source = self.choice.choice(self.videos["stored"])
        key = KEY if self.kit.render(source).intent.project == "alpha" else OTHER_KEY
        answer = self.kit.request("POST", f"/v1/videos/{source}/remix", key=key, json={"prompt": "Brighter"})
        assert answer.status_code == 200, answer.text
        self.videos["asked"].append(answer.json()["id"])

    def _delete(self) -> None:
        video_id = self._some("stored", "ended")
        key = KEY if self.kit.render(video_id).intent.project == "alpha" else OTHER_KEY
        assert self.kit.request("DELETE", f"/v1/videos/{video_id}", key=key).status_code == 200

    def _some(self, before: str, after: str) -> str:
        video_id = self.choice.choice(self.videos[before])
        self.videos[before].remove(video_id)
        self.videos[after].append(video_id)
        return video_id


def without_links(told: dict[str, Any]) -> dict[str, Any]:
    shown = [without_links(each) for each in told["data"]] if "data" in told else None
    return {**told, **({"url": None} if "url" in told else {}), **({"data": shown} if shown is not None else {})}


@pytest.mark.parametrize("seed", range(2))
def test_as_of_a_position_everything_is_told_as_it_was_told_then(seed: int) -> None:
    world = World(random.Random(seed))  # noqa: S311 - a test to be repeated
    for _ in range(DEEDS):
        world.go_on()
    for position, told_then in world.answered.items():
        told_now = world.answers(as_of=position)
        assert {path: told_now[path] for path in told_then} == told_then
        born_since = [told_now[path] for path in told_now.keys() - told_then]
        assert all(told["error"]["code"] == "video_not_found" for told in born_since)


def test_a_moment_names_the_last_position_recorded_by_then(kit: Kit) -> None:
    first = kit.create()
    recorded = kit.ledger.recorded_at(kit.ledger.head())
    before = kit.ledger.head()
    kit.pass_time(60)
    kit.create()
    for moment in (recorded.isoformat(), recorded.isoformat().replace("+00:00", "")):
        answer = kit.request("GET", "/v1/videos", params={"as_of": moment})
        assert [each["id"] for each in answer.json()["data"]] == [first]
        assert answer.headers["bickford-as-of"] == str(before)


def test_what_is_no_moment_of_the_ledger_is_refused(kit: Kit) -> None:
    answer = kit.request("GET", "/v1/videos", params={"as_of": "1"})
    assert error_of(answer) == (400, "invalid_request_error", "as_of", "as_of_out_of_range")
    video_id = kit.create()
    head, later = kit.ledger.head(), kit.clock().replace(year=2027).isoformat()
    for path in ("/v1/videos", f"/v1/videos/{video_id}", "/v1/spend"):
        for wrong in ("0", str(head + 1), "9" * 30, later, "2020-01-01"):
            code = error_of(kit.request("GET", path, key=ROOT_KEY, params={"as_of": wrong}))[3]
            assert code == ("invalid_value" if len(wrong) == 30 else "as_of_out_of_range"), wrong
        for wrong in ("yesterday", "", "-1", "1.5", "2026-13-01", "x" * 65, "\u0661"):
            answer = kit.request("GET", path, key=ROOT_KEY, params={"as_of": wrong})
            assert error_of(answer)[2:] == ("as_of", "invalid_value"), wrong


def bounded(kit: Kit, facts_max: int) -> None:
    """From now on a request folds so many facts at most."""
    kit.house = replace(kit.house, pasts=replace(kit.house.pasts, facts_max=facts_max))
    kit.app.state.house = kit.house


def test_a_past_that_takes_too_many_facts_is_refused_and_a_smaller_page_is_answered(kit: Kit) -> None:
    videos = [kit.create() for _ in range(3)]
    a_render = kit.render(videos[0]).version
    as_of = {"as_of": kit.ledger.head()}
    bounded(kit, 2 * a_render)  # a page looks at one more than it shows
    answer = kit.request("GET", "/v1/videos", params=as_of)
    assert error_of(answer) == (400, "invalid_request_error", "as_of", "as_of_too_large")
    assert f"more than {2 * a_render}." in answer.json()["error"]["message"]
    (shown,) = kit.request("GET", "/v1/videos", params={**as_of, "limit": 1}).json()["data"]
    assert shown["id"] == videos[-1]
    assert kit.request("GET", f"/v1/videos/{videos[0]}", params=as_of).status_code == 200


def test_a_report_of_then_that_takes_too_many_facts_is_refused(kit: Kit) -> None:
    for _ in range(3):
        kit.create()
    as_of = {"as_of": kit.ledger.head()}
    bounded(kit, 3)
    assert kit.request("GET", "/v1/spend", key=ROOT_KEY, params=as_of).status_code == 200
    bounded(kit, 2)
    answer = kit.request("GET", "/v1/spend", key=ROOT_KEY, params=as_of)
    assert error_of(answer)[2:] == ("as_of", "as_of_too_large")


def test_the_past_of_another_project_stays_its_own(kit: Kit) -> None:
    video_id = kit.create()
    head = kit.ledger.head()
    for stranger in (OTHER_KEY, FOREIGN_KEY):
        answer = kit.request("GET", f"/v1/videos/{video_id}", key=stranger, params={"as_of": head})
        assert error_of(answer)[3] == "video_not_found"
        page = kit.request("GET", "/v1/videos", key=stranger, params={"as_of": head})
        assert page.json()["data"] == []
        after = kit.request("GET", "/v1/videos", key=stranger, params={"as_of": head, "after": video_id})
        assert error_of(after)[3] == "video_not_found"


def test_what_was_erased_since_is_told_without_its_words(kit: Kit) -> None:
    video_id = kit.create("A secret")
    head = kit.ledger.head()
    kit.keys.destroy(requester=kit.render(video_id).intent.requester)
    answer = kit.request("GET", f"/v1/videos/{video_id}", params={"as_of": head})
    assert answer.json()["prompt"] is None
    assert answer.json()["status"] == "queued"

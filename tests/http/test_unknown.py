"""An operator decides what nobody could find out: adopt, submit again, or give up; on record, and never twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from bickford_sora.renderers.errors import JobGone, ReadFailed
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Capabilities, JobNews, Renderer
from ledger import events as e
from ledger import streams
from ledger.events import RenderJobLost, RenderSubmissionStarted, RenderSubmissionUnknown
from ledger.render import Phase
from tests.http.houses import FOREIGN_KEY, KEY, NOW, ROOT_KEY, Kit, error_of, make_kit
from tests.ledger.spending import books_of

PLACE = {"renderer": "openai", "credential": "openai-default", "replica": "http://renderer"}
PRICE = 400_000
SEEN = {"job_id": "job_7", "reason": "It is in the renderer's console"}


@dataclass
class Console:
    """What an operator's renderer says of its jobs."""

    known: dict[str, JobNews] = field(default_factory=dict)
    silent: bool = False
    capabilities: Capabilities = CAPABILITIES

    def show(self, **change: Any) -> None:
        shown: dict[str, Any] = {"model": "sora-2", "seconds": "4", "size": "720x1280", "prompt": "A calm sea"}
        self.known["job_7"] = JobNews("job_7", "in_progress", 30, **{**shown, "created_at": NOW, **change})

    def status(self, job_id: str) -> JobNews:
        if self.silent:
            raise ReadFailed("renderer_error", http_status=500)
        if job_id not in self.known:
            raise JobGone("renderer_job_gone", http_status=404)
        return self.known[job_id]


@pytest.fixture
def console() -> Console:
    made = Console()
    made.show()
    return made


@pytest.fixture
def kit(console: Console) -> Iterator[Kit]:
    return make_kit(renderer=cast("Renderer", console))


def unanswered(kit: Kit, attempt: int = 1, video_id: str | None = None) -> str:
    """A render whose submission was never answered."""
    video_id = video_id or kit.create()
    kit.record(
        video_id,
        RenderSubmissionStarted(attempt=attempt, fingerprint="0" * 64, deadline_at=NOW + timedelta(minutes=1), **PLACE),
        RenderSubmissionUnknown(attempt=attempt, code="renderer_no_answer"),
    )
    return video_id


def lost(kit: Kit) -> str:
    video_id = kit.create()
    kit.submit(video_id)
    kit.record(video_id, RenderJobLost(job_id="job_1", http_status=404, on_lost="hold"))
    return video_id


def decide(kit: Kit, what: str, video_id: str, body: dict[str, Any] | None = None, *, key: str = KEY) -> Any:
    return kit.request("POST", f"/v1/unknown/{video_id}/{what}", key=key, json=body or {"reason": "It is urgent"})


def settled(kit: Kit, video_id: str) -> tuple[int, bool]:
    """What it cost, and whether its reservation is still open."""
    books = books_of(event.fact for event in kit.ledger.history(streams.spend("main")))
    return books.settled[video_id], video_id in books.open


def last(kit: Kit, video_id: str, kind: type[e.RenderAdopted | e.RenderResubmitted | e.RenderAbandoned]) -> Any:
    facts = [event.fact for event in kit.ledger.history(streams.render("main", video_id))]
    return next(each for each in reversed(facts) if isinstance(each, kind))


def test_the_list_shows_what_waits_and_what_the_configuration_says(kit: Kit) -> None:
    first, second = unanswered(kit), lost(kit)
    kit.finished()
    page = kit.request("GET", "/v1/unknown", params={"limit": 1}).json()
    assert ([each["id"] for each in page["data"]], page["has_more"], page["last_id"]) == ([first], True, first)
    rest = kit.request("GET", "/v1/unknown", params={"after": first}).json()
    assert [(each["id"], each["doubt"], each["job_id"], each["rule"]) for each in rest["data"]] == [
        (second, "lost", "job_1", "hold")
    ]
    assert page["data"][0]["cost"] == {"amount_micro": PRICE, "currency": "USD"}


def test_what_is_being_submitted_just_now_is_not_listed(kit: Kit) -> None:
    video_id = kit.create()
    deadline = NOW + timedelta(minutes=1)
    kit.record(video_id, RenderSubmissionStarted(attempt=1, fingerprint="0" * 64, deadline_at=deadline, **PLACE))
    assert kit.request("GET", "/v1/unknown").json()["data"] == []
    assert error_of(decide(kit, "abandon", video_id))[0] == 409


def test_an_adopted_job_is_the_renders_and_on_record_with_who_and_why(kit: Kit) -> None:
    video_id = unanswered(kit)
    answer = decide(kit, "adopt", video_id, SEEN)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["doubt"], answer.json()["job_id"]) == (None, "job_7")
    assert kit.render(video_id).phase is Phase.QUEUED
    fact = last(kit, video_id, e.RenderAdopted)
    assert fact.decided_by == kit.render(video_id).intent.requester
    assert kit.keys.open(fact.reason) == SEEN["reason"]
    assert kit.ledger.history(streams.job("openai", "openai-default", "job_7"))


def test_a_job_that_another_render_has_is_not_adopted(kit: Kit) -> None:
    taken = kit.create()
    kit.submit(taken, job_id="job_7")
    kit.append(
        streams.job("openai", "openai-default", "job_7"),
        e.JobClaimed(renderer="openai", credential="openai-default", job_id="job_7", video_id=taken),
    )
    video_id = unanswered(kit)
    assert error_of(decide(kit, "adopt", video_id, SEEN)) == (409, "invalid_request_error", "job_id", "job_claimed")
    assert kit.render(video_id).phase is Phase.UNKNOWN


def test_nothing_is_told_of_another_tenants_job_but_that_it_is_taken(kit: Kit, console: Console) -> None:
    theirs = kit.create(key=FOREIGN_KEY)
    kit.append(
        streams.job("openai", "openai-default", "job_7"),
        e.JobClaimed(renderer="openai", credential="openai-default", job_id="job_7", video_id=theirs),
    )
    video_id = unanswered(kit)
    for prompt in ("A calm sea", "Their secret"):  # whether it is what was guessed is not said
        console.show(prompt=prompt)
        answer = decide(kit, "adopt", video_id, SEEN)
        assert error_of(answer) == (409, "invalid_request_error", "job_id", "job_claimed")


def test_a_job_the_renderer_does_not_know_is_not_adopted(kit: Kit, console: Console) -> None:
    video_id = unanswered(kit)
    assert error_of(decide(kit, "adopt", video_id, {**SEEN, "job_id": "job_8"}))[3] == "job_not_found"
    console.silent = True
    answer = decide(kit, "adopt", video_id, SEEN)
    assert error_of(answer)[::3] == (503, "renderer_silent")
    assert "renderer_error (HTTP 500)" in answer.json()["error"]["message"]  # it may know no such id, and say it so


@pytest.mark.parametrize(
    "shown",
    [{"prompt": "Another sea"}, {"model": "sora-2-pro"}, {"seconds": "8"}, {"created_at": NOW - timedelta(days=2)}],
    ids=lambda shown: next(iter(shown)),
)
def test_a_job_that_is_something_else_is_not_adopted(kit: Kit, console: Console, shown: dict[str, Any]) -> None:
    console.show(**shown)
    video_id = unanswered(kit)
    answer = decide(kit, "adopt", video_id, SEEN)
    assert error_of(answer)[::3] == (409, "job_mismatch")
    assert next(iter(shown)) in answer.text


def test_where_a_renderer_does_not_show_what_was_asked_the_operator_is_believed(kit: Kit, console: Console) -> None:
    console.capabilities = replace(CAPABILITIES, recognisable=frozenset())
    console.show(prompt="A rewritten sea", model=None)
    assert decide(kit, "adopt", unanswered(kit), SEEN).status_code == 200


def test_resubmitting_books_the_job_that_may_exist_at_once(kit: Kit) -> None:
    video_id = unanswered(kit)
    assert decide(kit, "resubmit", video_id).json()["jobs_written_off"] == 1
    render = kit.render(video_id)
    assert (render.phase, render.submission_open) == (Phase.ALLOWED, False)
    reserved = books_of(event.fact for event in kit.ledger.history(streams.spend("main"))).reserved
    assert reserved[video_id] == 2 * PRICE
    assert last(kit, video_id, e.RenderResubmitted).rule is None
    assert error_of(decide(kit, "resubmit", video_id))[::3] == (409, "nothing_unknown")


@pytest.mark.parametrize(("make", "code"), [(unanswered, "submission_abandoned"), (lost, "job_lost")])
def test_what_is_given_up_fails_and_is_settled_in_full(kit: Kit, make: Any, code: str) -> None:
    video_id = make(kit)
    assert decide(kit, "abandon", video_id).json()["status"] == "failed"
    render = kit.render(video_id)
    assert render.failure is not None
    assert (render.phase, render.failure.code) == (Phase.FAILED, code)
    assert settled(kit, video_id) == (PRICE, False)
    assert kit.request("GET", f"/v1/videos/{video_id}").json()["error"]["code"] == code


def test_a_lost_job_is_made_again_and_not_adopted(kit: Kit) -> None:
    video_id = lost(kit)
    refused = decide(kit, "adopt", video_id, SEEN)
    assert error_of(refused)[3] == "nothing_unknown"
    assert "resubmit or abandon it" in refused.json()["error"]["message"]  # it is in the list: something is to be done
    assert decide(kit, "resubmit", video_id).status_code == 200
    assert (kit.render(video_id).phase, kit.render(video_id).job) == (Phase.ALLOWED, None)


def test_a_deleted_render_is_given_up_and_not_made_again(kit: Kit) -> None:
    video_id = unanswered(kit)
    assert kit.request("DELETE", f"/v1/videos/{video_id}").status_code == 200
    assert [each["id"] for each in kit.request("GET", "/v1/unknown").json()["data"]] == [video_id]
    assert error_of(decide(kit, "resubmit", video_id))[::3] == (409, "render_ended")
    assert decide(kit, "abandon", video_id).status_code == 200
    assert settled(kit, video_id) == (PRICE, False)


def test_a_late_answer_after_the_decision_is_the_renders_job_and_nothing_is_booked_twice(kit: Kit) -> None:
    video_id = unanswered(kit)
    decide(kit, "resubmit", video_id)
    kit.record(
        video_id,
        e.RenderQueued(attempt=1, job_id="job_7", found_by="answer", status="queued", progress=0, **PLACE),
    )
    kit.complete(video_id)
    assert settled(kit, video_id) == (PRICE, False)


def test_a_late_answer_before_the_decision_leaves_nothing_to_decide(kit: Kit) -> None:
    video_id = unanswered(kit)
    kit.record(
        video_id,
        e.RenderQueued(attempt=1, job_id="job_7", found_by="answer", status="queued", progress=0, **PLACE),
    )
    for what, body in [("adopt", SEEN), ("resubmit", None), ("abandon", None)]:
        assert error_of(decide(kit, what, video_id, body))[3] == "nothing_unknown"


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x" * 1_001}, {"reason": "x", "more": 1}])
def test_a_decision_without_a_reason_that_can_be_read_is_refused(kit: Kit, body: dict[str, Any]) -> None:
    answer = kit.request("POST", f"/v1/unknown/{unanswered(kit)}/resubmit", json=body)
    assert answer.status_code == 400


def test_who_spans_the_tenant_decides_for_every_project(kit: Kit) -> None:
    video_id = unanswered(kit)
    assert decide(kit, "abandon", video_id, key=ROOT_KEY).status_code == 200


@pytest.mark.parametrize("path", ["/v1/unknown?after=%00", "/v1/queue?video_id=%00"])
def test_a_nul_in_a_query_is_refused(kit: Kit, path: str) -> None:
    answer = kit.request("GET", path, key=ROOT_KEY)
    assert error_of(answer) == (400, "invalid_request_error", path.partition("?")[2][:-4], "invalid_value")

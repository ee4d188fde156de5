"""A held render that nobody answers comes to an end, and what was set aside for it is free again."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bickford_sora.decisions.approvals import Answer
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.policy import Policy
from bickford_sora.decisions.rules.reading import read_policy
from ledger.events import Step
from ledger.render import Phase
from projections.work import next_step
from tests.workers.harness import APPROVAL_S, Harness, Moment, harness

HOLDS = b"version: 1\ndefault: allow\nrules:\n- {id: all, effect: require_approval}\n"
APPROVER = Caller("main", "default", "req-2", "key_2", frozenset({"approver"}))


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness(policy=Policy(read_policy(HOLDS))) as made:
        yield made


def step(shop: Harness, video_id: str) -> Step | None:
    return next_step(shop.render(video_id))


def test_nothing_is_submitted_before_it_is_approved(shop: Harness) -> None:
    video_id = shop.ask()
    shop.run(run_s_max=APPROVAL_S / 2)
    assert (step(shop, video_id), shop.renderer.jobs_taken) == ("lapse", [])
    shop.answer(video_id, APPROVER, Answer(decision="approve", reason="Fine"))
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED
    shop.check()


def test_what_is_approved_late_has_its_whole_time_from_then_on() -> None:
    with harness(policy=Policy(read_policy(HOLDS)), render_deadline_s=APPROVAL_S / 4) as shop:
        video_id = shop.ask()
        shop.run(run_s_max=APPROVAL_S / 2)
        shop.answer(video_id, APPROVER, Answer(decision="approve", reason="Fine"))
        shop.run()
        assert shop.render(video_id).phase is Phase.STORED


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_nobody_answers_in_time_is_denied_once_whatever_is_killed(shop: Harness, moment: Moment) -> None:
    video_id = shop.ask()
    shop.mischief.kill_at = ("append:render.denied", moment)
    shop.run()
    assert shop.mischief.kills == 1
    render = shop.render(video_id)
    assert (render.phase, render.failure and render.failure.code) == (Phase.DENIED, "approval_lapsed")
    assert shop.clock() - render.created_at > timedelta(seconds=APPROVAL_S)
    assert shop.types(video_id).count("render.denied") == 1
    assert shop.renderer.jobs_taken == []
    shop.check()

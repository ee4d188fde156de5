"""What nobody can find out: rules decide it within limits, keys make it certain, no money is doubled silently."""

from dataclasses import replace

import pytest

from bickford_sora.decisions.catalogue import OnUnknown, Recovery
from bickford_sora.renderers.openai import CAPABILITIES
from ledger import events as e
from ledger import streams
from ledger.render import Phase
from tests.ledger.spending import books_of
from tests.workers.harness import Harness, harness

WITHOUT_LIST = replace(CAPABILITIES, lists=False)
WITH_KEYS = replace(CAPABILITIES, keeps_idempotency_keys=True)
DAY_S = 24 * 3600.0
PRICE = 400_000
"""Of one render of the harness, in millionths."""


def unanswered(hub: Harness, how: str = "lose answer") -> str:
    hub.mischief.scripts["submit"].append(how)
    return hub.ask()


def settled(hub: Harness, video_id: str) -> int:
    facts = [event.fact for event in hub.ledger.history(streams.spend("main"))]
    more = sum(each.cost.amount_micro for each in facts if isinstance(each, e.SpendAdjusted))
    return books_of(facts).settled[video_id] + more


def test_without_a_list_or_a_key_it_is_held_for_as_long_as_it_takes() -> None:
    with harness() as hub:
        hub.renderer.capabilities = WITHOUT_LIST
        video_id = unanswered(hub)
        hub.run(run_s_max=10 * DAY_S)
        assert hub.render(video_id).phase is Phase.UNKNOWN
        assert len(hub.renderer.billed(video_id)) == 1


@pytest.mark.parametrize(
    ("rule", "phase", "jobs"), [("resubmit", Phase.STORED, 2), ("fail", Phase.FAILED, 1)], ids=["resubmit", "fail"]
)
def test_a_rule_decides_when_its_time_has_come_and_what_may_be_billed_is_booked(
    rule: OnUnknown, phase: Phase, jobs: int
) -> None:
    with harness() as hub:
        hub.renderer.capabilities = WITHOUT_LIST
        hub.renderer.recovery = Recovery(on_unknown=rule, unknown_after_s=600.0)
        video_id = unanswered(hub)
        hub.run(run_s_max=600.0)
        assert hub.render(video_id).phase is Phase.UNKNOWN, "it is looked for first"
        hub.run()
        assert hub.render(video_id).phase is phase
        assert len(hub.renderer.billed(video_id)) == jobs
        decided = next(
            each for each in hub.facts(video_id) if isinstance(each, e.RenderResubmitted | e.RenderAbandoned)
        )
        assert (decided.doubt, decided.rule, decided.attempt, decided.decided_by) == ("unknown", "on_unknown", 1, None)
        assert settled(hub, video_id) == jobs * PRICE
        hub.check()


def test_a_rule_decides_also_while_the_list_cannot_be_read() -> None:
    with harness() as hub:
        hub.renderer.recovery = Recovery(on_unknown="fail", unknown_after_s=600.0)
        hub.mischief.scripts["jobs"] = ["away"] * 1_000
        video_id = unanswered(hub, "lose request")
        hub.run(run_s_max=DAY_S)
        assert hub.render(video_id).phase is Phase.FAILED
        assert hub.render(video_id).written_off == 1


def test_a_rule_submits_no_more_often_than_the_limit_and_holds_then() -> None:
    with harness(submission_attempts_max=3) as hub:
        hub.renderer.capabilities = WITHOUT_LIST
        hub.renderer.recovery = Recovery(on_unknown="resubmit")
        hub.mischief.scripts["submit"] = ["lose answer"] * 9
        video_id = hub.ask()
        hub.run(run_s_max=10 * DAY_S)
        assert (hub.render(video_id).phase, hub.render(video_id).attempts) == (Phase.UNKNOWN, 3)
        assert len(hub.renderer.billed(video_id)) == 3


def test_a_render_that_was_deleted_meanwhile_is_never_submitted_again_by_a_rule() -> None:
    with harness() as hub:
        hub.renderer.capabilities = WITHOUT_LIST
        hub.renderer.recovery = Recovery(on_unknown="resubmit")
        video_id = unanswered(hub)
        hub.run(until=lambda: hub.render(video_id).phase is Phase.UNKNOWN)
        hub.delete(video_id)
        hub.run()
        render = hub.render(video_id)
        assert (render.phase, render.submission_open, render.attempts) == (Phase.CANCELLED, False, 1)
        assert settled(hub, video_id) == PRICE


def test_a_job_that_turns_up_after_a_rule_gave_it_up_is_cancelled_and_booked_once() -> None:
    with harness() as hub:
        hub.renderer.capabilities = WITHOUT_LIST
        hub.renderer.recovery = Recovery(on_unknown="resubmit")
        # something on the way holds the first request until the rule has decided and the second job is made
        hub.mischief.hooks["on its way"] = lambda: hub.run(until=lambda: hub.render(video_id).phase is Phase.STORED)
        video_id = hub.ask()
        hub.run()
        assert [each.TYPE for each in hub.facts(video_id)].count("render.duplicate_found") == 2
        assert [job.deleted for job in hub.renderer.billed(video_id)].count(True) == 1
        assert settled(hub, video_id) == 2 * PRICE


@pytest.mark.parametrize("how", ["lose answer", "lose request"])
def test_a_renderer_that_keeps_keys_is_asked_again_under_the_same_key(how: str) -> None:
    with harness() as hub:
        hub.renderer.capabilities = replace(WITH_KEYS, lists=False)
        video_id = unanswered(hub, how)
        hub.run()
        assert hub.render(video_id).phase is Phase.STORED
        (job,) = hub.renderer.billed(video_id)
        assert job.order.idempotency_key == f"{video_id}-1"
        assert "render.submission_absent" not in hub.types(video_id)
        hub.check()


def test_an_unanswered_repeat_is_repeated_and_a_refusal_of_it_proves_nothing() -> None:
    with harness() as hub:
        hub.renderer.capabilities = WITH_KEYS
        hub.mischief.scripts["submit"] = ["lose answer", "busy", "refuse", "unauthorized", "lose answer"]
        video_id = hub.ask()
        hub.run()
        assert hub.render(video_id).phase is Phase.STORED
        assert len(hub.renderer.billed(video_id)) == 1
        assert "render.submission_refused" not in hub.types(video_id)


def test_a_key_is_not_trusted_beyond_its_time() -> None:
    with harness() as hub:
        hub.renderer.capabilities = WITH_KEYS
        hub.renderer.recovery = Recovery(idempotency_keys_s=60.0)
        hub.mischief.scripts["submit"] = ["lose answer", *["busy"] * 20]
        video_id = hub.ask()
        hub.run()
        assert hub.render(video_id).phase is Phase.STORED
        assert len(hub.renderer.billed(video_id)) == 1, "found in the list"
        assert hub.mischief.scripts["submit"], "nothing was sent once the key may be forgotten"


def test_a_render_that_ended_is_not_asked_for_again_under_its_key() -> None:
    with harness() as hub:
        hub.renderer.capabilities = WITH_KEYS
        video_id = unanswered(hub, "lose request")
        hub.run(until=lambda: hub.render(video_id).phase is Phase.UNKNOWN)
        hub.delete(video_id)
        hub.run()
        assert hub.renderer.billed(video_id) == []
        hub.check()


def test_a_lost_job_of_a_billed_renderer_is_held_and_goes_on_when_it_is_found_again() -> None:
    with harness() as hub:
        hub.mischief.scripts["status"] = ["gone"] * 20
        video_id = hub.ask()
        hub.run(until=lambda: hub.render(video_id).phase is Phase.LOST)
        assert hub.render(video_id).phase is Phase.LOST
        hub.run()
        assert hub.render(video_id).phase is Phase.STORED
        assert len(hub.renderer.billed(video_id)) == 1
        hub.check()


def test_a_held_lost_job_waits_beyond_every_deadline_and_follows_a_rule_that_is_set_later() -> None:
    with harness() as hub:
        video_id = hub.ask()
        hub.run(until=lambda: hub.render(video_id).phase is Phase.QUEUED)
        hub.renderer.restart()
        hub.run(run_s_max=3 * DAY_S)
        assert hub.render(video_id).phase is Phase.LOST
        hub.renderer.recovery = Recovery(on_lost="resubmit")
        hub.run()
        assert hub.render(video_id).phase is Phase.STORED
        assert settled(hub, video_id) == 2 * PRICE, "the lost one may have been billed"
        hub.check()


def test_ten_renders_outlive_the_restart_of_their_renderer() -> None:
    with harness() as hub:
        hub.renderer.recovery = Recovery(on_lost="resubmit")
        asked = [hub.ask(f"kite {number}") for number in range(10)]
        hub.run(until=lambda: len({hub.render(each).phase for each in asked} & {Phase.COMPLETED, Phase.STORED}) == 2)
        assert len(hub.renderer.billed()) > 5
        hub.renderer.restart()
        hub.run()
        assert {hub.render(each).phase for each in asked} == {Phase.STORED}


def test_a_job_that_is_lost_again_and_again_ends_at_the_limit() -> None:
    with harness() as hub:
        hub.renderer.recovery = Recovery(on_lost="resubmit", lost_attempts_max=2)
        hub.mischief.scripts["status"] = ["gone"] * 100
        video_id = hub.ask()
        hub.run()
        render = hub.render(video_id)
        assert render.failure is not None
        assert (render.phase, render.failure.code) == (Phase.FAILED, "lost_attempts_exceeded")
        assert len(hub.renderer.billed(video_id)) == 3
        assert settled(hub, video_id) == 3 * PRICE


@pytest.mark.parametrize("how", [["expired"], ["missing"] * 8])
def test_a_completed_job_whose_file_was_forgotten_is_made_again_and_booked_twice(how: list[str]) -> None:
    with harness() as hub:
        hub.renderer.recovery = Recovery(on_lost="resubmit")
        hub.mischief.scripts["content"] = how
        video_id = hub.ask()
        hub.run()
        assert hub.render(video_id).phase is Phase.STORED
        assert len(hub.renderer.billed(video_id)) == 2
        assert settled(hub, video_id) == 2 * PRICE

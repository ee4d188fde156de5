"""Any schedule of faults and kills: every render ends, and none has two jobs unless the second is on record."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bickford_sora.decisions.catalogue import Recovery
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Capabilities
from tests.trying import tries
from tests.workers.harness import Harness, Moment, harness

SUBMIT = st.sampled_from(["well", "busy", "lose request", "lose answer", "list late", "refuse", "forget"])
PLACES = st.sampled_from(
    [
        "submit",
        "jobs",
        "status",
        "content",
        "assets.put",
        "append:render.submission_started",
        "append:render.submission_unknown",
        "append:render.submission_absent",
        "append:render.submission_refused",
        "append:render.queued",
        "append:render.completed",
        "append:render.stored",
    ]
)
KILLS = st.lists(st.tuples(PLACES, st.sampled_from(["before", "after"])), max_size=4)
SCRIPTS = st.fixed_dictionaries(
    {
        "submit": st.lists(SUBMIT, max_size=6),
        "jobs": st.lists(st.sampled_from(["well", "away"]), max_size=4),
        "status": st.lists(st.sampled_from(["well", "away", "gone", "fails"]), max_size=4),
        "content": st.lists(st.sampled_from(["well", "away", "broken", "expired"]), max_size=4),
    }
)
PROMPTS = st.lists(st.sampled_from(["a red kite", "a blue one"]), min_size=1, max_size=3)


@settings(max_examples=tries(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROMPTS, SCRIPTS, KILLS, st.sampled_from([0.0, -90.0, 90.0]))
def test_no_render_has_two_jobs_and_every_render_ends(
    prompts: list[str], scripts: dict[str, list[str]], kills: list[tuple[str, Moment]], skew_s: float
) -> None:
    with harness() as shop:
        shop.mischief.scripts.update({call: [*script] for call, script in scripts.items()})
        shop.renderer.skew_s = skew_s
        asked = [shop.ask(prompt) for prompt in prompts]
        for kill in kills:
            shop.mischief.kill_at = kill
            shop.run(until=lambda: shop.mischief.kill_at is None)
        shop.mischief.kill_at = None
        shop.run()
        shop.check()
        assert len(shop.renderer.billed()) <= len(asked)
        for video_id in asked:
            check_job(shop, video_id)


def check_job(shop: Harness, video_id: str) -> None:
    """Only the renderer knows for which render a job was ordered."""
    duplicates = shop.types(video_id).count("render.duplicate_found")
    assert len(shop.renderer.billed(video_id)) <= 1 + duplicates
    render = shop.render(video_id)
    if render.job is not None:
        assert [job.video_id for job in shop.renderer.jobs_taken if job.news.job_id == render.job.job_id] == [video_id]


RULES = st.builds(
    Recovery,
    on_unknown=st.sampled_from(["resubmit", "fail"]),
    on_lost=st.sampled_from(["resubmit", "fail"]),
    idempotency_keys_s=st.sampled_from([60.0, 3600.0]),
)


CAN = st.builds(replace, st.just(CAPABILITIES), lists=st.booleans(), keeps_idempotency_keys=st.booleans())


@settings(max_examples=tries(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROMPTS, SCRIPTS, KILLS, RULES, CAN)
def test_where_rules_decide_every_render_ends_and_each_further_job_is_on_record_and_booked(
    prompts: list[str],
    scripts: dict[str, list[str]],
    kills: list[tuple[str, Moment]],
    rules: Recovery,
    can: Capabilities,
) -> None:
    with harness() as shop:
        shop.renderer.capabilities = can
        shop.renderer.recovery = rules
        shop.mischief.scripts.update({call: [*script] for call, script in scripts.items()})
        asked = [shop.ask(prompt) for prompt in prompts]
        for kill in kills:
            shop.mischief.kill_at = kill
            shop.run(until=lambda: shop.mischief.kill_at is None)
        shop.mischief.kill_at = None
        shop.run()
        for video_id in asked:
            render = shop.render(video_id)
            assert render.ended, shop.types(video_id)
            assert not render.submission_open
            assert len(shop.renderer.billed(video_id)) <= (render.job is not None) + render.written_off
        shop.check(unclaimed=sum(len(shop.render(each).doubtful) for each in asked))

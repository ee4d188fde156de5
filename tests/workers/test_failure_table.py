"""Every durable step x {not applied, applied} x {we crash, the peer errs, the answer is lost}: the check is clean."""

import pytest

from bickford_sora.workers import submit
from ledger.events import TYPES
from ledger.render import Phase
from tests.http.houses import signer_of
from tests.workers import recoveries
from tests.workers.failure_table import BESIDE, PAGE, REBUILD, STEPS, Cause, Effect, Step, error_of, page
from tests.workers.harness import Harness, harness
from tests.workers.recoveries import Telling, again
from tests.workers.situations import SITUATIONS

RETENTION_S = 3600.0
PLACES = {each.place for each in STEPS}
TABLE = [
    pytest.param(step, cause, effect, id=f"{step.place}, {effect}, {cause}")
    for step in STEPS
    for cause in Cause
    for effect in Effect
]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "OUTCOME_PAUSE_S", 0.0)


@pytest.mark.parametrize(("step", "cause", "effect"), TABLE)
def test_a_step_that_fails_loses_nothing_and_pays_nothing_twice(step: Step, cause: Cause, effect: Effect) -> None:
    with harness(asset_retention_s=RETENTION_S if step.then == "expire" else None) as shop:
        at = step.place, "before" if effect is Effect.NOT_APPLIED else "after"
        if cause is Cause.CRASH:
            shop.mischief.kill_at = at  # type: ignore[assignment]
        else:
            shop.mischief.fail_at, shop.mischief.failure = at, error_of(step, cause, effect)  # type: ignore[assignment]
        video_id = tell(shop, step)
        crashed_before = cause is Cause.CRASH and effect is Effect.NOT_APPLIED
        check(shop, step, video_id, unclaimed=step.lost_in_a_crash if crashed_before else 0)
        assert shop.mischief.kills + shop.mischief.failures == 1, "the story never came to this place"
        assert shop.mischief.seen <= PLACES, "a durable step has no row in the table"


def tell(shop: Harness, step: Step) -> str:
    """A render from its request to its end. Returns its id."""
    SITUATIONS[step.given](shop)
    shop.mischief.scripts.update({call: [*script] for call, script in step.scripts.items()})
    video_id = again(shop, lambda: shop.ask(key="one and the same"))
    telling = Telling(shop) if step.then in {"tell", "leave"} else None
    shop.run()
    if step.then == "delete":
        again(shop, lambda: shop.delete(video_id))
    if step.then == "erase":
        recoveries.erase(shop, video_id)
    shop.run()
    if telling is not None and step.then == "leave":
        telling.leave()
    if telling is not None:
        telling.to_the_end()
        webhook_ids = len(telling.endpoint.received)
        assert webhook_ids == (step.then == "tell"), "one webhook-id, however often; none of an endpoint that is gone"
    if step.then == "sign":
        recoveries.sign(shop, signer_of)
    return str(video_id)


def check(shop: Harness, step: Step, video_id: str, *, unclaimed: int) -> None:
    shop.check(unclaimed=unclaimed)
    render = shop.render(video_id)
    assert render.ended
    assert sum(len(each.billed()) for each in shop.renderers.values()) == step.jobs
    assert render.purged is (step.then in {"delete", "erase"})
    assert render.expired is (step.then == "expire")
    assert shop.assets.uris == {asset.storage_uri for asset in render.assets}


def test_every_row_of_the_table_is_reached_when_nothing_fails() -> None:
    seen: set[str] = set()
    for step in {(each.then, each.given, str(each.scripts)): each for each in STEPS}.values():
        with harness(asset_retention_s=RETENTION_S if step.then == "expire" else None) as shop:
            check(shop, step, tell(shop, step), unclaimed=0)
            seen |= shop.mischief.seen
    assert seen == PLACES


def test_no_fact_of_these_works_is_left_out_of_the_table_in_silence() -> None:
    works = ("render.", "job.", "submission.", "renderer.", "webhook.", "delivery.")
    facts = {each for each in TYPES if each.startswith(works)}
    assert {place.removeprefix("append:") for place in PLACES} & facts == facts - BESIDE.keys()


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.workers.failure_table"


def test_every_work_of_the_promise_is_in_the_table() -> None:
    works = {"submit", "follow", "store", "deliver", "settle", "seal", "rebuild"}
    assert works <= {each.work for each in (*STEPS, *REBUILD)}


@pytest.mark.parametrize("place", ["submit", "append:render.queued"])
@pytest.mark.parametrize("effect", Effect)
def test_a_render_deleted_while_its_submission_is_open_leaves_no_job_running(place: str, effect: Effect) -> None:
    with harness() as shop:
        video_id = shop.ask()
        shop.mischief.kill_at = (place, "before" if effect is Effect.NOT_APPLIED else "after")
        shop.run(until=lambda: shop.mischief.kills == 1)
        shop.delete(video_id)
        shop.run()
        render = shop.render(video_id)
        assert (render.phase, render.purged, render.submission_open) == (Phase.CANCELLED, True, False)
        assert all(job.deleted for job in shop.renderer.jobs_taken)
        shop.check()

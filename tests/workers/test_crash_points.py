"""Every durable step of the workers x {killed before its effect, killed after it}: nothing is lost or paid twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from bickford_sora.decisions.catalogue import Recovery
from bickford_sora.renderers.openai import CAPABILITIES
from ledger.lifecycle import Phase
from tests.workers.harness import Harness, Moment, harness


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as made:
        yield made


@dataclass(frozen=True)
class Story:
    """What the renderer does, and the places in it where the process can be killed."""

    places: tuple[str, ...]
    scripts: dict[str, list[str]] = field(default_factory=dict)
    deletes: bool = False
    retention_s: float | None = None
    ends: Phase = Phase.STORED
    billed: int = 1
    recovery: Recovery = field(default_factory=Recovery)
    keeps_keys: bool = False
    lists: bool = True


STORIES = {
    "all goes well": Story(
        (
            "append:render.submission_started",
            "submit",
            "append:render.queued",
            "status",
            "append:render.progress",
            "append:render.completed",
            "content",
            "assets.put",
            "append:render.stored",
        )
    ),
    "the answer is lost": Story(
        ("submit", "append:render.submission_unknown", "jobs", "append:render.queued"),
        {"submit": ["lose answer"]},
    ),
    "the request is lost": Story(
        ("submit", "append:render.submission_unknown", "jobs", "append:render.submission_absent"),
        {"submit": ["lose request"]},
    ),
    "the list is away": Story(
        ("jobs", "append:render.attempt_failed"), {"submit": ["lose answer"], "jobs": ["away", "away"]}
    ),
    "the renderer is busy": Story(("submit", "append:render.submission_refused"), {"submit": ["busy"]}),
    "the renderer refuses": Story(
        ("submit", "append:render.submission_refused"), {"submit": ["refuse"] * 2}, ends=Phase.FAILED, billed=0
    ),
    "the job fails": Story(("status", "append:render.failed"), {"status": ["fails"]}, ends=Phase.FAILED),
    "the job is gone": Story(
        ("append:render.attempt_failed", "append:render.job_lost"),
        {"status": ["gone"] * 20},
        ends=Phase.FAILED,
        recovery=Recovery(on_lost="fail"),
    ),
    "the job is gone, and made again": Story(
        ("append:render.job_lost", "append:render.submission_started", "submit"),
        {"status": ["gone"] * 8},
        billed=2,
        recovery=Recovery(on_lost="resubmit"),
    ),
    "the answer is lost, and asked for again under its key": Story(
        ("submit", "append:render.submission_unknown", "append:render.queued"),
        {"submit": ["lose answer", "lose answer"]},
        keeps_keys=True,
    ),
    "nobody can tell, and the rule submits again": Story(
        ("append:render.resubmitted", "append:render.submission_started"),
        {"submit": ["lose answer"]},
        billed=2,
        recovery=Recovery(on_unknown="resubmit"),
        lists=False,
    ),
    "nobody can tell, and the rule gives up": Story(
        ("append:render.abandoned",),
        {"submit": ["lose answer"]},
        ends=Phase.FAILED,
        recovery=Recovery(on_unknown="fail"),
        lists=False,
    ),
    "the download breaks": Story(("content", "append:render.attempt_failed"), {"content": ["broken"]}),
    "the file is expired": Story(("append:render.asset_lost",), {"content": ["expired"] * 2}, ends=Phase.ASSET_LOST),
    "it is deleted": Story(("assets.delete", "delete", "append:render.purged"), deletes=True),
    "its retention ends": Story(("assets.delete", "append:render.expired"), retention_s=3600.0),
}

TABLE = [
    pytest.param(story, place, moment, id=f"{name}, killed {moment} {place}")
    for name, story in STORIES.items()
    for place in story.places
    for moment in ("before", "after")
]


@pytest.mark.parametrize(("story", "place", "moment"), TABLE)
def test_a_kill_around_any_durable_step_loses_nothing_and_pays_once(story: Story, place: str, moment: Moment) -> None:
    with harness(asset_retention_s=story.retention_s) as shop:
        tell(shop, story, place, moment)


def tell(shop: Harness, story: Story, place: str, moment: Moment) -> None:
    shop.renderer.recovery = story.recovery
    shop.renderer.capabilities = replace(CAPABILITIES, keeps_idempotency_keys=story.keeps_keys, lists=story.lists)
    shop.mischief.scripts.update({call: [*script] for call, script in story.scripts.items()})
    video_id = shop.ask()
    if story.deletes:
        shop.run()
        shop.delete(video_id)
    shop.mischief.kill_at = (place, moment)
    shop.run()
    assert shop.mischief.kills == 1, "the story never came to this place"
    render = shop.render(video_id)
    assert render.phase is story.ends
    assert not render.submission_open
    # A refusal that was heard but not recorded may be asked for once more, and the renderer then takes it or not.
    assert len(shop.renderer.billed(video_id)) == story.billed
    assert render.purged is story.deletes
    assert render.expired is (story.retention_s is not None)
    assert shop.assets.uris == {asset.storage_uri for asset in render.assets}
    shop.check_money()


@pytest.mark.parametrize("place", ["submit", "append:render.queued"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_render_deleted_while_its_submission_is_open_leaves_no_job_running(
    shop: Harness, place: str, moment: Moment
) -> None:
    video_id = shop.ask()
    shop.mischief.kill_at = (place, moment)
    shop.run(until=lambda: shop.mischief.kills == 1)
    shop.delete(video_id)
    shop.run()
    render = shop.render(video_id)
    assert (render.phase, render.purged, render.submission_open) == (Phase.CANCELLED, True, False)
    assert all(job.deleted for job in shop.renderer.jobs_taken)
    shop.check_money()

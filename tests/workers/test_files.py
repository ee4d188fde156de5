"""Which files are kept of a render, and for how long."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bickford_sora.decisions.request import remix_request
from bickford_sora.errors import Gone
from bickford_sora.intake import Terms
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.workers import store
from bickford_sora.workers.workshop import Task
from ledger.events import RenderExpired, RenderStored
from ledger.render import STATUSES, Phase
from tests.workers.harness import CALLER, ORIGIN, Harness, harness

DAY_S = 86_400.0


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as made:
        yield made


@pytest.fixture
def forgetful() -> Iterator[Harness]:
    """A gateway that keeps its copies for a day."""
    with harness(asset_retention_s=DAY_S) as made:
        yield made


def test_every_output_is_stored_under_its_number(shop: Harness) -> None:
    video_id = shop.ask(n=3)
    shop.run()
    assets = shop.render(video_id).assets
    assert [(each.variant, each.output) for each in assets if each.variant == "video"] == [
        ("video", 0),
        ("video", 1),
        ("video", 2),
    ]
    contents = [b"".join(shop.assets.open(each.storage_uri)) for each in assets if each.variant == "video"]
    assert contents == [f"video {output} of job-1".encode() for output in range(3)]


def test_no_output_stays_behind_when_another_one_is_lost(shop: Harness) -> None:
    video_id = shop.ask(n=2)
    # video, thumbnail and spritesheet are there, the second output is not
    shop.mischief.scripts["content"] = ["well"] * 3 + ["expired"]
    shop.run()
    assert shop.render(video_id).phase is Phase.ASSET_LOST
    assert shop.assets.uris == set()


def test_one_output_is_stored_without_asking_how_many_there_are(shop: Harness) -> None:
    video_id = shop.ask()
    shop.run(until=lambda: shop.render(video_id).phase is Phase.COMPLETED)
    polls = shop.renderer.jobs_taken[0].polls
    shop.run()
    assert shop.renderer.jobs_taken[0].polls == polls


def test_a_picture_the_renderer_does_not_have_is_made_here_without_asking(shop: Harness) -> None:
    shop.renderer.capabilities = replace(CAPABILITIES, variants=frozenset({"video"}))
    video_id = shop.ask()
    shop.run()
    assert {each.variant: each.made_by for each in shop.render(video_id).assets} == {
        "video": "renderer",
        "thumbnail": "bickford",
        "spritesheet": "bickford",
    }
    assert shop.renderer.files_asked_for == [("video", 0)]


def test_without_a_setting_a_copy_is_kept_for_good(shop: Harness) -> None:
    video_id = shop.ask()
    shop.run()
    render = shop.render(video_id)
    assert (render.expires_at, len(shop.assets.uris)) == (None, 3)


def test_a_copy_goes_when_its_retention_ends_and_not_before(forgetful: Harness) -> None:
    video_id = forgetful.ask()
    forgetful.run(run_s_max=DAY_S / 2)
    stored = next(fact for fact in forgetful.facts(video_id) if isinstance(fact, RenderStored))
    assert stored.expires_at is not None
    assert len(forgetful.assets.uris) == 3
    forgetful.clock.now = stored.expires_at - timedelta(seconds=1)
    forgetful.work(video_id)
    assert len(forgetful.assets.uris) == 3
    forgetful.run()
    assert forgetful.clock.now >= stored.expires_at
    assert forgetful.facts(video_id)[-1] == RenderExpired(assets_deleted=3)
    assert forgetful.assets.uris == set()
    assert STATUSES[forgetful.render(video_id).phase] == "completed"


def test_an_expired_video_can_still_be_deleted(forgetful: Harness) -> None:
    video_id = forgetful.ask()
    forgetful.run()
    forgetful.delete(video_id)
    forgetful.run()
    assert forgetful.types(video_id)[-3:] == ["render.expired", "render.deleted", "render.purged"]
    assert forgetful.renderer.jobs_taken[0].deleted


def test_a_video_deleted_before_its_retention_ends_does_not_expire(forgetful: Harness) -> None:
    video_id = forgetful.ask()
    forgetful.run(run_s_max=3600)
    forgetful.delete(video_id)
    forgetful.run()
    assert "render.expired" not in forgetful.types(video_id)
    assert forgetful.render(video_id).purged


def test_a_video_deleted_while_it_expires_is_purged_and_not_expired(forgetful: Harness) -> None:
    video_id = forgetful.ask()
    forgetful.run(run_s_max=3600)
    forgetful.clock.advance(2 * DAY_S)
    forgetful.mischief.hooks["assets.delete"] = lambda: forgetful.delete(video_id)
    forgetful.run()
    assert forgetful.types(video_id)[-2:] == ["render.deleted", "render.purged"]
    assert forgetful.assets.uris == set()


def test_an_item_that_is_out_of_date_deletes_nothing(forgetful: Harness) -> None:
    video_id = forgetful.ask()
    forgetful.run(run_s_max=3600)
    expire, stream = forgetful.workers["expire"], forgetful.render(video_id).stream
    assert expire(Task(stream, 0)) == forgetful.render(video_id).expires_at
    forgetful.run()
    before = forgetful.types(video_id)
    assert expire(Task(stream, 0)) > forgetful.clock.now
    assert forgetful.types(video_id) == before


def test_nothing_is_made_from_an_expired_source(forgetful: Harness) -> None:
    source = forgetful.ask()
    forgetful.run()
    with pytest.raises(Gone) as refused:
        forgetful.intake.ask(CALLER, remix_request(source, {"prompt": "at night"}, {}), Terms(ORIGIN, "remix"))
    assert refused.value.code == "source_expired"


def test_nothing_is_downloaded_while_there_is_no_space_for_it() -> None:
    with harness(spool_free_bytes_min=2**62) as full:
        video_id = full.ask()
        full.run(run_s_max=120)
        assert full.types(video_id)[-1] == "render.completed"
        assert full.renderer.files_asked_for == []


@pytest.mark.parametrize("looks", [1, 2, 3], ids=lambda looks: f"after {looks} looks")
def test_a_disk_that_fills_up_meanwhile_loses_nothing_and_keeps_what_is_to_stay_free(
    looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with harness(spool_free_bytes_min=1_000) as shop, capture_logs() as logged:
        free = iter([1_000] + [500] * (looks - 1) + [499])
        usage = shutil.disk_usage(shop.shop.spool)
        monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage._replace(free=next(free, 1_000)))
        video_id = shop.ask()
        shop.run()
        assert [each["reason"] for each in logged if each["event"] == "store_waits"] == ["spool_full"]
        assert "render.attempt_failed" not in shop.types(video_id), "it says nothing of the file"
        assert shop.render(video_id).phase is Phase.STORED
        assert list(shop.shop.spool.iterdir()) == []
        shop.check()


def test_what_was_fetched_is_kept_whatever_room_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with harness(spool_free_bytes_min=1_000) as shop:
        free = iter([1_000, 500, 500, 500])
        usage = shutil.disk_usage(shop.shop.spool)
        monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage._replace(free=next(free, 0)))
        video_id = shop.ask()
        shop.run()
        assert shop.render(video_id).phase is Phase.STORED
        shop.check()

"""The read models answer as a fold of the ledger does, whatever is asked for."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Literal

import pytest

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.envelope import Decision
from ledger.recorder import PostgresRecorder
from ledger.render import Phase
from projections.port import Pool
from projections.projector import Projector
from projections.renders import PAGE_RENDERS_MAX, Renders, Wanted
from projections.search import Search
from projections.spend import SPEND
from projections.videos import VIDEOS
from projections.work import WORK
from tests.console.visits import FoldedRenders
from tests.http.houses import KEY, NOW, OTHER_KEY, Kit


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    migrate(database_url, files("ledger.migrations"), schema="ledger")
    with open_pool(database_url, size_max=4) as pool:
        yield pool


def copied(kit: Kit, pool: Pool) -> Renders:
    """What a house in memory recorded, in a database with its read models."""
    recorder = PostgresRecorder(pool)
    ledger = Ledger(recorder)
    for event in kit.ledger.read(0, limit=10_000):
        heads = {event.stream: event.version - 1}
        ledger.append(
            Decision.of(
                [(event.stream, event.fact)],
                heads=heads,
                context=event.context,
                new_id=lambda same=event.event_id: same,
            )
        )
    projector = Projector(ledger, pool, [VIDEOS, WORK, SPEND])
    projector.ensure()
    projector.catch_up()
    search = Search(ledger, kit.keys, pool)
    search.ensure()
    while search.step():
        pass
    recorder.close()
    return Renders(pool)


def a_busy_day(kit: Kit) -> list[str]:
    """Renders of every kind, the last first."""
    held = kit.create("A red kite", model="sora-2-pro")
    running = kit.create("A blue kite", tags="winter,launch")
    kit.submit(running, job_id="job_1")
    kit.progress(running, 40)
    draft = kit.create("A paper boat", purpose="draft")
    broken = kit.create("A storm", seconds="8")
    kit.submit(broken, job_id="job_2")
    kit.fail(broken)
    gone = kit.create("A calm sea")
    kit.request("DELETE", f"/v1/videos/{gone}")
    finished = kit.finished()
    return [finished, gone, broken, draft, running, held]


TENANT = "main"
ASKED: list[dict[str, Any]] = [
    {},
    {"project": "default"},
    {"project": "another"},
    {"tenant": "another"},
    {"phases": [Phase.IN_PROGRESS, Phase.QUEUED]},
    {"phases": [Phase.FAILED], "deleted": False},
    {"deleted": True},
    {"model": "sora-2-pro"},
    {"renderer": "openai"},
    {"purpose": "draft"},
    {"tag": "winter"},
    {"tag": "summer"},
    {"cost_micro_min": 500_000},
    {"cost_micro_max": 500_000, "model": "sora-2"},
    {"among": "held"},
    {"among": "retrying"},
    {"among": "stuck", "stuck_before": NOW + timedelta(days=365)},
    {"among": "stuck", "stuck_before": NOW - timedelta(days=1)},
    {"order": "dearest"},
    {"order": "dearest", "phases": [Phase.ALLOWED, Phase.IN_PROGRESS]},
]


def test_the_read_models_answer_as_a_fold_does(kit: Kit, pool: Pool) -> None:
    a_busy_day(kit)
    ours, folded = copied(kit, pool), FoldedRenders(kit.ledger)
    for asked in ASKED:
        wanted = Wanted(**{"tenant": TENANT, **asked})
        found, expected = ours.page(wanted), folded.page(wanted)
        assert [each.video_id for each in found.renders] == [each.video_id for each in expected.renders], asked
        assert [_told(each) for each in found.renders] == [_told(each) for each in expected.renders], asked
        assert not found.has_more


def _told(row: object) -> list[object]:
    names = ("phase", "progress", "model", "prompt", "purpose", "tags", "currency", "cost_micro", "settled", "step")
    return [list(said) if isinstance(said := getattr(row, name), list | tuple) else said for name in names]


def test_words_of_prompts_are_found_with_the_other_filters(kit: Kit, pool: Pool) -> None:
    finished, _, broken, draft, running, held = a_busy_day(kit)
    ours = copied(kit, pool)
    kites = ours.page(Wanted(tenant=TENANT, words="kite")).renders
    assert [each.video_id for each in kites] == [running, held]
    assert [each.video_id for each in ours.page(Wanted(tenant=TENANT, words="kite", tag="launch")).renders] == [running]
    some = ours.some(TENANT, None, [broken, draft, "video_" + "0" * 32])
    assert [each.video_id for each in some.renders] == [broken, draft] == sorted([broken, draft], reverse=True)
    assert ours.page(Wanted(tenant=TENANT, video_id=finished)).renders[0].video_id == finished


def test_pages_meet_without_a_gap_or_a_repetition(kit: Kit, pool: Pool) -> None:
    a_busy_day(kit)
    ours = copied(kit, pool)
    orders: tuple[Literal["newest", "dearest"], ...] = ("newest", "dearest")
    for order in orders:
        wanted = Wanted(tenant=TENANT, order=order)
        whole = [each.video_id for each in ours.page(wanted, limit=PAGE_RENDERS_MAX).renders]
        assert len(whole) == len(set(whole)) >= 4
        assert _walked(ours, wanted) == whole


def test_a_rare_match_far_back_is_found_by_several_looks(kit: Kit, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, oldest = a_busy_day(kit)
    copied(kit, pool)
    monkeypatch.setattr("projections.renders.LOOK_RENDERS_MIN", 1)
    rare = Wanted(tenant=TENANT, model="sora-2-pro")
    in_time = Renders(pool, monotonic=lambda: 0.0).page(rare)
    assert ([each.video_id for each in in_time.renders], in_time.after) == ([oldest], None)
    slow = Renders(pool, monotonic=itertools.count().__next__)
    first = slow.page(rare)
    assert (first.renders, first.has_more) == ((), True), "time is over after the first look"
    assert _walked(slow, rare) == [oldest]


@pytest.mark.parametrize("among", [{"tag": "spring"}, {"among": "stuck"}, {"words": "calm"}])
def test_what_another_project_has_of_a_small_set_hides_nothing(
    kit: Kit, pool: Pool, monkeypatch: pytest.MonkeyPatch, among: Any
) -> None:
    monkeypatch.setattr("projections.renders.IDS_MAX", 3)
    asked = {"prompt": "A calm sea", "tags": ["spring"]}
    mine, *_ = [kit.request("POST", "/v1/videos", key=key, json=asked).json()["id"] for key in (KEY, *[OTHER_KEY] * 3)]
    later = NOW + timedelta(hours=9)
    found = copied(kit, pool).page(Wanted(tenant="main", project="alpha", stuck_before=later, **among))
    assert [each.video_id for each in found.renders] == [mine]


@pytest.mark.parametrize("limit", [0, PAGE_RENDERS_MAX + 1])
def test_a_page_has_a_size(pool: Pool, limit: int) -> None:
    with pytest.raises(ValueError, match="limit is 1 to"):
        Renders(pool).page(Wanted(tenant=TENANT), limit=limit)


def _walked(renders: Renders, wanted: Wanted) -> list[str]:
    found = renders.page(wanted, limit=2)
    seen = [each.video_id for each in found.renders]
    while found.after is not None:
        found = renders.page(wanted, after=found.after, limit=2)
        seen += [each.video_id for each in found.renders]
    return seen


def test_a_day_begins_and_ends_where_it_is_said_to(kit: Kit, pool: Pool) -> None:
    a_busy_day(kit)
    ours = copied(kit, pool)
    made = sorted(_made_at(each.video_id) for each in ours.page(Wanted(tenant=TENANT)).renders)
    assert ours.page(Wanted(tenant=TENANT, until=made[0])).renders == ()
    assert len(ours.page(Wanted(tenant=TENANT, since=made[0])).renders) == len(made)
    assert ours.page(Wanted(tenant=TENANT, since=made[-1] + timedelta(milliseconds=1))).renders == ()


def _made_at(video_id: str) -> datetime:
    milliseconds = int(video_id.removeprefix("video_")[:12], 16)
    return datetime.fromtimestamp(0, tz=NOW.tzinfo) + timedelta(milliseconds=milliseconds)

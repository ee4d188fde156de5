from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import pstdev
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.polling import JITTER_SHARE, STRETCH_MAX, WEBHOOKS_TRUSTED_S, pause_s
from ledger.events import RenderIntent
from ledger.render import Render, Submission
from tests.ledger.examples import EXAMPLES

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
INTENT = EXAMPLES["render.intent"]
NEAR = pytest.approx
assert isinstance(INTENT, RenderIntent)
BEGUN = Submission(1, "gpu", "key", "http://one", "ab" * 32, NOON, NOON + timedelta(minutes=2))
RENDER = Render("render:main:video_1", 4, "main", INTENT, NOON, UUID(int=1), submission=BEGUN)


def pause(age_s: float, render: Render = RENDER, **more: object) -> float:
    asked = {"interval_s": 5.0, "fallback_s": 30.0, **more}
    return pause_s(render, NOON + timedelta(seconds=age_s), **asked)  # type: ignore[arg-type] - as given above


def test_a_young_job_is_asked_about_at_the_interval_and_an_old_one_seldom() -> None:
    assert pause(1) == NEAR(5, rel=JITTER_SHARE)
    assert pause(100) == NEAR(10, rel=JITTER_SHARE)
    assert pause(36_000) == NEAR(5 * STRETCH_MAX, rel=JITTER_SHARE)


def test_a_job_that_tells_its_progress_is_asked_when_its_end_comes_near() -> None:
    half = replace(RENDER, progress=50)
    assert pause(40, half) == NEAR(20, rel=JITTER_SHARE)
    assert pause(40, replace(RENDER, progress=95)) == NEAR(5, rel=JITTER_SHARE)


def test_webhooks_that_arrive_make_polls_sparse_and_dense_again_when_they_stop() -> None:
    now = NOON + timedelta(seconds=10)
    assert pause(10, webhook_at=now) == NEAR(30, rel=JITTER_SHARE)
    assert pause(10, webhook_at=now - timedelta(seconds=WEBHOOKS_TRUSTED_S)) == NEAR(5, rel=JITTER_SHARE)


def test_a_renderer_is_never_asked_sooner_than_it_asked_for() -> None:
    assert pause(1, asked_s=60.0) == 60
    assert pause(1, asked_s=1.0) == NEAR(5, rel=JITTER_SHARE)


def test_jobs_that_began_together_drift_apart() -> None:
    pauses = [pause(1, replace(RENDER, stream=f"render:main:video_{number}")) for number in range(1_000)]
    assert pstdev(pauses) == NEAR(5 * JITTER_SHARE / 3**0.5, rel=0.1), "evenly, over the whole of it"
    assert pauses == [pause(1, replace(RENDER, stream=f"render:main:video_{number}")) for number in range(1_000)]


@given(age_s=st.floats(0, 1e7), progress=st.integers(0, 100), asked_s=st.floats(0, 3_600))
def test_every_pause_is_within_its_bounds(age_s: float, progress: int, asked_s: float) -> None:
    found = pause(age_s, replace(RENDER, progress=progress), asked_s=asked_s)
    assert max(5 * (1 - JITTER_SHARE), asked_s) <= found <= max(5 * STRETCH_MAX * (1 + JITTER_SHARE), asked_s)

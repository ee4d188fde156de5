"""The duties of `port.Renderer`, kept by every dialect against a simulator that speaks it, over a real socket.

Nothing here knows one dialect from another but by its capabilities. What those promise and deny is tried in
test_capabilities.py.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bickford_sora.renderers.errors import AssetExpired, JobGone, NotReady, ReadFailed, Refused, UnknownOutcome
from bickford_sora.simulator import Fault, FaultKind
from tests.compatibility import record
from tests.renderers.stages import ORDER, SETTINGS, Stage

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATIENCE_S = 2.0
"""Longest wait for an answer that will not come in time."""
REFUSALS = {400: True, 401: True, 403: True, 404: True, 422: True, 429: False, 503: False}
"""Status of a refused create, and whether the same would be refused again."""


def test_a_renderer_says_who_it_is_without_a_secret(stage: Stage) -> None:
    assert (stage.renderer.name, stage.renderer.credential) == ("simulated", "contract")
    assert stage.renderer.replica == stage.server.url
    assert SETTINGS.api_key not in repr(vars(stage.renderer))


def test_a_job_is_followed_from_submit_to_its_file(stage: Stage) -> None:
    taken = stage.renderer.submit(ORDER)
    assert taken.status == "queued"
    assert stage.jobs_taken() == 1
    completed = stage.ended(taken.job_id)
    assert (completed.job_id, completed.status, completed.progress) == (taken.job_id, "completed", 100)
    with stage.renderer.content(taken.job_id, "video") as content:
        video = b"".join(content.chunks)
        assert (content.media_type, content.length) == ("video/mp4", len(video))
    assert video[4:8] == b"ftyp"


def test_the_idempotency_key_is_sent(stage: Stage) -> None:
    stage.renderer.submit(ORDER)
    assert stage.server.simulator.registry.billed()[-1].idempotency_key == ORDER.idempotency_key


def test_an_order_whose_time_ran_out_on_its_way_is_refused_and_nothing_was_taken(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def paused() -> datetime:
        looks.append(stage.jobs_taken())
        return NOON + timedelta(milliseconds=1)

    monkeypatch.setattr(stage.renderer, "_clock", paused)
    with pytest.raises(Refused) as raised:
        stage.renderer.submit(replace(ORDER, sent_by=NOON))
    assert (raised.value.code, raised.value.terminal) == ("submission_too_late", False)
    # the same connection pool serves the next
    stage.submitted(replace(ORDER, sent_by=NOON + timedelta(seconds=1)))
    assert (looks, stage.jobs_taken()) == ([0, 0], 1)


def test_the_reason_of_a_failed_job_is_told(stage: Stage) -> None:
    with record("renderers", stage.renderer.dialect.name, "failed job told"):
        stage.strikes(FaultKind.JOB_FAILS, code="moderation_blocked", message="Blocked.")
        failed = stage.ended(stage.submitted())
        assert (failed.status, failed.error_message) == ("failed", "Blocked.")
        assert failed.error_code


@pytest.mark.parametrize("status", REFUSALS)
def test_refused_means_that_nothing_was_taken(stage: Stage, status: int) -> None:
    stage.strikes(FaultKind.CREATE_STATUS, status=status)
    with pytest.raises(Refused) as raised:
        stage.renderer.submit(ORDER)
    assert raised.value.terminal is REFUSALS[status]
    assert stage.jobs_taken() == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.RESET_AFTER_ACCEPT),
        Fault(kind=FaultKind.NONSENSE_JSON),
        # Last: the request that nobody waits for any more would take a fault of the next one's answer.
        Fault(kind=FaultKind.LATENCY_AFTER_ACCEPT, delay_s=PATIENCE_S + 0.5),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_job_taken_without_an_answer_is_unknown(stage: Stage, fault: Fault) -> None:
    stage.server.simulator.faults.add(fault)
    with pytest.raises(UnknownOutcome):
        stage.make(submit_timeout_s=PATIENCE_S).submit(ORDER)
    assert stage.jobs_taken() == 1
    if stage.renderer.absence_proves:
        assert len(list(stage.renderer.jobs())) == 1


@pytest.mark.parametrize(
    "fault",
    [Fault(kind=FaultKind.RESET_BEFORE_ACCEPT), Fault(kind=FaultKind.CREATE_STATUS, status=500)],
    ids=lambda fault: fault.kind,
)
def test_a_job_that_may_have_been_taken_is_unknown_although_it_was_not(stage: Stage, fault: Fault) -> None:
    stage.server.simulator.faults.add(fault)
    with pytest.raises(UnknownOutcome):
        stage.renderer.submit(ORDER)
    assert stage.jobs_taken() == 0


def test_a_renderer_that_is_down_takes_nothing_and_loses_nothing(slow_stage: Stage) -> None:
    stage = slow_stage
    job_id = stage.submitted()
    stage.server.stop()
    try:
        with pytest.raises(ReadFailed):
            stage.renderer.status(job_id)
        with pytest.raises(ReadFailed):
            stage.renderer.probe()
        with pytest.raises(Refused) as refused:
            stage.renderer.submit(ORDER)
    finally:
        stage.server.start()
    assert not refused.value.terminal
    stage.renderer.probe()
    assert stage.renderer.status(job_id).job_id == job_id


def test_a_wrong_credential_is_refused_and_reads_nothing(stage: Stage) -> None:
    job_id = stage.submitted()
    stranger = stage.make("sk-wrong-credential")
    with pytest.raises(Refused) as refused:
        stranger.submit(ORDER)
    with pytest.raises(ReadFailed) as failed:
        stranger.status(job_id)
    with pytest.raises(ReadFailed) as probed:
        stranger.probe()
    assert {each.value.code for each in (refused, failed, probed)} == {"renderer_unauthorized"}


def test_a_job_the_renderer_forgot_is_gone(stage: Stage) -> None:
    job_id = stage.submitted()
    stage.server.simulator.restart()
    with pytest.raises(JobGone):
        stage.renderer.status(job_id)


def test_a_read_may_be_repeated_after_any_error(stage: Stage) -> None:
    job_id = stage.submitted()
    for status in (401, 429, 500, 503):
        stage.strikes(FaultKind.READ_STATUS, status=status)
        with pytest.raises(ReadFailed):
            stage.renderer.status(job_id)
    for kind in (FaultKind.NONSENSE_JSON, FaultKind.RESET_BEFORE_ACCEPT):
        stage.strikes(kind)
        with pytest.raises(ReadFailed):
            stage.renderer.status(job_id)
    assert stage.renderer.status(job_id).job_id == job_id


def test_a_file_that_is_not_made_yet_is_not_ready(slow_stage: Stage) -> None:
    job_id = slow_stage.submitted()
    with pytest.raises(NotReady):
        slow_stage.download(job_id)


def test_a_file_whose_time_is_over_is_not_had(stage: Stage) -> None:
    job_id = stage.ended(stage.submitted()).job_id
    stage.strikes(FaultKind.ASSET_EXPIRED, status=410)
    with pytest.raises(AssetExpired):
        stage.download(job_id)


def test_a_download_that_breaks_off_is_never_taken_for_the_file(stage: Stage) -> None:
    job_id = stage.ended(stage.submitted()).job_id
    stage.strikes(FaultKind.DOWNLOAD_TRUNCATED)
    with pytest.raises(ReadFailed):
        stage.download(job_id)
    assert stage.download(job_id)[4:8] == b"ftyp"


def test_many_threads_share_a_renderer(stage: Stage) -> None:
    stage.strikes(FaultKind.JOB_FAILS, times=None)  # nothing is drawn
    orders = [replace(ORDER, prompt=f"Boat {number}") for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(stage.submitted, orders))
    assert len(set(taken)) == len(orders) == stage.jobs_taken()

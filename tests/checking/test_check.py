"""Whatever is lost, doubled, stuck or unaccounted for in a ledger is named; a healthy one is found clean."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.checking.findings import ADVICE, FINDINGS_MAX, VERDICTS, Kind, Verdict
from bickford_sora.checking.jobs import CountedJob
from tests.checking.stories import LONG_AFTER, NOON, OTHER, VIDEO, Story, counted, stream_of
from tests.workers.harness import harness

Plant = Callable[[], Story]
IN_FLIGHT = timedelta(hours=1)
"""Long enough for a step, and not for a render."""


def delivery(story: Story, type_name: str, **fields: object) -> Story:
    return story.fact("delivery:main:d", f"delivery.{type_name}", **fields)


def without(story: Story, position: int) -> Story:
    del story.records[position - 1]
    return story


def with_file_gone() -> Story:
    story = Story().whole()
    story.assets = MemoryAssetStore()
    return story


def with_file_of_another_length() -> Story:
    story = Story().whole()
    story.records[-1].fields["assets"][0]["bytes"] += 1
    story.records[-1].fields["assets"][0]["sha256"] = "0" * 64
    return story


PLANTED: dict[str, tuple[Kind, Plant]] = {
    "a position is missing": (
        Kind.POSITION_MISSING,
        lambda: without(Story().fact("policy:main", "policy.published").whole(), 1),
    ),
    "a fact of a render is missing": (
        Kind.VERSION_MISSING,
        lambda: Story().asked().render("failed", failed_by="renderer", version=4).spend("released"),
    ),
    "a reservation for nobody": (Kind.RENDER_MISSING, lambda: Story().spend("reserved")),
    "a key that made nothing": (
        Kind.RENDER_MISSING,
        lambda: Story().fact("idempotency:main:k", "idempotency.bound", video_id=VIDEO),
    ),
    "a render nobody asked for": (Kind.RENDER_MISSING, lambda: Story().render("denied")),
    "a file that is gone": (Kind.ASSET_MISSING, with_file_gone),
    "a file that is another": (Kind.ASSET_CHANGED, with_file_of_another_length),
    "a webhook nobody acted on": (
        Kind.WEBHOOK_IGNORED,
        lambda: Story().asked().submitting().queued().webhook(),
    ),
    "a webhook before its claim that nobody acted on": (
        Kind.WEBHOOK_IGNORED,
        lambda: Story().webhook().asked().submitting().queued(),
    ),
    "a webhook that is recorded twice": (Kind.RECORDED_TWICE, lambda: Story().whole().webhook().webhook()),
    "a key that is bound twice": (
        Kind.RECORDED_TWICE,
        lambda: (
            Story()
            .render("intent", idempotency_stream="k")
            .fact("idempotency:main:k", "idempotency.bound", video_id=VIDEO)
            .fact("idempotency:main:k", "idempotency.bound", video_id=VIDEO)
            .render("denied")
        ),
    ),
    "a delivery that is scheduled twice": (
        Kind.RECORDED_TWICE,
        lambda: delivery(delivery(delivery(Story(), "scheduled"), "scheduled"), "given_up"),
    ),
    "a second job": (
        Kind.JOB_DOUBLED,
        lambda: Story().asked().submitting().queued().queued(job_id="job-2").completed().stored(),
    ),
    "a second job after the end": (Kind.JOB_DOUBLED, lambda: Story().whole().queued(job_id="job-2")),
    "a job of two renders": (
        Kind.JOB_SHARED,
        lambda: Story().whole().asked(OTHER).claimed(OTHER).render("cancelled", OTHER).spend("released", OTHER),
    ),
    "two ends": (
        Kind.ENDED_TWICE,
        lambda: Story().asked().render("cancelled").render("failed", failed_by="bickford").spend("released"),
    ),
    "two ends, long apart": (Kind.ENDED_TWICE, lambda: Story().whole().render("failed", failed_by="renderer")),
    "two reservations": (
        Kind.RESERVED_TWICE,
        lambda: Story().asked().spend("reserved").render("cancelled").spend("released").spend("released"),
    ),
    "two settlements": (Kind.CLOSED_TWICE, lambda: Story().whole().spend("settled")),
    "settled and released": (
        Kind.CLOSED_TWICE,
        lambda: Story().asked().submitting().queued().completed().spend("released").stored(),
    ),
    "delivered twice": (
        Kind.DELIVERED_TWICE,
        lambda: delivery(
            delivery(delivery(Story(), "scheduled"), "attempted", delivered=True), "attempted", delivered=True
        ),
    ),
    "neither allowed nor denied": (Kind.UNDECIDED, lambda: Story().render("intent")),
    "an approval nobody gave": (
        Kind.APPROVAL_OVERDUE,
        lambda: Story().render("intent").render("approval_requested", expires_at=NOON.isoformat()),
    ),
    "a submission whose outcome is open": (Kind.SUBMISSION_OPEN, lambda: Story().asked().submitting()),
    "an unknown outcome": (
        Kind.SUBMISSION_OPEN,
        lambda: Story().asked().submitting().render("submission_unknown"),
    ),
    "a render nobody submitted": (Kind.RENDER_WITHOUT_END, lambda: Story().asked()),
    "a job nobody followed": (Kind.RENDER_WITHOUT_END, lambda: Story().asked().submitting().queued()),
    "a video nobody stored": (Kind.NOT_STORED, lambda: Story().asked().submitting().queued().completed()),
    "a deletion nobody carried out": (Kind.NOT_PURGED, lambda: Story().whole().render("deleted")),
    "money that stays set aside": (
        Kind.RESERVATION_OPEN,
        lambda: Story().asked().render("failed", failed_by="bickford"),
    ),
    "a delivery nobody made": (Kind.DELIVERY_OPEN, lambda: delivery(Story(), "scheduled")),
    "a webhook for nobody's job": (Kind.WEBHOOK_UNMATCHED, lambda: Story().whole().webhook("job-9")),
    "a job that is named and not claimed": (
        Kind.CLAIM_UNMATCHED,
        lambda: Story().asked().submitting().render("queued", job_id="job-1").completed().stored(),
    ),
    "a claim of a render that does not name it": (
        Kind.CLAIM_UNMATCHED,
        lambda: Story().whole().claimed(job_id="job-2"),
    ),
    "settled without a job": (
        Kind.SETTLED_WITHOUT_VIDEO,
        lambda: Story().asked().render("failed", failed_by="bickford").spend("settled"),
    ),
    "released with a job": (
        Kind.RELEASED_WITH_VIDEO,
        lambda: Story().asked().submitting().queued().render("cancelled").spend("released"),
    ),
    "settled and never set aside": (
        Kind.NOT_RESERVED,
        lambda: Story().render("intent").render("allowed").submitting().queued().completed().stored(),
    ),
    "a fact of a type nobody knows": (Kind.TYPE_UNKNOWN, lambda: Story().whole().render("unheard_of")),
    "a fact of a newer schema": (
        Kind.TYPE_UNKNOWN,
        lambda: Story().whole().fact("policy:main", "policy.published", schema=9),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_nothing_else(name: str) -> None:
    kind, plant = PLANTED[name]
    later = IN_FLIGHT if kind is Kind.WEBHOOK_IGNORED else LONG_AFTER
    assert plant().kinds(later=later) == [kind]


def test_a_fact_nobody_knows_is_named_where_it_stands_in_whatever_stream() -> None:
    (finding,) = Story().whole().fact("weather:main", "weather.changed").report().findings
    assert (finding.stream, finding.position) == ("weather:main", 10)
    assert "weather.changed" in finding.message


def test_a_job_the_renderer_bills_and_nobody_claims_is_found() -> None:
    jobs = {"job-1": CountedJob(), "job-2": CountedJob(made_for="video_x-1")}
    (finding,) = Story().whole().report(counted=counted(jobs)).findings
    assert finding.kind is Kind.JOB_UNCLAIMED
    assert "job-2" in finding.message
    assert "video_x-1" in finding.message


def test_a_job_that_may_be_an_open_submissions_is_waited_for() -> None:
    jobs = {"job-1": CountedJob(created_at=NOON)}
    assert Story().asked().submitting().kinds(counted=counted(jobs), later=timedelta()) == []
    old = {"job-1": CountedJob(created_at=NOON - timedelta(hours=1))}
    assert Story().asked().submitting().kinds(counted=counted(old), later=timedelta()) == [Kind.JOB_UNCLAIMED]


def test_a_job_that_its_renderer_does_not_know_any_more_is_found() -> None:
    story = Story().asked().submitting().queued()
    assert story.kinds(counted=counted({}), later=timedelta()) == [Kind.JOB_FORGOTTEN]
    assert story.kinds(counted=counted({"job-1": CountedJob()}), later=timedelta()) == []


def test_every_kind_is_planted_and_told_what_to_do_about() -> None:
    counted_kinds = {Kind.JOB_UNCLAIMED, Kind.JOB_FORGOTTEN}
    assert {kind for kind, _ in PLANTED.values()} | counted_kinds == set(Kind)
    assert set(VERDICTS) == set(ADVICE) == set(Kind)
    assert set(VERDICTS.values()) == set(Verdict)


def healthy() -> Story:
    """A story of everything that may happen."""
    story = Story().whole().webhook().webhook("job-1", "msg-2")
    story.render("intent", OTHER, idempotency_stream="free").render("denied", OTHER)
    third, fourth = "video_" + "c" * 32, "video_" + "d" * 32
    story.asked(third).submitting(third).render("submission_unknown", third).render("submission_absent", third)
    story.submitting(third).queued(third, "job-3")
    story.render("duplicate_found", third, job_id="job-4", cancelled=False).claimed(third, "job-4")
    story.render("duplicate_found", third, job_id="job-4", cancelled=True)
    story.render("failed", third, failed_by="renderer").spend("released", third)
    story.fact("idempotency:main:k", "idempotency.bound", video_id=fourth)
    story.webhook("job-5", "msg-3")
    story.whole(fourth, "job-5").render("reviewed", fourth).render("deleted", fourth)
    story.render("purged", fourth)
    delivery(delivery(story, "scheduled"), "attempted", delivered=False)
    return delivery(story, "attempted", delivered=True)


def test_a_healthy_ledger_is_clean() -> None:
    jobs = {f"job-{number}": CountedJob() for number in (1, 3, 4, 5)}
    report = healthy().report(counted=counted(jobs, is_bill=True))
    assert report.findings == ()
    assert report.open_renders == 0


def test_what_is_decided_of_a_doubt_is_in_order() -> None:
    story = Story().asked().submitting().render("submission_unknown").render("resubmitted", doubt="unknown", attempt=1)
    story.submitting().queued().render("job_lost", job_id="job-1", on_lost="resubmit")
    story.render("resubmitted", doubt="lost", attempt=1).submitting().queued(job_id="job-2").completed().stored()
    story.asked(OTHER).submitting(OTHER).render("submission_unknown", OTHER).render("abandoned", OTHER, attempt=1)
    story.render("failed", OTHER, failed_by="bickford").spend("settled", OTHER)
    bill = {"job-1": CountedJob(), "job-2": CountedJob(), "job-3": CountedJob(made_for=f"{OTHER}-1")}
    assert story.kinds(counted=counted(bill, is_bill=True)) == []


def test_a_lost_job_that_is_waited_for_is_not_found_a_second_time() -> None:
    story = Story().asked().submitting().queued().render("job_lost", job_id="job-1", on_lost="hold")
    assert story.kinds(counted=counted({}), later=timedelta()) == []
    assert story.kinds() == [Kind.RENDER_WITHOUT_END]


@pytest.mark.parametrize("last", ["deleted", "expired", "purged"])
def test_a_file_whose_absence_is_explained_is_not_missed(last: str) -> None:
    story = Story().whole()
    story.assets = MemoryAssetStore()
    story.render(last)
    assert Kind.ASSET_MISSING not in story.kinds()


def test_nothing_is_called_stuck_before_its_time() -> None:
    for _, plant in PLANTED.values():
        assert Verdict.STUCK not in {each.verdict for each in plant().report(later=timedelta()).findings}


def test_a_renders_books_are_closed_with_it() -> None:
    story = Story()
    for number in range(50):
        story.whole(f"video_{number:032x}", f"job-{number}")
    assert story.report().open_max < 10


def test_findings_without_end_are_counted_and_not_kept() -> None:
    story = Story()
    for number in range(FINDINGS_MAX + 5):
        story.render("intent", f"video_{number:032x}")
    report = story.report()
    assert len(report.findings) == FINDINGS_MAX
    assert report.counts == {Kind.UNDECIDED: FINDINGS_MAX + 5}


def test_what_the_product_itself_records_is_clean() -> None:
    with harness() as shop:
        shop.mischief.scripts["submit"] = ["well", "lose answer", "lose request", "refuse"]
        kept = [shop.ask(f"kite {number}") for number in range(6)]
        shop.run()
        shop.delete(kept[0])
        shop.run()
        shop.check()
        assert stream_of(kept[0]) in {event.stream for event in shop.ledger.read(0)}

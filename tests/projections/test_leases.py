import threading  # noqa: INP001 - tests/ holds rooms, it is no package
from collections import Counter
from datetime import timedelta

import pytest
from render_histories import SHA, Author

from ledger import events as e
from projections.leases import STALE_LOOKS_MAX, WEBHOOK_PAUSE_S, Leases, WorkItem
from projections.port import Pool
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.work import Work


@pytest.fixture
def leases(pool: Pool, projector: Projector) -> Leases:
    leases = Leases(pool)
    leases.ensure()
    leases.ensure()
    return leases


def publish(author: Author, projector: Projector) -> None:
    author.flush()
    projector.catch_up()


def test_each_phase_asks_for_its_step(author: Author, projector: Projector, leases: Leases) -> None:
    submit = author.intent()
    author.allow(submit)
    reconcile = author.intent()
    author.allow(reconcile)
    author.start_submission(reconcile)
    follow = author.queued_render()
    store = author.queued_render()
    author.write(store, e.RenderCompleted())
    purge = author.stored_render()
    author.write(purge, e.RenderDeleted())
    deleted_in_flight = author.intent()
    author.allow(deleted_in_flight)
    author.start_submission(deleted_in_flight)
    author.write(deleted_in_flight, e.RenderCancelled(reason="deleted"), e.RenderDeleted())
    lost = author.queued_render()
    author.write(lost, e.RenderJobLost(job_id="job-1", on_lost="hold"))
    author.intent()  # waits for a decision
    author.stored_render()  # has what it wants
    publish(author, projector)

    late = author.now + timedelta(hours=1)
    items = {item.stream: item for item in leases.claim("w1", 100, 60, late)}
    assert {stream: item.step for stream, item in items.items()} == {
        submit: "submit",
        reconcile: "reconcile",
        follow: "follow",
        store: "store",
        purge: "purge",
        deleted_in_flight: "reconcile",
        lost: "reconcile",
    }
    assert items[follow].job_stream is not None
    assert items[submit].job_stream is None
    assert {item.renderer for item in items.values()} == {"openai"}
    assert items[follow].video_id == author.renders[follow].intent.video_id
    assert [item.step for item in leases.claim("w1", 100, 60, late + timedelta(hours=1), ["submit"])] == ["submit"]


def test_what_is_to_be_found_out_is_listed_in_its_order_and_a_lost_job_is_not_in_flight(
    author: Author, projector: Projector, pool: Pool
) -> None:
    author.queued_render()
    unknown = author.intent()
    author.allow(unknown)
    author.start_submission(unknown)
    lost = author.queued_render()
    author.write(lost, e.RenderJobLost(job_id="job-1", on_lost="hold"))
    publish(author, projector)
    work = Work(pool)
    assert work.in_flight("openai") == 2
    ids = sorted(author.renders[each].intent.video_id for each in (unknown, lost))
    intent = author.renders[lost].intent
    assert work.reconciling("acme", None, None, 10) == ids
    assert work.reconciling("acme", intent.project, ids[0], 10) == ids[1:]
    assert work.reconciling("acme", None, None, 1) == ids[:1]
    assert work.reconciling("acme", "another", None, 10) == []
    assert work.reconciling("other", None, None, 10) == []


def test_a_step_waits_for_the_time_the_facts_name(author: Author, projector: Projector, leases: Leases) -> None:
    now = author.now
    refused = author.intent()
    author.allow(refused)
    author.start_submission(refused)
    retry_at = author.now + timedelta(seconds=90)
    author.write(refused, e.RenderSubmissionRefused(attempt=1, code="busy", retry_at=retry_at))
    in_flight = author.intent()
    author.allow(in_flight)
    author.start_submission(in_flight)
    submission = author.renders[in_flight].submission
    assert submission is not None
    publish(author, projector)
    assert leases.claim("w1", 10, 60, now) == []
    before = min(retry_at, submission.deadline_at) - timedelta(milliseconds=1)
    assert leases.claim("w1", 10, 60, before) == []
    assert [item.step for item in leases.claim("w1", 10, 60, retry_at, ["submit"])] == ["submit"]
    assert [item.step for item in leases.claim("w1", 10, 60, submission.deadline_at)] == ["reconcile"]


def test_eight_workers_get_each_item_once(author: Author, projector: Projector, leases: Leases) -> None:
    streams = [author.queued_render() for _ in range(100)]
    publish(author, projector)
    now = author.now
    claimed: list[WorkItem] = []
    failures: list[BaseException] = []

    def work(owner: str) -> None:
        try:
            while items := leases.claim(owner, 7, 60, now):
                claimed.extend(items)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Counter(item.stream for item in claimed) == dict.fromkeys(streams, 1)


def test_the_longest_due_comes_first(author: Author, projector: Projector, leases: Leases) -> None:
    streams = [author.queued_render() for _ in range(4)]
    publish(author, projector)
    now = author.now
    for item in leases.claim("w1", 10, 60, now):
        leases.release(item, now + timedelta(seconds=10 - streams.index(item.stream)))
    later = now + timedelta(minutes=1)
    assert [item.stream for item in leases.claim("w1", 3, 60, later)] == streams[:0:-1]
    assert [item.stream for item in leases.claim("w1", 3, 60, later)] == streams[:1]


def test_a_renewed_lease_lasts_longer_and_a_lost_one_is_not_renewed(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.queued_render()
    publish(author, projector)
    now = author.now
    (first,) = leases.claim("w1", 10, 60, now)
    assert leases.renew(first, 60, now + timedelta(seconds=50))
    assert leases.claim("w2", 10, 60, now + timedelta(seconds=109)) == []
    (second,) = leases.claim("w2", 10, 60, now + timedelta(seconds=110))
    assert not leases.renew(first, 60, now + timedelta(seconds=111))
    assert leases.renew(second, 60, now + timedelta(seconds=111))


def test_a_lease_that_ran_out_is_claimed_again_and_its_first_owner_is_fenced(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.queued_render()
    publish(author, projector)
    now = author.now
    (first,) = leases.claim("w1", 10, 60, now)
    assert leases.claim("w2", 10, 60, now + timedelta(seconds=59)) == []
    (second,) = leases.claim("w2", 10, 60, now + timedelta(seconds=60))
    assert (first.attempt, second.attempt) == (1, 2)
    assert not leases.release(first, now)
    assert leases.claim("w3", 10, 60, now + timedelta(seconds=61)) == []
    assert leases.release(second, now + timedelta(seconds=100))
    assert not leases.release(second, now)
    assert leases.claim("w3", 10, 60, now + timedelta(seconds=99)) == []
    assert len(leases.claim("w3", 10, 60, now + timedelta(seconds=100))) == 1


def test_leases_of_one_who_is_dead_end_at_once_and_nobody_elses(
    author: Author, projector: Projector, leases: Leases
) -> None:
    streams = [author.queued_render() for _ in range(3)]
    publish(author, projector)
    late = author.now + timedelta(hours=1)
    others = leases.claim("w1", 1, 600, late)
    dead = leases.claim("w2", 2, 600, late)
    assert leases.release(dead[1], due_at=late + timedelta(seconds=60))  # it waits for its time
    assert leases.end("w2", late) == 1
    assert leases.end("w2", late) == 0
    (again,) = leases.claim("w2", 3, 600, late)
    assert (again.stream, again.attempt) == (dead[0].stream, 2)
    assert {again.stream, dead[1].stream, others[0].stream} == set(streams)
    assert not leases.release(dead[0], due_at=None)  # from the dead one's time, by the same name
    assert leases.renew(again, 600, late)


def test_a_webhook_makes_a_follow_due_at_once_and_only_once(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.queued_render("job-a")
    publish(author, projector)
    now = author.now
    (item,) = leases.claim("w1", 10, 60, now)
    leases.release(item, now + timedelta(seconds=30))
    assert leases.claim("w1", 10, 60, now) == []

    author.webhook("job-b")
    publish(author, projector)
    assert leases.claim("w1", 10, 60, now) == []

    author.webhook("job-a")
    publish(author, projector)
    (item,) = leases.claim("w1", 10, 60, now)
    leases.release(item, now + timedelta(seconds=30))
    assert leases.claim("w1", 10, 60, now) == []
    assert len(leases.claim("w1", 10, 60, now + timedelta(seconds=30))) == 1


def test_a_webhook_that_comes_during_the_lease_is_not_lost(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.queued_render("job-a")
    publish(author, projector)
    now = author.now
    (item,) = leases.claim("w1", 10, 60, now)
    author.webhook("job-a")
    publish(author, projector)
    assert leases.claim("w2", 10, 60, now) == []
    leases.release(item, now + timedelta(seconds=30))
    assert [item.owner for item in leases.claim("w2", 10, 60, now)] == ["w2"]


def test_what_is_to_be_due_at_once_does_not_wait_for_webhooks_that_came_in_a_row(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.queued_render("job-a")
    publish(author, projector)
    now = author.now
    for _ in range(2):
        (item,) = leases.claim("w1", 10, 60, now)
        author.webhook("job-a")
        publish(author, projector)
        assert leases.claim("w2", 10, 60, now) == []
        assert leases.release(item, due_at=None)
    assert len(leases.claim("w1", 10, 60, now)) == 1


def test_webhooks_that_come_in_a_row_ask_for_one_look_behind_the_first(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.queued_render("job-a")
    publish(author, projector)
    now = author.now
    later = now + timedelta(seconds=30)
    looks = [now + timedelta(seconds=WEBHOOK_PAUSE_S * number / 4) for number in range(13)]
    (item,) = leases.claim("w1", 10, 60, now)
    leases.release(item, later)
    looked = []
    for look in looks:
        author.webhook("job-a")
        publish(author, projector)
        for item in leases.claim("w1", 10, 60, look):
            looked.append(look)
            author.webhook("job-a")  # while the first one is looked into
            publish(author, projector)
            leases.claim("w2", 10, 60, look)
            leases.release(item, later)
    assert looked == looks[::4]


def test_a_webhook_that_came_before_its_job_was_claimed_makes_the_follow_due(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.webhook("job-a")
    publish(author, projector)
    stream = author.queued_render("job-a")
    retry_at = author.now + timedelta(hours=1)
    author.write(stream, e.RenderAttemptFailed(step="follow", code="busy", retry_at=retry_at))
    publish(author, projector)
    assert [item.stream for item in leases.claim("w1", 10, 60, author.now)] == [stream]


def test_of_items_given_back_together_one_that_is_another_ones_by_now_stays_theirs(
    author: Author, projector: Projector, leases: Leases
) -> None:
    for name in ("job-a", "job-b", "job-c"):
        author.queued_render(name)
    publish(author, projector)
    now = author.now
    mine = leases.claim("w1", 2, 60, now)
    later = now + timedelta(seconds=61)
    (kept, again) = leases.claim("w2", 2, 600, later)
    assert again.stream in {each.stream for each in mine}
    assert kept.stream not in {each.stream for each in mine}
    answers = leases.release_all([(each, None) for each in (*mine, kept)])
    assert answers == [*(each.stream != again.stream for each in mine), True]
    assert {each.stream for each in leases.claim("w3", 10, 60, later)} == {
        each.stream for each in (*mine, kept) if each.stream != again.stream
    }


def test_of_two_leases_of_one_item_only_the_later_is_given_back(
    author: Author, projector: Projector, leases: Leases
) -> None:
    author.queued_render()
    publish(author, projector)
    (lost,) = leases.claim("w1", 1, 60, author.now)
    (held,) = leases.claim("w1", 1, 60, author.now + timedelta(seconds=61))
    assert leases.release_all([(lost, None), (held, None)]) == [False, True]


def test_leases_survive_a_rebuild(author: Author, projector: Projector, rebuild: Rebuild, leases: Leases) -> None:
    author.queued_render()
    publish(author, projector)
    now = author.now
    (item,) = leases.claim("w1", 10, 60, now)
    rebuild.rebuild()
    assert leases.claim("w2", 10, 60, now) == []
    assert leases.release(item, None)
    assert len(leases.claim("w2", 10, 60, now)) == 1


def test_leases_of_what_is_done_are_forgotten(author: Author, projector: Projector, leases: Leases) -> None:
    done = author.queued_render()
    publish(author, projector)
    now = author.now
    (item,) = leases.claim("w1", 10, 60, now)
    leases.release(item, None)
    author.write(done, e.RenderFailed(code="x", failed_by="renderer"))
    publish(author, projector)
    assert leases.sweep(now) == 1
    assert leases.sweep(now) == 0
    assert leases.claim("w1", 10, 60, now) == []


def test_more_leases_of_what_is_done_than_one_claim_comes_across_hide_nothing_for_long(
    author: Author, projector: Projector, leases: Leases
) -> None:
    done = [author.queued_render() for _ in range(STALE_LOOKS_MAX + 5)]
    publish(author, projector)
    now = author.now
    for item in leases.claim("w1", 1_000, 60, now):
        leases.release(item, None)
    for stream in done:
        author.write(stream, e.RenderFailed(code="x", failed_by="renderer"))
    going_on = author.queued_render()
    publish(author, projector)
    claims = [leases.claim("w1", 1, 60, author.now) for _ in range(2)]
    assert [item.stream for each in claims for item in each] == [going_on]


def test_an_item_that_was_overlooked_is_found_by_the_sweep(
    author: Author, projector: Projector, leases: Leases, pool: Pool
) -> None:
    stream = author.queued_render()
    publish(author, projector)
    with pool.connection() as connection:
        connection.execute("update work.taken_over set items = 1000000")
    assert leases.claim("w1", 10, 60, author.now) == []
    leases.sweep(author.now)
    assert [item.stream for item in leases.claim("w1", 10, 60, author.now)] == [stream]
    later = author.queued_render()
    publish(author, projector)
    found = {item.stream for item in leases.claim("w1", 10, 60, author.now)}
    assert later in found, "as behind a restored backup"


def test_a_claim_has_a_limit(leases: Leases, author: Author) -> None:
    for limit in (0, 1_001):
        with pytest.raises(ValueError, match="limit"):
            leases.claim("w1", limit, 60, author.now)


def test_a_submission_that_was_absent_is_submitted_again(author: Author, projector: Projector, leases: Leases) -> None:
    stream = author.intent()
    author.allow(stream)
    author.start_submission(stream)
    author.write(
        stream,
        e.RenderSubmissionUnknown(attempt=1, code="timeout"),
        e.RenderSubmissionAbsent(attempt=1, jobs_searched=0),
    )
    author.write(f"submission:{SHA}", e.SubmissionClosed(video_id=author.renders[stream].intent.video_id, attempt=1))
    publish(author, projector)
    assert [item.step for item in leases.claim("w1", 10, 60, author.now)] == ["submit"]


@pytest.mark.parametrize("ahead_by", [timedelta(days=1), timedelta(hours=2)])
def test_what_a_clock_made_due_that_was_far_ahead_is_not_waited_for(
    author: Author, projector: Projector, leases: Leases, ahead_by: timedelta
) -> None:
    author.queued_render()
    publish(author, projector)
    now = author.now + timedelta(minutes=1)
    ahead = now + ahead_by
    [item] = leases.claim("w1", 10, 60, ahead)
    leases.release(item, ahead)
    assert leases.claim("w1", 10, 60, now) == []
    leases.sweep(now)
    [again] = leases.claim("w1", 10, 60, now)
    assert again.stream == item.stream
    leases.release(again, now + timedelta(hours=1))
    leases.sweep(now)
    assert leases.claim("w1", 10, 60, now) == []

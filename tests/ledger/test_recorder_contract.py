"""What every recorder promises. One suite; PostgreSQL and memory both pass it."""

import asyncio
from datetime import datetime, timedelta
from itertools import product

import pytest
from eventsourcing.persistence import IntegrityError

from ledger.application import Ledger
from ledger.bounds import STREAM_CHARS_MIN, VERSION_MAX
from ledger.envelope import ACTOR_CHARS_MAX, PAYLOAD_BYTES_MAX, Appended, Context, Decision, last_version
from ledger.errors import Conflict, Refused, Unavailable
from ledger.memory import MemoryRecorder
from ledger.render import Phase
from ledger.streams import STREAM_CHARS_MAX, TENANT_CHARS_MAX

from .ledger_facts import CONTEXT, NOON, allowed, decision, event, ids, intent, new_id, new_stream, rows_of, small


@pytest.fixture
def ledger(any_ledger: Ledger) -> Ledger:
    return any_ledger


def test_an_empty_ledger_has_nothing(ledger: Ledger) -> None:
    assert ledger.head() == 0
    assert ledger.read(0) == []
    assert ledger.history("render:acme:none") == []
    assert ledger.render("render:acme:none") is None


def test_an_appended_event_is_read_back_equal(ledger: Ledger) -> None:
    stream = new_stream()
    context = Context("acme", "key_1", NOON, correlation=new_id(), causation=new_id(), trace="0af7651916cd43dd" * 2)
    written = Decision.of([(stream, intent())], heads={stream: 0}, context=context, new_id=new_id)
    answer = ledger.append(written)
    [read] = ledger.history(stream)
    assert read == written.events[0]._replace(position=1, recorded_at=answer.recorded_at)
    assert answer.first_position == 1
    assert not answer.replayed


def test_a_decision_writes_all_its_streams_at_once(ledger: Ledger) -> None:
    one, two = new_stream(), new_stream()
    ledger.append(decision((one, 0), (two, 0), facts=2))
    assert [(each.stream, each.version, each.position) for each in ledger.read(0)] == [
        (one, 1, 1),
        (one, 2, 2),
        (two, 1, 3),
        (two, 2, 4),
    ]
    assert len({each.recorded_at for each in ledger.read(0)}) == 1


def test_a_stale_head_refuses_the_whole_decision(ledger: Ledger) -> None:
    moved, fresh = new_stream(), new_stream()
    ledger.append(decision((moved, 0)))
    stale = decision((fresh, 0), (moved, 0))
    with pytest.raises(Conflict) as refused:
        ledger.append(stale)
    assert refused.value.heads == {fresh: 0, moved: 0}
    assert ledger.history(fresh) == []
    assert ledger.head() == 1


def test_a_stream_that_was_only_read_refuses_too(ledger: Ledger) -> None:
    policy, render = new_stream(), new_stream()
    ledger.append(decision((render, 0), reads={policy: 0}))
    ledger.append(decision((policy, 0)))
    with pytest.raises(Conflict):
        ledger.append(decision((render, 1), reads={policy: 0}))
    ledger.append(decision((render, 1), reads={policy: 1}))
    assert [each.version for each in ledger.history(policy)] == [1]


def test_a_head_in_the_future_is_stale(ledger: Ledger) -> None:
    stream = new_stream()
    with pytest.raises(Conflict):
        ledger.append(decision((stream, 6)))
    assert ledger.head() == 0


def test_decisions_appended_together_are_judged_each_for_itself(ledger: Ledger) -> None:
    stream, other = new_stream(), new_stream()
    stale = decision((new_stream(), 0), reads={other: 3})
    unsound = Decision((), {})
    sent = [decision((stream, 0)), stale, decision((stream, 0)), unsound, decision((other, 0), facts=2)]
    first, conflict, too_late, refused, last = asyncio.run(ledger.append_all(sent))
    assert [type(each) for each in (first, conflict, too_late, refused, last)] == [
        Appended,
        Conflict,
        Conflict,
        Refused,
        Appended,
    ]
    assert [each.event_id for each in ledger.history(stream)] == [sent[0].events[0].event_id]
    assert ledger.head() == 3


def test_decisions_appended_together_to_a_closed_ledger_are_unavailable(ledger: Ledger) -> None:
    ledger.recorder.close()
    answers = asyncio.run(ledger.append_all([decision((new_stream(), 0)), decision((new_stream(), 0))]))
    assert [type(each) for each in answers] == [Unavailable, Unavailable]


def test_a_retry_gets_the_first_answer(ledger: Ledger) -> None:
    stream, other = new_stream(), new_stream()
    ledger.append(decision((other, 0)))
    retried = decision((stream, 0), facts=2)
    first = ledger.append(retried)
    assert ledger.append(retried) == first._replace(replayed=True)
    assert ledger.head() == 3


def test_a_retry_gets_the_first_answer_although_every_stream_moved_on(ledger: Ledger) -> None:
    written, read = new_stream(), new_stream()
    retried = decision((written, 0), reads={read: 0})
    first = ledger.append(retried)
    ledger.append(decision((written, 1), (read, 0)))
    assert ledger.append(retried) == first._replace(replayed=True)


def test_the_same_place_with_another_event_id_is_a_conflict_not_a_retry(ledger: Ledger) -> None:
    stream = new_stream()
    ledger.append(decision((stream, 0)))
    with pytest.raises(Conflict):
        ledger.append(decision((stream, 0)))


def test_half_a_retry_is_a_conflict(ledger: Ledger) -> None:
    stream, other = new_stream(), new_stream()
    first = decision((stream, 0))
    ledger.append(first)
    mixed = Decision((*first.events, event(other, 1, small())), {stream: 0, other: 0})
    with pytest.raises(Conflict):
        ledger.append(mixed)
    assert ledger.history(other) == []


def test_a_retry_longer_than_what_was_written_is_a_conflict(ledger: Ledger) -> None:
    stream = new_stream()
    first = decision((stream, 0))
    ledger.append(first)
    with pytest.raises(Conflict):
        ledger.append(Decision((*first.events, event(stream, 2, small())), {stream: 0}))


@pytest.mark.parametrize("versions", [(2,), (1, 3), (1, 1), (2, 1), (0,)])
def test_versions_follow_the_head_without_gaps(ledger: Ledger, versions: tuple[int, ...]) -> None:
    stream = new_stream()
    gapped = Decision(tuple(event(stream, version, small()) for version in versions), {stream: 0})
    with pytest.raises(Refused, match="comes next"):
        ledger.append(gapped)
    assert ledger.head() == 0


def test_a_written_stream_without_a_head_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="names the head"):
        ledger.append(Decision((event(new_stream(), 9, small()),), {}))


def test_a_decision_without_news_appends_nothing(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="no news"):
        ledger.append(Decision((), {new_stream(): 0}))
    assert ledger.save() == []
    assert ledger.head() == 0


def test_a_missing_head_is_taken_as_a_new_stream() -> None:
    stream = new_stream()
    decided = Decision.of([(stream, small())], heads={}, context=CONTEXT, new_id=new_id)
    assert decided.heads == {stream: 0}
    assert decided.written == {stream}
    assert last_version(decided.events) == 1
    assert last_version([]) == 0


def poisoned(**change: object) -> Decision:
    """A decision with one thing in it that the ledger cannot hold."""
    stream = str(change.get("stream", new_stream()))
    fields = {"tenant": "acme", "actor": "key_1", "occurred_at": NOON}
    context = Context(**{**fields, **{name: value for name, value in change.items() if name != "stream"}})
    return Decision.of([(stream, small())], heads={stream: 0}, context=context, new_id=new_id)


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "render:\0"},
        {"stream": "render:" + "x" * STREAM_CHARS_MAX},
        {"stream": "x" * (STREAM_CHARS_MIN - 1)},
        {"stream": "render:\ud800"},
        {"actor": "key\0"},
        {"actor": ""},
        {"actor": "k" * (ACTOR_CHARS_MAX + 1)},
        {"actor": "é\0"},
        {"tenant": "a\0"},
        {"tenant": ""},
        {"tenant": "a" * (TENANT_CHARS_MAX + 1)},
        {"trace": "short"},
        {"occurred_at": datetime(2026, 11, 20)},  # noqa: DTZ001 - without a time zone on purpose
    ],
    ids=lambda change: f"{next(iter(change))}-{len(str(next(iter(change.values()))))}",
)
def test_what_the_ledger_cannot_hold_is_refused_and_harms_only_itself(
    ledger: Ledger, change: dict[str, object]
) -> None:
    with pytest.raises(Refused):
        ledger.append(poisoned(**change))
    assert ledger.append(decision((new_stream(), 0))).first_position == 1


def test_text_of_other_scripts_is_held(ledger: Ledger) -> None:
    written = poisoned(actor="ключ-é-鍵-🎬")
    ledger.append(written)
    assert ledger.read(0)[0].context.actor == "ключ-é-鍵-🎬"


@pytest.mark.parametrize("head", [-1, VERSION_MAX])
def test_a_head_outside_its_column_is_refused(ledger: Ledger, head: int) -> None:
    with pytest.raises(Refused, match="a head is"):
        ledger.append(decision((new_stream(), 0), reads={new_stream(): head}))


def test_an_oversized_payload_is_refused(ledger: Ledger) -> None:
    stream = new_stream()
    large = Decision.of([(stream, intent("x" * PAYLOAD_BYTES_MAX))], heads={stream: 0}, context=CONTEXT, new_id=new_id)
    with pytest.raises(Refused, match="payload_bytes_max"):
        ledger.append(large)


def test_the_largest_payload_is_taken(ledger: Ledger) -> None:
    stream = new_stream()
    overhead = len(rows_of(Decision.of([(stream, intent(""))], heads={}, context=CONTEXT, new_id=new_id))[0].state)
    largest = Decision.of(
        [(stream, intent("x" * (PAYLOAD_BYTES_MAX - overhead)))], heads={stream: 0}, context=CONTEXT, new_id=new_id
    )
    ledger.append(largest)
    assert ledger.history(stream)[0].fact == largest.events[0].fact


def test_a_stream_is_read_in_both_directions_within_bounds(ledger: Ledger) -> None:
    stream = new_stream()
    ledger.append(decision((stream, 0), facts=5))

    def versions(**bounds: object) -> list[int]:
        return [row.originator_version for row in ledger.recorder.select_events(stream, **bounds)]

    assert versions() == [1, 2, 3, 4, 5]
    assert versions(desc=True) == [5, 4, 3, 2, 1]
    assert versions(desc=True, limit=1) == [5]
    assert versions(limit=2) == [1, 2]
    assert versions(gt=2, lte=4) == [3, 4]
    assert versions(gt=2, lte=4, desc=True, limit=1) == [4]
    assert versions(lte=0) == []
    assert versions(gt=-3, lte=-1) == []
    assert [each.version for each in ledger.history(stream, after=3)] == [4, 5]
    assert [each.version for each in ledger.history(stream, until=2)] == [1, 2]


def test_a_render_is_folded_as_it_was_at_a_version(ledger: Ledger) -> None:
    stream = new_stream()
    ledger.append(
        Decision.of([(stream, intent()), (stream, allowed())], heads={stream: 0}, context=CONTEXT, new_id=new_id)
    )
    assert ledger.render(stream, version=1).phase is Phase.INTENT
    assert ledger.render(stream).phase is Phase.ALLOWED
    assert ledger.render(stream).id == stream


def test_the_order_is_dense_and_read_in_pages(ledger: Ledger) -> None:
    streams = [new_stream() for _ in range(6)]
    for stream in streams:
        ledger.append(decision((stream, 0)))
        with pytest.raises(Conflict):
            ledger.append(decision((stream, 0)))  # a refused decision burns no position

    def positions(**bounds: int) -> list[int]:
        return [each.position for each in ledger.read(**bounds)]

    assert ledger.head() == 6
    assert positions(after=0) == [1, 2, 3, 4, 5, 6]
    assert positions(after=2, limit=2) == [3, 4]
    assert positions(after=2, until=3) == [3]
    assert positions(after=6) == []
    assert positions(after=-5, limit=1) == [1]
    assert [each.stream for each in ledger.read(0)] == streams


def test_picking_gives_what_reading_gives_of_these_types_and_says_how_far_it_looked(ledger: Ledger) -> None:
    assert ledger.pick(0, {"render.intent"}, limit=5) == ([], 0)
    for _ in range(3):
        stream = new_stream()
        facts = [(stream, intent()), (stream, allowed())]
        ledger.append(Decision.of(facts, heads={stream: 0}, context=CONTEXT, new_id=new_id))
    wanted: tuple[set[str], ...] = (set(), {"render.intent"}, {"render.allowed", "no.fact"}, {"no.fact"})
    for types, after, limit in product(wanted, range(8), range(1, 8)):
        read = ledger.read(after, limit=limit)
        found, last = ledger.pick(after, types, limit=limit)
        assert found == [each for each in read if each.fact.TYPE in types]
        assert last == (read[-1].position if read else after)


def test_the_librarys_notifications_are_the_same_order(ledger: Ledger) -> None:
    ledger.append(decision((new_stream(), 0), facts=4))

    def positions(*arguments: object, **bounds: object) -> list[int]:
        return [row.id for row in ledger.recorder.select_notifications(*arguments, **bounds)]

    assert positions(None, 10) == [1, 2, 3, 4]
    assert positions(2, 10) == [2, 3, 4]
    assert positions(2, 10, inclusive_of_start=False) == [3, 4]
    assert positions(0, 1) == [1]
    assert positions(1, 10, stop=2) == [1, 2]
    assert ledger.recorder.max_notification_id() == 4


def test_recorded_at_never_runs_backwards(ledger: Ledger) -> None:
    stream = new_stream()
    for version in range(5):
        ledger.append(decision((stream, version)))
    moments = [each.recorded_at for each in ledger.read(0)]
    assert moments == sorted(moments)


def test_a_clock_set_back_does_not_set_recorded_at_back() -> None:
    moments = iter([NOON, NOON - timedelta(hours=1), NOON + timedelta(hours=1)])
    ledger = Ledger(MemoryRecorder(clock=lambda: next(moments)))
    recorded = [ledger.append(decision((new_stream(), 0))).recorded_at for _ in range(3)]
    assert recorded == [NOON, NOON, NOON + timedelta(hours=1)]


def test_the_librarys_save_appends_with_heads(ledger: Ledger) -> None:
    render, policy = new_stream(), new_stream()
    ledger.append(decision((policy, 0)))
    decided = decision((render, 0), facts=2)
    recordings = ledger.save(*decided.events, heads={policy: 1})
    assert [each.notification.id for each in recordings] == [2, 3]
    assert ids(ledger.history(render)) == ids(decided.events)
    with pytest.raises(Conflict):
        ledger.save(*decision((render, 2)).events, heads={policy: 0})


def test_save_without_heads_goes_by_the_versions_of_its_events(ledger: Ledger) -> None:
    stream = new_stream()
    ledger.save(event(stream, 1, small()))
    with pytest.raises(Conflict):
        ledger.save(event(stream, 3, small()))


def test_save_does_not_swallow_what_it_does_not_know(ledger: Ledger) -> None:
    with pytest.raises(TypeError, match="head"):
        ledger.save(event(new_stream(), 1, small()), head={})
    assert ledger.head() == 0


def test_errors_of_the_ledger_are_not_the_librarys_so_that_nothing_retries_them() -> None:
    assert not issubclass(Conflict, IntegrityError)


def test_a_filtered_read_and_a_subscription_are_refused(ledger: Ledger) -> None:
    with pytest.raises(NotImplementedError, match="whole order"):
        ledger.recorder.select_notifications(1, 10, topics=["render.stored"])
    with pytest.raises(NotImplementedError, match="follow"):
        ledger.recorder.subscribe()


def test_a_closed_recorder_takes_no_more(ledger: Ledger) -> None:
    ledger.append(decision((new_stream(), 0)))
    ledger.recorder.close()
    ledger.recorder.close()
    with pytest.raises(Unavailable, match="closed"):
        ledger.append(decision((new_stream(), 0)))
    assert ledger.head() == 1


def test_histories_are_told_up_to_a_position_from_either_end(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.application.HISTORIES_ROWS", 2)
    made = [new_stream() for _ in range(3)]
    for head in range(3):
        for stream in made:
            ledger.append(decision((stream, head)))
    ledger.append(decision((new_stream().replace("acme", "acmes"), 0)))

    def told(*, until: int, after: str | None = None, desc: bool = False) -> list[tuple[str, list[int]]]:
        found = ledger.histories("render:acme:", until=until, after=after, desc=desc)
        return [(stream, [event.version for event in events]) for stream, events in found]

    assert told(until=10) == [(stream, [1, 2, 3]) for stream in made]
    assert told(until=5) == [(made[0], [1, 2]), (made[1], [1, 2]), (made[2], [1])]
    assert told(until=5, desc=True) == told(until=5)[::-1]
    assert told(until=5, after=made[1]) == [(made[2], [1])]
    assert told(until=5, after=made[1], desc=True) == [(made[0], [1, 2])]
    assert told(until=0) == []


def test_a_stream_is_told_up_to_a_position(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.application.HISTORIES_ROWS", 2)
    mine, other = new_stream(), new_stream()
    for head in range(4):
        ledger.append(decision((mine, head), (other, head)))
    for until, versions in ((0, []), (1, [1]), (4, [1, 2]), (5, [1, 2, 3]), (8, [1, 2, 3, 4])):
        assert [event.version for event in ledger.past(mine, until)] == versions
        assert [event.version for event in ledger.paged_history(mine, until)] == versions


def test_a_moment_is_found_among_the_positions(ledger: Ledger) -> None:
    assert ledger.position_at(NOON) == 0
    stream = new_stream()
    for head in range(5):
        ledger.append(decision((stream, head)))
    recorded = [event.recorded_at for event in ledger.history(stream)]
    for moment in recorded:
        assert moment is not None
        assert ledger.position_at(moment) == sum(each <= moment for each in recorded if each)
    assert recorded[0] is not None
    assert ledger.position_at(recorded[0] - timedelta(microseconds=1)) == 0
    assert ledger.recorded_at(3) == recorded[2]

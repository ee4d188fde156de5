"""Facts and their stored bytes: a closed dictionary, checked both ways, upcast on read."""

from typing import Any, ClassVar

import orjson
import pytest
from pydantic import ValidationError

from ledger.envelope import Context, Event, Fact
from ledger.errors import Corrupt, InvalidEvent, Refused, UnknownEventType
from ledger.events import BudgetSet, Money, RenderCompleted, RenderDenied, RenderProgress, SubjectErased, Verdict
from ledger.mapper import NO_ID, FactMapper, RecordedRow, encode
from ledger.payloads import MARK
from ledger.streams import renderer

from .ledger_facts import CONTEXT, NOON, allowed, event, intent, new_id, new_stream, small

PLACE = "render:acme:1 version 7"


class HeronSeen(Fact):
    """A toy fact whose fields changed twice."""

    TYPE: ClassVar[str] = "heron.seen"
    SCHEMA: ClassVar[int] = 3
    place: str
    count: int

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        if schema == 1:  # knew one heron only
            fields, schema = {**fields, "count": 1}, 2
        if schema == 2:  # called the place "where"
            fields, schema = {"place": fields["where"], "count": fields["count"]}, 3
        return super().upcast(schema, fields)


GOOD = orjson.dumps({"f": {"reason": "r", "subject": "key_1"}, "v": 1})
TOY = FactMapper(types={HeronSeen.TYPE: HeronSeen})


def stored(fields: object, schema: object) -> bytes:
    return orjson.dumps({"f": fields, "v": schema})


@pytest.mark.parametrize(
    ("schema", "fields"),
    [(1, {"where": "pond"}), (2, {"where": "pond", "count": 1}), (3, {"place": "pond", "count": 1})],
)
def test_every_version_is_read_as_the_present_one(schema: int, fields: dict[str, object]) -> None:
    assert TOY.decode("heron.seen", stored(fields, schema), place=PLACE) == HeronSeen(place="pond", count=1)


@pytest.mark.parametrize("schema", [0, 4, -1])
def test_a_version_without_an_upcast_is_refused(schema: int) -> None:
    with pytest.raises(InvalidEvent, match=f"{PLACE}: not a valid heron.seen: ValueError"):
        TOY.decode("heron.seen", stored({"place": "pond", "count": 1}, schema), place=PLACE)


def test_a_toy_is_written_with_its_version() -> None:
    written = event(renderer("toy"), 1, HeronSeen(place="pond", count=2))
    row = TOY.to_stored_event(written)
    assert row.state == b'{"f":{"count":2,"place":"pond"},"v":3}'
    assert TOY.to_domain_event(row) == written


def test_an_unknown_type_is_refused_and_nothing_is_imported() -> None:
    with pytest.raises(UnknownEventType, match=f"{PLACE}: type 'os:system'") as refused:
        FactMapper().decode("os:system", b"{}", place=PLACE)
    assert isinstance(refused.value, Corrupt)


def test_a_type_outside_the_dictionary_is_not_written() -> None:
    with pytest.raises(AssertionError):
        FactMapper().to_stored_event(event(new_stream(), 1, HeronSeen(place="pond", count=1)))


NOT_FACTS = [
    b"",
    b"not json",
    b"[]",
    b"{}",
    b"null",
    b'{"f":{}}',
    b'{"v":1}',
    stored([], 1),
    stored(None, 1),
    stored({}, 1),
    stored({"subject": "key_1"}, 1),
    stored({"subject": "key_1", "reason": 5}, 1),
    stored({"subject": "key_1", "reason": "r", "more": 1}, 1),
    stored({"subject": "key_1", "reason": "r"}, "1"),
    stored({"subject": "key_1", "reason": "r"}, True),  # noqa: FBT003 - JSON's, not an argument's
    stored({"subject": "key_1", "reason": "r"}, 2),
]
"""Bytes that are no `subject.erased`."""


@pytest.mark.parametrize("payload", NOT_FACTS)
def test_bytes_that_are_not_a_valid_fact_name_the_place(payload: bytes) -> None:
    with pytest.raises(InvalidEvent, match=f"^{PLACE}: not a valid subject.erased"):
        FactMapper().decode("subject.erased", payload, place=PLACE)


@pytest.mark.parametrize("payload", [*NOT_FACTS, MARK + b"moved", GOOD + b"," + GOOD, GOOD[:-1]])
def test_what_is_looked_at_at_once_is_told_from_facts_one_by_one(payload: bytes) -> None:
    mapper = FactMapper()
    assert mapper.are_facts("subject.erased", [GOOD, GOOD])
    assert not mapper.are_facts("subject.erased", [GOOD, payload, GOOD])
    assert not mapper.are_facts("os:system", [GOOD])


@pytest.mark.parametrize(("schema", "is_present"), [(1, False), (2, False), (3, True)])
def test_what_is_looked_at_at_once_is_of_the_present_schema(schema: int, is_present: bool) -> None:
    assert TOY.are_facts("heron.seen", [stored({"place": "pond", "count": 1}, schema)]) is is_present


def test_what_is_folded_are_the_events_but_for_what_no_fold_needs() -> None:
    herons = [stored({"where": "pond"}, 1), stored({"place": "pond", "count": 2}, 3)]
    places = [(position, new_stream(), position + 3, "heron.seen") for position, _ in enumerate(herons, 1)]
    columns = CONTEXT.occurred_at, CONTEXT.tenant, CONTEXT.actor
    whole = [
        (*place, new_id(), NOON, *columns, new_id(), new_id(), "trace", heron)
        for place, heron in zip(places, herons, strict=True)
    ]
    lean = [(*place, NOON, *columns, heron) for place, heron in zip(places, herons, strict=True)]
    events = FactMapper(types={HeronSeen.TYPE: HeronSeen}).events_to_fold(lean)
    assert events == [
        each._replace(event_id=NO_ID, context=Context(CONTEXT.tenant, CONTEXT.actor, CONTEXT.occurred_at))
        for each in map(TOY.event, whole)
    ]
    assert {(type(each), type(each.context)) for each in events} == {(Event, Context)}


@pytest.mark.parametrize("payload", NOT_FACTS)
def test_what_is_folded_names_the_place_of_bytes_that_are_not_a_valid_fact(payload: bytes) -> None:
    rows = [
        (position, "render:acme:1", 6 + position, "subject.erased", NOON, NOON, "acme", "worker", state)
        for position, state in enumerate([payload, GOOD])
    ]
    with pytest.raises(InvalidEvent, match=r"^render:acme:1 version 6: not a valid subject\.erased"):
        FactMapper().events_to_fold(rows)
    assert len(FactMapper().events_to_fold(rows[1:])) == 1


def test_an_error_names_the_field_and_shows_nothing_of_its_contents() -> None:
    payload = stored({"status": "in_progress", "progress": "SECRET"}, 1)
    with pytest.raises(InvalidEvent, match="progress: int_parsing") as refused:
        FactMapper().decode("render.progress", payload, place=PLACE)
    assert "SECRET" not in str(refused.value)
    assert "SECRET" not in str(refused.value.__cause__)


def test_a_recorded_row_has_its_place_in_its_error() -> None:
    row = RecordedRow("render:acme:1", 7, "render.progress", b"{}", 3, new_id(), CONTEXT, NOON)
    with pytest.raises(InvalidEvent, match=PLACE):
        FactMapper().to_domain_event(row)


def test_no_fact_can_be_built_unchecked() -> None:
    progress = RenderProgress(status="in_progress", progress=10)
    with pytest.raises(ValidationError):
        RenderProgress.model_construct(status="in_progress", progress=101)
    for deep in (False, True):
        with pytest.raises(ValidationError):
            progress.model_copy(update={"progress": 101}, deep=deep)
        assert progress.model_copy(update={"progress": 11}, deep=deep).progress == 11


def test_a_fact_does_not_change() -> None:
    with pytest.raises(ValidationError):
        intent().prompt = "another"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_json_does_not_know_is_no_part_of_a_fact(number: float) -> None:
    with pytest.raises(ValidationError):
        Verdict(policy_hash="a" * 64, saw={"share": number})


@pytest.mark.parametrize(
    "fact",
    [
        BudgetSet(budget_id="b", scope="s", window="day", cap=Money(amount_micro=2**70, currency="USD")),
        SubjectErased(subject="key_1", reason="\ud800"),
        RenderDenied(verdict=Verdict(policy_hash="a" * 64, saw={"a": 2**65}), code="c", message="m"),
    ],
    ids=["large amount", "half a surrogate pair", "large number"],
)
def test_a_value_json_cannot_hold_is_refused(fact: Fact) -> None:
    with pytest.raises(Refused, match="cannot be stored"):
        FactMapper().to_stored_event(event(new_stream(), 1, fact))


def test_equal_facts_have_equal_bytes_whatever_the_order_of_their_parts() -> None:
    one = Verdict(policy_hash="a" * 64, saw={"a": 1, "b": 2})
    two = Verdict(policy_hash="a" * 64, saw={"b": 2, "a": 1})
    assert encode(allowed().model_copy(update={"verdict": one})) == encode(
        allowed().model_copy(update={"verdict": two})
    )


def test_a_moment_without_a_time_zone_is_no_moment() -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValidationError, match="timezone"):
        RenderCompleted(completed_at=naive)
    with pytest.raises(InvalidEvent, match="completed_at"):
        FactMapper().decode("render.completed", stored({"completed_at": naive}, 1), place=PLACE)


def test_events_know_the_librarys_names() -> None:
    one = event(new_stream(), 4, small())
    assert (one.originator_id, one.originator_version) == (one.stream, one.version)
    assert one._replace(version=5).originator_version == 5

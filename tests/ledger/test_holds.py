"""Legal holds and erasures of requesters, folded: what covers what, and what cannot come next."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from ledger import erasures, holds, streams
from ledger.envelope import Context, Event, Fact, Sealed
from ledger.events import ErasureDecided, HoldLifted, HoldPlaced, SubjectErased
from ledger.events.erasure import HoldScope
from ledger.holds import Holds
from ledger.identifiers import first_of, made_at, new_uuid7
from ledger.lifecycle import ImpossibleStep
from tests.decisions.given import INTENT, given

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
WHY = Sealed("s1.req-1/x.hold.placed.reason.AAAA")


def told(stream: str, *facts: Fact) -> list[Event]:
    context = Context("main", "key_1", AT)
    return [
        Event(stream=stream, version=number, event_id=UUID(int=number), context=context, fact=fact)
        for number, fact in enumerate(facts, start=1)
    ]


def placed(number: int, scope: HoldScope = "tenant", subject: str | None = None) -> HoldPlaced:
    return HoldPlaced(hold_id=f"hold_{number:032x}", scope=scope, subject=subject, reason=WHY)


def lifted(number: int) -> HoldLifted:
    return HoldLifted(hold_id=f"hold_{number:032x}", reason=WHY)


def folded(*facts: Fact) -> Holds:
    found = holds.fold(None, told(streams.holds("main"), *facts))
    assert found is not None
    return found


def test_a_hold_stands_until_it_is_lifted() -> None:
    both = folded(placed(1), placed(2, "project", "films"))
    assert [*both.standing] == [placed(1).hold_id, placed(2).hold_id]
    assert [*folded(placed(1), placed(2), lifted(1)).standing] == [placed(2).hold_id]
    assert both.head == {streams.holds("main"): 2}
    assert both.id == Holds.none("main").id
    assert Holds.none("main").head == {streams.holds("main"): 0}


def test_a_hold_covers_its_own_and_nothing_else() -> None:
    render = given(INTENT)
    intent = render.intent
    own = {"render": intent.video_id, "requester": intent.requester, "project": intent.project, "tenant": None}
    for number, (scope, subject) in enumerate(own.items()):
        fact = HoldPlaced(hold_id=f"hold_{number:032x}", scope=scope, subject=subject, reason=WHY)  # type: ignore[arg-type]
        assert folded(fact).covering(render) == [fact.hold_id]
        covers_all = scope in {"requester", "tenant"}
        assert bool(folded(fact).of_requester(intent.requester)) is covers_all
        assert bool(folded(fact).of_project(intent.project)) is (scope in {"project", "tenant"})
        if subject is not None:
            other = fact.model_copy(update={"subject": "another"})
            assert not folded(other).covering(render)
            assert not folded(other).of_requester(intent.requester)


@pytest.mark.parametrize(
    "facts", [(lifted(1),), (placed(1), placed(1)), (placed(1), lifted(1), lifted(1)), (placed(1), lifted(2))]
)
def test_holds_in_an_order_that_cannot_be_are_refused(facts: tuple[Fact, ...]) -> None:
    with pytest.raises(ImpossibleStep):
        folded(*facts)


def test_a_fact_out_of_order_is_refused() -> None:
    event = told(streams.holds("main"), placed(1))[0]._replace(version=2)
    with pytest.raises(ImpossibleStep):
        holds.fold(None, [event])
    with pytest.raises(ImpossibleStep):
        erasures.fold(None, [event])


def decided() -> ErasureDecided:
    return ErasureDecided(subject="req-1", kind="requester", project="films", cause="asked")


def test_an_erasure_is_decided_and_done_once() -> None:
    stream, done = streams.requester("main", "req-1"), SubjectErased(subject="req-1", reason="asked")
    under_way = erasures.fold(None, told(stream, decided()))
    assert under_way is not None
    assert (under_way.is_done, under_way.decided_with, under_way.id) == (False, "key_1", stream)
    over = erasures.fold(None, told(stream, decided(), done))
    assert over is not None
    assert over.erased_at == AT
    for impossible in ((done,), (decided(), decided()), (decided(), done, done)):
        with pytest.raises(ImpossibleStep):
            erasures.fold(None, told(stream, *impossible))


def test_an_id_tells_when_it_was_made() -> None:
    made = new_uuid7(lambda: AT)
    assert made_at(made) == AT
    assert first_of(AT) < made
    assert first_of(AT).hex < made.hex
    assert new_uuid7(lambda: AT.replace(minute=59, hour=11)) < first_of(AT)
    assert streams.is_hold_id(streams.hold_id(made))

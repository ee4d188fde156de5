"""Short ways to make facts, decisions and rows for the tests of the ledger."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ledger import streams
from ledger.envelope import Context, Decision, Event, Fact, Sealed
from ledger.events import Money, Quote, RenderAllowed, RenderIntent, RenderRemixed, Verdict
from ledger.identifiers import id_maker
from ledger.mapper import FactMapper, Row

LOCK = "SELECT pg_advisory_lock(7305809, 1)"
"""Who has this lock, until `UNLOCK`, lets nobody append."""
UNLOCK = "SELECT pg_advisory_unlock(7305809, 1)"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONTEXT = Context(tenant="acme", actor="key_1", occurred_at=NOON)

_numbers = itertools.count(1)
new_id = id_maker(lambda: NOON + timedelta(milliseconds=next(_numbers)))


def new_stream() -> str:
    """A render's stream that nobody has written to."""
    return streams.render("acme", streams.video_id(new_id()))


def small(number: int = 0) -> Fact:
    """Some fact; facts of different numbers differ."""
    return RenderRemixed(remix_video_id=f"video_{number:032x}")


def intent(prompt: str = "s1.sealed") -> RenderIntent:
    return RenderIntent(
        video_id="video_" + "0" * 32,
        project="films",
        requester="key_1",
        model="sora-2",
        seconds="4",
        size="720x1280",
        prompt=Sealed(prompt),
    )


def allowed() -> RenderAllowed:
    return RenderAllowed(
        verdict=Verdict(policy_hash="a" * 64),
        renderer="vllm",
        credential="main",
        quote=Quote(cost=Money(amount_micro=400_000, currency="USD"), prices_hash="b" * 64),
    )


def decision(*stream_heads: tuple[str, int], reads: Mapping[str, int] | None = None, facts: int = 1) -> Decision:
    """`facts` facts in each stream, decided on its head, and on the heads of the streams only read."""
    heads = {**dict(stream_heads), **(reads or {})}
    drafted = [(stream, small(number)) for stream, _ in stream_heads for number in range(facts)]
    return Decision.of(drafted, heads=heads, context=CONTEXT, new_id=new_id)


def event(stream: str, version: int, fact: Fact, *, event_id: UUID | None = None) -> Event:
    return Event(stream, version, event_id or new_id(), CONTEXT, fact)


def rows_of(decided: Decision) -> list[Row]:
    """The stored events of a decision, for what is tested below the ledger's face."""
    return [FactMapper().to_stored_event(each) for each in decided.events]


def ids(events: Sequence[Event]) -> list[UUID]:
    return [each.event_id for each in events]

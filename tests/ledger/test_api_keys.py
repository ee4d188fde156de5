"""API keys, folded: what their facts come to, and which orders cannot be."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ledger import api_keys
from ledger import events as e
from ledger.api_keys import ApiKey
from ledger.envelope import Context, Event, Fact
from ledger.lifecycle import ImpossibleStep

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIGEST = "a1" * 32
REVOKED = e.KeyRevoked(key_id="key_1", project="films")


def issued(expires_at: datetime | None = None) -> e.KeyIssued:
    return e.KeyIssued(
        key_id="key_1", project="films", requester="req-1", digest=DIGEST, roles=("admin",), expires_at=expires_at
    )


def rotated(expires_at: datetime) -> e.KeyRotated:
    return e.KeyRotated(key_id="key_1", project="films", new_key_id="key_2", expires_at=expires_at)


def fold(*facts: Fact) -> ApiKey:
    """Facts an hour apart, from noon on."""
    events = [
        Event("key:main:1", version, UUID(int=version), Context("main", "key_9", NOON + HOUR * (version - 1)), fact)
        for version, fact in enumerate(facts, start=1)
    ]
    key = api_keys.fold(None, events)
    assert key is not None
    return key


def test_a_key_is_active_until_its_end_or_its_revocation() -> None:
    endless, ending, revoked = fold(issued()), fold(issued(NOON + HOUR)), fold(issued(NOON + 9 * HOUR), REVOKED)
    assert (endless.id, endless.version, endless.tenant, endless.issued_at) == ("key:main:1", 1, "main", NOON)
    assert [endless.status(NOON + hours * HOUR) for hours in (0, 1, 9_999)] == ["active"] * 3
    assert [ending.status(NOON + seconds * timedelta(seconds=1)) for seconds in (3599, 3600)] == ["active", "expired"]
    assert revoked.status(NOON + HOUR) == "revoked"
    assert revoked.status(NOON + 99 * HOUR) == "revoked", "whether or not its time would be over"
    assert api_keys.fold(None, []) is None


def test_a_rotation_brings_the_end_forward_and_never_back() -> None:
    assert fold(issued(), rotated(NOON + 2 * HOUR)).expires_at == NOON + 2 * HOUR
    assert fold(issued(NOON + HOUR), rotated(NOON + 2 * HOUR)).expires_at == NOON + HOUR
    key = fold(issued(), rotated(NOON + 2 * HOUR), REVOKED)
    assert (key.replaced_by, key.revoked_at, key.version) == ("key_2", NOON + 2 * HOUR, 3)


def test_the_hash_of_a_key_is_not_shown_with_it() -> None:
    assert DIGEST not in repr(fold(issued()))


@pytest.mark.parametrize(
    "facts",
    [
        (REVOKED,),
        (issued(), issued()),
        (issued(), REVOKED, REVOKED),
        (issued(), REVOKED, rotated(NOON)),
        (issued(), rotated(NOON), rotated(NOON)),
        (issued(), e.EndpointDeleted()),
    ],
    ids=lambda facts: " ".join(fact.TYPE for fact in facts),
)
def test_an_order_that_cannot_be(facts: tuple[Fact, ...]) -> None:
    with pytest.raises(ImpossibleStep):
        fold(*facts)


def test_a_gap_cannot_be() -> None:
    with pytest.raises(ImpossibleStep, match="version 2 after 0"):
        api_keys.evolve(None, Event("key:main:1", 2, UUID(int=2), Context("main", "key_9", NOON), issued()))

"""A character's facts come in one order, and its outcome once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ledger import characters, streams
from ledger.characters import Character
from ledger.envelope import Context, Event, Fact
from ledger.errors import InvalidStream
from ledger.events import CharacterCreated, CharacterRefused, CharacterRequested, CharacterUnknown
from ledger.lifecycle import ImpossibleStep
from tests.ledger.examples import CHARACTER, EXAMPLES

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STREAM = streams.character("main", CHARACTER)


def fact(kind: type[Fact], **change: object) -> Fact:
    return EXAMPLES[kind.TYPE].model_copy(update=change)


REQUESTED = fact(CharacterRequested, deadline_at=NOON + timedelta(seconds=150))


def given(*facts: Fact, first: int = 1) -> Character:
    context = Context("main", "key_1", NOON)
    events = [Event(STREAM, number, UUID(int=number), context, each) for number, each in enumerate(facts, start=first)]
    character = characters.fold(None, events)
    assert character is not None
    return character


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(CharacterCreated, "created"), (CharacterRefused, "failed"), (CharacterUnknown, "unknown")],
)
def test_the_outcome_says_how_it_stands(outcome: type[Fact], status: str) -> None:
    character = given(REQUESTED, fact(outcome))
    assert (character.status(NOON), character.version, character.id) == (status, 2, STREAM)


def test_without_an_outcome_it_is_unknown_from_the_deadline_on() -> None:
    character = given(REQUESTED)
    assert character.status(NOON + timedelta(seconds=149)) == "in_progress"
    assert character.status(NOON + timedelta(seconds=150)) == "unknown"


@pytest.mark.parametrize(
    "facts",
    [
        (fact(CharacterCreated),),
        (REQUESTED, REQUESTED),
        (REQUESTED, fact(CharacterUnknown), fact(CharacterCreated)),
        (REQUESTED, fact(CharacterCreated), fact(CharacterCreated)),
    ],
)
def test_what_cannot_come_next_is_an_error(facts: tuple[Fact, ...]) -> None:
    with pytest.raises(ImpossibleStep):
        given(*facts)


def test_a_gap_is_an_error() -> None:
    with pytest.raises(ImpossibleStep):
        given(REQUESTED, first=2)


def test_its_stream_takes_our_ids_only() -> None:
    assert streams.character("main", "char_" + "0" * 32) == "character:main:" + "0" * 32
    assert streams.is_character_id(streams.character_id(UUID(int=7)))
    for text in ("char_1", CHARACTER.upper(), "video_" + "0" * 32, CHARACTER + "\n"):
        assert not streams.is_character_id(text)
        with pytest.raises(InvalidStream):
            streams.character("main", text)

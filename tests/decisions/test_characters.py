"""Who can make a character, and what is recorded of it."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from bickford_sora.decisions import characters
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue, Route
from bickford_sora.decisions.characters import Place
from bickford_sora.decisions.intent import Binding
from bickford_sora.renderers.openai import CAPABILITIES
from ledger import characters as ledger_characters
from ledger import streams
from ledger.envelope import Context, Event, Sealed
from ledger.events import CharacterUnknown
from tests.http.houses import offer
from tests.ledger.examples import CHARACTER, SOURCE_VIDEO

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CALLER = Caller("main", "default", "req-1", "key_1")
UNABLE = replace(CAPABILITIES, characters=False)


def requested(binding: Binding | None = None) -> characters.Draft:
    place = Place("openai", "main", "http://renderer/v1")
    return characters.requested(
        CALLER, CHARACTER, Sealed("sealed"), SOURCE_VIDEO, place, deadline_at=NOON, binding=binding
    )


def test_the_first_on_offer_that_is_able_is_asked() -> None:
    unable, able = offer("wan", renderer="vllm", capabilities=UNABLE), offer("sora-2", renderer="second")
    catalogue = Catalogue({"wan": Route((unable,)), "sora-2": Route((unable, able))})
    assert characters.capable(catalogue) is able
    assert characters.capable(Catalogue({"wan": Route((unable,))})) is None
    assert characters.capable(Catalogue()) is None


def test_a_key_is_bound_in_the_append_of_the_request() -> None:
    draft = requested(Binding("k", "a" * 64))
    key = streams.idempotency("main", "default", "k")
    assert [fact.TYPE for _, fact in draft.facts] == ["character.requested", "idempotency.bound"]
    assert draft.heads == {streams.character("main", CHARACTER): 0, key: 0}
    assert [fact.TYPE for _, fact in requested().facts] == ["character.requested"]


def test_an_outcome_is_recorded_once() -> None:
    stream, fact = requested().facts[0]
    events = [Event(stream, 1, UUID(int=1), Context("main", "key_1", NOON), fact)]
    character = ledger_characters.fold(None, events)
    assert character is not None
    outcome = CharacterUnknown(code="renderer_no_answer")
    draft = characters.settled(character, outcome)
    assert (draft.facts, draft.heads) == (((stream, outcome),), {stream: 1})
    assert not characters.settled(replace(character, outcome=outcome), outcome)

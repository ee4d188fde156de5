"""Requests that are decided side by side: each gets its own answer, and what they write is written together."""

from collections.abc import Iterator

import pytest

from bickford_sora.decisions.request import create_request
from bickford_sora.errors import InvalidRequest, KeyReused
from bickford_sora.intake import Answer, Asking
from tests.workers.harness import CALLER, ORIGIN, Harness, harness


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as shop:
        yield shop


def asking(shop: Harness, prompt: str, *, key: str | None = None, model: str = "sora-2") -> Asking:
    request = create_request({"prompt": prompt, "model": model}, {})
    return Asking(CALLER, request, shop.intake.terms(ORIGIN, "create", request, key=key))


def made(answer: Answer | Exception) -> str:
    assert isinstance(answer, Answer), answer
    return answer.render.intent.video_id


def test_requests_that_come_together_are_one_append_and_each_has_its_own_answer(shop: Harness) -> None:
    shop.intake.ask_all([asking(shop, "a first one")])  # makes the requester's key
    before = len(shop.ledger.stored(0))
    kite, nothing, owl = shop.intake.ask_all(
        [asking(shop, "a red kite"), asking(shop, "a ghost", model="none"), asking(shop, "an owl")]
    )
    assert isinstance(nothing, InvalidRequest)
    assert made(kite) != made(owl)
    facts = shop.ledger.stored(before)
    assert [each.topic for each in facts] == ["render.intent", "render.allowed", "spend.reserved"] * 2
    assert len({each.recorded_at for each in facts}) == 1
    assert [shop.intake.prompt(shop.render(made(each))) for each in (kite, owl)] == ["a red kite", "an owl"]


def test_one_key_sent_several_times_at_once_makes_one_render(shop: Harness) -> None:
    once, again, other = shop.intake.ask_all(
        [asking(shop, "a kite", key="k"), asking(shop, "a kite", key="k"), asking(shop, "an owl", key="k")]
    )
    assert made(once) == made(again)
    assert isinstance(other, KeyReused)


def test_what_waits_for_more_than_the_ledger_is_not_quick(shop: Harness) -> None:
    create = create_request({"prompt": "a kite"}, {})
    assert not shop.intake.is_quick(CALLER, create), "nobody has looked which policy is in force"
    shop.intake.ask_all([asking(shop, "a kite")])
    assert shop.intake.is_quick(CALLER, create)
    remix = create_request({"prompt": "a kite", "remix_video_id": "video_" + "0" * 32}, {})
    assert not shop.intake.is_quick(CALLER, remix)

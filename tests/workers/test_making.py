"""Requests that are decided side by side: each gets its own answer, and what they write is written together."""

from collections.abc import Iterator

import pytest

from bickford_sora.decisions.policy import built_in
from bickford_sora.decisions.request import create_request
from bickford_sora.errors import InvalidRequest, KeyReused
from bickford_sora.intake import Answer, Asking
from ledger import streams
from ledger.envelope import Context, Decision
from ledger.errors import Unavailable
from ledger.events import PolicyPublished
from ledger.identifiers import id_maker
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


def test_who_is_decided_anew_in_vain_takes_nobody_elses_answer(shop: Harness) -> None:
    shop.intake.ask_all([asking(shop, "a first one")])
    other, hooks = built_in(10**9).compiled, shop.mischief.hooks

    def replace_policy() -> None:
        published = streams.policy("main"), PolicyPublished(policy_hash=other.hash, text=other.text)
        by = Context("main", "key_1", shop.clock())
        shop.ledger.append(Decision.of([published], heads={}, context=by, new_id=id_maker(shop.clock)))
        hooks["append:render.intent"] = take_database_away

    def take_database_away() -> None:  # while the first one is decided anew
        shop.mischief.fail_at, shop.mischief.failure = ("keys.add", "before"), Unavailable("away")

    hooks["append:render.intent"] = replace_policy
    kite, owl = shop.intake.ask_all([asking(shop, "a red kite"), asking(shop, "an owl")])
    assert shop.render(made(kite)).allowed is not None
    assert isinstance(owl, Unavailable)

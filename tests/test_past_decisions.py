"""What was decided is read back as the policy saw it, so that it decides the same again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.rules.backtest import Recorded, compare
from bickford_sora.decisions.rules.evaluation import CompiledPolicy, evaluate
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.past_decisions import PastDecisions, Question
from bickford_sora.policies import find_compiled
from ledger import streams
from ledger.events import BudgetSet, Money, RenderIntent
from tests.http.houses import NOW, OTHER_KEY, ROOT_KEY, Kit, catalogue, make_kit, offer
from tests.trying import tries

HEAD = "version: 1\ndefault: allow\n"
EVERYTHING = """
rules:
- {id: fast, effect: warn, when: {prompt: '(?i)fast', purposes: [draft]}}
- {id: styled, effect: deny, when: {fields: {negative_prompt: [blur]}}}
- {id: dear, effect: deny, when: {cost_micro_min: 1000000, tags: [cheap]}}
- {id: long, effect: require_approval, when: {seconds_min: 12}}
- {id: cel, effect: warn, when: {cel: 'remix_depth > 0 && changes == 1'}}
guardrails:
  characters: {enabled: true, detector: {kind: words, words: [Batman]}}
  music: {enabled: true, detector: {kind: attestation, name: cleared}}
purposes: {draft: {renders_per_hour_max: 2}}
remixes: {depth_max: 1}
advice: true
"""

OFFERS = catalogue(*(offer(each, fields=frozenset({"negative_prompt"})) for each in ("sora-2", "sora-2-pro")))


def publish(kit: Kit, text: str) -> None:
    answer = kit.request("POST", "/v1/policy", key=ROOT_KEY, content=(HEAD + text).encode())
    assert answer.status_code == 200, answer.text


def governed(text: str, **how: Any) -> Kit:
    kit = make_kit(**how)
    publish(kit, text)
    return kit


def past(kit: Kit) -> PastDecisions:
    return PastDecisions(kit.ledger, kit.keys)


def recorded(kit: Kit, **question: Any) -> list[Recorded]:
    return [*past(kit).recorded(Question("main", **question), lambda _done, _total: None)]


def policy(text: str) -> CompiledPolicy:
    return read_policy((HEAD + text).encode())


def finished(kit: Kit, path: str = "/v1/videos", **body: Any) -> str:
    answer = kit.request("POST", path, json={"prompt": "A cat", "attestations": ["cleared"], **body})
    assert answer.status_code == 200, answer.text
    video_id = str(answer.json()["id"])
    kit.submit(video_id, job_id=f"job_{video_id}")
    kit.complete(video_id)
    kit.store(video_id)
    return video_id


BODIES = st.fixed_dictionaries(
    {"prompt": st.sampled_from(["A fast cat", "A slow cat with Batman", "Wide shot of a dog"])},
    optional={
        "seconds": st.sampled_from(["4", "12"]),
        "model": st.sampled_from(["sora-2", "sora-2-pro"]),
        "purpose": st.sampled_from(["draft", "final"]),
        "tags": st.just(["cheap"]),
        "attestations": st.just(["cleared"]),
        "negative_prompt": st.sampled_from(["blur", "noise"]),
    },
)


@settings(max_examples=tries(10), deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=6))
def test_the_policy_that_decided_decides_the_same_again(bodies: list[dict[str, Any]]) -> None:
    kit = governed(EVERYTHING, offers=OFFERS)
    source = finished(kit, purpose="draft")
    for number, body in enumerate(bodies):
        remixes = number % 2 and not body.keys() & {"model", "seconds"}
        kit.request("POST", "/v1/videos", json={**body, **({"remix_video_id": source} if remixes else {})})
    intents = [event.fact for event in kit.ledger.read(0) if isinstance(event.fact, RenderIntent)]
    assert len(intents) == len(bodies) + 1
    for intent in intents:
        found = past(kit).find("main", intent.video_id)
        assert found is not None
        compiled = find_compiled(kit.ledger, "main", found.verdict.policy_hash, kit.house.policies.built_in.compiled)
        assert compiled is not None
        outcome = evaluate(compiled, past(kit).seen(found))
        assert (outcome.rules, outcome.decided_by) == (found.verdict.rules, found.verdict.decided_by)
        assert tuple(each.rule for each in outcome.warnings) == tuple(each.rule for each in found.verdict.warnings)
    assert compare(policy(EVERYTHING), recorded(kit)).flips == {}


def test_denied_and_held_intents_are_asked_again_too() -> None:
    kit = governed(
        "rules:\n- {id: a, effect: deny, when: {seconds_min: 12}}\n"
        "- {id: b, effect: require_approval, when: {seconds_min: 8}}"
    )
    for seconds in ("4", "8", "12"):
        kit.request("POST", "/v1/videos", json={"prompt": "A cat", "seconds": seconds})
    assert [each.was for each in recorded(kit)] == ["allowed", "held", "denied"]
    assert compare(policy(""), recorded(kit)).flips == {("held", "allowed"): 1, ("denied", "allowed"): 1}


def test_cadence_is_counted_from_the_record_also_where_nobody_counted_then() -> None:
    kit = make_kit()
    first = finished(kit, purpose="draft")
    for _ in range(3):
        finished(kit, f"/v1/videos/{first}/remix", purpose="draft")
    kit.clock.now += timedelta(hours=2)
    finished(kit, f"/v1/videos/{first}/remix", purpose="draft")
    finished(kit, purpose="draft")
    report = compare(policy("purposes: {draft: {renders_per_hour_max: 2}}"), recorded(kit))
    assert report.flips == {("allowed", "denied"): 2}
    assert [each.seen.remix_depth for each in recorded(kit)] == [0, 1, 1, 1, 1, 0]


def test_a_question_is_narrowed_by_project_and_time() -> None:
    kit = make_kit()
    first = kit.create()
    kit.clock.now = NOW + timedelta(days=1)
    kit.create(key=OTHER_KEY)
    assert [each.video_id for each in recorded(kit, project="alpha")] == [first]
    assert [each.video_id for each in recorded(kit, until=NOW + timedelta(hours=1))] == [first]
    assert first not in [each.video_id for each in recorded(kit, since=NOW + timedelta(hours=1))]
    assert [*past(kit).recorded(Question("other"), lambda _done, _total: None)] == []


def test_other_prices_make_other_costs() -> None:
    kit = make_kit()
    kit.create(seconds="8")
    dearer = offer(prices=(replace(offer().prices[0], micro_per_unit={"*": 1_000_000}, currency="EUR"),))
    (was,) = recorded(kit)
    (would,) = recorded(kit, prices=catalogue(dearer))
    assert (was.seen.cost_micro, was.currency) == (800_000, "USD")
    assert (would.seen.cost_micro, would.currency) == (8_000_000, "EUR")
    assert (would.was_cost_micro, would.was_currency) == (800_000, "USD")
    (unpriced,) = recorded(kit, prices=Catalogue())
    assert unpriced.seen.cost_micro is None


def test_texts_are_opened_only_when_asked_for_and_erased_ones_are_empty() -> None:
    kit = make_kit()
    video_id = kit.create("A secret")
    assert [each.seen.prompt for each in recorded(kit)] == ["A secret"]
    assert [each.seen.prompt for each in recorded(kit, with_texts=False)] == [""]
    kit.keys.destroy(requester=kit.render(video_id).intent.requester)
    assert [each.seen.prompt for each in recorded(kit)] == [""]


def test_what_a_budget_refused_is_known() -> None:
    kit = make_kit()
    cap = BudgetSet(budget_id="all", scope="tenant", window="total", cap=Money(amount_micro=1, currency="USD"))
    kit.append(streams.spend("main"), cap)
    assert kit.request("POST", "/v1/videos", json={"prompt": "A cat"}).status_code == 429
    (each,) = recorded(kit)
    assert (each.was, each.by_budget) == ("denied", True)


def test_progress_reaches_the_end() -> None:
    kit = make_kit()
    for _ in range(3):
        kit.create()
    told: list[tuple[int, int]] = []
    assert len([*past(kit).recorded(Question("main"), lambda done, total: told.append((done, total)))]) == 3
    assert told[-1] == (kit.ledger.head(), kit.ledger.head())


def test_an_approved_draft_is_known_from_the_record_also_where_nobody_asked_then() -> None:
    kit = make_kit()
    draft = finished(kit, purpose="draft")
    said = {"verdict": "approved", "clarity": 1, "continuity": 1, "brand_fit": 1, "review_time_minutes": 1}
    finished(kit, f"/v1/videos/{draft}/remix", purpose="final")
    assert kit.request("POST", f"/v1/videos/{draft}/reviews", json=said).status_code == 200
    finished(kit, f"/v1/videos/{draft}/remix", purpose="final")
    assert [each.seen.lineage_has_approved_draft for each in recorded(kit)] == [False, False, True]

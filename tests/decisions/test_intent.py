from dataclasses import replace

import pytest
from pydantic import JsonValue

from bickford_sora.decisions import deletion, intent
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Price
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.intent import Asked, Binding, Kept
from bickford_sora.decisions.policy import Policy, Refusal, built_in
from bickford_sora.decisions.request import VideoRequest
from bickford_sora.decisions.routing import Destination
from bickford_sora.errors import Conflicting, Gone, NotReady
from ledger import events as e
from ledger import streams
from ledger.envelope import Fact, Sealed
from ledger.holds import Holds
from ledger.render import Phase
from ledger.spend import Periods, Spend
from tests.decisions.given import (
    ALLOWED,
    COMPLETED,
    HASH,
    INTENT,
    NOON,
    QUEUED,
    STARTED,
    STORED,
    STREAM,
    VIDEO_ID,
    applied,
    facts,
    given,
    types,
)
from tests.decisions.offered import PRICES_HASH, offer

CALLER = Caller("main", "default", "req-1", "key_1")
REQUEST = VideoRequest("a cat", "sora-2", "8", "1280x720")
FAILED = e.RenderFailed(code="moderation_blocked", failed_by="renderer")
NEW_ID = "video_" + "2" * 32
POLICY = built_in()
PERIODS = Periods("2026-11-20", "2026-11-20T12:00")


def asked(**change: object) -> Asked:
    fields = {
        "video_id": NEW_ID,
        "caller": CALLER,
        "request": REQUEST,
        "kept": Kept(Sealed("sealed")),
        "destination": Destination(offer(), prices_hash=PRICES_HASH),
    }
    return Asked(**{**fields, **change})  # type: ignore[arg-type]


def decide(asked: Asked, policy: Policy = POLICY, spend: Spend | None = None) -> tuple[Draft, Refusal | None]:
    judged = intent.judge(asked, policy, NOON, approval_s=3600)
    wanted = intent.reservation(asked, judged.price, PERIODS)
    return intent.decide(asked, judged, spend or Spend(streams.spend("main")), wanted)


def test_an_intent_its_verdict_and_what_is_set_aside_are_one_decision() -> None:
    draft, refusal = decide(asked())
    assert refusal is None
    assert types(draft) == ["render.intent", "render.allowed", "spend.reserved"]
    allowed = draft.facts[1][1]
    assert isinstance(allowed, e.RenderAllowed)
    assert allowed.quote is not None
    assert allowed.quote.cost == e.Money(amount_micro=800_000, currency="USD")
    assert allowed.verdict.saw["cost_micro"] == 800_000


def test_a_key_is_bound_in_the_same_decision_and_only_when_accepted() -> None:
    binding = Binding("key", HASH)
    draft, _ = decide(asked(binding=binding))
    stream = streams.idempotency("main", "default", "key")
    assert types(draft) == ["render.intent", "render.allowed", "idempotency.bound", "spend.reserved"]
    assert draft.heads[stream] == 0
    denied, refusal = decide(asked(binding=binding), built_in(1))
    assert types(denied) == ["render.intent", "render.denied"]
    assert refusal is not None
    assert refusal.code == "render_cost_exceeded"


def test_a_model_without_a_price_is_refused_where_renders_have_a_cost_limit() -> None:
    unpriced = Destination(offer(prices=()))
    _, refusal = decide(asked(destination=unpriced), built_in(10**9))
    assert refusal is not None
    assert refusal.code == "price_unknown"
    draft, refusal = decide(asked(destination=unpriced))
    assert (types(draft)[1], refusal) == ("render.allowed", None)


def test_policy_sees_fields_beyond_the_protocol_and_no_free_text() -> None:
    request = replace(REQUEST, fields={"n": 2, "negative_prompt": "blur"})
    draft, _ = decide(asked(request=request, kept=Kept(Sealed("sealed"), {"negative_prompt": Sealed("sealed")})))
    new, allowed, _ = (fact for _, fact in draft.facts)
    assert isinstance(new, e.RenderIntent)
    assert isinstance(allowed, e.RenderAllowed)
    assert (new.fields, new.text_fields) == ({"n": 2}, {"negative_prompt": "sealed"})
    assert (allowed.verdict.saw["fields"], allowed.verdict.saw["text_fields"]) == ({"n": 2}, ["negative_prompt"])
    assert allowed.verdict.saw["cost_micro"] == 1_600_000


def test_where_it_goes_is_recorded_with_the_renderers_own_name_of_the_model() -> None:
    destination = Destination(offer("vllm", served_model="Wan-AI/Wan2.2"), "http://gpu-1:8000", PRICES_HASH)
    draft, _ = decide(asked(destination=destination))
    allowed = draft.facts[1][1]
    assert isinstance(allowed, e.RenderAllowed)
    assert (allowed.renderer, allowed.served_model, allowed.replica) == ("vllm", "Wan-AI/Wan2.2", "http://gpu-1:8000")


def test_what_is_made_from_another_is_recorded_on_both() -> None:
    source = given(INTENT, ALLOWED, STARTED, QUEUED, COMPLETED, STORED)
    request = replace(REQUEST, operation="extend", source_seconds="4")
    draft, _ = decide(asked(source=source, request=request))
    assert types(draft) == ["render.intent", "render.allowed", "render.remixed", "spend.reserved"]
    assert draft.heads[STREAM] == source.version
    new = draft.facts[0][1]
    assert isinstance(new, e.RenderIntent)
    assert (new.operation, new.remix_video_id) == ("extend", VIDEO_ID)
    assert (new.seconds, new.source_seconds, new.video_seconds) == ("8", "4", "12")
    assert draft.facts[2][1] == e.RenderRemixed(remix_video_id=NEW_ID, operation="extend")
    assert applied(source, [fact for stream, fact in draft.facts if stream == STREAM]).remixes == (NEW_ID,)


def test_only_a_stored_video_can_be_started_from() -> None:
    stored = (INTENT, ALLOWED, STARTED, QUEUED, COMPLETED, STORED)
    intent.check_source(given(*stored), param="video")
    for history, refused in (
        ((INTENT, ALLOWED, STARTED, QUEUED, COMPLETED), NotReady),
        ((INTENT, ALLOWED, FAILED), Conflicting),
        ((*stored, e.RenderExpired(assets_deleted=1)), Gone),
    ):
        with pytest.raises(refused) as caught:
            intent.check_source(given(*history), param="video")
        assert caught.value.param == "video"


def test_only_a_failed_render_can_be_retried() -> None:
    intent.check_retryable(given(INTENT, ALLOWED, FAILED))
    with pytest.raises(Conflicting):
        intent.check_retryable(given(INTENT, ALLOWED))


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((INTENT, ALLOWED), ["render.cancelled", "render.deleted"]),
        ((INTENT, ALLOWED, STARTED), ["render.cancelled", "render.deleted"]),
        ((INTENT, ALLOWED, FAILED), ["render.deleted"]),
        ((INTENT, ALLOWED, FAILED, e.RenderDeleted()), []),
    ],
)
def test_deleting_cancels_what_is_unfinished_and_happens_once(history: tuple[Fact, ...], expected: list[str]) -> None:
    render = given(*history)
    draft = deletion.delete(render, Holds.none("main"))
    assert types(draft) == expected
    assert applied(render, facts(draft)).deleted


def test_purging_is_recorded_once() -> None:
    render = given(INTENT, ALLOWED, FAILED, e.RenderDeleted())
    gone = e.RenderPurged(renderer_copy="none", assets_deleted=0)
    after = applied(render, facts(deletion.purged(render, gone)))
    assert (after.purged, after.phase) == (True, Phase.FAILED)
    assert not deletion.purged(after, gone)


@pytest.mark.parametrize(
    ("fields", "frames_per_second", "seconds"),
    [
        ({}, None, 4),
        ({"n": 3}, None, 12),
        ({"num_frames": 480}, 24, 20),
        ({"num_frames": 481}, 24, 21),
        ({"num_frames": 480, "fps": 1, "n": 2}, 24, 960),
        ({"num_frames": 480}, None, 30),
        ({"num_frames": 8}, 24, 4),
        ({"fps": 240}, 24, 4),
    ],
)
def test_frames_that_take_longer_than_the_seconds_asked_for_count_for_as_long_as_they_take(
    fields: dict[str, JsonValue], frames_per_second: int | None, seconds: int
) -> None:
    price = Price("second", {"*": 1}, frames_per_second=frames_per_second)
    wanted = asked(
        request=replace(REQUEST, seconds="4", fields=fields),
        destination=Destination(offer(prices=(price,)), prices_hash=PRICES_HASH),
    )
    judged = intent.judge(wanted, POLICY, NOON, approval_s=3600)
    assert intent.reservation(wanted, judged.price, PERIODS).seconds == seconds
    assert judged.verdict.saw["seconds"] == seconds // (wanted.request.fields.get("n") or 1)  # type: ignore[operator]

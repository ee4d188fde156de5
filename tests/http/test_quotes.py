"""Quotes: what a create would be answered with, without asking for it; and nothing is written."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.events import RenderAllowed, RenderApprovalRequested, RenderDenied
from tests.http.houses import KEY, ROOT_KEY, Kit, error_of, make_kit, png
from tests.http.ways import multipart, ways
from tests.trying import tries

POLICY = """\
version: 1
default: allow
purposes:
  draft: {model: sora-2, size: 720x1280, seconds: 4}
  final: {model: sora-2-pro}
rules:
- {id: no-twelve, effect: deny, when: {seconds_min: 12}, message: Ask for less.}
- {id: look-at-pro, effect: require_approval, when: {models: [sora-2-pro], seconds_min: 8}, on_hold: %s}
- {id: long, effect: warn, when: {seconds_min: 8}, message: That is long.}
"""
PATH = "/v1/videos/quote"


def quote(kit: Kit, *, key: str = KEY, **fields: Any) -> dict[str, Any]:
    answer = kit.request("POST", PATH, key=key, json={"prompt": "A calm sea", **fields})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def put(kit: Kit, budget_id: str, **fields: Any) -> None:
    asked = {"window": "month", **fields}
    assert kit.request("PUT", f"/v1/budgets/{budget_id}", key=ROOT_KEY, json=asked).status_code == 200


def dollars(amount: float) -> dict[str, Any]:
    return {"amount_micro": round(amount * 1_000_000), "currency": "USD"}


def govern(kit: Kit, on_hold: str = "wait") -> None:
    content = (POLICY % on_hold).encode()
    answer = kit.request(
        "POST", "/v1/policy", key=ROOT_KEY, content=content, headers={"content-type": "application/yaml"}
    )
    assert answer.status_code == 200, answer.text


def everything_kept(kit: Kit) -> tuple[set[Any], set[Any]]:
    """The files, and the names of the keys that texts are sealed with."""
    return set(kit.assets._contents), set(kit.keys._store._keys)  # type: ignore[attr-defined]


def test_a_quote_tells_price_decision_and_headroom(kit: Kit) -> None:
    put(kit, "company", cap=dollars(1))
    put(kit, "films", scope="project:alpha", unit="renders", cap_count=9, hard=False)
    put(kit, "others", scope="project:beta", cap=dollars(0))
    told = quote(kit)
    assert (told["accepted"], told["error"], told["binding_budget"]) == (True, None, "company")
    assert (told["model"], told["seconds"], told["size"], told["renderer"]) == ("sora-2", "4", "720x1280", "openai")
    assert told["price"]["cost"] == dollars(0.4)
    assert (told["price"]["unit"], told["price"]["quantity_milli"]) == ("second", 4000)
    assert (told["decision"]["effect"], told["decision"]["decided_by"]) == ("allow", "allow-offered")
    rooms = [(each["id"], each["unit"], each["headroom"], each["headroom_after"]) for each in told["budgets"]]
    assert rooms == [("company", "USD", 1_000_000, 600_000), ("films", "renders", 9, 8)]


def test_a_quote_names_the_budget_that_stands_in_the_way(kit: Kit) -> None:
    put(kit, "company", cap=dollars(0.3))
    told = quote(kit)
    assert (told["accepted"], told["error"]["code"], told["binding_budget"]) == (False, "insufficient_quota", "company")
    assert told["budgets"][0]["headroom_after"] is None
    assert told["decision"]["rules"] == ["allow-offered", "budget:company"]


def test_a_quote_is_of_what_the_policy_chooses(kit: Kit) -> None:
    govern(kit)
    told = quote(kit, purpose="final", seconds="8")
    assert (told["model"], told["chosen_by_policy"]) == ("sora-2-pro", ["model"])
    assert (told["accepted"], told["error"]["code"]) == (True, "approval_required"), "it would wait for an approver"
    assert told["decision"]["effect"] == "require_approval"
    assert told["decision"]["rules"] == ["look-at-pro", "long"]
    assert told["decision"]["warnings"] == [
        {"rule": "long", "message": "Rule long of the policy warns about this render. That is long."}
    ]


def test_a_quote_writes_nothing(kit: Kit) -> None:
    put(kit, "company", cap=dollars(1))
    source = kit.finished()
    head, kept = kit.ledger.head(), everything_kept(kit)
    content_type, body = multipart({"prompt": "A sea"}, {"input_reference": ("a.png", png(), "image/png")})
    headers = {"content-type": content_type, "Idempotency-Key": "k"}
    for _ in range(2):
        assert kit.request("POST", PATH, content=body, headers=headers).status_code == 200
    assert kit.request("POST", PATH, json={"prompt": "a", "remix_video_id": source}).status_code == 200
    assert kit.ledger.head() == head
    assert everything_kept(kit) == kept
    other = kit.request("POST", "/v1/videos", json={"prompt": "Another"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 200, "the key is free"


def test_every_way_to_send_a_create_can_be_quoted(kit: Kit) -> None:
    for name, (content_type, body) in ways({"prompt": "A sea", "seconds": "8"}):
        answer = kit.request("POST", PATH, content=body, headers={"content-type": content_type})
        assert answer.json()["price"]["cost"] == dollars(0.8), name


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": "a", "seconds": "5"},
        {"prompt": "a", "model": "sora-9"},
        {"prompt": "a", "colour": "red"},
        {"prompt": "a", "remix_video_id": "video_" + "0" * 32},
        {"prompt": "a", "input_reference": {"image_url": "data:image/png;base64,AAAA"}},
        {"prompt": "a", "purpose": "fun"},
    ],
)
def test_what_a_create_refuses_a_quote_refuses_alike(kit: Kit, fields: dict[str, Any]) -> None:
    quoted, created = (kit.request("POST", path, json=fields) for path in (PATH, "/v1/videos"))
    assert error_of(quoted) == error_of(created)
    assert quoted.json() == created.json()


REQUESTS = st.fixed_dictionaries(
    {"prompt": st.just("A calm sea")},
    optional={
        "seconds": st.sampled_from(["4", "8", "12"]),
        "model": st.sampled_from(["sora-2", "sora-2-pro"]),
        "size": st.sampled_from(["720x1280", "1280x720"]),
        "purpose": st.sampled_from(["draft", "final"]),
    },
)
CAPS = st.sampled_from([0, 0.4, 0.8, 1.2, 3])


@settings(max_examples=tries(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests=st.lists(REQUESTS, min_size=1, max_size=4), cap=CAPS, renders=st.integers(0, 4), on_hold=st.booleans())
def test_a_quote_is_what_the_create_that_follows_is_answered_with(
    requests: list[dict[str, str]], cap: float, renders: int, *, on_hold: bool
) -> None:
    kit = make_kit()
    govern(kit, "wait" if on_hold else "refuse")
    put(kit, "company", cap=dollars(cap))
    put(kit, "flight", window="in_flight", unit="renders", cap_count=renders)
    for fields in requests:
        told = quote(kit, **fields)
        answer = kit.request("POST", "/v1/videos", json=fields)
        assert told["accepted"] == (answer.status_code == 200)
        if not told["accepted"]:
            assert told["error"]["code"] == answer.json()["error"]["code"]
        fact = next(
            event.fact
            for event in reversed(kit.ledger.read(0, limit=1000))
            if isinstance(event.fact, RenderAllowed | RenderDenied | RenderApprovalRequested)
        )
        assert isinstance(fact, RenderAllowed | RenderDenied | RenderApprovalRequested)
        assert told["decision"]["rules"] == [*fact.verdict.rules]
        assert told["decision"]["decided_by"] == fact.verdict.decided_by
        if not isinstance(fact, RenderDenied):
            assert fact.quote is not None
            assert told["price"] == fact.quote.model_dump(mode="json")
        left = {each["id"]: each["headroom_after"] for each in told["budgets"]}
        now = kit.request("GET", "/v1/budgets", key=ROOT_KEY).json()["data"]
        if not isinstance(fact, RenderDenied):
            assert left == {each["id"]: each["headroom"] for each in now}, "headroom after is what is then left"

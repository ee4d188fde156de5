"""Who is asked: what nobody offers is refused by name, what somebody offers goes to the first that takes all of it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions import offers
from bickford_sora.decisions.catalogue import Catalogue, ModelOffer
from bickford_sora.decisions.media import Source
from bickford_sora.decisions.offers import Shape
from bickford_sora.decisions.request import ParsedRequest, VideoRequest
from bickford_sora.decisions.routing import Destination, choose
from bickford_sora.errors import InvalidRequest, RouteStopped, TryLater, Unsupported
from bickford_sora.renderers.port import Operation
from ledger.render import Render
from tests.decisions import given as g
from tests.decisions.offered import BY_VIDEO, NOTHING_BUT_CREATE, catalogue, offer

STORED: Render = g.given(g.INTENT, g.ALLOWED, g.STARTED, g.QUEUED, g.COMPLETED, g.STORED)
SHAPE = Shape("720x1280", "4")


def nobody(_renderer: str, _credential: str, _model: str) -> bool:
    return False


def create(**said: Any) -> ParsedRequest:
    return ParsedRequest("create", said.pop("prompt", "a cat"), **said)


def made_from_ours(operation: Operation, **said: Any) -> ParsedRequest:
    return ParsedRequest(operation, "at night", source=Source(g.VIDEO_ID), **said)


def placed(
    asked: ParsedRequest,
    offered: Catalogue,
    *,
    source: Render | None = None,
    shape: Shape | None = None,
    is_stopped: Callable[[str, str, str], bool] = nobody,
    draw: int = 0,
) -> tuple[VideoRequest, Destination]:
    found = offers.candidates(asked, offered, source)
    request, found = offers.completed(found, shape or (SHAPE if source else None))
    return request, choose(found, is_stopped, draw)


def refusal(asked: ParsedRequest, *offered: ModelOffer, **more: Any) -> tuple[str | None, str, str]:
    with pytest.raises(InvalidRequest) as caught:
        placed(asked, catalogue(*offered), **more)
    return caught.value.param, caught.value.code, caught.value.message


def test_defaults_are_the_protocols_where_they_are_offered() -> None:
    protocol = offer(seconds=("8", "4"), sizes=("1280x720", "720x1280"))
    request, _ = placed(create(), catalogue(offer(model="wan"), protocol))
    assert (request.model, request.seconds, request.size) == ("sora-2", "4", "720x1280")
    other = offer(model="wan", seconds=("5", "10"), sizes=("832x480",))
    request, _ = placed(create(), catalogue(other))
    assert (request.model, request.seconds, request.size) == ("wan", "5", "832x480")


def test_a_default_never_stands_against_what_was_named() -> None:
    short, long = offer("short", seconds=("4",), sizes=("720x1280",)), offer("long", seconds=("60",), sizes=("10x10",))
    request, destination = placed(create(seconds="60"), catalogue(short, long))
    assert (request.size, destination.offer.renderer) == ("10x10", "long")


@pytest.mark.parametrize(
    ("asked", "param", "code", "named"),
    [
        (create(model="veo"), "model", "model_not_found", "'sora-2'"),
        (create(seconds="5"), "seconds", "invalid_value", "'4', '8', '12'"),
        (create(size="1x1"), "size", "invalid_value", "'720x1280', '1280x720', '1024x1792'"),
        (create(prompt="x" * 101), "prompt", "prompt_too_long", "101 characters; the limit is 100"),
        (create(fields={"seed": 7}), "seed", "unknown_parameter", "'seed'"),
        (create(size="1024x1792", seconds="4"), "seconds", "invalid_value", "'12'"),
    ],
)
def test_what_nobody_offers_is_refused_with_what_may_be_asked_for(
    asked: ParsedRequest, param: str, code: str, named: str
) -> None:
    small = offer("small", prompt_chars_max=20)
    large = offer("large", seconds=("12",), sizes=("1024x1792",), prompt_chars_max=100)
    found = refusal(asked, small, large)
    assert found[:2] == (param, code)
    assert named in found[2]


def test_a_dialects_own_limit_of_prompts_counts() -> None:
    tight = offer(can=replace(NOTHING_BUT_CREATE, prompt_chars_max=10))
    assert "the limit is 10" in refusal(create(prompt="x" * 11), tight)[2]


def test_the_first_offer_that_takes_all_of_it_is_asked() -> None:
    plain, able = offer("plain"), offer("able", fields=frozenset({"seed"}))
    assert placed(create(), catalogue(plain, able))[1].offer is plain
    assert placed(create(fields={"seed": 7}), catalogue(plain, able))[1].offer is able


def test_a_stopped_offer_is_passed_over_and_when_none_is_left_it_is_said() -> None:
    offered = catalogue(offer("one"), offer("two"))
    _, destination = placed(create(), offered, is_stopped=lambda renderer, *_: renderer == "one")
    assert destination.offer.renderer == "two"
    with pytest.raises(RouteStopped) as caught:
        placed(create(), offered, is_stopped=lambda *_: True)
    assert (caught.value.status, caught.value.code) == (503, "route_stopped")
    assert caught.value.headers["x-should-retry"] == "false"


def test_without_any_renderer_it_is_said() -> None:
    with pytest.raises(TryLater) as caught:
        placed(create(), Catalogue())
    assert caught.value.code == "no_renderer"


@given(st.integers(0, 2**60))
def test_a_draw_by_weight_is_the_same_whenever_it_is_looked_at(draw: int) -> None:
    offered = catalogue(offer("rare"), offer("often", weight=3), choice="weight")
    assert placed(create(), offered, draw=draw) == placed(create(), offered, draw=draw)


def test_a_draw_by_weight_keeps_the_shares() -> None:
    offered = catalogue(offer("rare"), offer("often", weight=3), choice="weight")
    drawn = Counter(placed(create(), offered, draw=draw)[1].offer.renderer for draw in range(400))
    assert drawn == {"rare": 100, "often": 300}


def test_a_remix_by_route_goes_to_the_replica_that_holds_its_source() -> None:
    offered = catalogue(offer("elsewhere"), offer("simulator"))
    request, destination = placed(made_from_ours("remix"), offered, source=STORED)
    assert (destination.offer.renderer, destination.replica) == ("simulator", g.QUEUED.replica)
    assert (request.seconds, request.size) == ("4", "720x1280")


def test_a_remix_from_the_stored_file_may_go_anywhere_that_makes_its_shape() -> None:
    offered = catalogue(
        offer("small", BY_VIDEO, sizes=("10x10",)), offer("first", BY_VIDEO), offer("simulator", BY_VIDEO)
    )
    _, destination = placed(made_from_ours("remix"), offered, source=STORED)
    assert (destination.offer.renderer, destination.replica) == ("first", None)
    narrow = offer("small", BY_VIDEO, sizes=("10x10",))
    assert refusal(made_from_ours("remix"), narrow, source=STORED)[:2] == ("video", "source_shape_not_offered")


def test_a_remix_that_nobody_can_make_is_refused() -> None:
    for offered in (offer(can=NOTHING_BUT_CREATE), offer("elsewhere")):
        with pytest.raises(Unsupported) as caught:
            placed(made_from_ours("remix"), catalogue(offered), source=STORED)
        assert caught.value.code == "remix_unsupported"


@pytest.mark.parametrize("operation", ["edit", "extend"])
def test_edits_and_extensions_prefer_who_holds_the_source_and_else_take_the_file(operation: Operation) -> None:
    asked = made_from_ours(operation, seconds="8" if operation == "extend" else None)
    both = catalogue(offer("first"), offer("simulator"))
    _, destination = placed(asked, both, source=STORED)
    assert (destination.offer.renderer, destination.replica) == ("simulator", g.QUEUED.replica)
    _, destination = placed(asked, both, source=STORED, is_stopped=lambda renderer, *_: renderer == "simulator")
    assert (destination.offer.renderer, destination.replica) == ("first", None)
    with pytest.raises(Unsupported) as caught:
        placed(asked, catalogue(offer(can=NOTHING_BUT_CREATE)), source=STORED)
    assert caught.value.code == "unsupported_by_renderer"


def test_an_edit_keeps_its_sources_length_whatever_is_offered() -> None:
    request, _ = placed(made_from_ours("edit"), catalogue(offer()), source=STORED, shape=Shape("720x1280", "24"))
    assert (request.seconds, request.source_seconds) == ("24", None)


def test_an_extension_is_a_segment_that_is_offered() -> None:
    asked = made_from_ours("extend", seconds="16")
    request, _ = placed(asked, catalogue(offer()), source=STORED)
    assert (request.seconds, request.source_seconds) == ("16", "4")
    param, code, message = refusal(asked, offer(extension_seconds=("4", "8")), source=STORED)
    assert (param, code) == ("seconds", "invalid_value")
    assert "'4', '8'" in message


@pytest.mark.parametrize("kept", [{"size": "1280x720"}, {"seconds": "8"}, {"model": "sora-2-pro"}])
def test_a_remix_may_name_what_it_keeps_and_nothing_else(kept: dict[str, str]) -> None:
    asked = made_from_ours("remix", model="sora-2", size="720x1280", seconds="4")
    placed(asked, catalogue(offer()), source=STORED)
    (param,) = kept
    found = refusal(replace(asked, **kept), offer(), source=STORED)
    assert found[:2] == (param, "invalid_value")


def test_a_source_of_a_model_that_went_is_refused() -> None:
    asked = made_from_ours("remix")
    assert refusal(asked, offer(model="wan"), source=STORED)[:2] == ("video", "model_not_found")

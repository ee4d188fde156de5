"""What holds for the table of dialects, and for each of them."""

from dataclasses import replace

import pytest

from bickford_sora.renderers.dialects import DIALECTS, capabilities_of
from bickford_sora.renderers.errors import ReadFailed, Refused
from bickford_sora.renderers.port import JobNews, Source, Upload
from tests.renderers.conftest import NOW, ORDER, VIDEO, Scripted, read_content
from tests.renderers.fake_server import answering


def test_the_supported_dialects_are_these() -> None:
    assert [name for name, each in DIALECTS.items() if not each.experimental] == [
        "openai",
        "vllm_omni",
        "sglang",
        "litellm",
    ]


@pytest.mark.parametrize("name", DIALECTS)
def test_a_configuration_can_only_take_fields_away(name: str) -> None:
    assert capabilities_of(name, frozenset()).fields == frozenset()
    with pytest.raises(ValueError, match="has no field 'colour'"):
        capabilities_of(name, frozenset({"colour"}))


def test_fields_of_a_server_nobody_knows_are_those_that_are_configured() -> None:
    assert capabilities_of("openai").fields == frozenset()
    assert capabilities_of("openai", frozenset({"seed"})).fields == {"seed"}


@pytest.mark.parametrize("name", DIALECTS)
def test_an_error_that_says_nothing_is_never_news(scripted: Scripted, name: str) -> None:
    renderer, _ = scripted(answering(500, {"error": {"message": "no"}}), dialect=name)
    with pytest.raises(ReadFailed):
        renderer.status("video_1")


@pytest.mark.parametrize("name", DIALECTS)
def test_the_protocols_own_answer_is_read_by_all(scripted: Scripted, name: str) -> None:
    renderer, _ = scripted(answering(200, VIDEO | {"status": "in_progress", "progress": 40}), dialect=name)
    news = renderer.status("video_1")
    assert isinstance(news, JobNews)
    assert (news.status, news.progress, news.created_at is not None and news.created_at < NOW) == (
        "in_progress",
        40,
        True,
    )


@pytest.mark.parametrize("name", DIALECTS)
def test_what_a_dialect_denies_is_refused_before_anything_is_sent(scripted: Scripted, name: str) -> None:
    renderer, server = scripted(answering(200, VIDEO), dialect=name, fields=frozenset())
    can = renderer.capabilities
    video = Upload("source.mp4", "video/mp4", lambda: b"mp4")
    source = Source("video_0", video)
    denied = [replace(ORDER, fields={"seed": 7}), replace(ORDER, operation="remix", source=None)]
    denied += [replace(ORDER, operation="remix", source=source)] if can.remix == "none" else []
    denied += [replace(ORDER, operation="edit", source=source)] if not can.edits else []
    denied += [replace(ORDER, operation="extend", source=source)] if not can.extensions else []
    for order in denied:
        with pytest.raises(Refused, match="unsupported_by_renderer"):
            renderer.submit(order)
    if not can.characters:
        with pytest.raises(Refused, match="unsupported_by_renderer"):
            renderer.create_character("Ada", video, idempotency_key="key-1")
    if not can.lists:
        with pytest.raises(ReadFailed, match="renderer_list_unsupported"):
            list(renderer.jobs())
    if not can.deletes:
        assert renderer.delete("video_1") == "unsupported"
    with pytest.raises(ReadFailed, match="unsupported_by_renderer"):
        read_content(renderer, 1)
    assert server.requests == []


@pytest.mark.parametrize("name", DIALECTS)
def test_absence_is_never_proven_without_a_list(scripted: Scripted, name: str) -> None:
    renderer, _ = scripted(answering(200, VIDEO), dialect=name)
    assert renderer.capabilities.lists or not renderer.absence_proves
    configured, _ = scripted(answering(200, VIDEO), dialect=name, absence_proves=False)
    assert not configured.absence_proves

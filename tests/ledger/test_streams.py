"""Stream ids: bounded, and never shared by two different things."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import streams
from ledger.errors import InvalidStream

from .ledger_facts import new_id

TENANTS = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,62}", fullmatch=True)
VIDEOS = st.uuids().map(streams.video_id)
ENDPOINTS = st.uuids().map(streams.endpoint_id)
CHARACTERS = st.uuids().map(streams.character_id)
OUTSIDE = st.text(st.characters(), max_size=300) | st.sampled_from(["", ":", "a:b", "\0", "\ud800", "a" * 5_000])

MAKERS: dict[Callable[..., str], tuple[st.SearchStrategy[str], ...]] = {
    streams.render: (TENANTS, VIDEOS),
    streams.webhook: (NAMES, NAMES, OUTSIDE),
    streams.idempotency: (TENANTS, NAMES, OUTSIDE),
    streams.job: (NAMES, NAMES, OUTSIDE),
    streams.submission: (NAMES, NAMES, OUTSIDE),
    streams.renderer: (NAMES,),
    streams.key: (TENANTS, OUTSIDE),
    streams.thread: (TENANTS, OUTSIDE),
    streams.answer: (TENANTS, OUTSIDE, OUTSIDE, OUTSIDE),
    streams.endpoint: (TENANTS, ENDPOINTS),
    streams.character: (TENANTS, CHARACTERS),
    streams.delivery: (TENANTS, ENDPOINTS, OUTSIDE),
    streams.log_key: (),
}


@st.composite
def made(draw: st.DrawFn) -> tuple[Callable[..., str], tuple[str, ...]]:
    maker = draw(st.sampled_from(list(MAKERS)))
    return maker, tuple(draw(part) for part in MAKERS[maker])


@given(made())
def test_an_id_is_bounded_plain_and_names_its_category(one: tuple[Callable[..., str], tuple[str, ...]]) -> None:
    maker, parts = one
    stream = maker(*parts)
    assert len(stream) <= streams.STREAM_CHARS_MAX
    assert stream.isascii()
    assert stream.isprintable()
    assert streams.category(stream) == maker.__name__
    assert maker(*parts) == stream


@given(made(), made())
def test_two_different_inputs_never_share_an_id(
    one: tuple[Callable[..., str], tuple[str, ...]], two: tuple[Callable[..., str], tuple[str, ...]]
) -> None:
    assert (one[0](*one[1]) == two[0](*two[1])) == (one == two)


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6), st.integers(0, 12), st.integers(0, 12))
def test_moving_the_border_between_parts_makes_another_id(one: str, two: str, three: str, cut: int, other: int) -> None:
    joined = one + two

    def split(at: int) -> tuple[str, str, str]:
        return joined[:at], joined[at:], three

    assert (streams.job(*split(cut)) == streams.job(*split(other))) == (split(cut) == split(other))


@pytest.mark.parametrize("tenant", ["", "A", "1a", "a_b", "a:b", "a" * 32, "a\n", "é", "a b"])
def test_a_tenant_has_a_fixed_format(tenant: str) -> None:
    for make in (lambda: streams.key(tenant, "k"), lambda: streams.render(tenant, streams.video_id(new_id()))):
        with pytest.raises(InvalidStream, match="a tenant is"):
            make()


@pytest.mark.parametrize("name", ["", "A", "-a", "a.b", "a" * 64, "a\n"])
def test_a_renderers_name_has_a_fixed_format(name: str) -> None:
    with pytest.raises(InvalidStream, match="a name is"):
        streams.renderer(name)


@pytest.mark.parametrize("video", ["", "video_", "video_xyz", "video_" + "0" * 33, "video_" + "A" * 32, "x" * 200])
def test_what_is_not_our_video_id_has_no_stream(video: str) -> None:
    assert not streams.is_video_id(video)
    with pytest.raises(InvalidStream, match="not a video id"):
        streams.render("acme", video)


def test_a_video_id_is_recognised() -> None:
    assert streams.is_video_id(streams.video_id(new_id()))


def test_a_stream_says_whose_it_is() -> None:
    assert streams.tenant_of(streams.requester("acme", "req-1")) == "acme"
    assert streams.tenant_of(streams.render("other", "video_" + "0" * 32)) == "other"

"""Files that claim to be media: the walk through their structure, and the whole check in its child process."""

import functools
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.assets.errors import MediaError, MediaInvalid
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.sniff import sniff
from bickford_sora.assets.structure import has_c2pa
from tests.assets.conftest import make_video
from tests.fuzz.bytes import damaged, refusal, tried
from tests.http.houses import png

PICTURE = png()
PARTS_MAX = 1_000


@functools.cache
def video() -> bytes:
    """Made by the process that tries it, not by all that collect tests."""
    return make_video(audio=False)


@pytest.fixture(scope="module")
def inspector() -> Iterator[MediaInspector]:
    with MediaInspector(limits=MediaLimits()) as opened:
        yield opened


@tried(200)
@given(content=st.deferred(lambda: damaged(video()[:2_000] + video()[-2_000:], PICTURE)))
def test_no_structure_breaks_the_walk(content: bytes) -> None:
    kind = sniff(content[:64])
    if kind is not None:
        refusal(MediaInvalid, lambda: has_c2pa(io.BytesIO(content), kind, parts_max=PARTS_MAX))


@tried(6)
@given(data=st.data())
def test_no_changed_video_breaks_the_check(inspector: MediaInspector, data: st.DataObject) -> None:
    refusal(MediaError, inspector.inspect_video, data.draw(damaged(video())))


@tried(6)
@given(content=damaged(PICTURE))
def test_no_changed_picture_breaks_the_check(inspector: MediaInspector, content: bytes) -> None:
    refusal(MediaError, inspector.inspect_image, content)

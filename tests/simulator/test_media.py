from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image

from bickford_sora.simulator.media import make_media
from bickford_sora.simulator.scene import Scene

from .decoding import decode, photograph, psnr_db

SCENE = Scene(prompt="A red kite", origin_prompt="A red kite", width=320, height=180, seconds=1, frame_rate=12)


def test_a_video_is_h264_with_aac_of_the_asked_size_and_duration() -> None:
    clip = decode(make_media(SCENE).video)
    assert (clip.video_codec, clip.audio_codec, clip.pixel_format) == ("h264", "aac", "yuv420p")
    assert clip.size == (320, 180)
    assert clip.duration_s == pytest.approx(1, abs=0.05)
    assert clip.audio_s == pytest.approx(1, abs=0.05)
    assert len(clip.frames) == 12


def test_the_tone_can_be_heard_and_does_not_clip() -> None:
    assert 0.03 < decode(make_media(SCENE).video).audio_peak < 0.9


@pytest.mark.parametrize(
    ("width", "height", "seconds", "frame_rate"),
    [(64, 64, 1, 24), (2048, 64, 1, 2), (66, 2048, 2, 3), (2048, 2048, 1, 1), (64, 64, 20, 1)],
)
def test_every_allowed_shape_is_made(width: int, height: int, seconds: int, frame_rate: int) -> None:
    media = make_media(replace(SCENE, width=width, height=height, seconds=seconds, frame_rate=frame_rate))
    clip = decode(media.video)
    assert clip.size == (width, height)
    assert clip.duration_s == pytest.approx(seconds, abs=0.05)
    assert len(clip.frames) == seconds * frame_rate


@pytest.mark.parametrize(
    "change", [{"width": 65}, {"height": 62}, {"width": 2050}, {"seconds": 0}, {"seconds": 121}, {"frame_rate": 0}]
)
def test_a_shape_outside_the_limits_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not"):
        replace(SCENE, **change)


def test_the_picture_moves() -> None:
    frames = decode(make_media(SCENE).video).frames
    assert all(psnr_db(one, after) < 40 for one, after in pairwise(frames))
    assert psnr_db(frames[0], frames[-1]) < 20


def test_the_index_comes_first_so_that_a_browser_can_start_playing() -> None:
    video = make_media(SCENE).video
    assert 0 < video.find(b"moov") < video.find(b"mdat")


def test_the_prompt_is_written_on_the_picture() -> None:
    def caption(prompt: str) -> Image.Image:
        frames = decode(make_media(replace(SCENE, prompt=prompt)).video).frames
        return frames[3].crop((0, 160, 320, 180)).convert("L")

    written, blank = caption("MMMM MMMM MMMM"), caption(" ")
    assert written.getextrema()[1] > 200  # white letters
    assert psnr_db(written, blank) < 25


@pytest.mark.parametrize("prompt", ["x", "word " * 6_400, "y" * 32_000, "日本語 🎬 \x00 \n\t", "{}%s<b>"])
def test_any_prompt_can_be_written(prompt: str) -> None:
    assert decode(make_media(replace(SCENE, prompt=prompt, frame_rate=2)).video).size == (320, 180)


def test_equal_scenes_make_equal_files_and_another_seed_another_film() -> None:
    assert make_media(SCENE) == make_media(SCENE)
    assert make_media(SCENE).video != make_media(replace(SCENE, seed=1)).video


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_the_first_frame_is_the_reference(image_format: str) -> None:
    reference = photograph(320, 180, image_format)
    frames = decode(make_media(replace(SCENE, reference=reference)).video).frames
    with Image.open(BytesIO(reference)) as expected:
        assert psnr_db(frames[0], expected) >= 30
    assert psnr_db(frames[0], frames[-1]) < 25


def test_the_first_frame_of_the_largest_size_is_the_reference() -> None:
    reference = photograph(1792, 1024, "JPEG")
    scene = replace(SCENE, width=1792, height=1024, frame_rate=2, reference=reference)
    with Image.open(BytesIO(reference)) as expected:
        assert psnr_db(decode(make_media(scene).video).frames[0], expected) >= 30


def test_a_remix_differs_from_its_source_and_derives_from_it() -> None:
    source = decode(make_media(SCENE).video).frames
    remix = decode(make_media(SCENE.remixed("The same, at night")).video).frames
    stranger = decode(make_media(replace(SCENE, prompt="A whale", origin_prompt="A whale")).video).frames
    for of_source, of_remix, of_stranger in zip(source, remix, stranger, strict=True):
        assert psnr_db(of_source, of_remix) < 30  # a viewer sees the change
        assert psnr_db(of_source, of_remix) > psnr_db(of_source, of_stranger) + 3  # and the kinship


def test_the_thumbnail_is_webp_and_the_spritesheet_is_jpeg_with_sixteen_moments() -> None:
    media = make_media(SCENE)
    with Image.open(BytesIO(media.thumbnail)) as thumbnail, Image.open(BytesIO(media.spritesheet)) as sheet:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 180))
        assert (sheet.format, sheet.size) == ("JPEG", (320, 180))
        first, last = sheet.crop((0, 0, 80, 45)), sheet.crop((240, 135, 320, 180))
        assert psnr_db(first, last) < 20

"""Videos: what is accepted, and the verdict on everything else. Every check runs in the real child process."""

import io
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from bickford_sora.assets.errors import MediaInspectorUnavailable, MediaInvalid
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.media import VideoFacts

C2PA_UUID = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481")
FACTS = VideoFacts(
    media_type="video/mp4",
    container="mp4",
    video_codec="h264",
    audio_codec="aac",
    has_audio=True,
    width=128,
    height=96,
    frame_count=24,
    duration_ms=1000,
    has_c2pa=False,
)


def box(name: bytes, payload: bytes) -> bytes:
    return (8 + len(payload)).to_bytes(4, "big") + name + payload


def verdict(inspector: MediaInspector, content: bytes) -> str:
    with pytest.raises(MediaInvalid) as refused:
        inspector.inspect_video(content)
    assert refused.value.reason
    return refused.value.code


def test_a_video_is_known_after_decoding_all_of_it(inspector: MediaInspector, video: bytes, tmp_path: Path) -> None:
    path = tmp_path / "named.html"
    path.write_bytes(video)

    assert inspector.inspect_video(path) == FACTS
    assert inspector.inspect_video(video) == FACTS


def test_a_silent_video_has_no_audio(inspector: MediaInspector, video_maker: Callable[..., bytes]) -> None:
    facts = inspector.inspect_video(video_maker(audio=False, codec="mpeg4"))

    assert (facts.has_audio, facts.audio_codec, facts.video_codec) == (False, None, "mpeg4")


def test_a_fragmented_video_is_accepted(inspector: MediaInspector, video_maker: Callable[..., bytes]) -> None:
    facts = inspector.inspect_video(video_maker(movflags="frag_keyframe+empty_moov+default_base_moof"))

    assert (facts.frame_count, facts.duration_ms) == (24, 1000)


def entry_renamed(video: bytes, entry: bytes, *boxes: bytes) -> bytes:
    """A sample entry, and boxes in it, by names that nobody knows."""
    begin = video.index(entry, video.index(b"stsd"))
    changed = video[:begin] + b"xxxx" + video[begin + 4 :]
    for each in boxes:
        changed = changed.replace(each, b"xxxx")
    return changed


def test_a_codec_that_nobody_knows_is_refused_for_good(inspector: MediaInspector, video: bytes) -> None:
    assert verdict(inspector, entry_renamed(video, b"avc1")) == "media_codec_unsupported"


def test_audio_that_nobody_knows_keeps_no_video_out(inspector: MediaInspector, video: bytes) -> None:
    facts = inspector.inspect_video(entry_renamed(video, b"mp4a", b"esds"))

    assert facts == FACTS.model_copy(update={"audio_codec": None})


def test_a_video_that_is_cut_by_its_edit_list_gets_its_pictures(inspector: MediaInspector, video: bytes) -> None:
    duration = video.index(b"elst") + 12
    cut = video[:duration] + (250).to_bytes(4, "big") + video[duration + 4 :]

    assert inspector.inspect_video(cut).frame_count < FACTS.frame_count // 2
    for made in (inspector.make_thumbnail(cut), inspector.make_spritesheet(cut)):
        assert inspector.inspect_image(made.content).width > 0


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_video_is_refused(inspector: MediaInspector, video: bytes, kept: float) -> None:
    assert verdict(inspector, video[: int(len(video) * kept)]) == "media_truncated"


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.999])
def test_a_truncated_video_with_its_index_first_is_refused(
    inspector: MediaInspector, faststart_video: bytes, kept: float
) -> None:
    assert verdict(inspector, faststart_video[: int(len(faststart_video) * kept)]) == "media_truncated"


def test_frames_missing_behind_an_open_ended_box_are_noticed(inspector: MediaInspector, faststart_video: bytes) -> None:
    at = faststart_video.index(b"mdat") - 4
    open_ended = faststart_video[:at] + bytes(4) + faststart_video[at + 4 :]
    with av.open(io.BytesIO(open_ended)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]

    assert inspector.inspect_video(open_ended) == FACTS
    assert verdict(inspector, open_ended[: starts[-1]]) == "media_truncated", "cut between two frames"
    assert verdict(inspector, open_ended[: starts[-1] + 9]) in {"media_truncated", "media_undecodable"}


@pytest.mark.parametrize(("codec", "damaged_bytes"), [("libx264", 8000), ("mpeg4", 60)])
def test_damaged_frames_are_refused_rather_than_concealed(
    inspector: MediaInspector, video_maker: Callable[..., bytes], codec: str, damaged_bytes: int
) -> None:
    video = video_maker(codec=codec)
    at = video.index(b"mdat") + 1000

    damaged = video[:at] + bytes(damaged_bytes) + video[at + damaged_bytes :]
    assert verdict(inspector, damaged) == "media_undecodable"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "media_empty"),
        (b"\0", "media_type_unsupported"),
        (bytes(5000), "media_type_unsupported"),
        (b"<!doctype html><title>502 Bad Gateway</title>" * 50, "media_type_unsupported"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "media_type_unsupported"),
        (b"\x1aE\xdf\xa3" + bytes(500), "media_type_unsupported"),
        (box(b"ftyp", b"avif\0\0\0\0avifmif1miaf") + box(b"mdat", bytes(50)), "media_type_unsupported"),
        (box(b"ftyp", b"isom\0\0\0\0isommp41"), "media_undecodable"),
        (box(b"ftyp", b"isom\0\0\0\0isommp41") + box(b"moov", b"garbage!" * 40), "media_no_video"),
        (box(b"ftyp", b"isom\0\0\0\0isommp41") + b"\0\0\0\4free", "media_undecodable"),
        (box(b"ftyp", b"isom\0\0\0\0isommp41") + b"\0\0\0\1mdat" + b"\xff" * 8, "media_truncated"),
    ],
    ids=["empty", "byte", "zeros", "html", "playlist", "webm", "avif", "no-index", "garbage", "tiny-box", "huge-box"],
)
def test_what_is_no_video_is_refused(inspector: MediaInspector, content: bytes, code: str) -> None:
    assert verdict(inspector, content) == code


def test_an_mp4_with_audio_only_is_refused(inspector: MediaInspector, video_maker: Callable[..., bytes]) -> None:
    assert verdict(inspector, video_maker(codec=None)) == "media_no_video"


def test_a_codec_that_is_not_expected_is_refused(inspector: MediaInspector, video_maker: Callable[..., bytes]) -> None:
    assert verdict(inspector, video_maker(codec="mpeg2video", audio=False)) == "media_codec_unsupported"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (MediaLimits(frames_max=23), "media_too_many_frames"),
        (MediaLimits(pixels_max=128 * 96 - 1), "media_too_many_pixels"),
        (MediaLimits(source_bytes_max=1000), "media_too_large"),
        (MediaLimits(boxes_max=2), "media_too_large"),
    ],
    ids=["frames", "pixels", "bytes", "boxes"],
)
def test_a_limit_has_its_own_verdict(video: bytes, limits: MediaLimits, code: str) -> None:
    with MediaInspector(limits=limits) as strict:
        assert verdict(strict, video) == code


def test_a_c2pa_manifest_is_found_wherever_it_lies(inspector: MediaInspector, video: bytes) -> None:
    manifest = box(b"uuid", C2PA_UUID + bytes(4) + b"manifest\0" + bytes(30))
    after_ftyp = int.from_bytes(video[:4], "big")

    assert inspector.inspect_video(video + manifest).has_c2pa
    assert not inspector.inspect_video(video + box(b"uuid", bytes(40))).has_c2pa
    assert not inspector.inspect_video(video + box(b"free", manifest)).has_c2pa, "only a top-level box counts"
    assert verdict(inspector, video[:after_ftyp] + manifest) == "media_undecodable"


def test_thumbnail_and_spritesheet_are_made_from_the_video(inspector: MediaInspector, video: bytes) -> None:
    thumbnail, sheet = inspector.make_thumbnail(video), inspector.make_spritesheet(video)
    seen, sheet_seen = inspector.inspect_image(thumbnail.content), inspector.inspect_image(sheet.content)

    assert thumbnail.media_type == seen.media_type == "image/webp"
    assert (seen.width, seen.height) == (128, 96)
    assert sheet.media_type == sheet_seen.media_type == "image/jpeg"
    assert (sheet_seen.width, sheet_seen.height) == (4 * 128, 4 * 96)


def test_nothing_is_derived_from_what_is_no_video(inspector: MediaInspector, video: bytes) -> None:
    for make in (inspector.make_thumbnail, inspector.make_spritesheet):
        with pytest.raises(MediaInvalid):
            make(video[: len(video) // 2])


def test_only_regular_files_are_opened(inspector: MediaInspector, video: bytes, tmp_path: Path) -> None:
    (tmp_path / "video").write_bytes(video)
    (tmp_path / "link").symlink_to(tmp_path / "video")

    for path in (tmp_path / "link", tmp_path / "missing", tmp_path, Path("/dev/zero")):
        with pytest.raises(MediaInspectorUnavailable):
            inspector.inspect_video(path)

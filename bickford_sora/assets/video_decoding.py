"""Decodes an untrusted video completely. Runs in the child process only, see `inspection.py`.

The decoder is given an open file, no path, and only the MP4 demuxer, which is not allowed to follow references to
other files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import BinaryIO

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from bickford_sora.assets.errors import MediaFault, MediaInvalid
from bickford_sora.assets.limits import MediaLimits, require_pixels
from bickford_sora.assets.sniff import sniff_file
from bickford_sora.assets.structure import has_c2pa

VIDEO_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})

_DEMUXER_OPTIONS = {"enable_drefs": "0", "use_absolute_path": "0"}


def decode_video(file: BinaryIO, limits: MediaLimits) -> dict[str, str | int | bool | None]:
    """Decode every frame of an MP4 and say what it is, as the fields of `media.VideoFacts`.

    Damage is found where the decoder notices it; H.264 has no checksums, so a few changed bytes may only look wrong.

    Raises:
        MediaInvalid: it is no MP4 with video, it is cut short or damaged, or it exceeds a limit.
    """
    media_type = sniff_file(file)
    if media_type != "video/mp4":
        raise MediaInvalid(MediaFault.TYPE_UNSUPPORTED, f"an MP4 video is needed; this is {media_type or 'not one'}")
    provenance = has_c2pa(file, media_type, parts_max=limits.boxes_max)
    with open_video(file) as (container, stream):
        frame_count, duration_ms = _measure(checked_frames(container, stream, limits))
        audio = container.streams.audio[0] if container.streams.audio else None
        return {
            "media_type": media_type,
            "container": "mp4",
            "video_codec": stream.codec.canonical_name,
            "audio_codec": audio.codec.canonical_name if audio and audio.codec_context else None,
            "has_audio": audio is not None,
            "width": stream.width,
            "height": stream.height,
            "frame_count": frame_count,
            "duration_ms": duration_ms,
            "has_c2pa": provenance,
        }


@contextmanager
def open_video(file: BinaryIO) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open an MP4 from its beginning at its first video stream; decoding errors inside the block become verdicts.

    Raises:
        MediaInvalid: it is no MP4, has no video, or failed to decode.
    """
    file.seek(0)
    with _refused_by_decoder(), av.open(file, mode="r", format="mp4", options=_DEMUXER_OPTIONS) as container:
        if not container.streams.video:
            raise MediaInvalid(MediaFault.NO_VIDEO, "the MP4 has no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:  # also of one that is encrypted
            raise MediaInvalid(MediaFault.CODEC_UNSUPPORTED, "there is no decoder for the video's codec")
        stream.codec_context.thread_count = 1  # memory and processor time then depend on the file alone
        yield container, stream


def checked_frames(container: InputContainer, stream: VideoStream, limits: MediaLimits) -> Iterator[VideoFrame]:
    """Decode all frames in the order they are shown, each checked; only one is held at a time.

    Raises:
        MediaInvalid: the codec is not accepted, a limit is exceeded, or frames are damaged or missing.
    """
    _require_acceptable(stream, limits)
    packets = frames = 0
    for packet in container.demux(stream):
        packets += packet.size > 0  # the last packet is empty and drains the decoder
        for frame in packet.decode():
            frames += 1
            _require_sound(frame, frames, limits)
            yield frame
    if packets < stream.frames:
        raise MediaInvalid(MediaFault.TRUNCATED, f"the video has {packets} of {stream.frames} frames")
    if frames == 0:
        raise MediaInvalid(MediaFault.UNDECODABLE, "the video has no frames")


def _require_acceptable(stream: VideoStream, limits: MediaLimits) -> None:
    codec = stream.codec.canonical_name
    if codec not in VIDEO_CODECS:
        raise MediaInvalid(MediaFault.CODEC_UNSUPPORTED, f"the video codec {codec} is not accepted")
    require_pixels(stream.width, stream.height, limits)


def _require_sound(frame: VideoFrame, number: int, limits: MediaLimits) -> None:
    if number > limits.frames_max:
        raise MediaInvalid(MediaFault.TOO_MANY_FRAMES, f"the video has more than {limits.frames_max} frames")
    if frame.is_corrupt:
        raise MediaInvalid(MediaFault.UNDECODABLE, f"frame {number} of the video is damaged")
    require_pixels(frame.width, frame.height, limits)  # a stream may change its size on the way


def _measure(frames: Iterator[VideoFrame]) -> tuple[int, int]:
    """How many frames there are, and the milliseconds from the start of the first to the end of the last.

    Both come from the frames themselves, not from what the header claims.
    """
    count, begin, end = 0, Fraction(0), Fraction(0)
    for count, frame in enumerate(frames, start=1):
        ticks = Fraction(frame.time_base or 0)
        start = (frame.pts or 0) * ticks
        begin = start if count == 1 else begin
        end = start + (frame.duration or 0) * ticks
    return count, round((end - begin) * 1000)


@contextmanager
def _refused_by_decoder() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise  # some of the library's own errors are both
    except (av.FFmpegError, ValueError, LookupError) as error:
        raise MediaInvalid(MediaFault.UNDECODABLE, f"the decoder refused it ({type(error).__name__})") from error

"""Makes the files of a simulated video: an H.264/AAC MP4, a WebP thumbnail and a JPEG spritesheet."""

import hashlib
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image

from bickford_sora.simulator.scene import Painter, Scene

AUDIO_RATE_HZ = 48_000
SHEET_SIDE = 4
_AUDIO_FRAME_SAMPLES = 1024
_TONE_LEVEL = 0.1
_CRF = "23"
# A first frame that must be the reference image is kept closer to it than a drawn one.
_CRF_WITH_REFERENCE = "17"


@dataclass(frozen=True)
class Media:
    """The three files of one finished video, whole and in memory."""

    video: bytes
    thumbnail: bytes
    spritesheet: bytes


def make_media(scene: Scene) -> Media:
    """Render the scene. Equal scenes give equal bytes on one version of PyAV and Pillow.

    Takes about a second of CPU for 4 s of 1280x720; call it from a worker thread.
    """
    painter = Painter(scene)
    middle = scene.frames // 2
    thumbnail = BytesIO()
    painter.paint(middle).save(thumbnail, "WEBP", quality=80, method=0)
    return Media(
        video=_encode_video(scene, painter),
        thumbnail=thumbnail.getvalue(),
        spritesheet=_make_spritesheet(scene, painter),
    )


def _make_spritesheet(scene: Scene, painter: Painter) -> bytes:
    """Sixteen moments, evenly spread, in reading order."""
    width, height = scene.width // SHEET_SIDE, scene.height // SHEET_SIDE
    whole = (0, 0, width * SHEET_SIDE, height * SHEET_SIDE)
    sheet = Image.new("RGB", whole[2:])
    tiles = SHEET_SIDE * SHEET_SIDE
    moments = [tile * scene.frames // tiles for tile in range(tiles)]
    small = {moment: painter.paint(moment).reduce(SHEET_SIDE, whole) for moment in set(moments)}
    for tile, moment in enumerate(moments):
        row, column = divmod(tile, SHEET_SIDE)
        sheet.paste(small[moment], (column * width, row * height))
    encoded = BytesIO()
    sheet.save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def _encode_video(scene: Scene, painter: Painter) -> bytes:
    # faststart moves the index in a second pass over the file, which needs a path: memory will not do
    with tempfile.TemporaryDirectory(prefix="bickford-simulator-") as folder:
        path = Path(folder, "video.mp4")
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(path), "w", format="mp4", options=options) as container:
            video = _add_video_stream(container, scene)
            audio = _add_audio_stream(container) if scene.has_audio else None
            _mux_video(container, video, painter, scene)
            if audio is not None:
                _mux_audio(container, audio, scene)
        return path.read_bytes()


def _add_video_stream(container: OutputContainer, scene: Scene) -> VideoStream:
    crf = _CRF if scene.reference is None else _CRF_WITH_REFERENCE
    stream = container.add_stream("h264", rate=scene.frame_rate, options={"preset": "ultrafast", "crf": crf})
    stream.width, stream.height, stream.pix_fmt = scene.width, scene.height, "yuv420p"
    context = stream.codec_context
    context.thread_count = 1  # so that the bytes do not depend on the machine's number of cores
    context.gop_size = 2 * scene.frame_rate
    context.colorspace = Colorspace.ITU601
    context.color_range = ColorRange.MPEG
    return stream


def _add_audio_stream(container: OutputContainer) -> AudioStream:
    return container.add_stream(
        "aac", rate=AUDIO_RATE_HZ, layout="mono", bit_rate=64_000, options={"aac_coder": "fast"}
    )


def _mux_video(container: OutputContainer, stream: VideoStream, painter: Painter, scene: Scene) -> None:
    for index in range(scene.frames):
        frame = av.VideoFrame.from_image(painter.paint(index))  # type: ignore[no-untyped-call] # PyAV has no types here
        frame.pts = index
        frame.time_base = Fraction(1, scene.frame_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _mux_audio(container: OutputContainer, stream: AudioStream, scene: Scene) -> None:
    for frame in _tone(scene):
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _tone(scene: Scene) -> Iterator[av.AudioFrame]:
    """A soft triangle tone of 200..800 Hz, its pitch chosen by the prompt, exactly as long as the picture."""
    period = 60 + hashlib.sha256(scene.prompt.encode()).digest()[0] % 180
    half = period / 2
    wave = array("f", (_TONE_LEVEL * (2 * abs(position % period - half) / half - 1) for position in range(2048)))
    total = int(scene.length_s * AUDIO_RATE_HZ)
    for start in range(0, total, _AUDIO_FRAME_SAMPLES):
        samples = min(_AUDIO_FRAME_SAMPLES, total - start)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=samples)
        phase = start % period
        frame.planes[0].update(wave[phase : phase + samples].tobytes())
        frame.sample_rate = AUDIO_RATE_HZ
        frame.pts = start
        frame.time_base = Fraction(1, AUDIO_RATE_HZ)
        yield frame

"""Real media, made with the same libraries that renderers use, and a bucket on a server that speaks S3."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image

from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from tests.buckets import Bucket, plain_bucket

WIDTH, HEIGHT, FPS, SAMPLE_RATE, SAMPLES = 128, 96, 24, 48_000, 1024

MakeVideo = Callable[..., bytes]


def _mux_pictures(container: OutputContainer, stream: VideoStream, seconds: int) -> None:
    for number in range(seconds * FPS):
        # Noise keeps the file large enough to be cut and damaged at interesting places.
        shade = Image.new("L", (WIDTH, HEIGHT), number * 255 // (seconds * FPS))
        picture = Image.merge("RGB", (shade, Image.effect_noise((WIDTH, HEIGHT), 60), shade))
        container.mux(stream.encode(av.VideoFrame.from_image(picture)))
    container.mux(stream.encode(None))


def _mux_silence(container: OutputContainer, stream: AudioStream, seconds: int) -> None:
    for number in range(seconds * SAMPLE_RATE // SAMPLES):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=SAMPLES)
        frame.sample_rate, frame.pts = SAMPLE_RATE, number * SAMPLES
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def make_video(*, codec: str | None = "libx264", audio: bool = True, seconds: int = 1, movflags: str = "") -> bytes:
    options = {"movflags": movflags} if movflags else {}
    with (
        tempfile.NamedTemporaryFile(suffix=".mp4") as file,
        av.open(file.name, mode="w", format="mp4", options=options) as output,
    ):
        pictures = output.add_stream(codec, rate=FPS) if codec else None
        silence = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if audio else None
        if pictures:
            pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            _mux_pictures(output, pictures, seconds)
        if silence:
            _mux_silence(output, silence, seconds)
        output.close()
        return Path(file.name).read_bytes()


@pytest.fixture(scope="session")
def video() -> bytes:
    """One second of H.264 and AAC; the index (`moov`) at the end."""
    return make_video()


@pytest.fixture(scope="session")
def faststart_video() -> bytes:
    """The same with the index at the beginning."""
    return make_video(movflags="+faststart")


@pytest.fixture(scope="session")
def video_maker() -> MakeVideo:
    return make_video


@pytest.fixture(scope="session")
def inspector() -> Iterator[MediaInspector]:
    with MediaInspector(limits=MediaLimits(wall_clock_s=30)) as opened:
        yield opened


@pytest.fixture(scope="session")
def s3() -> Iterator[Bucket]:
    with plain_bucket() as found:
        yield found


@pytest.fixture
def bucket(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket, with the variables set by which it is reached."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return s3

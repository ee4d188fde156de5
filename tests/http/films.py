"""Small real MP4s."""

import functools
import tempfile
from pathlib import Path

import av
from PIL import Image

FPS = 4


@functools.cache
def mp4(width: int = 720, height: int = 1280, frames: int = FPS) -> bytes:
    """H.264 of one colour; a second has four frames."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file, av.open(file.name, mode="w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(frames):
            picture = Image.new("RGB", (width, height), (10, 20, 30))
            output.mux(stream.encode(av.VideoFrame.from_image(picture)))
        output.mux(stream.encode(None))
        output.close()
        return Path(file.name).read_bytes()

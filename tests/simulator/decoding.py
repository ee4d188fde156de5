"""Reads files back and measures pictures, so that tests judge what a viewer would see."""

import math
from dataclasses import dataclass
from io import BytesIO

import av
from PIL import Image, ImageChops, ImageStat


@dataclass(frozen=True)
class Clip:
    video_codec: str
    audio_codec: str | None
    size: tuple[int, int]
    pixel_format: str
    duration_s: float
    audio_s: float
    audio_peak: float
    frames: list[Image.Image]


def decode(content: bytes) -> Clip:
    with av.open(BytesIO(content)) as container:
        video, audio = container.streams.video[0], next(iter(container.streams.audio), None)
        frames: list[Image.Image] = []
        samples = 0
        peak = 0.0
        for frame in container.decode(video, *container.streams.audio):
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.to_image())
            else:
                samples += frame.samples
                peak = max(peak, *memoryview(frame.planes[0]).cast("B").cast("f")[: frame.samples])
        return Clip(
            video_codec=video.codec_context.name,
            audio_codec=audio.codec_context.name if audio else None,
            size=(video.width, video.height),
            pixel_format=str(video.codec_context.pix_fmt),
            duration_s=float(container.duration or 0) / av.time_base,
            audio_s=samples / audio.rate if audio else 0.0,
            audio_peak=peak,
            frames=frames,
        )


def psnr_db(one: Image.Image, other: Image.Image) -> float:
    """Peak signal-to-noise ratio over all channels, in dB; infinite for equal pictures."""
    difference = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB")))
    mean_square = sum(difference.sum2) / sum(difference.count)
    return math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square)


def photograph(width: int, height: int, image_format: str = "PNG") -> bytes:
    """A picture with smooth light, texture, hard coloured edges: what a reference may look like."""
    light = Image.radial_gradient("L").resize((width, height))
    grain = Image.effect_noise((width, height), 12)
    picture = Image.merge("RGB", (light, ImageChops.invert(light), grain))
    picture.paste((200, 30, 40), (width // 4, height // 4, width // 2, height // 2))
    encoded = BytesIO()
    picture.save(encoded, image_format)
    return encoded.getvalue()

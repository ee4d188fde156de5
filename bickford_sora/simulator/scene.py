"""What a simulated video shows: pure drawing with Pillow, the same picture for the same scene every time.

A backdrop drifts, a shape wanders over it, and the prompt stands at the bottom. Backdrop and path come from
`origin_prompt`; a remix or an edit keeps them and changes the shape, its colour and the prompt, so that it is seen to
derive from its source. An extension begins with its source's frames.
"""

import colorsys
import hashlib
import math
import textwrap
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Self

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIDE_PX_MIN = 64
SIDE_PX_MAX = 2048
SECONDS_MAX = 120
"""Longest clip: what a chain of extensions may grow to."""
FRAMES_MAX = SECONDS_MAX * 60
FRAME_RATE_MAX = 60
CAPTION_CHARS_MAX = 300
_DRIFT_WIDTHS_PER_S = 0.25
_HILLS = 6

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """Everything a video is made from; equal scenes make equal files.

    `reference` holds the bytes of the image that is the first frame, exactly `width` x `height` pixels.

    Raises:
        ValueError: as `check_shape` says.
    """

    prompt: str
    origin_prompt: str
    width: int
    height: int
    seconds: int
    frame_rate: int = 24
    seed: int = 0
    reference: bytes | None = None
    frames_asked: int | None = None
    """How many frames it has where that was asked for; then `seconds` does not count."""
    has_audio: bool = True
    opening: "Scene | None" = None
    """The clip an extension goes on from; its frames come first and count in `seconds`."""

    def __post_init__(self) -> None:
        check_shape(width=self.width, height=self.height, seconds=self.seconds, frame_rate=self.frame_rate)

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return self.frames_asked or self.seconds * self.frame_rate

    @property
    def length_s(self) -> float:
        """How long the clip is, in seconds."""
        return self.frames / self.frame_rate

    def remixed(self, prompt: str) -> Self:
        """The scene of a remix: the same world with one thing changed by the new prompt."""
        return replace(self, prompt=prompt)

    def extended(self, prompt: str, seconds: int) -> Self:
        """The scene of an extension: this clip, and so many seconds more of the same world."""
        whole_s = math.ceil(self.length_s) + seconds
        return replace(self, prompt=prompt, seconds=whole_s, frames_asked=None, opening=self)


def check_shape(*, width: int, height: int, seconds: int, frame_rate: int) -> None:
    """Refuse what cannot be encoded, or only at a cost no test wants.

    Raises:
        ValueError: for odd or extreme sides, lengths outside 1..20 s or frame rates outside 1..60.
    """
    for side in (width, height):
        if side % 2 or not SIDE_PX_MIN <= side <= SIDE_PX_MAX:
            raise ValueError(f"sides are even and {SIDE_PX_MIN}..{SIDE_PX_MAX} pixels long, not {side}")
    if not 1 <= seconds <= SECONDS_MAX:
        raise ValueError(f"a clip lasts 1..{SECONDS_MAX} s, not {seconds}")
    if not 1 <= frame_rate <= FRAME_RATE_MAX:
        raise ValueError(f"the frame rate is 1..{FRAME_RATE_MAX} per second, not {frame_rate}")


class Painter:
    """Paints the frames of one scene; what stays the same over the frames is drawn once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._canvas = _endless(_open_reference(scene) or _draw_backdrop(scene))
        self._caption = _draw_caption(scene)
        origin = _digest(scene, scene.origin_prompt)
        self._phases = (origin[8] / 255 * math.tau, origin[9] / 255 * math.tau)
        hue, shape = _element(scene)
        self._accent = _colour(hue, lightness=0.6)
        self._sides = 3 + shape
        self._opening = Painter(scene.opening) if scene.opening else None

    def paint(self, index: int) -> Image.Image:
        """Frame `index` as an RGB picture; frame 0 is the bare reference where there is one."""
        scene = self._scene
        if self._opening is not None and scene.opening is not None and index < scene.opening.frames:
            return self._opening.paint(index)
        offset = int(index * scene.width * _DRIFT_WIDTHS_PER_S / scene.frame_rate) % (2 * scene.width)
        frame = self._canvas.crop((offset, 0, offset + scene.width, scene.height))
        if index == 0 and scene.reference is not None:
            return frame
        self._draw_shape(frame, seconds=index / scene.frame_rate)
        frame.paste(self._caption, (0, scene.height - self._caption.height), self._caption)
        return frame

    def _draw_shape(self, frame: Image.Image, *, seconds: float) -> None:
        width, height = frame.size
        radius = min(width, height) // 7
        across, down = self._phases
        x = width * (0.5 + 0.32 * math.sin(across + 1.7 * seconds))
        y = height * (0.42 + 0.24 * math.sin(down + 2.3 * seconds))
        ImageDraw.Draw(frame).regular_polygon(
            (x, y, radius), self._sides, rotation=int(seconds * 60) % 360, fill=self._accent, outline=(255, 255, 255)
        )


def _digest(scene: Scene, text: str) -> bytes:
    return hashlib.sha256(f"{scene.seed}:{text}".encode()).digest()


def _element(scene: Scene) -> tuple[int, int]:
    """Hue (0..255) and form (0..3) of the wandering shape; a remix never has its origin's."""
    hue, shape = _digest(scene, scene.origin_prompt)[6:8]
    if scene.prompt == scene.origin_prompt:
        return hue, shape % 4
    turn, step = _digest(scene, scene.prompt)[6:8]
    return (hue + 64 + turn % 128) % 256, (shape + 1 + step % 3) % 4


def _colour(hue: int, *, lightness: float) -> Colour:
    red, green, blue = colorsys.hls_to_rgb(hue / 256, lightness, 0.65)
    return int(red * 255), int(green * 255), int(blue * 255)


def _open_reference(scene: Scene) -> Image.Image | None:
    if scene.reference is None:
        return None
    with Image.open(BytesIO(scene.reference)) as picture:
        return picture.convert("RGB")


def _draw_backdrop(scene: Scene) -> Image.Image:
    """A slanted blend of two colours with round hills, all chosen by the origin prompt."""
    size = (scene.width, scene.height)
    digest = _digest(scene, scene.origin_prompt)
    shades = Image.linear_gradient("L").rotate(digest[0] % 4 * 90).resize(size)
    sky, ground = _colour(digest[1], lightness=0.75), _colour(digest[2], lightness=0.3)
    backdrop = ImageOps.colorize(shades, black=sky, white=ground)
    draw = ImageDraw.Draw(backdrop)
    for hill in range(_HILLS):
        place, spread, hue = digest[10 + 3 * hill : 13 + 3 * hill]
        x = scene.width * place / 255
        radius = min(size) * (0.1 + 0.25 * spread / 255)
        draw.circle((x, scene.height * (0.55 + 0.08 * hill)), radius, fill=_colour(hue, lightness=0.45))
    return backdrop


def _endless(picture: Image.Image) -> Image.Image:
    """The picture, its mirror image and the picture again: a window may drift over it for ever without a seam."""
    width, height = picture.size
    canvas = Image.new("RGB", (3 * width, height))
    canvas.paste(picture, (0, 0))
    canvas.paste(ImageOps.mirror(picture), (width, 0))
    canvas.paste(picture, (2 * width, 0))
    return canvas


def _draw_caption(scene: Scene) -> Image.Image:
    """The prompt, wrapped and cut to the lower third, on a dark translucent strip."""
    font_px = max(10, min(scene.width, scene.height) // 22)
    font = ImageFont.load_default(font_px)
    line_px = int(font_px * 1.3)
    lines_max = max(1, scene.height // 3 // line_px)
    text = " ".join(scene.prompt[:CAPTION_CHARS_MAX].split())
    columns = max(1, int(scene.width * 0.95 / (font_px * 0.55)))
    lines = textwrap.wrap(text, columns, max_lines=lines_max, placeholder="…") or [""]
    strip = Image.new("RGBA", (scene.width, line_px * len(lines) + font_px // 2), (0, 0, 0, 150))
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        draw.text((scene.width * 0.025, row * line_px + font_px // 5), line, font=font, fill=(255, 255, 255, 255))
    return strip

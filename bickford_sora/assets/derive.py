"""Makes a thumbnail and a spritesheet from a video, for renderers that deliver none. Runs in the child process only."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from av.video.frame import VideoFrame
from PIL import Image

from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.video_decoding import checked_frames, open_video

THUMBNAIL_SIDE_MAX = 640
SHEET_COLUMNS = SHEET_ROWS = 4
SHEET_TILE_SIDE_MAX = 320

_WEBP_QUALITY = 80
_JPEG_QUALITY = 85


def make_thumbnail(file: BinaryIO, limits: MediaLimits) -> bytes:
    """A WebP of the middle frame (the first is often black), its longer side at most `THUMBNAIL_SIDE_MAX` pixels.

    The middle is counted among what the file holds: where an edit list cuts frames away it may be another one than the
    middle of what is shown, at worst the last one shown.

    Raises:
        MediaInvalid: as `video_decoding.decode_video`.
    """
    (picture,) = _pictures(file, limits, count=1, side_max=THUMBNAIL_SIDE_MAX)
    return _encoded(picture, "WEBP", quality=_WEBP_QUALITY)


def make_spritesheet(file: BinaryIO, limits: MediaLimits) -> bytes:
    """A JPEG of 4 by 4 tiles: the middle frames of sixteen equal parts of the video, row by row.

    A video of fewer than sixteen frames repeats some.

    Raises:
        MediaInvalid: as `video_decoding.decode_video`.
    """
    tiles = list(_pictures(file, limits, count=SHEET_COLUMNS * SHEET_ROWS, side_max=SHEET_TILE_SIDE_MAX))
    width, height = tiles[0].size
    sheet = Image.new("RGB", (width * SHEET_COLUMNS, height * SHEET_ROWS))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, SHEET_COLUMNS)
        sheet.paste(tile, (column * width, row * height))
    return _encoded(sheet, "JPEG", quality=_JPEG_QUALITY)


def _pictures(file: BinaryIO, limits: MediaLimits, *, count: int, side_max: int) -> Iterator[Image.Image]:
    """The frames in the middle of `count` equal parts, scaled down; decoding ends with the last one wanted."""
    with open_video(file) as (container, stream):
        total = sum(packet.size > 0 for packet in container.demux(stream))  # one frame each; nothing is decoded yet
    wanted = [(2 * part + 1) * total // (2 * count) for part in range(count)]
    with open_video(file) as (container, stream):
        width, height = _fitted(stream.width, stream.height, side_max=side_max)
        for number, frame in enumerate(checked_frames(container, stream, limits)):
            repeats = wanted.count(number)
            if repeats:
                picture = _scaled(frame, width, height)
                yield from [picture] * repeats
            if number == wanted[-1]:
                return
        # Not every packet need be shown: an edit list may cut some away. The last frame stands for what is not there.
        yield from [_scaled(frame, width, height)] * sum(each > number for each in wanted)


def _fitted(width: int, height: int, *, side_max: int) -> tuple[int, int]:
    shrink = min(1.0, side_max / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _scaled(frame: VideoFrame, width: int, height: int) -> Image.Image:
    rgb = frame.reformat(width=width, height=height, format="rgb24")
    plane = rgb.planes[0]
    return Image.frombuffer("RGB", (width, height), bytes(plane), "raw", "RGB", plane.line_size, 1)


def _encoded(picture: Image.Image, image_format: str, *, quality: int) -> bytes:
    target = io.BytesIO()
    picture.save(target, image_format, quality=quality)
    return target.getvalue()

"""Pictures and films that a request brings along: decoded, measured, and refused where they are unfit."""

import base64
import binascii
import json
import math
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import av
from PIL import Image, UnidentifiedImageError

from bickford_sora.simulator.bodies import FileField
from bickford_sora.simulator.problems import Problem, invalid
from bickford_sora.simulator.settings import SimulatorSettings, parse_size

_REFERENCE_FORMATS = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True)
class Clip:
    """An uploaded video, as far as its look and length are taken over."""

    first_frame: bytes = field(repr=False)
    width: int
    height: int
    seconds: int


def read_source(given: Any, settings: SimulatorSettings) -> Clip | str:
    """The clip, or the id, that the protocol's ``video`` holds: a file, an object or an object as a string.

    Raises:
        Problem: 400 when it is none of these, or as `read_clip` says.
    """
    if isinstance(given, FileField):
        return read_offered_clip(given.content, settings)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    source_id = given.get("id") if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(source_id, str):
        raise invalid("'video' must be a file or name the 'id' of a completed video.", param="video")
    return source_id


def read_offered_clip(content: bytes, settings: SimulatorSettings) -> Clip:
    """As `read_clip`, of a size that is on offer.

    Raises:
        Problem: 400 when it is not.
    """
    clip = read_clip(content, bytes_max=settings.source_bytes_max, param="video")
    if f"{clip.width}x{clip.height}" not in settings.sizes:
        raise invalid(f"A video of {clip.width}x{clip.height} pixels is not supported.", param="video")
    return clip


def read_clip(content: bytes, *, bytes_max: int, param: str) -> Clip:
    """An uploaded video's first frame and length.

    Raises:
        Problem: 400 when it is too large or cannot be decoded.
    """
    if len(content) > bytes_max:
        raise invalid(f"The video is larger than {bytes_max} bytes.", param=param)
    try:
        with av.open(BytesIO(content), "r", format="mp4") as container:
            frame = next(container.decode(video=0))
            seconds = math.ceil(float(container.duration or 0) / av.time_base)
    except (av.FFmpegError, StopIteration, IndexError, ValueError) as error:
        raise invalid("The video must be an MP4 file that can be decoded.", param=param) from error
    picture = BytesIO()
    frame.to_image().save(picture, "PNG")  # type: ignore[no-untyped-call] # PyAV has no types here
    return Clip(picture.getvalue(), frame.width, frame.height, max(1, seconds))


def read_reference(given: Any, size: str, *, bytes_max: int) -> bytes | None:
    """The image that the protocol's ``input_reference`` holds, of exactly `size`; None where nothing is given.

    Raises:
        Problem: 400 when it is no such image, or lies where the simulator would have to fetch it.
    """
    if given is None:
        return None
    content = given.content if isinstance(given, FileField) else _from_object(given)
    if _open_picture(content, bytes_max=bytes_max, param="input_reference").size != parse_size(size):
        raise invalid("Inpaint image must match the requested width and height", param="input_reference")
    return content


def fitted(content: bytes, size: str, *, bytes_max: int, param: str) -> bytes:
    """An image as PNG in exactly `size`, as engines that take references of any size make it.

    Raises:
        Problem: 400 when it is too large or no image.
    """
    picture = _open_picture(content, bytes_max=bytes_max, param=param)
    resized = BytesIO()
    picture.convert("RGB").resize(parse_size(size)).save(resized, "PNG")
    return resized.getvalue()


def _open_picture(content: bytes, *, bytes_max: int, param: str) -> Image.Image:
    if len(content) > bytes_max:
        raise invalid(f"The reference image is larger than {bytes_max} bytes.", param=param)
    try:
        picture: Image.Image = Image.open(BytesIO(content), formats=_REFERENCE_FORMATS)
        picture.load()
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise invalid("The reference must be an image/jpeg, image/png or image/webp file.", param=param) from error
    return picture


def _from_object(given: Any) -> bytes:
    """The image of ``{"image_url": "data:…"}``."""
    param = "input_reference"
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise invalid("'input_reference' must be a file or an object.", param=param) from error
    url = given.get("image_url") if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(url, str):
        raise invalid("'input_reference' must be a file or have an 'image_url' alone.", param=param)
    return read_data_url(url, "image/", param=param)


def read_data_url(url: str, media_type: str, *, param: str) -> bytes:
    """The bytes of a data URL whose type starts with `media_type`.

    Raises:
        Problem: 400 for any other URL: the simulator fetches nothing.
    """
    if url.startswith(("http://", "https://")):
        raise _unfetched(param)
    if not url.startswith(f"data:{media_type}"):
        raise invalid(f"'{param}' must be a data URL of {media_type}…", param=param)
    try:
        return base64.b64decode(url.partition(";base64,")[2], validate=True)
    except binascii.Error as error:
        raise invalid(f"The data URL of '{param}' is not valid base64.", param=param) from error


def _unfetched(param: str) -> Problem:
    return invalid(f"The simulator fetches nothing: the URL of '{param}' must be a data URL.", param=param)

"""Decodes an untrusted picture completely. Runs in the child process only, see `inspection.py`."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from bickford_sora.assets.errors import MediaFault, MediaInvalid
from bickford_sora.assets.limits import MediaLimits, require_pixels
from bickford_sora.assets.sniff import sniff_file
from bickford_sora.assets.structure import has_c2pa

# Called directly: Image.open would also try formats that are not asked for.
_READERS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "image/jpeg": JpegImagePlugin.JpegImageFile,
    "image/png": PngImagePlugin.PngImageFile,
    "image/webp": WebPImagePlugin.WebPImageFile,
}

# What the library raises on hostile bytes; anything else is a fault of ours and must not be blamed on the file.
_DECODER_ERRORS = (OSError, EOFError, ValueError, SyntaxError, LookupError, struct.error, zlib.error)


def decode_image(file: BinaryIO, limits: MediaLimits) -> dict[str, str | int | bool]:
    """Decode a still JPEG, PNG or WebP and say what it is, as the fields of `media.ImageFacts`.

    Raises:
        MediaInvalid: it is none of these, animated, cut short or damaged, or it exceeds a limit.
    """
    media_type = sniff_file(file)
    if media_type is None or media_type == "video/mp4":
        raise MediaInvalid(MediaFault.TYPE_UNSUPPORTED, "a JPEG, PNG or WebP picture is needed")
    provenance = has_c2pa(file, media_type, parts_max=limits.boxes_max)
    file.seek(0)
    with _refused_by_decoder(), _READERS[media_type](file) as picture:
        require_pixels(picture.width, picture.height, limits)
        if getattr(picture, "is_animated", False):
            raise MediaInvalid(MediaFault.ANIMATED, "the picture is animated; a still one is needed")
        picture.load()
        return {
            "media_type": media_type,
            "width": picture.width,
            "height": picture.height,
            "has_c2pa": provenance,
        }


@contextmanager
def _refused_by_decoder() -> Iterator[None]:
    try:
        yield
    except _DECODER_ERRORS as error:
        raise MediaInvalid(MediaFault.UNDECODABLE, f"the decoder refused it ({type(error).__name__})") from error

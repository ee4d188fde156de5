"""What is known about media after every frame or pixel of it was decoded."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bickford_sora.assets.sniff import ImageType, VideoType


class VideoFacts(BaseModel):
    """A video that decoded completely.

    Attributes:
        media_type: from the content, not from a declared type.
        container: the file format.
        video_codec: FFmpeg's canonical name, e.g. `h264`.
        audio_codec: of the first audio stream; None without one, or when nobody here knows it. Audio is not decoded.
        has_audio: whether there is an audio stream.
        width: stored pixels, before any rotation a player applies.
        height: as `width`.
        frame_count: frames that were decoded.
        duration_ms: from the start of the first frame to the end of the last.
        has_c2pa: whether a C2PA manifest is present; it is not verified.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    media_type: VideoType
    container: Literal["mp4"]
    video_codec: str = Field(max_length=40)
    audio_codec: str | None = Field(max_length=40)
    has_audio: bool
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame_count: int = Field(gt=0)
    duration_ms: int = Field(ge=0)
    has_c2pa: bool


class ImageFacts(BaseModel):
    """A still picture that decoded completely.

    Attributes:
        media_type: from the content, not from a declared type.
        width: stored pixels, before any rotation its EXIF data asks for.
        height: as `width`.
        has_c2pa: whether a C2PA manifest is present; it is not verified.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    media_type: ImageType
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    has_c2pa: bool


@dataclass(frozen=True, slots=True)
class DerivedImage:
    """A picture made from a video.

    Attributes:
        media_type: `image/webp` for a thumbnail, `image/jpeg` for a spritesheet.
        content: the file's bytes.
    """

    media_type: ImageType
    content: bytes = field(repr=False)

"""What a file is by its first bytes; its declared name and type are never asked."""

from typing import BinaryIO, Literal

ImageType = Literal["image/jpeg", "image/png", "image/webp"]
VideoType = Literal["video/mp4"]

SNIFF_BYTES = 64

# Brands of MP4 files with timed samples (mp4ra.org). HEIF and AVIF pictures are also ISO BMFF, with none of these.
_MP4_BRANDS = frozenset(
    {b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"avc1"}
    | {b"M4V ", b"dash", b"hvc1", b"av01"}
)


def sniff(head: bytes) -> ImageType | VideoType | None:
    """Name the type of a file whose first `SNIFF_BYTES` bytes are given; None for every type we do not accept."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and _brands(head) & _MP4_BRANDS:
        return "video/mp4"
    return None


def sniff_file(file: BinaryIO) -> ImageType | VideoType | None:
    """`sniff` for an open file."""
    file.seek(0)
    return sniff(file.read(SNIFF_BYTES))


def _brands(head: bytes) -> set[bytes]:
    """Major and compatible brands of an `ftyp` box (ISO/IEC 14496-12, 4.3), as far as they lie in `head`."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}

"""Walks the outermost structure of media files: ISO BMFF boxes, JPEG segments, PNG chunks, RIFF chunks.

Two questions are answered here, without any decoder: is the file cut short, and does it carry a C2PA manifest
(C2PA specification 2.2, appendix A "Embedding manifests").
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bickford_sora.assets.errors import MediaFault, MediaInvalid
from bickford_sora.assets.sniff import ImageType, VideoType

_C2PA_BOX = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481")
_C2PA_JUMBF = bytes.fromhex("6332706100110010800000AA00389B71")

_JPEG_START_OF_SCAN, _JPEG_APP11 = 0xDA, 0xEB
_JPEG_JUMBF_START_BYTES = 40  # "JP", instance, sequence, superbox header, `jumd` header, its type's UUID


@dataclass(frozen=True, slots=True)
class Part:
    """One box, segment or chunk.

    Attributes:
        name: its type, e.g. b"moov", b"caBX"; for JPEG the marker's second byte.
        start: where its payload begins in the file.
        size_bytes: how long its payload says it is.
    """

    name: bytes
    start: int
    size_bytes: int


def has_c2pa(file: BinaryIO, media_type: ImageType | VideoType, *, parts_max: int) -> bool:
    """Whether a C2PA manifest is present; it is not verified.

    Walks the whole structure (of a JPEG, up to its first scan).

    Raises:
        MediaInvalid: a part ends after the file does (`media_truncated`), the structure makes no sense
            (`media_undecodable`) or there are more than `parts_max` parts (`media_too_large`).
    """
    found = False
    for number, part in enumerate(_walk(file, media_type)):
        if number >= parts_max:
            raise MediaInvalid(MediaFault.TOO_LARGE, f"the file has more than {parts_max} parts")
        found = found or _is_manifest(file, part, media_type)
    return found


def _walk(file: BinaryIO, media_type: ImageType | VideoType) -> Iterator[Part]:
    size_bytes = file.seek(0, os.SEEK_END)
    match media_type:
        case "video/mp4":
            return _boxes(file, size_bytes)
        case "image/jpeg":
            return _jpeg_segments(file)
        case "image/png":
            return _png_chunks(file)
        case "image/webp":
            return _riff_chunks(file, size_bytes)


def _is_manifest(file: BinaryIO, part: Part, media_type: ImageType | VideoType) -> bool:
    match media_type:
        case "video/mp4":
            return part.name == b"uuid" and _read(file, part, len(_C2PA_BOX)) == _C2PA_BOX
        case "image/jpeg":
            return part.name[0] == _JPEG_APP11 and _is_c2pa_jumbf(_read(file, part, _JPEG_JUMBF_START_BYTES))
        case "image/png":
            return part.name == b"caBX"
        case "image/webp":
            return part.name == b"C2PA"


def _is_c2pa_jumbf(segment: bytes) -> bool:
    """Whether an APP11 segment (ISO/IEC 19566-5, annex D) begins a JUMBF superbox of the C2PA type."""
    return (
        segment[:2] == b"JP" and segment[12:16] == b"jumb" and segment[20:24] == b"jumd" and segment[24:] == _C2PA_JUMBF
    )


def _read(file: BinaryIO, part: Part, size_bytes: int) -> bytes:
    file.seek(part.start)
    return file.read(min(size_bytes, part.size_bytes))


def _boxes(file: BinaryIO, file_bytes: int) -> Iterator[Part]:
    """Top-level boxes of an ISO base media file (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at < file_bytes:
        file.seek(at)
        header = _exactly(file, 8)
        length, header_bytes = int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, header_bytes = int.from_bytes(_exactly(file, 8), "big"), 16
        elif length == 0:  # "to the end of the file"
            length = file_bytes - at
        if length < header_bytes:
            raise MediaInvalid(MediaFault.UNDECODABLE, "a box of the file is smaller than its own header")
        if at + length > file_bytes:
            raise _truncated()
        yield Part(header[4:], at + header_bytes, length - header_bytes)
        at += length


def _jpeg_segments(file: BinaryIO) -> Iterator[Part]:
    """Marker segments before the first scan (ITU-T T.81, B.1.1.4); manifests lie there."""
    at = 2
    while True:
        file.seek(at)
        marker = _exactly(file, 2)
        if marker[0] != 0xFF:  # noqa: PLR2004 - the byte every marker begins with
            raise MediaInvalid(MediaFault.UNDECODABLE, "the JPEG has bytes between its segments")
        if marker[1] == 0xFF:  # noqa: PLR2004 - a fill byte before the marker
            at += 1
            continue
        if marker[1] == _JPEG_START_OF_SCAN:
            return
        length = int.from_bytes(_exactly(file, 2), "big")
        if length < 2:  # noqa: PLR2004 - the length counts its own two bytes
            raise MediaInvalid(MediaFault.UNDECODABLE, "a JPEG segment is smaller than its own length field")
        yield Part(marker[1:], at + 4, length - 2)
        at += 2 + length


def _png_chunks(file: BinaryIO) -> Iterator[Part]:
    """Chunks up to IEND (PNG specification, 5.3)."""
    at, name = 8, b""
    while name != b"IEND":
        file.seek(at)
        header = _exactly(file, 8)
        length, name = int.from_bytes(header[:4], "big"), header[4:]
        yield Part(name, at + 8, length)
        at += 12 + length


def _riff_chunks(file: BinaryIO, file_bytes: int) -> Iterator[Part]:
    """Chunks of a WebP file (RFC 9649, 2.3); each is padded to an even length."""
    file.seek(4)
    end = 8 + int.from_bytes(_exactly(file, 4), "little")
    if end > file_bytes:
        raise _truncated()
    at = 12
    while at < end:
        file.seek(at)
        header = _exactly(file, 8)
        length = int.from_bytes(header[4:], "little")
        yield Part(header[:4], at + 8, length)
        at += 8 + length + length % 2


def _exactly(file: BinaryIO, size_bytes: int) -> bytes:
    content = file.read(size_bytes)
    if len(content) < size_bytes:
        raise _truncated()
    return content


def _truncated() -> MediaInvalid:
    return MediaInvalid(MediaFault.TRUNCATED, "the file ends before its content does")

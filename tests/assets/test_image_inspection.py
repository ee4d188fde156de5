"""Pictures: what is accepted, and the verdict on everything else. Every check runs in the real child process."""

import io
import zlib
from typing import Any

import pytest
from PIL import Image

from bickford_sora.assets.errors import MediaInvalid
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits

TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
C2PA_JUMBF = bytes.fromhex("6332706100110010800000AA00389B71")


def picture(image_format: str, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, image_format, **options)
    return file.getvalue()


def animation(image_format: str) -> bytes:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green")]
    file = io.BytesIO()
    frames[0].save(file, image_format, save_all=True, append_images=frames[1:])
    return file.getvalue()


def png_chunk(name: bytes, payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + name + payload + zlib.crc32(name + payload).to_bytes(4, "big")


def with_c2pa(image_format: str, content: bytes) -> bytes:
    if image_format == "PNG":
        return content[:33] + png_chunk(b"caBX", b"manifest") + content[33:]
    if image_format == "WEBP":
        chunks = content[8:] + b"C2PA" + (8).to_bytes(4, "little") + b"manifest"
        return b"RIFF" + len(chunks).to_bytes(4, "little") + chunks
    return content[:2] + app11(C2PA_JUMBF) + content[2:]


def app11(jumbf_type: bytes) -> bytes:
    description = (8 + 16).to_bytes(4, "big") + b"jumd" + jumbf_type
    superbox = (8 + len(description)).to_bytes(4, "big") + b"jumb" + description
    segment = b"JP" + bytes([0, 1]) + (1).to_bytes(4, "big") + superbox
    return b"\xff\xeb" + (2 + len(segment)).to_bytes(2, "big") + segment


def verdict(inspector: MediaInspector, content: bytes) -> str:
    with pytest.raises(MediaInvalid) as refused:
        inspector.inspect_image(content)
    return refused.value.code


@pytest.mark.parametrize("image_format", TYPES)
def test_a_picture_is_known_after_decoding_it(inspector: MediaInspector, image_format: str) -> None:
    facts = inspector.inspect_image(picture(image_format))

    assert (facts.media_type, facts.width, facts.height) == (TYPES[image_format], 64, 48)
    assert not facts.has_c2pa


@pytest.mark.parametrize("image_format", TYPES)
def test_a_c2pa_manifest_is_found(inspector: MediaInspector, image_format: str) -> None:
    assert inspector.inspect_image(with_c2pa(image_format, picture(image_format))).has_c2pa


def test_another_jumbf_box_is_no_c2pa_manifest(inspector: MediaInspector) -> None:
    jpeg = picture("JPEG")

    assert not inspector.inspect_image(jpeg[:2] + app11(bytes(16)) + jpeg[2:]).has_c2pa


@pytest.mark.parametrize("image_format", TYPES)
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.97])
def test_a_truncated_picture_is_refused(inspector: MediaInspector, image_format: str, kept: float) -> None:
    content = picture(image_format)

    assert verdict(inspector, content[: int(len(content) * kept)]) in {"media_truncated", "media_undecodable"}


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_an_animated_picture_is_refused(inspector: MediaInspector, image_format: str) -> None:
    assert verdict(inspector, animation(image_format)) == "media_animated"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "media_empty"),
        (animation("GIF"), "media_type_unsupported"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "media_type_unsupported"),
        (b"<html>not found</html>", "media_type_unsupported"),
        (picture("BMP"), "media_type_unsupported"),
        (picture("TIFF"), "media_type_unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "media_type_unsupported"),
        (b"\x89PNG\r\n\x1a\n" + b"garbage" * 50, "media_truncated"),
        (b"\xff\xd8\xff\xe0\0\4ab" + b"garbage" * 50, "media_undecodable"),
        (b"RIFF" + (348).to_bytes(4, "little") + b"WEBP" + bytes(344), "media_undecodable"),
    ],
    ids=["empty", "gif", "svg", "html", "bmp", "tiff", "eps", "bad-png", "bad-jpeg", "bad-webp"],
)
def test_what_is_no_accepted_picture_is_refused(inspector: MediaInspector, content: bytes, code: str) -> None:
    assert verdict(inspector, content) == code


def test_a_decompression_bomb_is_refused_before_its_pixels_exist(inspector: MediaInspector) -> None:
    header = (50_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress(bytes(10_000_000), 9)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")

    assert len(bomb) < 12_000
    assert verdict(inspector, bomb) == "media_too_many_pixels"


def test_a_picture_that_needs_too_much_memory_is_refused() -> None:
    file = io.BytesIO()
    Image.new("RGB", (6000, 6000)).save(file, "PNG", compress_level=1)

    with MediaInspector(limits=MediaLimits(memory_bytes_max=256 << 20)) as small:
        assert small.inspect_image(picture("PNG")).media_type == "image/png"
        assert verdict(small, file.getvalue()) == "media_memory_exceeded"


def test_a_png_text_bomb_is_refused(inspector: MediaInspector) -> None:
    png = picture("PNG")
    bomb = png_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(20_000_000), 9))

    assert verdict(inspector, png[:33] + bomb + png[33:]) == "media_undecodable"

"""Files a client gives us: reference images and source videos, checked and stored before anything is paid for."""

from dataclasses import dataclass, field

from bickford_sora import egress
from bickford_sora.assets.errors import AssetNotFound, MediaError, MediaInspectionTimeout, MediaInvalid
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.media import ImageFacts, VideoFacts
from bickford_sora.assets.port import AssetStore
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.media import REFERENCE, SOURCE, File, Reference
from bickford_sora.decisions.offers import Shape
from bickford_sora.decisions.request import pixels
from bickford_sora.egress import Egress
from bickford_sora.errors import Gone, InvalidRequest, TryLater
from ledger.envelope import Sealed
from ledger.events import InputReference, SourceVideo
from ledger.keys import Keys
from ledger.render import Render

REFERENCE_FETCH_S = 20.0
"""Longest time that fetching a reference image may take, in seconds."""
IMAGE_URL = f"{REFERENCE}.image_url"


@dataclass(frozen=True, slots=True)
class Picture:
    """A reference image that was decoded."""

    file: File
    facts: ImageFacts


@dataclass(frozen=True, slots=True)
class Clip:
    """A source video that was decoded to its last frame."""

    file: File
    facts: VideoFacts

    @property
    def shape(self) -> Shape:
        """What a new video keeps of it. Its length in whole seconds, rounded up."""
        seconds = max(1, -(-self.facts.duration_ms // 1000))
        return Shape(f"{self.facts.width}x{self.facts.height}", str(seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Clients' files in asset storage. Safe to use from several threads."""

    assets: AssetStore
    inspector: MediaInspector
    keys: Keys = field(repr=False)
    egress: Egress
    reference_bytes_max: int
    source_bytes_max: int

    def picture(self, reference: Reference, size: str) -> Picture:
        """The image, fetched where it is a URL.

        Raises InvalidRequest when it cannot be had, is too large, no JPEG, PNG or WebP, or of another size than `size`.
        """
        file = reference.file or self._fetched(reference.url or "")
        if len(file.content) > self.reference_bytes_max:
            raise InvalidRequest(
                f"The image has {len(file.content)} bytes; the limit is {self.reference_bytes_max}.",
                code="image_too_large",
                param=REFERENCE,
            )
        facts = self._inspected_image(file)
        if (facts.width, facts.height) != pixels(size):
            raise InvalidRequest(
                f"The image is {facts.width}x{facts.height} pixels, but must match the requested size {size}.",
                code="image_size_mismatch",
                param=REFERENCE,
            )
        return Picture(file, facts)

    def clip(self, file: File) -> Clip:
        """An uploaded source. Raises InvalidRequest when it is too large, or no MP4 that decodes completely."""
        if len(file.content) > self.source_bytes_max:
            raise InvalidRequest(
                f"The source has {len(file.content)} bytes; the limit is {self.source_bytes_max}.",
                code="source_too_large",
                param=SOURCE,
            )
        try:
            return Clip(file, self.inspector.inspect_video(file.content))
        except (MediaInvalid, MediaInspectionTimeout) as error:
            raise InvalidRequest(f"Not a usable MP4: {error}.", code="invalid_video", param=SOURCE) from error
        except MediaError as error:  # nothing is known about the file
            raise TryLater("The source could not be checked. Send the request again.", code=error.code) from error

    def keep_picture(self, caller: Caller, video_id: str, picture: Picture) -> InputReference:
        """Stores the image for a render; what to record of it."""
        content, facts = picture.file.content, picture.facts
        stored = self.assets.put(asset_subject(video_id), [content], bytes_max=self.reference_bytes_max)
        return InputReference(
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type=facts.media_type,
            width=facts.width,
            height=facts.height,
            filename=self._sealed_name(caller, video_id, picture.file),
        )

    def keep_clip(self, caller: Caller, video_id: str, clip: Clip) -> SourceVideo:
        """Stores the source for a render; what to record of it."""
        content, facts = clip.file.content, clip.facts
        stored = self.assets.put(asset_subject(video_id), [content], bytes_max=self.source_bytes_max)
        return SourceVideo(
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type=facts.media_type,
            width=facts.width,
            height=facts.height,
            duration_ms=facts.duration_ms,
            filename=self._sealed_name(caller, video_id, clip.file),
        )

    def image_of(self, render: Render) -> File | None:
        """The image a render was asked with. Raises Gone when it is not kept any more, as of a refused render."""
        return self._kept(render.intent.input_reference)

    def source_of(self, render: Render) -> File | None:
        """The source that was uploaded for a render. Raises Gone when it is not kept any more."""
        return self._kept(render.intent.source_video)

    def drop(self, *kept: InputReference | SourceVideo | None) -> None:
        """Removes the files of a render that will not happen."""
        for each in kept:
            if each is not None:
                self.assets.delete(each.storage_uri)

    def _kept(self, known: InputReference | SourceVideo | None) -> File | None:
        if known is None:
            return None
        name = self.keys.open(known.filename) if known.filename else None
        try:
            return File(b"".join(self.assets.open(known.storage_uri)), name)
        except AssetNotFound:
            raise Gone(
                "The file this was asked with is no longer available. Create the video anew with it.",
                code="reference_gone",
            ) from None

    def _fetched(self, url: str) -> File:
        try:
            fetched = self.egress.fetch(url, bytes_max=self.reference_bytes_max, timeout_s=REFERENCE_FETCH_S)
        except egress.AddressRefused as error:
            raise InvalidRequest(
                f"This image_url is not called: {error}.", code="image_url_refused", param=IMAGE_URL
            ) from error
        except egress.TooLarge as error:
            raise InvalidRequest(
                f"The image is larger than the limit of {self.reference_bytes_max} bytes.",
                code="image_too_large",
                param=IMAGE_URL,
            ) from error
        except egress.FetchFailed as error:
            raise InvalidRequest(
                "The image could not be fetched from its URL. Check it, or send the image itself.",
                code="image_url_unreachable",
                param=IMAGE_URL,
            ) from error
        return File(fetched.content)

    def _inspected_image(self, file: File) -> ImageFacts:
        try:
            return self.inspector.inspect_image(file.content)
        except (MediaInvalid, MediaInspectionTimeout) as error:
            raise InvalidRequest(
                f"Not a usable JPEG, PNG or WebP image: {error}.", code="invalid_image", param=REFERENCE
            ) from error
        except MediaError as error:  # nothing is known about the image
            raise TryLater("The image could not be checked. Send the request again.", code=error.code) from error

    def _sealed_name(self, caller: Caller, video_id: str, file: File) -> Sealed | None:
        if not file.filename:
            return None
        return self.keys.seal(
            file.filename, requester=caller.requester, subject=video_id, field="render.intent.filename"
        )


def asset_subject(video_id: str) -> str:
    """Asset storage's subject of a render: files are shared within one render only, so deleting it is simple."""
    return video_id.replace("_", "-")

"""Reference images: checked and stored before anything is paid for."""

from dataclasses import dataclass

from bickford_sora.assets.errors import AssetNotFound, MediaError, MediaInspectionTimeout, MediaInvalid
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.media import ImageFacts
from bickford_sora.assets.port import AssetStore
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.request import Image, VideoRequest
from bickford_sora.errors import Gone, InvalidRequest, TryLater
from ledger.envelope import Sealed
from ledger.events import InputReference
from ledger.keys import Keys
from ledger.lifecycle import Render


@dataclass(frozen=True, slots=True)
class References:
    """Reference images in asset storage. Safe to use from several threads."""

    assets: AssetStore
    inspector: MediaInspector
    keys: Keys
    reference_bytes_max: int

    def store(self, caller: Caller, video_id: str, request: VideoRequest) -> InputReference | None:
        """What to record of the request's image, None when it has none.

        Raises InvalidRequest when it is too large, no JPEG, PNG or WebP, or of another size than the video.
        """
        image = request.image
        if image is None:
            return None
        self._check_bytes(image)
        facts = self._inspected(image)
        if (facts.width, facts.height) != request.pixels:
            raise _bad(
                f"The image is {facts.width}x{facts.height} pixels, but must match the requested size {request.size}.",
                "image_size_mismatch",
            )
        stored = self.assets.put(asset_subject(video_id), [image.content], bytes_max=self.reference_bytes_max)
        return InputReference(
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type=facts.media_type,
            width=facts.width,
            height=facts.height,
            filename=self._sealed_name(caller, video_id, image),
        )

    def image(self, render: Render) -> Image | None:
        """The image a render was asked with. Raises Gone when it is not kept any more, as of a refused render."""
        reference = render.intent.input_reference
        if reference is None:
            return None
        name = self.keys.open(reference.filename) if reference.filename else None
        try:
            return Image(b"".join(self.assets.open(reference.storage_uri)), name)
        except AssetNotFound:
            raise Gone(
                "The reference image is no longer available. Create the video anew with it.", code="reference_gone"
            ) from None

    def drop(self, reference: InputReference | None) -> None:
        """Removes the image of a render that will not happen."""
        if reference:
            self.assets.delete(reference.storage_uri)

    def _sealed_name(self, caller: Caller, video_id: str, image: Image) -> Sealed | None:
        if not image.filename:
            return None
        return self.keys.seal(
            image.filename, requester=caller.requester, subject=video_id, field="render.intent.filename"
        )

    def _inspected(self, image: Image) -> ImageFacts:
        try:
            return self.inspector.inspect_image(image.content)
        except (MediaInvalid, MediaInspectionTimeout) as error:
            raise _bad(f"Not a usable JPEG, PNG or WebP image: {error}.", "invalid_image") from error
        except MediaError as error:  # nothing is known about the image
            raise TryLater("The image could not be checked. Send the request again.", code=error.code) from error

    def _check_bytes(self, image: Image) -> None:
        if len(image.content) > self.reference_bytes_max:
            raise _bad(
                f"The image has {len(image.content)} bytes; the limit is {self.reference_bytes_max}.",
                "image_too_large",
            )


def asset_subject(video_id: str) -> str:
    """Asset storage's subject of a render: files are shared within one render only, so deleting it is simple."""
    return video_id.replace("_", "-")


def _bad(message: str, code: str) -> InvalidRequest:
    return InvalidRequest(message, code=code, param="input_reference")

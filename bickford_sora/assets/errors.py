# ruff: noqa: N818 - the names state the cause, as those of the ledger do
"""What can go wrong with assets, one tree by cause. Every error carries a stable `code`.

AssetError
├── AssetAddressInvalid        the caller named something that cannot be an asset
├── AssetNotFound              nothing is stored there (never was, or deleted)
├── AssetRangeInvalid          the asset exists, the requested range of it does not
├── AssetTooLarge              the stream was longer than the caller allowed; nothing was stored
├── AssetDamaged               stored bytes differ from their address; restore them from a copy
├── AssetLocked                storage does not delete it before a lock ends
├── AssetStoreUnavailable      storage failed; whether the asset is stored is unknown, put it again
└── MediaError
    ├── MediaInvalid               a verdict: these bytes are not media we accept (`code` says why)
    ├── MediaInspectionTimeout     a verdict withheld: the check used up its time
    ├── MediaInspectionInterrupted the check was killed from outside; try again
    └── MediaInspectorUnavailable  the check could not start; says nothing about the media

Imports the standard library only: the child process needs it too.
"""

from enum import StrEnum


class AssetError(Exception):
    """Anything that went wrong with an asset."""

    code = "asset_error"


class AssetAddressInvalid(AssetError):
    """The storage URI or the subject does not have the fixed format of an address."""

    code = "asset_address_invalid"


class AssetNotFound(AssetError):
    """Nothing is stored under this address."""

    code = "asset_not_found"


class AssetRangeInvalid(AssetError):
    """The requested range lies outside the asset.

    Attributes:
        size_bytes: the asset's size, for an answer such as HTTP 416.
    """

    code = "asset_range_invalid"

    def __init__(self, *, start: int, stop: int | None, size_bytes: int) -> None:
        super().__init__(f"bytes {start} to {stop} of an asset of {size_bytes} bytes")
        self.size_bytes = size_bytes


class AssetTooLarge(AssetError):
    """The stream was longer than allowed; nothing of it was kept.

    Attributes:
        bytes_max: the limit that was passed.
    """

    code = "asset_too_large"

    def __init__(self, *, bytes_max: int) -> None:
        super().__init__(f"the asset is larger than the limit bytes_max={bytes_max}")
        self.bytes_max = bytes_max


class AssetDamaged(AssetError):
    """What is stored does not have the hash it is stored under."""

    code = "asset_damaged"


class AssetLocked(AssetError):
    """Storage keeps the asset under a lock (an object lock, an immutable file) and does not delete it."""

    code = "asset_locked"


class AssetStoreUnavailable(AssetError):
    """The storage refused or failed; the outcome of a write is unknown and repeating it is safe."""

    code = "asset_store_unavailable"


class MediaError(AssetError):
    """Anything that went wrong while media was checked."""

    code = "media_error"


class MediaFault(StrEnum):
    """Why media is refused. The values are stable: they are recorded and shown to clients."""

    EMPTY = "media_empty"
    TOO_LARGE = "media_too_large"
    TYPE_UNSUPPORTED = "media_type_unsupported"
    CODEC_UNSUPPORTED = "media_codec_unsupported"
    NO_VIDEO = "media_no_video"
    TRUNCATED = "media_truncated"
    UNDECODABLE = "media_undecodable"
    TOO_MANY_PIXELS = "media_too_many_pixels"
    TOO_MANY_FRAMES = "media_too_many_frames"
    ANIMATED = "media_animated"
    MEMORY_EXCEEDED = "media_memory_exceeded"
    DECODER_CRASHED = "media_decoder_crashed"


class MediaInvalid(MediaError):
    """The bytes are not media we accept.

    Attributes:
        code: the value of a `MediaFault`.
        reason: one sentence for the caller; never holds bytes of the media.
    """

    def __init__(self, fault: MediaFault, reason: str) -> None:
        super().__init__(reason)
        self.code = fault.value
        self.reason = reason


class MediaInspectionTimeout(MediaError):
    """The check was stopped because it used up its time on the clock or the processor."""

    code = "media_inspection_timeout"


class MediaInspectionInterrupted(MediaError):
    """The checking process was killed from outside (a shutdown, the kernel short of memory); try again."""

    code = "media_inspection_interrupted"


class MediaInspectorUnavailable(MediaError):
    """The checking process could not do its work at all; this says nothing about the media."""

    code = "media_inspector_unavailable"

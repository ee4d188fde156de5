"""What every asset store promises, whatever it is built on."""

import hashlib
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from bickford_sora.assets.errors import AssetRangeInvalid, AssetTooLarge


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """What a store says about an asset it holds.

    Attributes:
        storage_uri: its address, see `address.py`.
        sha256: lower-case hex digest of the content.
        bytes: its size.
    """

    storage_uri: str
    sha256: str
    bytes: int


class AssetStore(Protocol):
    """Write-once storage in which the address of an asset is the hash of its content.

    Durability: once `put` has returned, the bytes survive a power cut; once `delete` has returned, so does the
    deletion. A crash inside `put` leaves nothing a reader can see: an asset is there whole or not at all.

    Write-once: the bytes under an address never change. A second `put` of the same content by the same subject is
    the same asset; it is checked against its hash, not rewritten. Content is never shared between subjects, so
    that erasing one subject takes nothing from another and no timing tells who else holds a file.

    Concurrency: every method may be called from many threads and processes at once. Simultaneous puts of one
    content all succeed with the same answer. A reader that has begun keeps its bytes when the asset is deleted.

    Retry: every method may be repeated after any error.

    Errors: `AssetAddressInvalid` for a malformed subject or storage URI, before storage is touched;
    `AssetStoreUnavailable` when storage fails. Others are named at the methods. An error raised by the `chunks`
    of a `put` passes through unchanged, and nothing is stored.
    """

    def put(self, subject: str, chunks: Iterable[bytes], *, bytes_max: int) -> StoredAsset:
        """Store the concatenated chunks for `subject`.

        Raises:
            AssetTooLarge: there were more than `bytes_max` bytes; the rest was not read and nothing is stored.
            AssetDamaged: the address is taken by bytes with another hash.
        """
        ...

    def open(self, storage_uri: str, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        """Read bytes `start` up to, not including, `stop` (the end when None or beyond it), in bounded chunks.

        Errors are raised by the call itself, not by the first chunk, so that an answer's status can still be chosen.
        What was opened is closed at the end of the iteration, by `close()` or by dropping the generator.

        Raises:
            AssetNotFound: nothing is stored there.
            AssetRangeInvalid: not 0 <= start <= size, or stop < start.
        """
        ...

    def size(self, storage_uri: str) -> int:
        """The asset's size in bytes.

        Raises:
            AssetNotFound: nothing is stored there.
        """
        ...

    def exists(self, storage_uri: str) -> bool:
        """Whether the asset is stored."""
        ...

    def delete(self, storage_uri: str) -> None:
        """Remove the asset; deleting what is not there is no error.

        Raises:
            AssetLocked: storage keeps it under a lock; it is there still.
        """
        ...

    def forget(self, subject: str) -> int:
        """Remove everything of a subject, also what nobody knows the address of. Returns how many assets that were.

        Raises:
            AssetLocked: storage keeps one of them under a lock; it is there still, the others may be.
        """
        ...

    def is_locked(self, storage_uri: str) -> bool:
        """Whether storage keeps the asset under a lock, so that `delete` would raise AssetLocked now."""
        ...


def sha256_of(assets: AssetStore, storage_uri: str) -> str:
    """The SHA-256 of a stored file as it can be read now, in hex. Raises AssetNotFound, or another AssetError."""
    digest = hashlib.sha256()
    with closing(assets.open(storage_uri)) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest()


def bounded(chunks: Iterable[bytes], *, bytes_max: int) -> Generator[bytes, None, None]:
    """Pass chunks on until together they exceed the limit.

    Raises:
        AssetTooLarge: the chunk that would exceed `bytes_max` is not passed on.
    """
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > bytes_max:
            raise AssetTooLarge(bytes_max=bytes_max)
        yield chunk


def resolve_range(start: int, stop: int | None, *, size_bytes: int) -> range:
    """The positions a read covers.

    Raises:
        AssetRangeInvalid: not 0 <= start <= size, or stop < start.
    """
    end = size_bytes if stop is None else min(stop, size_bytes)
    if not 0 <= start <= size_bytes or (stop is not None and stop < start):
        raise AssetRangeInvalid(start=start, stop=stop, size_bytes=size_bytes)
    return range(start, end)

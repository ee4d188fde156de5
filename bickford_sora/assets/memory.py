"""An asset store in memory, for the simulation and for tests. Durable until the process ends."""

import hashlib
from collections.abc import Generator, Iterable
from threading import Lock

from bickford_sora.assets.address import AssetAddress, require_subject
from bickford_sora.assets.errors import AssetLocked, AssetNotFound
from bickford_sora.assets.port import StoredAsset, bounded, resolve_range


class MemoryAssetStore:
    """Keeps assets in a dictionary; `AssetStore` holds the contract.

    Args:
        read_chunk_bytes_max: the largest chunk a reader is given.
    """

    def __init__(self, *, read_chunk_bytes_max: int = 1 << 18) -> None:
        self._read_chunk_bytes_max = read_chunk_bytes_max
        self._contents: dict[AssetAddress, bytes] = {}
        self._lock = Lock()
        self.locked: set[str] = set()
        """Addresses under an object lock."""

    def put(self, subject: str, chunks: Iterable[bytes], *, bytes_max: int) -> StoredAsset:
        """See `AssetStore.put`."""
        require_subject(subject)
        content = b"".join(bounded(chunks, bytes_max=bytes_max))
        address = AssetAddress(subject, hashlib.sha256(content).hexdigest())
        with self._lock:
            self._contents.setdefault(address, content)
        return StoredAsset(storage_uri=address.uri, sha256=address.sha256, bytes=len(content))

    def open(self, storage_uri: str, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        """See `AssetStore.open`."""
        content = self._content(storage_uri)
        return self._read(content, resolve_range(start, stop, size_bytes=len(content)))

    def size(self, storage_uri: str) -> int:
        """See `AssetStore.size`."""
        return len(self._content(storage_uri))

    def exists(self, storage_uri: str) -> bool:
        """See `AssetStore.exists`."""
        return AssetAddress.parse(storage_uri) in self._contents

    def delete(self, storage_uri: str) -> None:
        """See `AssetStore.delete`."""
        if self.is_locked(storage_uri):
            raise AssetLocked(storage_uri)
        with self._lock:
            self._contents.pop(AssetAddress.parse(storage_uri), None)

    def forget(self, subject: str) -> int:
        """See `AssetStore.forget`."""
        require_subject(subject)
        with self._lock:
            found = [address.uri for address in self._contents if address.subject == subject]
        for uri in found:
            self.delete(uri)
        return len(found)

    def is_locked(self, storage_uri: str) -> bool:
        """See `AssetStore.is_locked`."""
        return AssetAddress.parse(storage_uri) in self._contents and storage_uri in self.locked

    def _content(self, storage_uri: str) -> bytes:
        content = self._contents.get(AssetAddress.parse(storage_uri))
        if content is None:
            raise AssetNotFound(storage_uri)
        return content

    def _read(self, content: bytes, positions: range) -> Generator[bytes, None, None]:
        for at in range(positions.start, positions.stop, self._read_chunk_bytes_max):
            yield content[at : min(at + self._read_chunk_bytes_max, positions.stop)]

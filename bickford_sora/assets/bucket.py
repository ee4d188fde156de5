"""Assets in a bucket: `<prefix>/<subject>/<ab>/<sha256>`, the same names as in a local folder. Needs the extra `s3`.

The address of an asset is its hash, which is known at its end: what comes is received here first, and sent after that.
"""

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Self

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import GCSStore, ObjectStore

from bickford_sora.assets.address import AssetAddress, require_subject
from bickford_sora.assets.errors import AssetDamaged, AssetLocked, AssetNotFound, AssetStoreUnavailable
from bickford_sora.assets.port import StoredAsset, bounded, resolve_range, sha256_of
from bickford_sora.buckets import BucketFailed, bucket_failures, open_store

PART_BYTES = 8 << 20
"""What is no longer is sent in one request and held in memory; what is longer is sent in parts of this size."""
PARTS_AT_ONCE_MAX = 4
"""Parts of one file that are on their way, and in memory, at a time."""
_COMMIT_ATTEMPTS_MAX = 8
_NO_VERSION = (None, "null")
"""What S3 says of an object whose bucket keeps no versions, or kept none when it came."""


class BucketAssetStore:
    """Keeps assets in a bucket; `AssetStore` holds the contract.

    A bucket that keeps versions removes nothing when it is told to delete: each of its files counts as under a lock.
    Object lock needs versions, so that this covers it. Where Google or Azure keep a file by a policy of theirs,
    `is_locked` cannot tell and `delete` raises AssetStoreUnavailable.

    Args:
        store: the bucket, see `bickford_sora.buckets.open_store`.
        spool: folder of files on their way into the bucket; they have no name there and end with the process.
        part_bytes: the longest content that is sent in one request.
        read_chunk_bytes_max: the largest chunk a reader is given.

    Raises:
        AssetStoreUnavailable: the spool folder cannot be made.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        spool: Path,
        part_bytes: int = PART_BYTES,
        read_chunk_bytes_max: int = 1 << 18,
    ) -> None:
        self._store = store
        self._spool = spool
        self._part_bytes = part_bytes
        self._read_chunk_bytes_max = read_chunk_bytes_max
        with _spool_failures():
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)

    @classmethod
    def at(cls, url: str, *, spool: Path) -> Self:
        """The bucket at this address, which is not called yet.

        Raises:
            BucketUnusable: it is not a bucket's address.
            AssetStoreUnavailable: the address or the credentials cannot be read.
        """
        with _failures():
            return cls(open_store(url), spool=spool)

    def put(self, subject: str, chunks: Iterable[bytes], *, bytes_max: int) -> StoredAsset:
        """See `AssetStore.put`."""
        require_subject(subject)
        with self._received(bounded(chunks, bytes_max=bytes_max)) as (file, digest, size_bytes):
            address = AssetAddress(subject, digest)
            # A crash here: nothing is in the bucket. In the middle of what follows: at most parts that nobody sees.
            self._commit(address, file, size_bytes)
        return StoredAsset(storage_uri=address.uri, sha256=digest, bytes=size_bytes)

    def open(self, storage_uri: str, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        """See `AssetStore.open`."""
        reader = self._read(AssetAddress.parse(storage_uri), start, stop)
        next(reader)  # asks for the bytes; a started generator ends the call however it ends
        return reader

    def size(self, storage_uri: str) -> int:
        """See `AssetStore.size`."""
        address = AssetAddress.parse(storage_uri)
        with self._found(address):
            return obstore.head(self._store, _key(address))["size"]

    def exists(self, storage_uri: str) -> bool:
        """See `AssetStore.exists`."""
        try:
            self.size(storage_uri)
        except AssetNotFound:
            return False
        return True

    def delete(self, storage_uri: str) -> None:
        """See `AssetStore.delete`."""
        if self.is_locked(storage_uri):
            raise AssetLocked(storage_uri)
        address = AssetAddress.parse(storage_uri)
        with suppress(AssetNotFound), self._found(address):
            obstore.delete(self._store, _key(address))

    def forget(self, subject: str) -> int:
        """See `AssetStore.forget`."""
        require_subject(subject)
        with _failures():
            pages = obstore.list(self._store, prefix=subject)
            names = [each["path"].rpartition("/")[2] for page in pages for each in page]
        for name in sorted(names):
            self.delete(AssetAddress(subject, name).uri)
        return len(names)

    def is_locked(self, storage_uri: str) -> bool:
        """See `AssetStore.is_locked`: a file in a bucket that keeps versions."""
        address = AssetAddress.parse(storage_uri)
        if isinstance(self._store, GCSStore):
            return False  # every object of Google's has a version, whether old ones are kept or not
        with suppress(AssetNotFound), self._found(address):
            return obstore.head(self._store, _key(address))["version"] not in _NO_VERSION
        return False

    def _read(self, address: AssetAddress, start: int, stop: int | None) -> Generator[bytes, None, None]:
        positions = resolve_range(start, stop, size_bytes=self.size(address.uri))
        if not positions:
            yield b""  # no bucket answers a range without bytes
            return
        with self._found(address):
            found = obstore.get(self._store, _key(address), options={"range": (positions.start, positions.stop)})
        stream = found.stream(min_chunk_size=self._read_chunk_bytes_max)
        yield b""
        remaining = len(positions)
        with _failures():
            for arrived in stream:
                remaining -= len(arrived)
                view = memoryview(arrived)
                for at in range(0, len(view), self._read_chunk_bytes_max):
                    yield bytes(view[at : at + self._read_chunk_bytes_max])
        if remaining:
            raise AssetDamaged(f"{address.uri} became shorter while it was read")

    @contextmanager
    def _received(self, chunks: Iterable[bytes]) -> Iterator[tuple[IO[bytes], str, int]]:
        """All chunks in one file, at its beginning, with their SHA-256 and their length. What is short stays in memory.

        Failures of the chunks pass through unchanged.
        """
        digest = hashlib.sha256()
        with SpooledTemporaryFile(max_size=self._part_bytes, dir=str(self._spool)) as file:
            for chunk in chunks:
                digest.update(chunk)
                with _spool_failures():
                    file.write(chunk)
            size_bytes = file.tell()
            file.seek(0)
            yield file, digest.hexdigest(), size_bytes

    def _commit(self, address: AssetAddress, file: IO[bytes], size_bytes: int) -> None:
        """Send the received file to its address, or find that its content is there already."""
        for _ in range(_COMMIT_ATTEMPTS_MAX):
            if self._create(address, file, size_bytes) or self._holds(address):
                return
        raise AssetStoreUnavailable(f"{address.uri} was deleted {_COMMIT_ATTEMPTS_MAX} times while it was put")

    def _holds(self, address: AssetAddress) -> bool:
        """Whether the asset is there, with the hash it should have."""
        try:
            digest = sha256_of(self, address.uri)
        except AssetNotFound:
            return False
        if digest != address.sha256:
            raise AssetDamaged(f"the object of {address.uri} has the hash {digest}")
        return True

    def _create(self, address: AssetAddress, file: IO[bytes], size_bytes: int) -> bool:
        """Make the object; false when one is there already.

        What comes in parts cannot be created under a condition, so that it is looked for. Whoever puts it at the same
        time puts the same bytes, since its name is their hash.
        """
        key, at_once = _key(address), size_bytes <= self._part_bytes
        if not at_once and self.exists(address.uri):
            return False
        file.seek(0)
        with _failures():
            try:
                if at_once:
                    obstore.put(self._store, key, file.read(), mode="create", use_multipart=False)
                else:
                    obstore.put(self._store, key, file, chunk_size=self._part_bytes, max_concurrency=PARTS_AT_ONCE_MAX)
            except AlreadyExistsError:
                return False
            except BaseError:
                # Of two who send parts of one object, Azure drops those of whoever ends second (Put Block List).
                if at_once or not self.exists(address.uri):
                    raise
                return False
        return True

    @contextmanager
    def _found(self, address: AssetAddress) -> Iterator[None]:
        """Failures of a call for one object; when there is none, it makes sure that there is a bucket."""
        with _failures():
            try:
                yield
            except FileNotFoundError as error:
                # A missing bucket answers like a missing object, and says nothing about one asset.
                next(iter(obstore.list(self._store, prefix=address.subject)), None)
                raise AssetNotFound(address.uri) from error


def _key(address: AssetAddress) -> str:
    return f"{address.subject}/{address.prefix}/{address.sha256}"


@contextmanager
def _failures() -> Iterator[None]:
    try:
        with bucket_failures():
            yield
    except BucketFailed as error:
        raise AssetStoreUnavailable(f"the bucket of assets failed: {error}") from error


@contextmanager
def _spool_failures() -> Iterator[None]:
    """Tell a full disk of ours apart from failures of the stream that is being stored."""
    try:
        yield
    except OSError as error:
        raise AssetStoreUnavailable(f"the spool folder failed: {error.strerror}") from error

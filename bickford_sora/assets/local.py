"""Assets in a local folder: `<root>/<subject>/<ab>/<sha256>`.

Every folder below the root is opened relative to its parent's descriptor without following symbolic links, so a link
planted in the store leads nowhere. Needs a POSIX file system with hard links.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from bickford_sora.assets.address import AssetAddress, require_subject
from bickford_sora.assets.errors import AssetDamaged, AssetLocked, AssetNotFound, AssetStoreUnavailable
from bickford_sora.assets.immutable import keeps, keeps_entry
from bickford_sora.assets.port import StoredAsset, bounded, resolve_range
from bickford_sora.assets.regular_file import IrregularFileError, open_regular_file
from ledger.clock import Clock

_log = structlog.get_logger(__name__)

_INCOMING = ".incoming"  # cannot be a subject: subjects begin with a letter or digit
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_OURS = (errno.ELOOP, errno.ENOTDIR)  # what O_NOFOLLOW and O_DIRECTORY answer to anything but our files and folders
_COMMIT_ATTEMPTS_MAX = 8
_HASH_CHUNK_BYTES = 1 << 20


class LocalAssetStore:
    """Keeps assets as read-only files; `AssetStore` holds the contract.

    Args:
        root: the store's folder; made with mode 0700 when missing.
        clock: the present, to tell how old a leftover is.
        leftover_age_s: unfinished files not written to for this long are removed when the store is opened. Younger
            ones may belong to another process that is still receiving.
        read_chunk_bytes_max: the largest chunk a reader is given.

    Raises:
        AssetStoreUnavailable: the folder cannot be made or opened.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Clock,
        leftover_age_s: float = 86_400,
        read_chunk_bytes_max: int = 1 << 18,
    ) -> None:
        self._read_chunk_bytes_max = read_chunk_bytes_max
        with _storage_failures():
            _make_folder(root)
            self._root = root.resolve(strict=True)
            self._incoming = self._root / _INCOMING
            self._incoming.mkdir(mode=0o700, exist_ok=True)
            if self._incoming.is_symlink():
                raise AssetDamaged(f"{_INCOMING} in the asset folder is a symbolic link")
            self._remove_leftovers(older_than=clock().timestamp() - leftover_age_s)

    def put(self, subject: str, chunks: Iterable[bytes], *, bytes_max: int) -> StoredAsset:
        """See `AssetStore.put`."""
        require_subject(subject)
        with self._incoming_file() as (file, name):
            digest, size_bytes = self._receive(file, bounded(chunks, bytes_max=bytes_max))
            address = AssetAddress(subject, digest)
            with _storage_failures():
                file.flush()
                os.fchmod(file.fileno(), 0o400)
                os.fsync(file.fileno())
                # The bytes are durable but have no address. A crash here leaves a leftover and the caller puts again.
                self._commit(name, address)
                # The address is durable. A crash here leaves a second name in .incoming, removed as a leftover.
        return StoredAsset(storage_uri=address.uri, sha256=digest, bytes=size_bytes)

    def open(self, storage_uri: str, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        """See `AssetStore.open`."""
        reader = self._read(AssetAddress.parse(storage_uri), start, stop)
        next(reader)  # opens the file; a started generator closes it however it ends
        return reader

    def size(self, storage_uri: str) -> int:
        """See `AssetStore.size`."""
        with _storage_failures(), self._asset_file(AssetAddress.parse(storage_uri)) as file:
            return os.fstat(file.fileno()).st_size

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
        with _storage_failures(), suppress(FileNotFoundError), self._folder(address) as folder:
            os.unlink(address.sha256, dir_fd=folder)
            os.fsync(folder)

    def forget(self, subject: str) -> int:
        """See `AssetStore.forget`."""
        require_subject(subject)
        with _storage_failures(), suppress(FileNotFoundError):
            # Only names that are ours are looked at; `delete` opens each folder anew and follows no link.
            found = sorted(self._addresses(subject), key=lambda address: address.sha256)
            for address in found:
                self.delete(address.uri)
            return len(found)
        return 0

    def _addresses(self, subject: str) -> Iterator[AssetAddress]:
        with ExitStack() as opened:
            folder = _open_folder(subject, opened, parent=_open_folder(self._root, opened))
            for prefix in os.listdir(folder):  # noqa: PTH208 - of a descriptor, which a path cannot follow
                for name in os.listdir(_open_folder(prefix, opened, parent=folder)):
                    yield AssetAddress(subject, name)

    def is_locked(self, storage_uri: str) -> bool:
        """See `AssetStore.is_locked`: a file, or its folder, with the attribute immutable or append-only (chattr)."""
        address = AssetAddress.parse(storage_uri)
        with _storage_failures(), suppress(FileNotFoundError), self._folder(address) as folder:
            return keeps(folder) or keeps_entry(folder, address.sha256)
        return False

    def path(self, storage_uri: str) -> Path:
        """Where the asset lies on this machine, for programs that need a file. Not part of the port.

        Raises:
            AssetNotFound: nothing is stored there.
        """
        self.size(storage_uri)
        address = AssetAddress.parse(storage_uri)
        return self._root / address.subject / address.prefix / address.sha256

    def _read(self, address: AssetAddress, start: int, stop: int | None) -> Generator[bytes, None, None]:
        with _storage_failures(), self._asset_file(address) as file:
            positions = resolve_range(start, stop, size_bytes=os.fstat(file.fileno()).st_size)
            yield b""
            file.seek(positions.start)
            remaining = len(positions)
            while remaining:
                chunk = file.read(min(remaining, self._read_chunk_bytes_max))
                if not chunk:
                    raise AssetDamaged(f"{address.uri} became shorter while it was read")
                remaining -= len(chunk)
                yield chunk

    def _receive(self, file: BinaryIO, chunks: Iterable[bytes]) -> tuple[str, int]:
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
            with _storage_failures():
                file.write(chunk)
        return digest.hexdigest(), file.tell()

    def _commit(self, name: str, address: AssetAddress) -> None:
        """Give the received file its address, or find that a file with this content already has it."""
        with self._folder(address, create=True) as folder:
            for _ in range(_COMMIT_ATTEMPTS_MAX):
                if self._link(name, address, folder) or self._holds(address):
                    # Synced also when another put made the entry: that one may not have come to its own sync yet.
                    os.fsync(folder)
                    return
        raise AssetStoreUnavailable(f"{address.uri} was deleted {_COMMIT_ATTEMPTS_MAX} times while it was put")

    def _link(self, name: str, address: AssetAddress, folder: int) -> bool:
        """Make the entry, unless there is one: unlike a rename, a link never replaces what is there."""
        try:
            os.link(self._incoming / name, address.sha256, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return False
        return True

    def _holds(self, address: AssetAddress) -> bool:
        """Whether the asset is there; false when it was deleted since the link was refused."""
        try:
            self._check_hash(address)
        except AssetNotFound:
            return False
        return True

    def _check_hash(self, address: AssetAddress) -> None:
        digest = hashlib.sha256()
        with self._asset_file(address) as file:
            while chunk := file.read(_HASH_CHUNK_BYTES):
                digest.update(chunk)
        if digest.hexdigest() != address.sha256:
            raise AssetDamaged(f"the file of {address.uri} has the hash {digest.hexdigest()}")

    @contextmanager
    def _folder(self, address: AssetAddress, *, create: bool = False) -> Iterator[int]:
        """The descriptor of the asset's folder, reached from the root one component at a time."""
        with ExitStack() as opened:
            try:
                folder = _open_folder(self._root, opened)
            except FileNotFoundError as error:  # the whole store is gone, which says nothing about one asset
                raise AssetStoreUnavailable(f"the asset folder is missing: {self._root}") from error
            for name in (address.subject, address.prefix):
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(name, mode=0o700, dir_fd=folder)
                    os.fsync(folder)  # the new entry, ours or another put's, must not be lost by a power cut
                folder = _open_folder(name, opened, parent=folder)
            yield folder

    @contextmanager
    def _asset_file(self, address: AssetAddress) -> Iterator[BinaryIO]:
        try:
            with self._folder(address) as folder:
                file = open_regular_file(address.sha256, folder=folder)
        except FileNotFoundError as error:
            raise AssetNotFound(address.uri) from error
        except IrregularFileError as error:
            raise AssetDamaged(f"{address.uri} is not a regular file") from error
        with file:
            yield file

    @contextmanager
    def _incoming_file(self) -> Iterator[tuple[BinaryIO, str]]:
        """A new file with mode 0600 in the store's own file system; its name is gone afterwards, whatever happened."""
        with _storage_failures():
            descriptor, path = tempfile.mkstemp(dir=self._incoming, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file, Path(path).name
        finally:
            with _storage_failures():
                Path(path).unlink(missing_ok=True)

    def _remove_leftovers(self, *, older_than: float) -> None:
        for entry in os.scandir(self._incoming):
            with suppress(FileNotFoundError):  # its owner finished, or another process cleans too
                if entry.stat(follow_symlinks=False).st_mtime < older_than:
                    Path(entry.path).unlink()
                    _log.info("asset_leftover_removed", name=entry.name)


def _make_folder(path: Path) -> None:
    """Make a private folder and its missing parents, so that a power cut does not lose them."""
    if not path.parent.exists():
        _make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as opened:
        os.fsync(_open_folder(path.parent.resolve(), opened))


def _open_folder(name: Path | str, opened: ExitStack, *, parent: int | None = None) -> int:
    descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor


@contextmanager
def _storage_failures() -> Iterator[None]:
    """Tell the storage's failures apart from those of the stream that is being stored."""
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_OURS:
            raise AssetDamaged("a symbolic link or a foreign file lies where the store keeps its own") from error
        raise AssetStoreUnavailable(f"the local asset store failed: {error.strerror}") from error

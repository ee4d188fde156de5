"""A bucket that others keep: checkpoints and tiles, each an object that is created once. Needs the extra `s3`.

Creating is conditional (`If-None-Match: *`), so that two who push at once cannot write over each other. That nobody
can remove or replace what is there is the bucket's part: its object lock and its policy.
"""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore

from bickford_sora.buckets import BucketFailed, bucket_failures, open_store
from ledger.proof.errors import Diverged, NotCovered
from ledger.proof.merkle import HASH_BYTES
from ledger.proof.notes import NOTE_BYTES_MAX
from ledger.proof.tiles import TILE_BYTES, WIDTH, Tile

CALL_S_MAX = 60.0
"""Longest one call takes, in seconds: what is pushed, and each page of a list, is a few kilobytes."""
_NEWEST = "checkpoint"
_CHECKPOINTS = "checkpoints"


class PushedBucket:
    """Reads and writes such a bucket: `bickford_sora.pushed_log.PushedLog`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def at(cls, url: str) -> Self:
        """The bucket at this address, as `bickford_sora.buckets.open_store`. Raises BucketUnusable and OSError."""
        with _failures():
            return cls(open_store(url, call_s_max=CALL_S_MAX))

    def checkpoints(self) -> Iterator[bytes]:
        """Every checkpoint, by size."""
        # One that is gone since it was listed is no checkpoint, and damaged is what it is found to be.
        return (self._read(f"{_CHECKPOINTS}/{size}", NOTE_BYTES_MAX) or b"" for size in self._sizes())

    def newest(self) -> bytes | None:
        """The checkpoint that was pushed last, None while there is none.

        It is not looked for in the list of all: that would be a request for each thousand of them, at every push.
        """
        return self._read(_NEWEST, NOTE_BYTES_MAX)

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width. Raises NotCovered when it is not here."""
        for width in dict.fromkeys((WIDTH, tile.width)):
            hashes = self._read(_path(Tile(tile.level, tile.index, width)), TILE_BYTES)
            if hashes is not None:
                return hashes[: tile.width * HASH_BYTES]
        raise NotCovered(f"the tile {tile.path} is not in the bucket")

    def push(self, size: int, note: str, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Adds tiles, then the checkpoint that needs them. Raises Diverged for what is there and is another."""
        for tile, hashes in tiles:
            self._create(_path(tile), hashes)
        # A crash before this line: tiles without a checkpoint, which are the same when they are pushed again.
        self._create(f"{_CHECKPOINTS}/{size}", note.encode())
        # A crash before this line: the newest is one behind, which the same history goes on from as well.
        with _failures():
            obstore.put(self._store, _NEWEST, note.encode(), use_multipart=False)

    def _sizes(self) -> list[int]:
        with _failures():
            pages = obstore.list(self._store, prefix=_CHECKPOINTS)
            names = [each["path"].rpartition("/")[2] for page in pages for each in page]
        return sorted(int(name) for name in names if name.isdecimal())

    def _read(self, path: str, bytes_max: int) -> bytes | None:
        """An object, None where there is none. Of one that is too large the beginning, with a byte too many."""
        with _failures():
            try:
                found = obstore.get(self._store, path)
            except FileNotFoundError:
                return None
            if found.meta["size"] <= bytes_max:
                return bytes(found.bytes())
            return bytes(obstore.get_range(self._store, path, start=0, length=bytes_max + 1))

    def _create(self, path: str, content: bytes) -> None:
        with _failures():
            try:
                obstore.put(self._store, path, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                pass
            else:
                return
        if self._read(path, len(content)) != content:
            raise Diverged(f"{path} is in the bucket and is another: nothing that was pushed is written over")


def _path(tile: Tile) -> str:
    return f"tile/{tile.path}"


@contextmanager
def _failures() -> Iterator[None]:
    """Turns what goes wrong with the bucket into OSError, as a folder's failures are."""
    try:
        with bucket_failures():
            yield
    except BucketFailed as error:
        raise OSError(errno.EIO, str(error)) from error

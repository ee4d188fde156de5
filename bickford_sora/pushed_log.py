"""What others keep of this ledger's log: checkpoints and tiles, in a folder of theirs or in a bucket.

Both have the layout of c2sp.org/tlog-tiles, so that one can be copied to the other:

    checkpoints/SIZE      every checkpoint that was pushed
    checkpoint            the newest of them
    tile/LEVEL/INDEX      hashes
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from bickford_sora.buckets import is_bucket, require_bucket
from bickford_sora.pushed_folder import PushedFolder
from ledger.proof.errors import NotCovered
from ledger.proof.tiles import Tile


class PushedLog(Protocol):
    """Reads and writes what others keep.

    Everything but `checkpoint` is written once: what is there already and is the same is left alone, what is there and
    is another raises Diverged and stays. A checkpoint is written after the tiles that it needs, so that a crash leaves
    tiles without a checkpoint and never the reverse; the same push may be repeated. What was pushed is as durable as
    the place keeps it when `push` returns.

    Raises OSError when the place cannot be used, which may pass.
    """

    def checkpoints(self) -> Iterator[bytes]:
        """Every checkpoint, by size. One that is longer than NOTE_BYTES_MAX may be cut behind that."""

    def newest(self) -> bytes | None:
        """The newest checkpoint, None while there is none."""

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width. Raises NotCovered when it is not here."""

    def push(self, size: int, note: str, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Adds tiles, then the checkpoint that needs them. Raises Diverged for what is there and is another."""


def open_bucket(url: str) -> PushedLog:
    """The bucket at this address, which is not called yet.

    Raises BucketUnusable, and OSError for an address or credentials that cannot be read.
    """
    require_bucket(url)
    from bickford_sora.pushed_bucket import PushedBucket  # noqa: PLC0415 - it imports what the extra installs

    return PushedBucket.at(url)


def read_pushed(place: str) -> tuple[PushedLog, list[bytes]]:
    """What was pushed to a place, and every checkpoint there, by size. Raises as `open_pushed`.

    NotCovered where there is none: whoever named it would take what it proves for proven.
    """
    pushed = open_pushed(place)
    found = [*pushed.checkpoints()]
    if not found:
        raise NotCovered(f"no checkpoint was ever pushed to {place}, or somebody removed them all")
    return pushed, found


def open_pushed(place: str) -> PushedLog:
    """What was pushed to a folder, or to the bucket at an address. Raises as `open_bucket`."""
    return open_bucket(place) if is_bucket(place) else PushedFolder(Path(place))

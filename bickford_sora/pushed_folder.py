"""A folder that others keep: checkpoints and tiles, each written once.

A file appears whole or not at all. One that is there already is compared and never written again.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from ledger.proof.errors import Diverged, NotCovered
from ledger.proof.merkle import HASH_BYTES
from ledger.proof.notes import NOTE_BYTES_MAX
from ledger.proof.tiles import WIDTH, Tile

FILE_MODE = 0o644
"""Others are to read it."""


class PushedFolder:
    """Reads and writes such a folder: `bickford_sora.pushed_log.PushedLog`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def checkpoints(self) -> Iterator[bytes]:
        """Every checkpoint, by size."""
        return (self._note(size) for size in self._sizes())

    def newest(self) -> bytes | None:
        """The largest checkpoint, None while there is none."""
        sizes = self._sizes()
        return self._note(sizes[-1]) if sizes else None

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width. Raises NotCovered when it is not here."""
        for width in (WIDTH, tile.width):
            path = self._path(Tile(tile.level, tile.index, width))
            if path.is_file():
                return path.read_bytes()[: tile.width * HASH_BYTES]
        raise NotCovered(f"the tile {tile.path} is not in {self._folder}")

    def push(self, size: int, note: str, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Adds tiles, then the checkpoint that needs them. Raises Diverged for what is there and is another."""
        for tile, hashes in tiles:
            self._write_once(self._path(tile), hashes)
        # A crash before this line: tiles without a checkpoint, which are the same when they are pushed again.
        self._write_once(self._folder / "checkpoints" / str(size), note.encode())
        self._replace(self._folder / "checkpoint", note.encode())

    def _sizes(self) -> list[int]:
        folder = self._folder / "checkpoints"
        return sorted(int(each.name) for each in folder.iterdir() if each.name.isdecimal()) if folder.is_dir() else []

    def _note(self, size: int) -> bytes:
        with (self._folder / "checkpoints" / str(size)).open("rb") as file:
            return file.read(NOTE_BYTES_MAX + 1)

    def _path(self, tile: Tile) -> Path:
        return self._folder / "tile" / tile.path

    def _write_once(self, path: Path, content: bytes) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, prefix=".") as written:
                _fill(written.fileno(), content)
                try:
                    os.link(written.name, path)
                except FileExistsError:  # somebody else pushes here, too
                    pass
                else:
                    return
        if path.read_bytes() != content:
            raise Diverged(f"{path} is there and is another: nothing that was pushed is written over")

    def _replace(self, path: Path, content: bytes) -> None:
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as written:
            _fill(written.fileno(), content)
        Path(written.name).replace(path)


def _fill(descriptor: int, content: bytes) -> None:
    """On disk when this returns."""
    os.fchmod(descriptor, FILE_MODE)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)

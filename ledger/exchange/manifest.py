"""What lies beside an export and says what is in it."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.envelope import Sha256
from ledger.exchange.errors import ExportDamaged, in_words
from ledger.exchange.selection import Selection

MANIFEST_BYTES_MAX = 16 * 1024 * 1024
"""Largest manifest that is read, in bytes; it holds the list of positions of a filtered export at most."""


class Format(StrEnum):
    """How facts are written."""

    JSONL = "jsonl"
    """CloudEvents 1.0, one JSON document a line."""
    PARQUET = "parquet"


class TreeHead(BaseModel):
    """The Merkle tree over a whole export: that of the ledger when it had as many facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    root: Sha256
    """RFC 6962 root in hex."""


class Manifest(BaseModel):
    """One export file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    ledger_id: UUID
    first: int
    """The first position that was asked for."""
    last: int
    """The last one; one less than `first` when the ledger has nothing there."""
    filter: dict[str, str | list[str]]
    """What else was asked for, by the names of the command's options. Empty: every fact in the range."""
    events: int = Field(ge=0)
    file_bytes: int = Field(ge=0)
    file_sha256: Sha256
    tree: TreeHead | None
    """Of an export from position 1 without a filter; None for others."""

    @property
    def is_complete(self) -> bool:
        """Whether the export begins with the ledger and misses nothing up to its end."""
        return self.first == 1 and not self.filter and self.events == self.last


def segment_file(ledger_id: UUID, first: int, last: int) -> str:
    """The name of the export of a closed segment. The checkpoint beside it may be of more facts than it has."""
    return f"segment-{str(ledger_id)[:8]}-{first}-{last}.{Format.JSONL}"


def is_segment(export: Path, manifest: Manifest) -> bool:
    """Whether an export says by its name that it is a closed segment of all that it has."""
    return export.name == segment_file(manifest.ledger_id, manifest.first, manifest.last)


def manifest_path(export: Path) -> Path:
    """Where the manifest of an export lies."""
    return export.with_name(export.name + ".manifest.json")


def checkpoint_path(export: Path) -> Path:
    """Where the checkpoint of an export lies."""
    return export.with_name(export.name + ".checkpoint")


def read_manifest(export: Path) -> Manifest:
    """The manifest of an export. Raises ExportDamaged when there is none, or it cannot be read."""
    path = manifest_path(export)
    try:
        with path.open("rb") as file:
            content = file.read(MANIFEST_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ExportDamaged(path.name, "it is missing, and nobody can tell whether the export is whole") from None
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ExportDamaged(path.name, in_words(error)) from None


def described(selection: Selection) -> dict[str, str | list[str]]:
    """The filter of a selection as a manifest tells it."""
    said: dict[str, str | list[str] | None] = {
        "tenant": selection.tenant,
        "type": list(selection.types) or None,
        "since": _text(selection.since),
        "before": _text(selection.before),
        "positions": None if selection.positions is None else [*map(str, selection.positions)],
    }
    return {name: value for name, value in said.items() if value is not None}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

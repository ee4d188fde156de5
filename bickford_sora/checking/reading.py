"""What the check reads: the ledger's rows as they are stored, and the files they name."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from bickford_sora.assets.errors import AssetDamaged, AssetNotFound
from bickford_sora.assets.port import AssetStore, sha256_of
from bickford_sora.checking.check import CATEGORIES
from bickford_sora.checking.files import File, LookAt
from bickford_sora.checking.findings import Kind
from bickford_sora.checking.records import History, Record, parts_of
from ledger.application import Ledger
from ledger.mapper import RecordedRow
from ledger.payloads import is_moved

OnProgress = Callable[[int, int], None]
"""Told how many of how many facts are done."""


def records(ledger: Ledger, on_progress: OnProgress = lambda _done, _total: None) -> Iterator[Record]:
    """Every record up to the head of now, in the ledger's order. Raises ValueError for a payload that is none."""
    head, after = ledger.head(), 0
    while after < head:
        rows = ledger.stored(after, until=head)
        if not rows:
            return  # positions are missing at the end; what follows a gap would have been read
        for row in rows:
            yield _record(ledger, row)
        after = rows[-1].id
        on_progress(after, head)


def history(ledger: Ledger) -> History:
    """Reads one stream again."""
    return lambda stream: [_record(ledger, row) for row in ledger.stored_history(stream)]


def _record(ledger: Ledger, row: RecordedRow) -> Record:
    stream = str(row.originator_id)
    is_counted = stream.partition(":")[0] in CATEGORIES
    fields: dict[str, Any] = {}
    schema = 1
    if is_counted:
        fields, schema = parts_of(ledger.payloads(row.id, row.state) if is_moved(row.state) else row.state)
    elif not is_moved(row.state):  # of the others only the type and its schema are looked at
        with suppress(ValueError):  # `verify` tells of one that is damaged
            _, schema = parts_of(row.state)
    return Record(row.id, stream, row.originator_version, row.topic, row.recorded_at, fields, schema)


def sizes(assets: AssetStore) -> LookAt:
    """Looks whether a file is there and as long as is recorded."""

    def look_at(file: File) -> tuple[Kind, str] | None:
        try:
            found = assets.size(file.storage_uri)
        except AssetNotFound:
            return Kind.ASSET_MISSING, f"{file.storage_uri} is gone"
        if found != file.bytes:
            return Kind.ASSET_CHANGED, f"{file.storage_uri} has {found} bytes, {file.bytes} are recorded"
        return None

    return look_at


def contents(assets: AssetStore) -> LookAt:
    """Reads a file whole, and holds it to the SHA-256 that is recorded."""

    def look_at(file: File) -> tuple[Kind, str] | None:
        try:
            digest = sha256_of(assets, file.storage_uri)
        except AssetNotFound:
            return Kind.ASSET_MISSING, f"{file.storage_uri} is gone"
        except AssetDamaged as error:
            return Kind.ASSET_CHANGED, f"{file.storage_uri}: {error}"
        if digest != file.sha256:
            return Kind.ASSET_CHANGED, f"{file.storage_uri} is not the file that was stored"
        return None

    return look_at

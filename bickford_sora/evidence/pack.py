"""One archive that opens offline: the page, the facts, what proves them, and the program that checks it."""

import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO
from uuid import UUID

from bickford_sora.auditor.files import VERIFIER, verifier
from bickford_sora.evidence.gathering import Evidence
from bickford_sora.evidence.page import CHECKED_BY, About, page
from bickford_sora.evidence.texts import Texts
from ledger.exchange.cloudevents import line_of
from ledger.keys import Keys
from ledger.mapper import RecordedRow
from ledger.proof.checkpoints import origin_of
from ledger.proof.leaves import envelope_of, leaf_of
from ledger.proof.merkle import inclusion_proof
from ledger.proof.notes import Verifier
from ledger.proof.port import KeptCheckpoint, TreeReader
from ledger.proof.receipts import receipt_of
from ledger.proof.tiles import TileNodes

PACK_FACTS_MAX = 20_000
"""Most facts of one pack: a reader's page, and a receipt for each of them. Larger questions are for an export."""


def files_of(
    evidence: Evidence,
    *,
    title: str,
    parked: int = 0,
    tree: TreeReader,
    verifiers: Sequence[Verifier],
    keys: Keys | None,
    made_at: datetime,
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a pack's files. `keys` opens sealed texts in the page; None leaves them sealed."""
    ledger_id = tree.ledger_id()
    last = max((row.id for row in evidence.rows), default=0)
    # One that covers everything, else the newest there is: what lies behind it has no receipt yet, and is named.
    checkpoint = tree.newest(covering=last) or tree.newest()
    about = About(
        title=title,
        parked=parked,
        ledger_id=str(ledger_id),
        made_at=made_at,
        covered=_covered(evidence.rows, checkpoint),
        opened=keys is not None,
    )
    yield "index.html", page(evidence, about, Texts(keys)).encode()
    yield "facts.jsonl", b"".join(line_of(row, leaf_of(row), origin_of(ledger_id)) for row in evidence.rows)
    for digest, text in evidence.policies.items():
        yield f"policies/{digest}.yaml", text.encode()
    for digest, text in evidence.prices.items():
        yield f"prices/{digest}.json", text.encode()
    if checkpoint is not None:
        yield "checkpoint", checkpoint.note.encode()
        yield from _receipts(evidence.rows, tree, checkpoint)
    yield "log.key", "".join(f"{each}\n" for each in verifiers).encode()
    yield VERIFIER, verifier()
    yield "README.txt", _readme(about, ledger_id).encode()


def write_pack(path: Path, files: Iterator[tuple[str, bytes]], made_at: datetime) -> int:
    """Writes the archive to a new file. Returns how many are in it. Raises FileExistsError: nothing is overwritten."""
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        raise FileExistsError(str(path))
    try:
        with part.open("wb") as target:
            written = zip_files(target, files, made_at)
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return written


def zip_files(target: IO[bytes], files: Iterator[tuple[str, bytes]], made_at: datetime) -> int:
    """Writes the archive. Returns how many files are in it."""
    written = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, made_at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
            written += 1
    return written


def _receipts(rows: Sequence[RecordedRow], tree: TreeReader, checkpoint: KeptCheckpoint) -> Iterator[tuple[str, bytes]]:
    """A receipt of each fact under the checkpoint."""
    nodes = cache(TileNodes(tree.tile, checkpoint.size))  # receipts share most of what leads to the root
    for row in rows:
        if row.id <= checkpoint.size:
            proof = inclusion_proof(nodes, row.id - 1, checkpoint.size)
            receipt = receipt_of(row.id - 1, proof, checkpoint.note, envelope_of(row))
            yield f"receipts/{row.id:010}.tlog-proof", str(receipt).encode()


def _covered(rows: Sequence[RecordedRow], checkpoint: KeptCheckpoint | None) -> str:
    if checkpoint is None:
        return "none was signed yet: nothing here can be proved"
    behind = sum(row.id > checkpoint.size for row in rows)
    said = f"of {checkpoint.size} facts, signed {checkpoint.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{said}; {behind} of these facts are behind it, and not covered yet" if behind else f"{said}; covers all of it"
    )


def _readme(about: About, ledger_id: UUID) -> str:
    return f"""{about.title}

index.html        open this first; it needs no network
facts.jsonl       the facts, one a line (CloudEvents 1.0); texts people wrote are sealed in them
receipts/         what proves each fact (c2sp.org/tlog-proof)
checkpoint        what the ledger signed (c2sp.org/tlog-checkpoint)
log.key           the public keys it signs with
policies/ prices/ the rules and prices that decided, named by their SHA-256
{VERIFIER}  checks all of this; Python 3.11 or newer, nothing to install

To check it, run in this folder:

    {CHECKED_BY}

A checkpoint and a key that lie in the same archive prove that the archive agrees with itself. Get the key, or a
checkpoint, of the ledger {ledger_id} from where somebody else keeps them, and pass those instead.
"""

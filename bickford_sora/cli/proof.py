"""`bickford-sora proof`: receipts and consistency proofs, taken and checked."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from bickford_sora.cli.looking import books, has_ledger
from bickford_sora.cli.options import Json, Tenant, in_a_folder
from bickford_sora.cli.output import print_fields, print_json
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.proof_problems import proof_statuses
from bickford_sora.composition.books import TENANT
from ledger import streams
from ledger.application import Ledger
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.consistency import Consistency
from ledger.proof.errors import Unsigned
from ledger.proof.notes import Note, Verifier
from ledger.proof.receipts import RECEIPT_BYTES_MAX, Receipt

PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        help="Trust this key, as 'checkpoint keys' shows it, or those in this file, and no other.",
        metavar="KEY|FILE",
    ),
]

proof = typer.Typer(help="Prove that a fact is in the ledger, and that the ledger went on.", no_args_is_help=True)


@proof.command()
def take(
    subject: Annotated[str, typer.Argument(help="Id of a video, or a position.", metavar="VIDEO_ID|POSITION")],
    *,
    version: Annotated[int | None, typer.Option(min=1, help="Which of the video's facts; else its last.")] = None,
    tenant: Tenant = TENANT,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it to this file.", dir_okay=False, callback=in_a_folder)
    ] = None,
) -> None:
    """Take the receipt of a fact: a .tlog-proof file that is checked without the ledger."""
    with proof_statuses(), books() as opened:
        receipt = opened.proving.proofs.receipt(_position(opened.ledger, tenant, subject, version))
    if out is None:
        print(receipt, end="")
        return
    out.write_text(str(receipt), "utf-8")
    print(f"{out}: the receipt of the fact at position {receipt.index + 1}")


@proof.command()
def check(
    file: Annotated[Path, typer.Argument(help="The receipt.", exists=True, dir_okay=False)],
    *,
    public_key: PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Check a receipt. With --public-key neither the ledger nor a network is needed."""
    with proof_statuses():
        receipt = Receipt.parse(_content(file))
        checkpoint = receipt.check(verifiers=_trusted(public_key))
    envelope = orjson.loads(receipt.extra or b"null")
    told = {"checkpoint_size": checkpoint.size, "checkpoint_origin": checkpoint.origin, "position": receipt.index + 1}
    if as_json:
        print_json({**told, "fact": envelope})
        return
    print(f"{file}: in order")
    print_fields({**(envelope or {}), **told})


@proof.command()
def consistency(
    size: Annotated[int, typer.Argument(min=0, help="How many facts the earlier checkpoint is of.", metavar="SIZE")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it to this file.", dir_okay=False, callback=in_a_folder)
    ] = None,
) -> None:
    """Prove that the newest checkpoint goes on from an earlier one: a file that is checked without the ledger."""
    with proof_statuses(), books() as opened:
        found = opened.proving.proofs.continuation(size)
    if out is None:
        print(found, end="")
        return
    out.write_text(str(found), "utf-8")
    print(f"{out}: the checkpoint in it goes on from {size} facts")


@proof.command("check-consistency")
def check_consistency(
    file: Annotated[Path, typer.Argument(help="The proof.", exists=True, dir_okay=False)],
    *,
    against: Annotated[Path, typer.Option(help="The earlier checkpoint, as it was kept.", exists=True, dir_okay=False)],
    public_key: PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Check that a later checkpoint goes on from one that was kept. With --public-key the ledger is not needed."""
    with proof_statuses():
        found = Consistency.parse(_content(file))
        note = Note.parse(_content(against))
        verifiers = _trusted(public_key)
        held = open_checkpoint(str(note), origin=Checkpoint.parse(note).origin, verifiers=verifiers)
        later = found.check(held, verifiers=verifiers)
    if as_json:
        print_json({"old_size": held.size, "new_size": later.size, "checkpoint_origin": later.origin})
        return
    print(f"{file}: in order; the checkpoint of {later.size} facts goes on from that of {held.size}")


def verifiers_of(public_keys: Sequence[str]) -> list[Verifier]:
    """The keys that are named, or that begin the lines of files of these names, but for those listed as stolen.

    Raises Malformed.
    """
    return [Verifier.parse(key) for each in public_keys for key in _keys(each)]


def _keys(given: str) -> Sequence[str]:
    with contextlib.suppress(OSError):  # a key is longer than a file's name may be
        if Path(given).is_file():
            lines = [line.split() for line in _content(Path(given)).decode("utf-8", "replace").splitlines()]
            return [words[0] for words in lines if words and words[-1] != "stolen"] or [""]
    return [given]


def _trusted(public_keys: Sequence[str] | None) -> Sequence[Verifier]:
    """The keys that are named, else those the ledger has on record; where there is none, none is made."""
    if public_keys:
        return verifiers_of(public_keys)
    if not has_ledger():
        raise Unsigned("there is no ledger here to have the key from; name the one you trust with --public-key")
    with books() as ours:
        if verifiers := ours.proving.signing.keys().verifiers:
            return verifiers
    raise Unsigned("the ledger here has no key on record; name the one you trust with --public-key")


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(RECEIPT_BYTES_MAX + 1)


def _position(ledger: Ledger, tenant: str, subject: str, version: int | None) -> int:
    if subject.isascii() and subject.isdecimal():
        return int(subject)
    if not streams.is_video_id(subject):
        raise CommandRefused(f"Neither a video id nor a position: {subject[:80]!r}.", code="video_not_found")
    events = ledger.history(streams.render(tenant, subject), after=(version or 1) - 1, until=version)
    if not events:
        raise CommandRefused(f"The tenant {tenant} has no such fact of this video.", code="video_not_found")
    return events[-1].position or 0

"""`bickford-sora proof`: receipts, taken and checked."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, in_a_folder
from bickford_sora.cli.output import print_fields, print_json
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.proof_problems import proof_statuses
from bickford_sora.composition.books import TENANT
from ledger import streams
from ledger.application import Ledger
from ledger.proof.notes import Verifier
from ledger.proof.receipts import RECEIPT_BYTES_MAX, Receipt

PublicKeys = Annotated[
    list[str] | None,
    typer.Option("--public-key", help="Trust this key, as 'checkpoint keys' shows it, and no other.", metavar="KEY"),
]

proof = typer.Typer(help="Prove that a fact is in the ledger.", no_args_is_help=True)


@proof.command()
def take(
    subject: Annotated[str, typer.Argument(help="Id of a video, or a position.", metavar="VIDEO_ID|POSITION")],
    *,
    version: Annotated[int | None, typer.Option(min=1, help="Which of the video's facts; else its last.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it to this file.", dir_okay=False, callback=in_a_folder)
    ] = None,
) -> None:
    """Take the receipt of a fact: a .tlog-proof file that is checked without the ledger."""
    with proof_statuses(), books() as opened:
        receipt = opened.proving.proofs.receipt(_position(opened.ledger, subject, version))
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
    with file.open("rb") as opened:
        content = opened.read(RECEIPT_BYTES_MAX + 1)
    with proof_statuses():
        receipt = Receipt.parse(content)
        verifiers = [Verifier.parse(each) for each in public_key or ()]
        if verifiers:
            checkpoint = receipt.check(verifiers=verifiers)
        else:
            with books() as ours:
                checkpoint = receipt.check(verifiers=ours.proving.signing.keys().verifiers)
    envelope = orjson.loads(receipt.extra or b"null")
    told = {"checkpoint_size": checkpoint.size, "checkpoint_origin": checkpoint.origin, "position": receipt.index + 1}
    if as_json:
        print_json({**told, "fact": envelope})
        return
    print(f"{file}: in order")
    print_fields({**(envelope or {}), **told})


def _position(ledger: Ledger, subject: str, version: int | None) -> int:
    if subject.isascii() and subject.isdecimal():
        return int(subject)
    if not streams.is_video_id(subject):
        raise CommandRefused(f"Neither a video id nor a position: {subject[:80]!r}.", code="video_not_found")
    events = ledger.history(streams.render(TENANT, subject), after=(version or 1) - 1, until=version)
    if not events:
        raise CommandRefused("The ledger has no such fact of this video.", code="video_not_found")
    return events[-1].position or 0

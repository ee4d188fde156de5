"""`bickford-sora checkpoint`: what the ledger was when, signed; and the keys that sign."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, in_a_folder
from bickford_sora.cli.output import print_json, print_table
from bickford_sora.cli.proof_problems import proof_statuses
from ledger.events.proof import Retirement
from ledger.log_keys import LogKey
from ledger.proof.port import CHECKPOINTS_READ_MAX, KeptCheckpoint

ACTOR = "operator"
"""Who rotates a key from the command line."""
OutNote = Annotated[
    Path | None, typer.Option("--out", help="Write it to this file.", dir_okay=False, callback=in_a_folder)
]

checkpoint = typer.Typer(help="Take, show and list checkpoints, and look after their key.", no_args_is_help=True)


@checkpoint.command()
def take(*, out: OutNote = None, as_json: Json = False) -> None:
    """Take a checkpoint that covers every fact there is."""
    with proof_statuses(), books() as opened:
        _show(opened.proving.sequencer.take(), out, as_json=as_json)


@checkpoint.command()
def show(*, out: OutNote = None, as_json: Json = False) -> None:
    """Show the newest checkpoint."""
    with proof_statuses(), books() as opened:
        _show(opened.proving.proofs.checkpoint(), out, as_json=as_json)


@checkpoint.command("list")
def list_(
    *,
    after: Annotated[int, typer.Option(min=0, help="Checkpoints of more facts than this.")] = 0,
    as_json: Json = False,
) -> None:
    """List checkpoints, the smallest first."""
    with books() as opened:
        found = opened.proving.tree.checkpoints(after=after, limit=CHECKPOINTS_READ_MAX)
    if as_json:
        for each in found:
            print_json({**asdict(each), "root": each.root.hex()})
        return
    print_table(("facts", "taken at", "root"), [(each.size, each.taken_at, each.root.hex()) for each in found])


@checkpoint.command()
def keys(*, as_json: Json = False) -> None:
    """List the keys that sign, or signed, checkpoints. The first column is what checkers are given."""
    with books() as opened:
        found = opened.proving.signing.keys().keys
    if as_json:
        for each in found:
            print_json(_told(each))
        return
    rows = [(each.verifier, each.published_at, each.retired_at, each.retired_for) for each in found]
    print_table(("public key", "published at", "retired at", "because it was"), rows)


@checkpoint.command("rotate-key")
def rotate_key(
    *,
    reason: Annotated[str, typer.Option(help="Why: rotated, lost or stolen.")] = "rotated",
    as_json: Json = False,
) -> None:
    """Sign with a new key from now on. The old one stays listed."""
    reasons: dict[str, Retirement] = {"rotated": "rotated", "lost": "lost", "stolen": "stolen"}
    if reason not in reasons:
        raise typer.BadParameter("a key is rotated, lost or stolen", param_hint="--reason")
    with books() as opened:
        proving = opened.proving
        signer = proving.signing.rotate(proving.tree.ledger_id(), reasons[reason], actor=ACTOR)
    if as_json:
        print_json({"public_key": str(signer.verifier), "key_id": signer.verifier.key_id.hex()})
        return
    print(f"Checkpoints are signed with {signer.verifier} from now on.")


def _show(found: KeptCheckpoint, out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        out.write_text(found.note, "utf-8")
    if as_json:
        print_json({"size": found.size, "root": found.root.hex(), "note": found.note, "taken_at": found.taken_at})
    elif out is None:
        print(found.note, end="")
    else:
        print(f"{out}: a checkpoint of {found.size} facts")


def _told(key: LogKey) -> dict[str, object]:
    return {
        "public_key": str(key.verifier),
        "key_id": key.key_id,
        "published_at": key.published_at,
        "retired_at": key.retired_at,
        "reason": key.retired_for,
    }

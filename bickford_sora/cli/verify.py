"""`bickford-sora verify`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bickford_sora.buckets import is_bucket
from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import note, print_json, print_table, progress_shown
from bickford_sora.cli.proof import PublicKeys, verifiers_of
from bickford_sora.cli.proof_problems import proof_statuses, status_of
from bickford_sora.cli.verify_export import verify_export
from bickford_sora.verifying import Asked, verify_live
from ledger.proof.findings import Finding
from ledger.proof.verify import Verified


def _pushed_to(place: str | None) -> str | None:
    if place is not None and not is_bucket(place) and not Path(place).is_dir():
        raise typer.BadParameter(f"{place!r} is no folder, and no address such as s3://BUCKET/PREFIX")
    return place


def verify(
    export: Annotated[
        Path | None,
        typer.Argument(help="An export, instead of the live ledger.", metavar="EXPORT", exists=True, dir_okay=False),
    ] = None,
    *,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Hold the ledger to this checkpoint.", metavar="CHECKPOINT", exists=True, dir_okay=False),
    ] = None,
    tiles: Annotated[
        str | None,
        typer.Option(
            help="Hold it to the checkpoints and tiles that were pushed here: a folder, or a bucket's address.",
            metavar="FOLDER|URL",
            callback=_pushed_to,
        ),
    ] = None,
    public_key: PublicKeys = None,
    assets: Annotated[bool, typer.Option("--assets", help="Check stored files against their SHA-256, too.")] = False,
    as_json: Json = False,
) -> None:
    """Reread the whole ledger and hold it to its tree and its checkpoints. What is wrong gives the exit status."""
    if export is not None and assets:
        raise typer.BadParameter("an export has no files: leave out --assets")
    began = time.monotonic()
    with proof_statuses():
        verifiers = verifiers_of(public_key or ())
        if export is not None:
            verified = verify_export(export, against=against or (), tiles=tiles, verifiers=verifiers)
        else:
            verified = _live(Asked(against=against or (), tiles=tiles, assets=assets, verifiers=verifiers))
    _show(verified, round(time.monotonic() - began, 3), as_json=as_json)
    raise typer.Exit(status_of(verified.kinds))


def _live(asked: Asked) -> Verified:
    with books() as opened, progress_shown("verify", unit="read") as progress:
        return verify_live(opened, asked, progress)


def _show(verified: Verified, taken_s: float, *, as_json: bool) -> None:
    if as_json:
        told = {**asdict(verified), "kinds": sorted(verified.kinds), "held": verified.held, "took_s": taken_s}
        print_json(told)
        return
    if verified.findings:
        print_table(("position", "what", ""), [(_where(each), each.kind, each.message) for each in verified.findings])
    if verified.left_off:
        note(f"{verified.left_off} more are not listed.")
    sizes = f"{verified.facts} facts read in {taken_s} s, {verified.covered} under {verified.checkpoints} checkpoints"
    print(sizes)
    if not verified.covered:
        print("none of them is covered by a checkpoint yet")
    elif verified.facts > verified.covered:
        print(f"positions {verified.covered + 1} to {verified.facts} are not covered by a checkpoint yet")
    if not verified.held:
        print("NOT everything is as it was recorded")
    else:
        print("everything is as it was recorded" if verified.covered else "nothing wrong was found")
    if not verified.checkpoints:
        note("No checkpoint was held. Take one with 'bickford-sora checkpoint take', and keep it elsewhere.")


def _where(finding: Finding) -> str:
    places = str(finding.first) if finding.first == finding.last else f"{finding.first}-{finding.last}"
    return places if finding.exact else f"within {places}"

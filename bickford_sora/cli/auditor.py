"""`bickford-sora auditor`."""

from pathlib import Path
from typing import Annotated

import typer

from bickford_sora.auditor.files import VERIFIER, verifier
from bickford_sora.cli.options import in_a_folder


def auditor(
    *,
    out: Annotated[Path, typer.Option(help="The file to write.", dir_okay=False, callback=in_a_folder)] = Path(
        VERIFIER
    ),
) -> None:
    """Write the program that checks a ledger's files without this one: a single file for Python alone."""
    out.write_bytes(verifier())
    print(f"{out}: run it as 'python {out.name} --help'")

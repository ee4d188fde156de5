"""`bickford-sora audit pack`."""

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, cast

import typer

from bickford_sora.cli.audited import facts_about
from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, Tenant, in_a_folder, parse_moment
from bickford_sora.cli.output import print_fields, print_json
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.signing import taken_checkpoint
from bickford_sora.composition.books import TENANT, Books
from bickford_sora.composition.packing import packing
from bickford_sora.evidence.pack import PACK_FACTS_MAX, write_pack
from bickford_sora.evidence.packing import Pack
from ledger.exchange.selection import Selection, select_last, select_rows
from ledger.mapper import RecordedRow
from projections.audit import Audit


def pack(
    *,
    render: Annotated[str | None, typer.Option(help="About the video with this id.", metavar="ID")] = None,
    period: Annotated[
        str | None,
        typer.Option(help="All that was recorded from one moment to before another.", metavar="2026-11-01..2026-12-01"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The new archive. Else one here.", dir_okay=False, callback=in_a_folder)
    ] = None,
    tenant: Tenant = TENANT,
    open_prompts: Annotated[bool, typer.Option("--open-prompts", help="Show sealed texts on the page.")] = False,
    as_json: Json = False,
) -> None:
    """Write an archive for an auditor: a page, the facts, policies, prices, receipts, and the program that checks."""
    if (render is None) == (period is None):
        raise typer.BadParameter("say what it is about: either --render or --period")
    with books() as opened:
        taken_checkpoint(opened)
        parked = 0  # of a period every fact is read, or the command fails
        if render is not None:
            title, positions = f"Evidence on {render}", facts_about(opened, tenant, render)
            parked = Audit(opened.pool).parked(tenant)
        else:
            title, positions = f"Evidence from {period}", _recorded(opened, _period(tenant, period or ""))
        made = packing(opened).pack(title, positions, tenant=tenant, parked=parked, opens_texts=open_prompts)
        path = out or Path(f"{title.lower().replace(' ', '-').replace(':', '')}.zip")
        files = _written(made, path)
    told = {"file": path, "files": files, "facts": len(made.evidence.events), "renders": len(made.evidence.renders)}
    if as_json:
        print_json(told)
    else:
        print_fields(told)


def _period(tenant: str, text: str) -> Selection:
    """A period as FROM..TO. Raises typer.BadParameter."""
    since, dots, before = text.partition("..")
    if not dots:
        raise typer.BadParameter(f"not a period like 2026-11-01..2026-12-01: {text!r}")
    return Selection(tenant=tenant, since=parse_moment(since), before=parse_moment(before))


def _recorded(opened: Books, selection: Selection) -> Sequence[int]:
    with opened.pool.connection() as connection:
        last = select_last(connection, selection)
        rows = select_rows(connection, selection, last=last, payloads=opened.ledger.payloads)
        with closing(cast("Generator[RecordedRow, None, None]", rows)):
            positions = [row.id for row in islice(rows, PACK_FACTS_MAX + 1)]
    if len(positions) > PACK_FACTS_MAX:
        raise CommandRefused(
            f"The period has more than {PACK_FACTS_MAX} facts. Take a shorter one, or an export.", code="pack_too_large"
        )
    if not positions:
        raise CommandRefused("Nothing was recorded in this period.", code="nothing_recorded")
    return positions


def _written(pack: Pack, path: Path) -> int:
    try:
        return write_pack(path, pack.files, pack.made_at)
    except FileExistsError:
        raise CommandRefused(f"{path} is there already; nothing is overwritten.", code="file_exists") from None

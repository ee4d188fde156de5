"""`bickford-sora audit pack`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from psycopg import Connection
from psycopg.rows import TupleRow

from bickford_sora.about import positions_about
from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, in_a_folder, parse_moment
from bickford_sora.cli.output import print_fields, print_json
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.signing import taken_checkpoint
from bickford_sora.composition.books import TENANT, Books
from bickford_sora.decisions.policy import built_in
from bickford_sora.evidence.gathering import Evidence, gather
from bickford_sora.evidence.pack import PACK_FACTS_MAX, files_of, write_pack
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
    open_prompts: Annotated[bool, typer.Option("--open-prompts", help="Show sealed texts on the page.")] = False,
    as_json: Json = False,
) -> None:
    """Write an archive for an auditor: a page, the facts, policies, prices, receipts, and the program that checks."""
    if (render is None) == (period is None):
        raise typer.BadParameter("say what it is about: either --render or --period")
    with books() as opened:
        taken_checkpoint(opened)
        with opened.pool.connection() as connection:
            if render is not None:
                title, positions = f"Evidence on {render}", _about(opened, render)
            else:
                title, positions = f"Evidence from {period}", _recorded(opened, connection, _period(period or ""))
            evidence = _gathered(opened, connection, positions)
            path = out or Path(f"{title.lower().replace(' ', '-').replace(':', '')}.zip")
            files = _written(opened, evidence, title, path, open_prompts=open_prompts)
    told = {"file": path, "files": files, "facts": len(evidence.events), "renders": len(evidence.renders)}
    if as_json:
        print_json(told)
    else:
        print_fields(told)


def _about(opened: Books, video_id: str) -> Sequence[int]:
    opened.projector.catch_up()
    positions = positions_about(Audit(opened.pool), TENANT, video_id)
    if not positions:
        raise CommandRefused("The ledger has no video with this id.", code="video_not_found")
    return positions


def _period(text: str) -> Selection:
    """A period as FROM..TO. Raises typer.BadParameter."""
    since, dots, before = text.partition("..")
    if not dots:
        raise typer.BadParameter(f"not a period like 2026-11-01..2026-12-01: {text!r}")
    return Selection(tenant=TENANT, since=parse_moment(since), before=parse_moment(before))


def _recorded(opened: Books, connection: Connection[TupleRow], selection: Selection) -> Sequence[int]:
    positions: list[int] = []
    last = select_last(connection, selection)
    for row in select_rows(connection, selection, last=last, payloads=opened.ledger.payloads):
        positions.append(row.id)
        if len(positions) > PACK_FACTS_MAX:
            raise CommandRefused(
                f"The period has more than {PACK_FACTS_MAX} facts. Take a shorter one, or an export.",
                code="pack_too_large",
            )
    if not positions:
        raise CommandRefused("Nothing was recorded in this period.", code="nothing_recorded")
    return positions


def _gathered(opened: Books, connection: Connection[TupleRow], positions: Iterable[int]) -> Evidence:
    def rows_at(wanted: Sequence[int]) -> list[RecordedRow]:
        selection = Selection(positions=tuple(wanted))
        last = select_last(connection, selection)
        return [*select_rows(connection, selection, last=last, payloads=opened.ledger.payloads)]

    policy = built_in(opened.settings.render_cost_max_micro).compiled
    return gather(opened.ledger, rows_at, positions, tenant=TENANT, built_in=policy)


def _written(opened: Books, evidence: Evidence, title: str, path: Path, *, open_prompts: bool) -> int:
    made_at = opened.clock()
    files = files_of(
        evidence,
        title=title,
        tree=opened.proving.tree,
        verifiers=opened.proving.signing.keys().verifiers,
        keys=opened.keys if open_prompts else None,
        made_at=made_at,
    )
    try:
        return write_pack(path, files, made_at)
    except FileExistsError:
        raise CommandRefused(f"{path} is there already; nothing is overwritten.", code="file_exists") from None

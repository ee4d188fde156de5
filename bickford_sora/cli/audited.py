"""What commands share that look facts up in the audit's rows."""

from collections.abc import Sequence

from bickford_sora.about import positions_about
from bickford_sora.cli.output import note
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.composition.books import Books
from projections.audit import AUDIT, Audit


def catch_up(opened: Books) -> None:
    """Brings the rows to the ledger's end, and says it where some facts cannot be among them."""
    opened.projector.catch_up()
    left_out = [each.stream for each in opened.projector.parked() if each.name == AUDIT.name]
    if left_out:
        note(
            f"Not every fact is here: {len(left_out)} streams have some that this version cannot read. "
            "See 'bickford-sora projections parked list' and 'bickford-sora verify'."
        )


def facts_about(opened: Books, tenant: str, video_id: str) -> Sequence[int]:
    """Positions of all facts about a video. Raises CommandRefused when there is none of this id."""
    catch_up(opened)
    positions = positions_about(Audit(opened.pool), tenant, video_id)
    if not positions:
        raise CommandRefused(f"The tenant {tenant} has no video with this id.", code="video_not_found")
    return positions

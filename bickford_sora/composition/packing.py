"""What makes evidence packs, put together."""

from collections.abc import Sequence

from bickford_sora.composition.books import TENANT, Books
from bickford_sora.decisions.policy import built_in
from bickford_sora.evidence.packing import Packing
from ledger.exchange.selection import Selection, select_last, select_rows
from ledger.mapper import RecordedRow


def packing(books: Books) -> Packing:
    """What makes evidence packs."""

    def rows_at(positions: Sequence[int]) -> list[RecordedRow]:
        selection = Selection(positions=tuple(positions))
        with books.pool.connection() as connection:
            last = select_last(connection, selection)
            return [*select_rows(connection, selection, last=last, payloads=books.ledger.payloads)]

    return Packing(
        ledger=books.ledger,
        rows_at=rows_at,
        tree=books.proving.tree,
        verifiers=lambda: books.proving.signing.keys().verifiers,
        keys=books.keys,
        operator=TENANT,
        built_in=built_in(books.settings.render_cost_max_micro).compiled,
        clock=books.clock,
    )

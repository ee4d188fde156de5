"""The ledger's recorder, with a span for each append."""

from collections.abc import Mapping, Sequence

from bickford_sora.tracing import Tracing
from ledger.committer import Observe, unobserved
from ledger.continuity import Continuity
from ledger.envelope import Appended
from ledger.errors import LedgerError
from ledger.mapper import Row
from ledger.remembering import RememberingRecorder
from ledger.sending import Pool


class TracedRecorder(RememberingRecorder):
    """As `RememberingRecorder`. A span names the positions of its facts, and belongs to the trace that they carry."""

    def __init__(self, pool: Pool, continuity: Continuity, tracing: Tracing, *, observe: Observe = unobserved) -> None:
        super().__init__(pool, continuity, observe=observe)
        self._tracing = tracing

    def append(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        """Appends one decision. Raises as `PostgresRecorder.append`."""
        trace = rows[0].context.trace if rows else None
        with self._tracing.span("append", linked=trace, facts=len(rows)) as span:
            appended = super().append(rows, heads)
            span.set("first_position", appended.first_position)
            span.set("last_position", appended.first_position + len(rows) - 1)
        return appended

    async def append_all(
        self, decisions: Sequence[tuple[Sequence[Row], Mapping[str, int]]]
    ) -> list[Appended | LedgerError]:
        """As `PostgresRecorder.append_all`. The spans are made when all is done: they tell where, not how long."""
        answers = await super().append_all(decisions)
        if not self._tracing.is_told:
            return answers
        for (rows, _), answer in zip(decisions, answers, strict=True):
            if isinstance(answer, Appended):
                with self._tracing.span("append", linked=rows[0].context.trace, facts=len(rows)) as span:
                    span.set("first_position", answer.first_position)
                    span.set("last_position", answer.first_position + len(rows) - 1)
        return answers

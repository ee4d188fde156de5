"""The ledger's recorder, which remembers the newest fact that went through it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from ledger.committer import Observe, unobserved
from ledger.continuity import Continuity
from ledger.envelope import Appended
from ledger.errors import LedgerError
from ledger.mapper import RecordedRow, Row
from ledger.recorder import PostgresRecorder
from ledger.sending import Pool


class RememberingRecorder(PostgresRecorder):
    """As `PostgresRecorder`. What is carried forward in memory comes of what was appended, and of histories."""

    def __init__(self, pool: Pool, continuity: Continuity, *, observe: Observe = unobserved) -> None:
        super().__init__(pool, observe=observe)
        self._continuity = continuity

    def append(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        """Appends one decision. Raises as `PostgresRecorder.append`."""
        appended = super().append(rows, heads)
        self._recorded(rows, appended)
        return appended

    async def append_all(
        self, decisions: Sequence[tuple[Sequence[Row], Mapping[str, int]]]
    ) -> list[Appended | LedgerError]:
        """As `PostgresRecorder.append_all`."""
        answers = await super().append_all(decisions)
        recorded = [
            (answer.first_position, rows, answer)
            for (rows, _), answer in zip(decisions, answers, strict=True)
            if isinstance(answer, Appended)
        ]
        if recorded:
            _, rows, answer = max(recorded, key=lambda each: each[0])
            self._recorded(rows, answer)
        return answers

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[RecordedRow]:
        """The events of one stream by version."""
        rows = super().select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
        if rows:
            newest = rows[0] if desc else rows[-1]
            self._continuity.saw(newest.id, newest.event_id)
        return rows

    def _recorded(self, rows: Sequence[Row], appended: Appended) -> None:
        if rows:
            self._continuity.saw(appended.first_position + len(rows) - 1, rows[-1].event_id)

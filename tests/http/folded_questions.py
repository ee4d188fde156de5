"""The ready-made questions, answered a second time and more plainly, from the ledger at every question."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ledger import api_keys, streams
from ledger import events as e
from ledger.application import Ledger
from ledger.render import Phase, Render
from projections.questions import UNUSED_DAYS, Answer

Row = dict[str, Any]


class FoldedQuestions:
    """Answers as `projections.questions.Questions`; of each row only what tells it from others."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def ask(self, tenant: str, project: str | None, name: str, at: datetime) -> Answer:
        rows = [*getattr(self, f"_{name}")(tenant, at)]
        return Answer(name, [row for row in rows if project in (None, row["project"])], has_more=False)

    def _unused_keys(self, tenant: str, at: datetime) -> Iterator[Row]:
        events = self._ledger.read(0)
        used = {event.context.actor: event.recorded_at for event in events}
        for stream in sorted({event.stream for event in events if event.stream.startswith(f"key:{tenant}:")}):
            key = api_keys.fold(None, self._ledger.history(stream))
            assert key is not None
            last = used.get(key.key_id) or self._ledger.history(stream)[0].context.occurred_at
            accepted = key.revoked_at is None and not (key.expires_at and key.expires_at <= at)
            if accepted and last < at - timedelta(days=UNUSED_DAYS):
                yield {"key_id": key.key_id, "project": key.project}

    def _expired_approvals(self, tenant: str, at: datetime) -> Iterator[Row]:
        for render in self._renders(tenant):
            asked = render.approval.requested if render.approval else None
            if render.phase is Phase.HELD and asked and asked.expires_at and asked.expires_at < at:
                yield _row(render)

    def _spend_without_video(self, tenant: str, _at: datetime) -> Iterator[Row]:
        spent: Counter[str] = Counter()
        for event in self._ledger.history(streams.spend(tenant)):
            if isinstance(event.fact, e.SpendSettled | e.SpendAdjusted) and event.fact.video_id and event.fact.cost:
                spent[event.fact.video_id] += event.fact.cost.amount_micro
        for render in self._renders(tenant):
            if spent[render.intent.video_id] > 0 and render.phase is not Phase.STORED:
                yield _row(render)

    def _videos_without_decision(self, tenant: str, _at: datetime) -> Iterator[Row]:
        yield from (_row(render) for render in self._renders(tenant) if render.phase is Phase.INTENT)

    def _renders(self, tenant: str) -> Iterator[Render]:
        for stream in sorted({each.stream for each in self._ledger.read(0)}):
            if stream.startswith(f"render:{tenant}:"):
                render = self._ledger.render(stream)
                assert render is not None
                yield render


def _row(render: Render) -> Row:
    return {"video_id": render.intent.video_id, "project": render.intent.project}

"""The queue of one renderer without a limit, from the ledger at every question: who asked first is first."""

from collections import Counter as Counts
from collections.abc import Mapping

from ledger.application import Ledger
from ledger.render import Phase, Render
from projections.queue import Counter, Waiting


class FoldedQueue:
    """Answers as `projections.queue.Queue`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def counters(self) -> list[Counter]:
        found = Counts(_renderer(each) for each in self._waiting())
        return [Counter(name, 0, None, number, 1, None) for name, number in sorted(found.items())]

    def waiting(
        self,
        tenant: str,
        project: str | None,
        video_id: str | None,
        weights: Mapping[str, int],  # noqa: ARG002 - as the real one
        limit: int,
    ) -> list[Waiting]:
        places = Counts[str]()
        found = []
        for each in self._waiting():
            places[_renderer(each)] += 1
            intent = each.intent
            if each.tenant == tenant and project in {None, intent.project} and video_id in {None, intent.video_id}:
                place = places[_renderer(each)]
                found.append(
                    Waiting(intent.video_id, intent.project, _renderer(each), place, each.created_at, each.retry_at)
                )
        return found[:limit]

    def _waiting(self) -> list[Render]:
        streams = {event.stream for event in self._ledger.read(0, limit=10_000) if event.stream.startswith("render:")}
        renders = [self._ledger.render(stream) for stream in streams]
        waiting = [each for each in renders if each is not None and each.phase is Phase.ALLOWED]
        return sorted(waiting, key=lambda each: each.intent.video_id)


def _renderer(render: Render) -> str:
    assert render.allowed is not None
    return render.allowed.renderer

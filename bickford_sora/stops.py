"""Renderers that refused our credential or a model: on record, so that every process stops asking them."""

import threading
import time
from collections.abc import Callable

from bickford_sora.decisions.drafts import Draft
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger import renderers, streams
from ledger.errors import Conflict
from ledger.events import RendererConfigured, RendererResumed, RendererStopped
from ledger.renderers import RendererRecord

Fact = RendererConfigured | RendererResumed | RendererStopped
FRESH_S = 1.0
"""How long what was read is relied on, in seconds: one stopped elsewhere is asked once more at worst."""
ACTOR = "configuration"


class Stops:
    """The renderers' own streams. Safe to use from several threads; raises `ledger.errors.Unavailable`."""

    def __init__(self, recording: Recording, *, tenant: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._recording = recording
        self._tenant = tenant
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read: dict[str, tuple[float, RendererRecord]] = {}

    def is_stopped(self, renderer: str, credential: str, model: str) -> bool:
        """Whether it takes nothing of this model until an operator has looked at it."""
        with self._lock:
            known = self._read.get(renderer)
        if known is None or self._monotonic() - known[0] > FRESH_S:
            known = (self._monotonic(), self.record(renderer))
            with self._lock:
                self._read[renderer] = known
        return known[1].is_stopped(credential, model)

    def record(self, renderer: str) -> RendererRecord:
        """What is on record of a renderer."""
        stream = streams.renderer(renderer)
        found: RendererRecord | None = self._recording.ledger.fold(stream, renderers.fold)
        return found or RendererRecord(stream)

    def stop(self, fact: RendererStopped) -> None:
        """From now on it is not asked for this."""
        key = (fact.credential, fact.model or renderers.EVERYTHING)
        self._append(fact, lambda record: key in record.stopped)

    def resume(self, renderer: str, credential: str, origin: Origin | None = None) -> None:
        """From now on it is asked again. `origin` is of who says so; None: of the configuration."""
        fact = RendererResumed(renderer=renderer, credential=credential)
        self._append(fact, lambda record: not any(each[0] == credential for each in record.stopped), origin)

    def configure(self, fact: RendererConfigured) -> None:
        """Records a configuration unless it is the one on record."""
        self._append(fact, lambda record: record.configured == fact)

    def _append(self, fact: Fact, is_known: Callable[[RendererRecord], bool], origin: Origin | None = None) -> None:
        for _ in range(DECIDE_ATTEMPTS_MAX):
            record = self.record(fact.renderer)
            if is_known(record):
                return
            draft = Draft(((record.stream, fact),), {record.stream: record.version})
            try:
                self._recording.append(draft, origin or Origin(self._tenant, ACTOR))
            except Conflict:
                continue
            with self._lock:
                self._read.pop(fact.renderer, None)
            return

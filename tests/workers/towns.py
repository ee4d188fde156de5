"""Endpoints, an announcer and a courier over a ledger in memory, with real HTTP to whoever is told."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.dispatch import Dispatch
from bickford_sora.egress import Egress
from bickford_sora.endpoints import WebhookEndpoints, WithSecret
from bickford_sora.patience import resolve as system_resolve
from bickford_sora.recording import Origin, Recording
from bickford_sora.workers.announce import Announce
from bickford_sora.workers.deliver import Deliver, Link
from bickford_sora.workers.workshop import Task
from ledger import deliveries, endpoints, streams
from ledger.application import Ledger
from ledger.deliveries import Delivery
from ledger.endpoints import Endpoint
from ledger.envelope import Fact, Sealed
from ledger.events import Asset, RenderIntent, RenderStored
from ledger.identifiers import id_maker
from ledger.keys import Keys, MemoryKeyStore
from ledger.memory import MemoryRecorder
from projections.story import Story
from projections.work import rows
from tests.http.folded_rows import FoldedEndpoints
from tests.workers.harness import FragileRecording, Killed, Mischief, SteppingClock

OWNER = Caller("main", "films", "req-films", "key_films")
NEIGHBOUR = Caller("main", "games", "req-games", "key_games")
SHA = "ab" * 32
ASSET = Asset(
    variant="video",
    storage_uri="asset://1",
    sha256=SHA,
    bytes=1_234,
    media_type="video/mp4",
    width=720,
    height=1280,
    made_by="renderer",
    has_c2pa=False,
)
STORED = RenderStored(assets=(ASSET,))
RUN_LOOKS_MAX = 1_000


@dataclass
class MemoryTurns:
    """Everybody's turn at all times: what a second announcer does must do no harm."""

    position: int = 0

    @contextmanager
    def turn(self) -> Iterator["MemoryTurns"]:
        yield self

    def move(self, position: int) -> None:
        self.position = position


class Town:
    """Who wants to be told, and who tells them."""

    def __init__(
        self,
        *,
        link: Link = lambda _tenant, _project, _video_id: None,
        resolve: Callable[[str, int], Sequence[str]] = system_resolve,
        jitter: float = 0.0,
        timeout_s: float = 5.0,
    ) -> None:
        self.clock = SteppingClock()
        self.mischief = Mischief()
        self.ledger = Ledger(MemoryRecorder(self.clock))
        self.keys = Keys(b"m" * 32, MemoryKeyStore())
        self.recording = Recording(self.ledger, clock=self.clock, new_id=id_maker(self.clock))
        fragile = FragileRecording(self.ledger, clock=self.clock, new_id=id_maker(self.clock))
        fragile.mischief = self.mischief
        dispatch = Dispatch(Egress(allow_private=("127.0.0.0/8",), resolve=resolve), self.keys, timeout_s)
        query = FoldedEndpoints(self.ledger)
        secrets = iter(range(1, 256))
        self.webhooks = WebhookEndpoints(
            recording=self.recording,
            keys=self.keys,
            dispatch=dispatch,
            query=query,
            new_secret=lambda length: bytes([next(secrets)]) * length,
        )
        self.turns = MemoryTurns()
        self.announce = Announce(fragile, self.turns, query, lambda _position, _timeout_s: True)
        self.deliver = Deliver(fragile, dispatch, link=link, jitter=lambda: jitter)
        self._claims: Counter[str] = Counter()

    def subscribe(
        self, url: str, *event_types: str, caller: Caller = OWNER, origin: Origin | None = None
    ) -> WithSecret:
        """A new endpoint."""
        asked = {"name": "ours", "url": url, "event_types": list(event_types) or ["video.completed"]}
        return self.webhooks.create(caller, asked, origin=origin or Origin(caller.tenant, caller.key_id))

    def rotate(self, made: WithSecret, *, keep_old: bool) -> str:
        """The new secret."""
        asked = {"keep_old_secret_active_for_24_hours": keep_old}
        endpoint_id = made.endpoint.endpoint_id
        return self.webhooks.rotate_secret(OWNER, endpoint_id, asked, origin=Origin("main", "key_films")).secret

    def happens(self, *facts: Fact, caller: Caller = OWNER) -> str:
        """A new render with these facts behind its intent; its video id."""
        video_id = streams.video_id(self.recording.new_id())
        intent = RenderIntent(
            video_id=video_id,
            project=caller.project,
            requester=caller.requester,
            model="sora-2",
            seconds="4",
            size="720x1280",
            prompt=Sealed("c2VhbGVk"),
        )
        self.record(streams.render(caller.tenant, video_id), intent, *facts, tenant=caller.tenant)
        return video_id

    def record(self, stream: str, *facts: Fact, tenant: str = "main") -> None:
        draft = Draft(tuple((stream, fact) for fact in facts), {stream: len(self.ledger.history(stream))})
        self.recording.append(draft, Origin(tenant, "worker"))

    def tell(self) -> None:
        """Announces what happened, and makes the deliveries that are due now."""
        while self.announce.step():
            pass
        for stream in self.due():
            self.attempt(stream)

    def attempt(self, stream: str) -> None:
        """One task of the courier, which may be killed in it."""
        try:
            self.deliver(Task(stream, 0))
        except Killed:
            self._claims[stream] += 1

    def run(self) -> list[float]:
        """Makes deliveries until none is left to make; the seconds from the first at which some were made."""
        began, made = None, []
        for _ in range(RUN_LOOKS_MAX):
            waiting = sorted((row[5], row[0]) for row in self._items())
            if not waiting:
                return made
            due_at, stream = waiting[0]
            self.clock.now = max(self.clock.now, due_at)
            began = began or self.clock.now
            made.append(round((self.clock.now - began).total_seconds()))
            self.attempt(stream)
        raise AssertionError("it does not come to an end")

    def due(self) -> list[str]:
        """The streams of deliveries the work read model has due now."""
        return [row[0] for row in self._items() if row[5] <= self.clock.now]

    def deliveries(self) -> list[Delivery]:
        found = {event.stream for event in self.ledger.read(0) if event.stream.startswith("delivery:")}
        return [self.ledger.fold(stream, deliveries.fold) for stream in sorted(found)]

    def endpoint(self, made: WithSecret) -> Endpoint:
        endpoint: Endpoint = self.ledger.fold(made.endpoint.stream, endpoints.fold)
        return endpoint

    def types(self) -> list[str]:
        """The types of all facts about endpoints and deliveries, in order."""
        categories = ("endpoint", "delivery")
        return [event.fact.TYPE for event in self.ledger.read(0) if streams.category(event.stream) in categories]

    def advance(self, **time: Any) -> None:
        self.clock.advance(timedelta(**time).total_seconds())

    def _items(self) -> Iterator[tuple[Any, ...]]:
        for delivery in self.deliveries():
            for table, row in rows(Story(delivery.stream, self.ledger.history(delivery.stream))):
                assert (table, row[4]) == ("items", "deliver")
                yield row

"""What is done in the stories of the failure table, by clients that send again and processes that start again."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.deliveries import Outcome
from bickford_sora.dispatch import Dispatch
from bickford_sora.egress import Egress
from bickford_sora.endpoints import WebhookEndpoints
from bickford_sora.errors import NotFound
from bickford_sora.recording import Recording
from bickford_sora.workers.announce import Announce
from bickford_sora.workers.deliver import Deliver
from bickford_sora.workers.workshop import Task
from ledger import streams
from ledger.identifiers import id_maker
from ledger.memory import MemoryRecorder
from ledger.proof.memory import MemoryTree, MemoryTurn
from ledger.proof.notes import Signer
from ledger.proof.sequencer import Sequencer
from projections.story import Story
from projections.work import rows
from tests.http.folded_rows import FoldedEndpoints
from tests.workers.harness import CALLER, ORIGIN, FragileRecording, Harness, Killed, Mischief
from tests.workers.towns import MemoryTurns

ADMIN = Caller("main", "default", "req-admin", "key_admin", frozenset({"admin"}), spans_tenant=True)
TRIES_MAX = 20
PAUSE_S = 60.0
LEDGER_ID = UUID(int=1)


def again(shop: Harness, act: Callable[[], Any]) -> Any:
    """What somebody does who goes on until it is answered; where the process dies, a new one is started."""
    last: Exception | None = None
    for _ in range(TRIES_MAX):
        try:
            return act()
        except Killed:
            shop.start()
        except NotFound:
            return None  # it is gone, which is an answer: what was to be deleted was deleted
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            last = error
            shop.clock.advance(PAUSE_S)
    raise AssertionError("it never went well") from last


class FragileTurns(MemoryTurns):
    """An announcer's position, around whose every move its user can be killed."""

    def __init__(self, mischief: Mischief) -> None:
        super().__init__()
        self._mischief = mischief

    def move(self, position: int) -> None:
        with self._mischief.around("announcer.move"):
            super().move(position)


class FragileEndpoint:
    """Somebody who is told: counts what arrives."""

    def __init__(self, mischief: Mischief) -> None:
        self._mischief = mischief
        self.received: Counter[str] = Counter()
        """By webhook-id."""

    def send(self, _endpoint: object, _body: bytes, *, webhook_id: str, now: object) -> Outcome:  # noqa: ARG002 - as Dispatch
        try:
            with self._mischief.around("endpoint"):
                self.received[webhook_id] += 1
        except Exception:  # noqa: BLE001 - a failed call is an outcome
            return Outcome(None, "no_answer")
        return Outcome(200, None)


class Telling:
    """An announcer and a courier beside the workers of a harness, and one endpoint."""

    def __init__(self, shop: Harness) -> None:
        self.shop = shop
        self.turns = FragileTurns(shop.mischief)
        self.endpoint = FragileEndpoint(shop.mischief)
        plain = Recording(shop.ledger, clock=shop.clock, new_id=id_maker(shop.clock))
        self._endpoints = WebhookEndpoints(
            recording=plain,
            keys=shop.keys,
            dispatch=Dispatch(Egress(allow_private=("127.0.0.0/8",)), shop.keys),
            query=FoldedEndpoints(shop.ledger),
            new_secret=bytes,
        )
        asked = {"name": "ours", "url": "http://127.0.0.1:9/hook", "event_types": ["video.completed"]}
        self._created = self._endpoints.create(CALLER, asked, origin=ORIGIN).endpoint

    def leave(self) -> None:
        """The endpoint is removed as soon as the first delivery to it is scheduled."""
        again(self.shop, self._announce)
        assert [*self._due()], "nothing was scheduled"
        self._endpoints.delete(CALLER, self._created.endpoint_id, origin=ORIGIN)

    def one_round(self) -> int:
        """Announces what is new, and makes every call that is due. Returns how many those were."""
        again(self.shop, self._announce)
        due = [*self._due()]
        for stream in due:
            again(self.shop, lambda stream=stream: self._deliver(stream))  # type: ignore[misc]
        return len(due)

    def to_the_end(self) -> None:
        """Announces and delivers until nothing is left to tell."""
        for _ in range(TRIES_MAX):
            if not self.one_round():
                return
            self.shop.clock.advance(3600.0)
        raise AssertionError("it does not come to an end")

    def _recording(self) -> FragileRecording:
        recording = FragileRecording(self.shop.ledger, clock=self.shop.clock, new_id=id_maker(self.shop.clock))
        recording.mischief = self.shop.mischief
        return recording

    def _announce(self) -> None:
        subscribers = FoldedEndpoints(self.shop.ledger)
        announce = Announce(self._recording(), self.turns, subscribers, lambda _position, _timeout_s: True)
        while announce.step():
            pass

    def _deliver(self, stream: str) -> None:
        dispatch = cast("Dispatch", self.endpoint)
        Deliver(self._recording(), dispatch, link=lambda *_: None, jitter=lambda: 0.0)(Task(stream, 0))

    def _due(self) -> Iterator[str]:
        found = {event.stream for event in self.shop.ledger.read(0)}
        for stream in sorted(each for each in found if streams.category(each) == "delivery"):
            yield from (str(row[0]) for _, row in rows(Story(stream, self.shop.ledger.history(stream))))


class FragileTurn(MemoryTurn):
    """A turn at the tree, around whose every write its user can be killed."""

    def __init__(self, tree: MemoryTree, mischief: Mischief) -> None:
        super().__init__(tree)
        self._mischief = mischief

    def keep(self, *args: Any) -> None:
        with self._mischief.around("tree.keep"):
            super().keep(*args)

    def sign(self, *args: Any) -> None:
        with self._mischief.around("tree.sign"):
            super().sign(*args)


class FragileTree(MemoryTree):
    """A tree that gives such turns."""

    def __init__(self, recorder: MemoryRecorder, mischief: Mischief) -> None:
        super().__init__(recorder, LEDGER_ID)
        self._mischief = mischief

    @contextmanager
    def turn(self) -> Iterator[MemoryTurn | None]:
        with super().turn() as turn:
            yield turn and FragileTurn(self, self._mischief)


def sign(shop: Harness, signer: Callable[[UUID], Signer]) -> None:
    """Puts every fact under a checkpoint; the tree that is left is the one that would be made without a failure."""
    recorder = cast("MemoryRecorder", shop.ledger.recorder)
    tree = FragileTree(recorder, shop.mischief)
    taken = again(shop, lambda: Sequencer(tree, clock=shop.clock, signer=signer, interval_s=1).take())
    fresh = MemoryTree(recorder, LEDGER_ID)
    expected = Sequencer(fresh, clock=shop.clock, signer=signer, interval_s=1).take()
    assert (taken.size, taken.root) == (expected.size, expected.root)
    assert (tree.tiles, tree.partials) == (fresh.tiles, fresh.partials)
    assert taken.size == shop.ledger.head()


def erase(shop: Harness, video_id: str) -> None:
    """An admin has a render erased."""
    again(shop, lambda: shop.erasing.erase(ADMIN, {"render": video_id, "reason": "asked"}, origin=ORIGIN))

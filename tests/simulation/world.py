"""One seed's world: clients, workers, a renderer, a sender of webhooks and a clock, in one process and in virtual time.

Everything that is left to chance is drawn from one seeded generator, so a seed tells its story again, step for step.
Where a durable step is taken, another process may come in between: it works on the same render, deletes it, asks again
or lets time pass. The first one then goes on as one that was paused. Faults are the failure table's.
"""

import hashlib
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from bickford_sora import webhook_signatures as signatures
from bickford_sora.errors import ProtocolError
from bickford_sora.recording import Recording
from bickford_sora.webhook_intake import Webhook, WebhookIntake, WebhookSource
from ledger.errors import LedgerError
from ledger.identifiers import id_maker
from tests.http.houses import WEBHOOK_SECRET
from tests.workers.failure_table import STEPS, Cause, Effect, Step, error_of
from tests.workers.harness import ORIGIN, Harness, Job, Killed, Moment
from tests.workers.recoveries import ADMIN, Telling, again

ACTIONS_MAX = 100
RENDERS_MAX = 4
DEPTH_MAX = 3
"""How many processes are in the middle of something at a time."""
PROMPTS = ("a red kite", "a blue one")
"""Few, so that renders are alike and could be taken for each other."""
PAUSES_S = (0.01, 1.0, 20.0, 40.0, 90.0, 600.0, 7200.0)
MISBEHAVIOUR = {
    "submit": ("well", "busy", "lose request", "lose answer", "list late", "refuse", "forget", "unreachable"),
    "jobs": ("well", "away"),
    "status": ("well", "away", "gone", "fails"),
    "content": ("well", "away", "broken", "expired"),
    "delete": ("well", "away", "conflict"),
}
PLACES = [each for each in STEPS if not each.place.startswith("tree.")]
RARELY = 0.2
MOSTLY = 0.7
T = TypeVar("T")
NOT_NOW = (LedgerError, ProtocolError, OSError)
"""What a client is told when it should ask again."""


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, as with a recorder in memory."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class World:
    """What happens under one seed. `run` ends with the check."""

    def __init__(self, seed: int, spool: Path) -> None:
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self.shop = Harness(spool)
        self._telling = Telling(self.shop)
        self._answered: dict[str, str] = {}
        """By Idempotency-Key, the render a client was told."""
        self._asked: dict[str, str] = {}
        """By Idempotency-Key, the prompt of a request that was sent at least once."""
        self._receipts: Counter[str] = Counter()
        """By webhook-id, how often its sender was told that it was recorded."""
        self._depth = 0
        self.story: list[str] = []
        """What was done, in order."""

    def run(self) -> str:
        """Tells the story, mends everything, and asks the check. Returns the fingerprint of all that was recorded."""
        for _ in range(self._random.randint(10, ACTIONS_MAX)):
            self._act()
        self._mend()
        self._finish()
        self._check()
        return self._fingerprint()

    def _act(self) -> None:
        actions: list[tuple[int, Callable[[], None]]] = [
            (2, self._ask),
            (1, self._ask_again),
            (1, self._delete),
            (1, self._erase),
            (12, self._work),
            (3, self._send_webhook),
            (1, self._tell),
            (2, self._let_time_pass),
            (6, self._misbehave),
            (6, self._fail),
            (6, self._interrupt),
        ]
        weights, choices = zip(*actions, strict=True)
        self._depth += 1
        try:
            self._random.choices(choices, weights)[0]()
        finally:
            self._depth -= 1

    # Clients.

    def _ask(self) -> None:
        if len(self._asked) < RENDERS_MAX:
            key = f"key-{len(self._asked) + 1}"
            self._asked[key] = self._random.choice(PROMPTS)
            self._send(key)

    def _ask_again(self) -> None:
        if self._asked:
            self._send(self._random.choice(sorted(self._asked)))

    def _send(self, key: str) -> None:
        self._note("ask", key)
        try:
            video_id = self.shop.ask(self._asked[key], key=key)
        except Killed:
            self.shop.start()
        except NOT_NOW:
            self._note("told to ask again", key)
        else:
            assert self._answered.setdefault(key, video_id) == video_id, "one key, two renders"

    def _delete(self) -> None:
        if self._answered:
            key = self._random.choice(sorted(self._answered))
            self._note("delete", key)
            try:
                self.shop.delete(self._answered[key])
            except Killed:
                self.shop.start()
            except NOT_NOW:
                self._note("told to ask again", key)

    def _erase(self) -> None:
        if self._answered and self._random.random() < RARELY:
            key = self._random.choice(sorted(self._answered))
            self._note("erase", key)
            try:
                self.shop.erasing.erase(ADMIN, {"render": self._answered[key], "reason": "asked"}, origin=ORIGIN)
            except Killed:
                self.shop.start()
            except NOT_NOW:
                self._note("told to ask again", key)

    # The renderer and its webhooks.

    def _send_webhook(self) -> None:
        """One of any job, for the first time or once more, soon or late, whether we know of the job or not."""
        jobs = self.shop.renderer.billed()
        if jobs:
            self._deliver(self._random.choice(jobs))

    def _deliver(self, job: Job) -> None:
        webhook_id = f"wh_{job.news.job_id}"
        self._note("webhook", webhook_id)
        body = {"id": f"evt_{job.news.job_id}", "object": "event", "type": "video.completed", "created_at": 1}
        raw = json.dumps({**body, "data": {"id": job.news.job_id}}).encode()
        headers = signatures.sign(raw, webhook_id=webhook_id, sent_at=self.shop.clock(), secrets=[WEBHOOK_SECRET])
        try:
            (outcome,) = at_once(self._intake().receive([Webhook(self.shop.renderer.name, headers, raw)]))
        except Killed:
            self.shop.start()
            return
        except NOT_NOW:
            return
        if isinstance(outcome, Exception):
            assert isinstance(outcome, LedgerError), outcome
            return
        self._receipts[webhook_id] += outcome == "recorded"
        self.shop.look_now(job.video_id)

    def _intake(self) -> WebhookIntake:
        recording = Recording(self.shop.ledger, clock=self.shop.clock, new_id=id_maker(self.shop.clock))
        source = WebhookSource(self.shop.renderer.credential, (WEBHOOK_SECRET,))
        return WebhookIntake(recording, lambda _: source, tenant="main", webhook_tolerance_s=300)

    def _misbehave(self) -> None:
        call = self._random.choice(sorted(MISBEHAVIOUR))
        what = self._random.choices(MISBEHAVIOUR[call], k=self._random.randint(1, 3))
        self._note("renderer", call, *what)
        self.shop.mischief.scripts[call] = what

    # Our own processes.

    def _work(self) -> None:
        """A worker takes a step that is due, or, as one whose lease ran out, one that is not."""
        waiting = sorted(self.shop.waiting())
        if waiting:
            _, video_id = waiting[0] if self._random.random() < MOSTLY else self._random.choice(waiting)
            self._note("work", self._name(video_id))
            self.shop.work(video_id)

    def _tell(self) -> None:
        self._note("tell")
        self._telling.one_round()

    def _let_time_pass(self) -> None:
        seconds = self._random.choice(PAUSES_S)
        self._note("pause", str(seconds))
        self.shop.clock.advance(seconds)

    def _fail(self) -> None:
        """The next time somebody comes by a place: we crash, the peer errs, or its answer is lost."""
        step = self._place()
        cause, effect = self._random.choice(list(Cause)), self._random.choice(list(Effect))
        moment: Moment = "before" if effect is Effect.NOT_APPLIED else "after"
        self._note("fault", step.place, cause, effect)
        mischief = self.shop.mischief
        if cause is Cause.CRASH:
            mischief.kill_at = step.place, moment
        else:
            mischief.fail_at, mischief.failure = (step.place, moment), error_of(step, cause, effect)

    def _interrupt(self) -> None:
        """The next time somebody comes by a place, other processes come first."""
        place = self._place().place
        self._note("interrupt", place)
        self.shop.mischief.hooks[place] = self._meanwhile

    def _place(self) -> Step:
        """Mostly one that was passed before: it will be passed again."""
        passed = [each for each in PLACES if each.place in self.shop.mischief.seen]
        return self._random.choice(passed if passed and self._random.random() < MOSTLY else PLACES)

    def _meanwhile(self) -> None:
        if self._depth < DEPTH_MAX:
            self._note("meanwhile")
            for _ in range(self._random.randint(1, 4)):
                self._act()
            self._note("and on")

    # The end.

    def _mend(self) -> None:
        mischief = self.shop.mischief
        mischief.kill_at = mischief.fail_at = None
        mischief.hooks.clear()
        mischief.scripts.clear()
        self.shop.fleet.away.clear()

    def _finish(self) -> None:
        """Clients go on until they are answered, and processes until nothing is left to do."""
        for key in sorted(self._asked):
            again(self.shop, lambda key=key: self._send(key))  # type: ignore[misc]
        self.shop.run()
        self._telling.to_the_end()

    def _check(self) -> None:
        assert set(self._answered) == set(self._asked)
        for video_id in self._answered.values():
            render = self.shop.render(video_id)
            assert render.ended, self.shop.types(video_id)
            assert not render.submission_open, self.shop.types(video_id)
        assert max(self._receipts.values(), default=1) == 1, "a webhook was recorded twice"
        self.shop.check()

    def _fingerprint(self) -> str:
        told: list[Any] = [*self.story]
        for key, video_id in sorted(self._answered.items()):
            told.append([key, *self.shop.types(video_id)])
        told.append([job.deleted for job in self.shop.renderer.jobs_taken])
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _name(self, video_id: str) -> str:
        return next((key for key, known in self._answered.items() if known == video_id), "unanswered")

    def _note(self, *words: str) -> None:
        self.story.append("  " * (self._depth - 1) + " ".join(words))


class Broken(AssertionError):  # noqa: N818 - what it is, not how it is raised
    """A seed under which a promise was broken, with its story."""

    def __init__(self, world: World, cause: BaseException) -> None:
        super().__init__(f"seed {world.seed}: {type(cause).__name__}: {cause}\n" + "\n".join(world.story))
        self.seed = world.seed


def simulate(seed: int) -> str:
    """Tells one seed's story and returns its fingerprint. Raises Broken."""
    with tempfile.TemporaryDirectory(prefix="bickford-simulation-") as spool:
        world = World(seed, Path(spool))
        try:
            return world.run()
        except Exception as error:
            raise Broken(world, error) from error

"""The sequencer: follows the ledger off the write path, keeps its tree, and signs checkpoints of it.

    take the turn ─ compare what is kept with the ledger ─ add leaves ─ keep tiles and edge ─┐
    take the turn ─ compare ─ sign ─ keep the checkpoint <───────────────────────────────────┘

One process at a time has the turn. A crash anywhere leaves a tree without its newest leaves, or without its newest
checkpoint: the next turn goes on from there. It never signs what does not go on from what it signed before: neither by
the database, nor by what is remembered beside the key, since a database that lost its end lost its newest checkpoints.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from ledger.clock import Clock
from ledger.errors import Unavailable
from ledger.following import BACKOFF_S
from ledger.proof.checkpoints import Checkpoint, origin_of
from ledger.proof.errors import Diverged, NotCovered
from ledger.proof.merkle import HASH_BYTES, root
from ledger.proof.notes import Signer
from ledger.proof.port import KeptCheckpoint, SignedMemory, TreeStore, TreeTurn
from ledger.proof.tiles import WIDTH, Tile, TileNodes

BATCH_LEAVES_MAX = 20_000
PACE_S = 0.2
"""Pause behind a batch that was not full, in seconds: what is appended meanwhile goes together."""
PAUSE_S = 1.0
"""Between two looks at the ledger, in seconds: how far the tree lags when nothing is wrong."""
DIVERGED_PAUSE_S = 60.0
"""Before it looks again whether tree and ledger still disagree, in seconds."""
TURN_WAIT_S = 0.1
TURNS_TRIED_MAX = 100
"""How often a checkpoint on demand asks for the turn, that long apart."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the tree and its checkpoints are behind the ledger."""

    head: int
    """Facts in the ledger."""
    sequenced: int
    """Facts in the tree."""
    covered: int
    """Facts under the newest checkpoint."""
    checkpoint_age_s: float | None
    """How old the newest checkpoint is, None while there is none."""

    @property
    def lag(self) -> int:
        """Facts that are not in the tree yet."""
        return self.head - self.sequenced


class Sequencer:
    """Makes the tree grow and signs it.

    `signer` gives who signs for a ledger, None where this process has no key in force; `interval_s` is the time
    between two checkpoints while facts are recorded, and so the time in which a change could go unseen.
    """

    def __init__(
        self,
        store: TreeStore,
        *,
        clock: Clock,
        signer: Callable[[UUID], Signer | None],
        interval_s: float,
        signed: SignedMemory | None = None,
    ) -> None:
        """`signed` remembers what was signed where the key is; None: nothing does but the store."""
        self._store = store
        self._signed = signed
        self._clock = clock
        self._signer = signer
        self._interval_s = interval_s
        self._said_unsigned = False
        """Whether it was logged already that this process has no key: it would be said every second."""

    def run(self, stop: threading.Event) -> None:
        """Follows until `stop` is set. A database that does not answer is waited for."""
        while not stop.is_set():
            pause_s = PAUSE_S
            try:
                leaves = self.step()
                if leaves == BATCH_LEAVES_MAX:
                    continue
                self.sign_when_due()
                if leaves:
                    pause_s = PACE_S
            except Unavailable as error:
                log.warning("sequencer_waits", code=error.code)
                pause_s = BACKOFF_S
            except Diverged as error:
                log.error("ledger_and_tree_disagree", code=error.code, cause=str(error))  # noqa: TRY400 - no traceback helps
                pause_s = DIVERGED_PAUSE_S
            stop.wait(pause_s)

    def step(self) -> int:
        """Adds one batch. Returns how many leaves it had; 0 when there was nothing, or it is another's turn.

        Raises Diverged when the ledger does not go on from the tree, and ledger.errors.Corrupt for a gap.
        """
        with self._store.turn() as turn:
            if turn is None:
                return 0
            ledger_id = self._checked(turn)
            began = turn.edge.size
            leaves = turn.leaves(began, BATCH_LEAVES_MAX)
            if not leaves:
                return 0
            turn.keep(turn.edge.extend(leaves), turn.edge, ledger_id)
        # A crash before this line: nothing of the batch is kept, and it is read again.
        lag = self._store.head() - began - len(leaves)
        if lag >= BATCH_LEAVES_MAX:
            log.info("sequencer_behind", size=began + len(leaves), lag=lag)
        return len(leaves)

    def sign_when_due(self) -> KeptCheckpoint | None:
        """Signs a checkpoint when there are facts under none, and the newest one is as old as the interval."""
        newest = self._store.newest()
        # One that is to come was taken while a clock was ahead: it is not waited for.
        due = newest is None or abs(self._clock() - newest.taken_at) >= timedelta(seconds=self._interval_s)
        if not due or self._store.size() == (newest.size if newest else 0):
            return None
        with self._store.turn() as turn:
            return None if turn is None else self._sign(turn)

    def take(self) -> KeptCheckpoint:
        """A checkpoint that covers every fact there was when this was called, and now.

        Raises Diverged, and NotCovered when the ledger is empty, another process keeps the turn, or this one may not
        sign.
        """
        head = self._store.head()
        if head == 0:
            raise NotCovered("the ledger is empty: there is nothing to sign yet")
        waiting = threading.Event()
        for _ in range(TURNS_TRIED_MAX):
            while self._store.size() < head and self.step():
                pass
            newest = self._store.newest(covering=head)
            if newest is not None:
                return newest
            with self._store.turn() as turn:
                if turn is not None and turn.edge.size >= head:
                    signed = self._sign(turn)
                    if signed is None:
                        raise NotCovered("the key in force is not on this machine: take the checkpoint where it is")
                    return signed
            waiting.wait(TURN_WAIT_S)
        raise NotCovered("another process has been keeping the turn to sequence; try again")

    def standing(self) -> Standing:
        """How far the tree is, for whoever watches."""
        newest = self._store.newest()
        age_s = (self._clock() - newest.taken_at).total_seconds() if newest else None
        return Standing(self._store.head(), self._store.size(), newest.size if newest else 0, age_s)

    def _sign(self, turn: TreeTurn) -> KeptCheckpoint | None:
        """Signs the tree as it is kept. None where this process may not."""
        ledger_id = self._checked(turn)
        signer = self._signer(ledger_id)
        if signer is None:
            if not self._said_unsigned:
                log.warning("checkpoint_key_missing", ledger_id=str(ledger_id))
            self._said_unsigned = True
            return None
        self._said_unsigned = False
        checkpoint = Checkpoint(origin_of(ledger_id), turn.edge.size, turn.edge.root())
        self._goes_on(checkpoint, turn)
        key_id = signer.verifier.key_id.hex()
        self._goes_on_from_memory(checkpoint, turn, key_id)
        kept = KeptCheckpoint(checkpoint.size, checkpoint.root, checkpoint.signed(signer), self._clock())
        if self._signed is not None:
            self._signed.keep(key_id, kept.note)
        # A crash before the end of the turn: it is remembered, and not to be had. The next one goes on from it.
        turn.sign(checkpoint, kept.note, kept.taken_at)
        log.info("checkpoint_taken", size=kept.size, key_id=key_id)
        return kept

    def _checked(self, turn: TreeTurn) -> UUID:
        """The ledger's id, when the tree is of this ledger and the ledger still has what is in the tree."""
        ledger_id, size = self._store.ledger_id(), turn.edge.size
        if turn.ledger_id not in (None, ledger_id):
            raise Diverged(f"the tree is of ledger {turn.ledger_id}, and this is {ledger_id}")
        if size == 0:
            return ledger_id
        last = turn.leaves(size - 1, 1)
        if not last:
            raise Diverged(
                f"the tree has {size} facts, and the ledger fewer: it was cut, or an older copy was restored"
            )
        at = Tile(0, (size - 1) // WIDTH, (size - 1) % WIDTH + 1)
        if turn.tile(at)[-HASH_BYTES:] != last[0]:
            raise Diverged(f"the fact at position {size} is not the one that is in the tree")
        return ledger_id

    def _goes_on(self, checkpoint: Checkpoint, turn: TreeTurn) -> None:
        """Raises Diverged unless the tree begins with what was signed last."""
        newest = self._store.newest()
        if newest is None:
            return
        if newest.size > checkpoint.size:
            raise Diverged(f"a checkpoint of {newest.size} facts was signed, and the tree has {checkpoint.size}")
        if not _begins_with(turn, newest.size, newest.root):
            raise Diverged(
                f"the tree does not begin with the checkpoint of {newest.size} facts: its tiles were changed"
            )

    def _goes_on_from_memory(self, checkpoint: Checkpoint, turn: TreeTurn, key_id: str) -> None:
        """Raises Diverged unless the tree begins with what this key is remembered to have signed."""
        last = self._signed.newest(key_id) if self._signed is not None else None
        if last is None:
            return
        if last.size > checkpoint.size or not _begins_with(turn, last.size, last.root):
            raise Diverged(
                f"the key {key_id} signed a checkpoint of {last.size} facts that is not of this history: the database "
                "lost facts, or an older copy was restored"
            )


def _begins_with(turn: TreeTurn, size: int, expected: bytes) -> bool:
    """Whether the kept tree has this root over its first facts."""
    return root(TileNodes(turn.tile, size), size) == expected

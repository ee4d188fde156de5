"""Pushing checkpoints to where others keep them, so that not even the ledger's owner can rewrite history unseen.

Hashes are pushed and never facts. Each target is told what comes behind what it has: a checkpoint that does not go on
from the one it has is not pushed, since that would be a second history, and is logged.
"""

import base64
import threading
from collections.abc import Iterable
from typing import Protocol

import orjson
import structlog

from bickford_sora import webhook_signatures
from bickford_sora.egress import Egress, EgressError
from bickford_sora.pushed_folder import PushedFolder
from bickford_sora.pushed_log import PushedLog, open_bucket
from bickford_sora.settings import Settings
from ledger.clock import Clock
from ledger.errors import Unavailable
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.errors import Diverged, ProofError
from ledger.proof.merkle import consistency_proof, root
from ledger.proof.notes import Note
from ledger.proof.port import KeptCheckpoint, TreeReader
from ledger.proof.tiles import Tile, TileNodes, tiles_of

PAUSE_S = 1.0
"""Between two looks for a new checkpoint, in seconds."""
RETRY_S = 15.0
"""Before a push that failed is tried again, in seconds."""
CALL_TIMEOUT_S = 15.0
EVENT_TYPE = "ledger.checkpoint"

log = structlog.get_logger(__name__)


class PushFailed(Exception):  # noqa: N818 - the name states the cause
    """A target did not take it. It is tried again."""


class Pushes(TreeReader, Protocol):
    """The kept tree, and how far it was pushed."""

    def pushed(self, target: str) -> int:
        """How many facts the newest checkpoint covers that a target has."""

    def set_pushed(self, target: str, size: int) -> None:
        """Says so."""


class Target(Protocol):
    """Where others keep what is pushed. Errors: PushFailed; Diverged when it has another history."""

    name: str

    def push(self, tree: TreeReader, checkpoint: KeptCheckpoint, beyond: int) -> None:
        """Pushes a checkpoint to who has the one of `beyond` facts. The same push may be repeated."""


class LogTarget:
    """A folder or a bucket that others own."""

    def __init__(self, name: str, log: PushedLog) -> None:
        self.name = name
        self._log = log

    def push(self, tree: TreeReader, checkpoint: KeptCheckpoint, beyond: int) -> None:
        """Writes the tiles that are new, then the checkpoint."""
        try:
            there = self._log.newest()
            had = Checkpoint.parse(Note.parse(there)) if there is not None else None
            if had is not None:
                _goes_on(tree, had, checkpoint)
            tiles = tiles_of(checkpoint.size, beyond=beyond if had is not None and had.size >= beyond else 0)
            self._log.push(checkpoint.size, checkpoint.note, _with_hashes(tree, tiles))
        except OSError as error:
            raise PushFailed(f"{type(error).__name__}: {error.strerror}") from error


class WebhookTarget:
    """An endpoint of others, called by a webhook that is signed as all of ours are (Standard Webhooks)."""

    def __init__(self, url: str, secret: str, *, egress: Egress, clock: Clock) -> None:
        self.name = "webhook"
        self._url = url
        self._secret = secret
        self._egress = egress
        self._clock = clock

    def push(self, tree: TreeReader, checkpoint: KeptCheckpoint, beyond: int) -> None:
        """Tells the checkpoint, with the proof that it goes on from the one of `beyond` facts."""
        proof = consistency_proof(TileNodes(tree.tile, checkpoint.size), beyond, checkpoint.size)
        told = {
            "type": EVENT_TYPE,
            "timestamp": checkpoint.taken_at.isoformat(),
            "data": {
                "checkpoint": checkpoint.note,
                "size": checkpoint.size,
                "old_size": beyond,
                "consistency": [base64.b64encode(each).decode() for each in proof],
            },
        }
        body = orjson.dumps(told)
        webhook_id = f"checkpoint_{checkpoint.size}_{checkpoint.root.hex()[:16]}"
        signed = webhook_signatures.sign(body, webhook_id=webhook_id, sent_at=self._clock(), secrets=[self._secret])
        headers = {"content-type": "application/json", **signed}
        try:
            answered = self._egress.post(self._url, body, headers, timeout_s=CALL_TIMEOUT_S)
        except EgressError as error:
            raise PushFailed(error.code) from error
        if not 200 <= answered.status < 300:  # noqa: PLR2004 - HTTP's own numbers
            raise PushFailed(f"answered {answered.status}")


class Pushing:
    """Pushes every newest checkpoint to one target. Each target has its own: who hangs holds up no other."""

    def __init__(self, tree: Pushes, target: Target) -> None:
        self._tree = tree
        self._target = target

    @property
    def name(self) -> str:
        """Of its target."""
        return self._target.name

    def run(self, stop: threading.Event) -> None:
        """Follows until `stop` is set. What fails is tried again."""
        while not stop.is_set():
            try:
                pause_s = PAUSE_S if self.step() else RETRY_S
            except Unavailable as error:
                log.warning("pushing_waits", code=error.code)
                pause_s = RETRY_S
            stop.wait(pause_s)

    def step(self) -> bool:
        """Pushes what is new. Whether the target has it now."""
        newest = self._tree.newest()
        return newest is None or self._push(self._target, newest)

    def _push(self, target: Target, newest: KeptCheckpoint) -> bool:
        pushed = self._tree.pushed(target.name)
        if pushed >= newest.size:
            return True
        try:
            target.push(self._tree, newest, pushed)
        except PushFailed as error:
            log.warning("push_failed", target=target.name, cause=str(error), lag=newest.size - pushed)
            return False
        except Diverged as error:
            log.error("push_refused", target=target.name, cause=str(error), lag=newest.size - pushed)  # noqa: TRY400
            return False
        except ProofError as error:
            log.error("push_impossible", target=target.name, code=error.code, cause=str(error))  # noqa: TRY400
            return False
        # A crash before this line: it is pushed again, and is the same.
        self._tree.set_pushed(target.name, newest.size)
        log.info("checkpoint_pushed", target=target.name, size=newest.size)
        return True


def pushing_of(settings: Settings, tree: Pushes, clock: Clock) -> list[Pushing]:
    """What pushes where the settings say, one for each place.

    Raises BucketUnusable, and OSError for a bucket whose address is wrong.
    """
    targets: list[Target] = []
    if settings.checkpoint_push_folder is not None:
        targets.append(LogTarget("folder", PushedFolder(settings.checkpoint_push_folder)))
    if settings.checkpoint_push_bucket is not None:
        targets.append(LogTarget("bucket", open_bucket(settings.checkpoint_push_bucket)))
    url, secret = settings.checkpoint_push_url, settings.checkpoint_push_secret
    if url is not None and secret is not None:
        egress = Egress(allow_private=settings.allow_private_addresses)
        target = WebhookTarget(url.get_secret_value(), secret.get_secret_value(), egress=egress, clock=clock)
        targets.append(target)
    return [Pushing(tree, each) for each in targets]


def _goes_on(tree: TreeReader, had: Checkpoint, checkpoint: KeptCheckpoint) -> None:
    """Raises Diverged unless a target's checkpoint is the beginning of what is pushed to it."""
    ours = Checkpoint.parse(Note.parse(checkpoint.note))
    if had.origin != ours.origin:
        raise Diverged(f"the target has checkpoints of {had.origin!r}")
    if had.size > ours.size or root(TileNodes(tree.tile, had.size), had.size) != had.root:
        raise Diverged(f"the target has a checkpoint of {had.size} facts that is not of this history")


def _with_hashes(tree: TreeReader, tiles: Iterable[Tile]) -> Iterable[tuple[Tile, bytes]]:
    return ((tile, tree.tile(tile)) for tile in tiles)

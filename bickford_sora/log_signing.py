"""The key that signs checkpoints: on record as a fact, its seed in a file of this machine.

A seed lies in `keys/checkpoint-<key id>.key`, mode 0600, where the master key lies. Which key is in force is what the
ledger says; a process signs only if it has that key's seed. The seed is written before the fact is recorded: a crash
between the two leaves a file that nobody uses. What the key signed last lies beside, as `checkpoint-<key id>.signed`.
"""

import base64
import binascii
import secrets
from pathlib import Path
from uuid import UUID

from bickford_sora.callers import KeyInvalid, make_key_file
from bickford_sora.decisions.drafts import Draft
from bickford_sora.recording import Origin, Recording
from ledger import log_keys, streams
from ledger.durable import sync
from ledger.errors import Conflict
from ledger.events import LogKeyPublished, LogKeyRetired
from ledger.events.proof import Retirement
from ledger.log_keys import LogKeys
from ledger.proof.checkpoints import Checkpoint, origin_of
from ledger.proof.errors import ProofError
from ledger.proof.notes import SEED_BYTES, Note, Signer

ACTOR = "sequencer"
"""Who publishes a ledger's first key."""


class SignedFiles:
    """The newest note of each key, in a file beside its seed: `ledger.proof.port.SignedMemory`.

    Raises KeyInvalid for a file that holds no checkpoint, and OSError when one cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self, key_id: str) -> Checkpoint | None:
        """What the last note of this key says."""
        path = self.path(key_id)
        try:
            return Checkpoint.parse(Note.parse(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ProofError, ValueError) as error:
            raise KeyInvalid(f"{path}: not a checkpoint; restore it, or rotate the key") from error

    def keep(self, key_id: str, note: str) -> None:
        """Replaces it. It is there whole or not at all, and on disk when this returns."""
        path = self.path(key_id)
        partial = path.with_suffix(".part")
        partial.write_text(note, "utf-8")
        sync(partial)
        partial.replace(path)
        sync(path.parent)

    def path(self, key_id: str) -> Path:
        """Where it lies."""
        return self._folder / f"checkpoint-{key_id}.signed"


class LogSigning:
    """Who signs here. Safe to use from several threads; raises `ledger.errors.Unavailable`."""

    def __init__(self, recording: Recording, folder: Path, *, tenant: str) -> None:
        """`folder` is where the seeds lie; `tenant` is whose facts the keys are among."""
        self._recording = recording
        self._folder = folder
        self._tenant = tenant
        self.signed = SignedFiles(folder)
        """What was signed last."""

    def keys(self) -> LogKeys:
        """Every key there was."""
        found: LogKeys | None = self._recording.ledger.fold(streams.log_key(), log_keys.fold)
        return found or LogKeys(streams.log_key(), 0, ())

    def signer(self, ledger_id: UUID) -> Signer | None:
        """Who signs for this ledger, None when the key in force is not on this machine.

        The first time, a key is made and published. Raises KeyInvalid when its file is damaged.
        """
        keys = self.keys()
        if not keys.keys:
            return self._publish_first(keys, origin_of(ledger_id))
        in_force = keys.in_force
        signer = None if in_force is None else self._load(in_force.verifier.name, in_force.key_id)
        return signer if signer is not None and signer.verifier.name == origin_of(ledger_id) else None

    def rotate(self, ledger_id: UUID, reason: Retirement, *, actor: str) -> Signer:
        """A new key in place of the one in force, in one append. Raises Conflict when somebody else was first.

        The old seed is deleted: what it signed stays signed, and nobody can sign with it from here any more.
        """
        keys = self.keys()
        signer = self._made(origin_of(ledger_id))
        facts: list[LogKeyRetired | LogKeyPublished] = [_published(signer)]
        if keys.in_force is not None:
            facts.insert(0, LogKeyRetired(key_id=keys.in_force.key_id, reason=reason))
        self._append(keys, facts, actor)
        if keys.in_force is not None:
            self._path(keys.in_force.key_id).unlink(missing_ok=True)
            self.signed.path(keys.in_force.key_id).unlink(missing_ok=True)
        return signer

    def _publish_first(self, keys: LogKeys, origin: str) -> Signer | None:
        signer = self._made(origin)
        try:
            self._append(keys, [_published(signer)], ACTOR)
        except Conflict:  # another process was first, and its key is the key
            self._path(signer.verifier.key_id.hex()).unlink(missing_ok=True)
            return None
        return signer

    def _append(self, keys: LogKeys, facts: list[LogKeyRetired | LogKeyPublished], actor: str) -> None:
        draft = Draft(tuple((keys.stream, fact) for fact in facts), {keys.stream: keys.version})
        self._recording.append(draft, Origin(self._tenant, actor))

    def _made(self, origin: str) -> Signer:
        """A new key, whose seed is in its file."""
        seed = secrets.token_bytes(SEED_BYTES)
        signer = Signer(origin, seed)
        make_key_file(self._path(signer.verifier.key_id.hex()), base64.b64encode(seed).decode())
        return signer

    def _load(self, name: str, key_id: str) -> Signer | None:
        path = self._path(key_id)
        try:
            seed = base64.b64decode(path.read_text("ascii").strip(), validate=True)
            signer = Signer(name, seed)
        except FileNotFoundError:
            return None
        except (ValueError, binascii.Error) as error:
            raise KeyInvalid(f"{path}: not the seed of a checkpoint key; restore it, or rotate the key") from error
        if signer.verifier.key_id.hex() != key_id:
            raise KeyInvalid(f"{path}: the seed of another key; restore it, or rotate the key")
        return signer

    def _path(self, key_id: str) -> Path:
        return self._folder / f"checkpoint-{key_id}.key"


def _published(signer: Signer) -> LogKeyPublished:
    verifier = signer.verifier
    return LogKeyPublished(
        key_id=verifier.key_id.hex(),
        origin=verifier.name,
        public_key=base64.b64encode(verifier.public_key).decode(),
    )

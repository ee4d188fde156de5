"""Sealing prompts, references and free text, so that they can be erased from a ledger that never forgets.

Every render has a key of its own, wrapped by the key of its requester, wrapped by the master key. Events carry only
ciphertext; wrapped keys lie in a table that may be changed. Destroying a wrapped key erases every text below it, and
every proof and total still holds. AES-256-GCM (NIST SP 800-38D) with the key's name and the field bound as associated
data, so that a ciphertext moved to another render or field does not open.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.envelope import Sealed
from ledger.errors import Corrupt, Erased

KEY_BYTES = 32
NONCE_BYTES = 12
WRAPPING = b"bickford-sora wrapping"
"""What the key that wraps requesters' keys is derived for."""
_TAG_BYTES = 16
_FORMAT = "s1"
_ID = re.compile(r"[A-Za-z0-9_:@-]{1,128}")
_FIELD = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){1,3}")
_SEALED = re.compile(
    rf"{_FORMAT}\.(?P<name>{_ID.pattern}/{_ID.pattern})\.(?P<field>[a-z_.]{{3,163}})\.(?P<body>[A-Za-z0-9_=-]+)"
)


class KeyStore(Protocol):
    """Where wrapped keys lie. A name is stored once: of two concurrent adds the first stays, and both learn it.

    Durability: an added key survives a power cut before `add` returns, since events sealed with it follow. Errors:
    Unavailable when the store does not answer.
    """

    def get(self, names: Collection[str]) -> Mapping[str, bytes]:
        """The wrapped keys of these names; a name is missing when it has none or its key was destroyed."""

    def add(self, name: str, wrapped: bytes) -> bytes:
        """Stores a wrapped key unless the name has one, and returns the one that is stored."""

    def destroy(self, name: str) -> None:
        """Removes a key, and all keys below it, for good. Its name can not be used again."""

    def destroyed(self, names: Collection[str]) -> frozenset[str]:
        """Those of these names whose key was destroyed."""

    def below(self, name: str) -> list[str]:
        """The names of all keys ever stored below this one, those that were destroyed too, in order."""


class Keys:
    """Seals and opens text. Safe to use from several threads."""

    def __init__(self, master: bytes, store: KeyStore) -> None:
        if len(master) != KEY_BYTES:
            raise ValueError(f"the master key has {KEY_BYTES} bytes")
        self._store = store
        self._wrapping = _derive(master, WRAPPING)
        self._hashing = _derive(master, b"bickford-sora keyed hash")

    def seal(self, text: str, *, requester: str, subject: str, field: str) -> Sealed:
        """Ciphertext of `text` under the key of `subject` (a video id or thread), made when it does not exist yet.

        `requester` and `subject` are opaque ids of up to 128 letters, digits, `_`, `-`, `:` and `@`; a requester is
        named alike in no two tenants. `field` is `type.field`, for example `render.intent.prompt`. Raises ValueError
        for any other, Erased when the subject's or requester's key was destroyed.
        """
        name = _name(requester, subject)
        if _FIELD.fullmatch(field) is None:
            raise ValueError(f"a field is named type.field, not {field[:80]!r}")
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(self._key(name)).encrypt(nonce, text.encode(), f"{name}|{field}".encode())
        return Sealed(f"{_FORMAT}.{name}.{field}.{base64.urlsafe_b64encode(nonce + sealed).decode()}")

    def open(self, sealed: Sealed) -> str:
        """The text. Raises Erased when its key was destroyed, Corrupt when the ciphertext was changed or moved."""
        return self._opened(_parts(sealed), self._store.get(_names(sealed)))

    def open_all(self, sealed: Iterable[Sealed]) -> dict[Sealed, str | None]:
        """Several texts with one look for their keys, None for those that were erased. Raises Corrupt as `open`."""
        texts = {each: _parts(each) for each in sealed}
        known = self._store.get({name for each in texts for name in _names(each)}) if texts else {}
        opened: dict[Sealed, str | None] = {}
        for each, parts in texts.items():
            try:
                opened[each] = self._opened(parts, known)
            except Erased:
                opened[each] = None
        return opened

    def digest(self, purpose: str, content: bytes) -> str:
        """Keyed hash (HMAC-SHA256) in hex: equal contents are seen as equal, and nobody without the key can guess."""
        return hmac.new(self._hashing, purpose.encode() + b"\0" + content, sha256).hexdigest()

    def destroy(self, *, requester: str, subject: str | None = None) -> None:
        """Destroys the key of one subject, or of a requester and everything below it. For ever, also if it had none."""
        self._store.destroy(_name(requester, subject))

    def are_destroyed(self, subjects: Iterable[tuple[str, str | None]]) -> list[bool]:
        """Of each requester and subject (None: the requester's own), whether its key was destroyed."""
        names = [_name(*each) for each in subjects]
        destroyed = self._store.destroyed(names)
        return [name in destroyed for name in names]

    def subjects(self, requester: str) -> list[str]:
        """Everything that was ever sealed below a requester: ids of videos, characters and whatever else."""
        return [name.partition("/")[2] for name in self._store.below(_name(requester, None))]

    def _opened(self, parts: tuple[str, str, bytes], known: Mapping[str, bytes]) -> str:
        name, field, raw = parts
        parent = _unwrapped(self._wrapping, name.partition("/")[0], known)
        key = _unwrapped(parent, name, known)
        try:
            opened = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], f"{name}|{field}".encode())
        except InvalidTag as error:
            raise Corrupt("a sealed text was changed, or moved to another place") from error
        return opened.decode()

    def _key(self, name: str) -> bytes:
        """The key of this name; it and the one above it are made when they do not exist yet."""
        requester = name.partition("/")[0]
        known = dict(self._store.get({requester, name}))
        parent = _unwrapped(self._wrapping, requester, self._with(requester, self._wrapping, known))
        return _unwrapped(parent, name, self._with(name, parent, known))

    def _with(self, name: str, wrapping: bytes, known: dict[str, bytes]) -> dict[str, bytes]:
        """`known` with a key of this name. Raises Erased when it was destroyed."""
        if name not in known:
            nonce = secrets.token_bytes(NONCE_BYTES)
            fresh = AESGCM.generate_key(KEY_BYTES * 8)
            known[name] = self._store.add(name, nonce + AESGCM(wrapping).encrypt(nonce, fresh, name.encode()))
        return known


def unwraps(master: bytes, name: str, wrapped: bytes) -> bool:
    """Whether a requester's wrapped key opens with this master key."""
    try:
        _unwrapped(_derive(master, WRAPPING), name, {name: wrapped})
    except Corrupt:
        return False
    return True


def owner_of(sealed: Sealed) -> tuple[str, str]:
    """The requester and the subject that a text is sealed for. Raises Corrupt for what `Keys.seal` did not write."""
    requester, _, subject = _parts(sealed)[0].partition("/")
    return requester, subject


class MemoryKeyStore:
    """Keys in memory, for tests and the simulation. Same contract as the database's."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes | None] = {}

    def get(self, names: Collection[str]) -> Mapping[str, bytes]:
        """The wrapped keys of these names."""
        return {name: key for name in names if (key := self._keys.get(name)) is not None}

    def add(self, name: str, wrapped: bytes) -> bytes:
        """Stores a wrapped key unless the name has one."""
        stored = self._keys.setdefault(name, wrapped)
        if stored is None:
            raise Erased(f"the key {name} was destroyed")
        return stored

    def destroy(self, name: str) -> None:
        """Removes a key, and all keys below it, for good."""
        self._keys.update(dict.fromkeys([name, *self.below(name)]))

    def destroyed(self, names: Collection[str]) -> frozenset[str]:
        """Those of these names whose key was destroyed."""
        return frozenset(name for name in names if self._keys.get(name, b"") is None)

    def below(self, name: str) -> list[str]:
        """The names of all keys ever stored below this one."""
        return sorted(each for each in self._keys if each.startswith(f"{name}/"))


def _unwrapped(wrapping: bytes, name: str, known: Mapping[str, bytes]) -> bytes:
    wrapped = known.get(name)
    if wrapped is None:
        raise Erased(f"the key {name} was destroyed")
    try:
        return AESGCM(wrapping).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode())
    except InvalidTag as error:
        raise Corrupt(f"the key {name} does not open with this master key") from error


def _name(requester: str, subject: str | None) -> str:
    """The name of a key: `requester/subject`, or `requester` for the one above them."""
    for part in (requester,) if subject is None else (requester, subject):
        if _ID.fullmatch(part) is None:
            raise ValueError(f"a requester or subject is an opaque id, not {part[:80]!r}")
    return requester if subject is None else f"{requester}/{subject}"


def _names(sealed: Sealed) -> tuple[str, str]:
    """The names of the two keys a sealed text needs: the requester's and the subject's."""
    name, _, _ = _parts(sealed)
    return name.partition("/")[0], name


def _parts(sealed: Sealed) -> tuple[str, str, bytes]:
    """Key name, field, and nonce with ciphertext. Raises Corrupt for what `seal` did not write, to the last bit."""
    match = _SEALED.fullmatch(sealed)
    if match is None:
        raise Corrupt("not a sealed text, or one of an unknown format")
    try:
        raw = base64.urlsafe_b64decode(match["body"])
    except ValueError as error:
        raise Corrupt("not a sealed text: its ciphertext is cut") from error
    exact = base64.urlsafe_b64encode(raw).decode() == match["body"]
    if not exact or len(raw) < NONCE_BYTES + _TAG_BYTES:
        raise Corrupt("not a sealed text: its ciphertext was changed")
    return match["name"], match["field"], raw


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(master)

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
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.envelope import Sealed
from ledger.errors import Corrupt, Erased, LedgerError

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

    Durability: an added key survives a power cut before `add_all` returns, since events sealed with it follow. Errors:
    Unavailable when the store does not answer.
    """

    def get(self, names: Collection[str]) -> Mapping[str, bytes]:
        """The wrapped keys of these names; a name is missing when it has none or its key was destroyed."""

    def add_all(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Stores wrapped keys unless their names have one, and returns those that are stored.

        A name is missing when its key was destroyed.
        """

    def destroy(self, name: str) -> None:
        """Removes a key, and all keys below it, for good. Its name can not be used again."""

    def destroyed(self, names: Collection[str]) -> frozenset[str]:
        """Those of these names whose key was destroyed."""

    def below(self, name: str) -> list[str]:
        """The names of all keys ever stored below this one, those that were destroyed too, in order."""

    def some_requester(self) -> tuple[str, bytes] | None:
        """The name and wrapped key of one of the requesters, None while there are none."""


class Plain(NamedTuple):
    """A text to be sealed, and where it belongs.

    `requester` and `subject` (a video id or thread) are opaque ids of up to 128 letters, digits, `_`, `-`, `:` and `@`;
    a requester is named alike in no two tenants. `field` is `type.field`, for example `render.intent.prompt`.
    """

    text: str
    requester: str
    subject: str
    field: str


class Keys:
    """Seals and opens text. Safe to use from several threads."""

    def __init__(self, master: bytes, store: KeyStore) -> None:
        if len(master) != KEY_BYTES:
            raise ValueError(f"the master key has {KEY_BYTES} bytes")
        self._store = store
        self._wrapping = _derive(master, WRAPPING)
        self._hashing = _derive(master, b"bickford-sora keyed hash")
        self._is_known_to_fit = False

    def fits(self) -> bool:
        """Whether the master key is the one that the stored keys are wrapped by. Every key is while there are none."""
        held = None if self._is_known_to_fit else self._store.some_requester()
        if held is not None:
            self._is_known_to_fit = _unwraps(self._wrapping, *held)
            return self._is_known_to_fit
        return True

    def seal(self, text: str, *, requester: str, subject: str, field: str) -> Sealed:
        """Ciphertext of `text` under the key of `subject`, made when it does not exist yet; what they are says `Plain`.

        Raises ValueError for what is no such id or field, Erased when the subject's or requester's key was destroyed,
        Corrupt when the master key does not open it.
        """
        [sealed] = self.seal_all([Plain(text, requester, subject, field)])
        if isinstance(sealed, LedgerError):
            raise sealed
        return sealed

    def seal_all(self, texts: Sequence[Plain]) -> list[Sealed | LedgerError]:
        """As `seal` for each text, by itself, with one look for their keys and one for what has none yet.

        All are Corrupt where another master key came first: a ledger that two seal opens with neither.
        """
        names = [_name(each.requester, each.subject) for each in texts]
        for each in texts:
            _check_field(each.field)
        known = dict(self._store.get({*names, *(each.requester for each in texts)}))
        new = {each.requester: self._wrapping for each in texts if each.requester not in known}
        if new and self.fits():
            known |= self._made(new)
        if new and not self.fits():  # asked again: somebody else may have made the first one meanwhile
            return [Corrupt("the master key is not the one that this ledger was sealed with") for _ in texts]
        missing = {name: each.requester for name, each in zip(names, texts, strict=True) if name not in known}
        known |= self._made(self._above(missing, known))
        return [self._sealed(name, each, known) for name, each in zip(names, texts, strict=True)]

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
        return hmac.digest(self._hashing, purpose.encode() + b"\0" + content, "sha256").hex()

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

    def unwraps(self, name: str, wrapped: bytes, requester: bytes | None = None) -> bool:
        """Whether a wrapped key opens: a requester's with the master key, another one with its requester's."""
        if requester is None:
            return _unwraps(self._wrapping, name, wrapped)
        owner = name.partition("/")[0]
        return _unwraps(_unwrapped(self._wrapping, owner, {owner: requester}), name, wrapped)

    def _opened(self, parts: tuple[str, str, bytes], known: Mapping[str, bytes]) -> str:
        name, field, raw = parts
        parent = _unwrapped(self._wrapping, name.partition("/")[0], known)
        key = _unwrapped(parent, name, known)
        try:
            opened = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], f"{name}|{field}".encode())
        except InvalidTag as error:
            raise Corrupt("a sealed text was changed, or moved to another place") from error
        return opened.decode()

    def _made(self, wrapping: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Fresh keys of these names, each wrapped by the key that is given for it."""
        fresh = {name: _encrypted(by, AESGCM.generate_key(KEY_BYTES * 8), name) for name, by in wrapping.items()}
        return self._store.add_all(fresh) if fresh else {}

    def _above(self, names: Mapping[str, str], known: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """What keys of these names are to be wrapped by: their requesters' keys, where these can be opened."""
        above: dict[str, bytes] = {}
        for name, requester in names.items():
            with suppress(Erased, Corrupt):  # it is said where the text is sealed
                above[name] = _unwrapped(self._wrapping, requester, known)
        return above

    def _sealed(self, name: str, plain: Plain, known: Mapping[str, bytes]) -> Sealed | LedgerError:
        try:
            key = _unwrapped(_unwrapped(self._wrapping, plain.requester, known), name, known)
        except (Erased, Corrupt) as error:
            return error
        body = _encrypted(key, plain.text.encode(), f"{name}|{plain.field}")
        return Sealed(f"{_FORMAT}.{name}.{plain.field}.{base64.urlsafe_b64encode(body).decode()}")


def unwraps(master: bytes, name: str, wrapped: bytes) -> bool:
    """Whether a requester's wrapped key opens with this master key."""
    return _unwraps(_derive(master, WRAPPING), name, wrapped)


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

    def add_all(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Stores wrapped keys unless their names have one."""
        stored = {name: self._keys.setdefault(name, key) for name, key in wrapped.items()}
        return {name: key for name, key in stored.items() if key is not None}

    def destroy(self, name: str) -> None:
        """Removes a key, and all keys below it, for good."""
        self._keys.update(dict.fromkeys([name, *self.below(name)]))

    def destroyed(self, names: Collection[str]) -> frozenset[str]:
        """Those of these names whose key was destroyed."""
        return frozenset(name for name in names if self._keys.get(name, b"") is None)

    def below(self, name: str) -> list[str]:
        """The names of all keys ever stored below this one."""
        return sorted(each for each in self._keys if each.startswith(f"{name}/"))

    def some_requester(self) -> tuple[str, bytes] | None:
        """The name and wrapped key of one of the requesters."""
        return next(((name, key) for name, key in self._keys.items() if key is not None and "/" not in name), None)


def _encrypted(key: bytes, content: bytes, bound_to: str) -> bytes:
    """A nonce and the ciphertext behind it."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound_to.encode())


def _unwraps(wrapping: bytes, name: str, wrapped: bytes) -> bool:
    try:
        _unwrapped(wrapping, name, {name: wrapped})
    except Corrupt:
        return False
    return True


def _unwrapped(wrapping: bytes, name: str, known: Mapping[str, bytes]) -> bytes:
    wrapped = known.get(name)
    if wrapped is None:
        raise Erased(f"the key {name} was destroyed")
    try:
        return AESGCM(wrapping).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode())
    except (InvalidTag, ValueError) as error:  # of ValueError: it is shorter than any key
        raise Corrupt(f"the key {name} does not open with this master key") from error


def _name(requester: str, subject: str | None) -> str:
    """The name of a key: `requester/subject`, or `requester` for the one above them."""
    for part in (requester,) if subject is None else (requester, subject):
        if _ID.fullmatch(part) is None:
            raise ValueError(f"a requester or subject is an opaque id, not {part[:80]!r}")
    return requester if subject is None else f"{requester}/{subject}"


def _check_field(field: str) -> None:
    if _FIELD.fullmatch(field) is None:
        raise ValueError(f"a field is named type.field, not {field[:80]!r}")


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

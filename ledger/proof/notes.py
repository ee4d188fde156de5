"""Signed notes (c2sp.org/signed-note): a text, an empty line, and lines of signatures.

A signature of a key nobody told us of is ignored, as the specification asks; one that is no signature at all makes the
whole note refused. Only Ed25519 (type 0x01) is signed and checked here.
"""

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.proof.errors import Malformed, Unsigned

NOTE_BYTES_MAX = 256 * 1024
SIGNATURES_MAX = 100
"""Most signatures of one note; the specification asks for 16 at least."""
KEY_ID_BYTES = 4
ED25519 = 0x01
"""The type of a signature that is Ed25519 over the text."""
PUBLIC_KEY_BYTES = 32
SEED_BYTES = 32

_SIGNATURE = re.compile(r"— (?P<name>[^\s+]+) (?P<body>[A-Za-z0-9+/]+={0,2})")
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY = re.compile(r"(?P<name>[^\s+]+)\+(?P<id>[0-9a-f]{8})\+(?P<body>[A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class Signature:
    """One line of signature."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key by its name: what a note is checked with."""

    name: str
    public_key: bytes
    """32 bytes (RFC 8032)."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """A key as `name+id+base64`, as checkers of transparency logs write it. Raises Malformed."""
        match = _KEY.fullmatch(text.strip())
        body = _decoded(match["body"]) if match else b""
        if match is None or len(body) != 1 + PUBLIC_KEY_BYTES or body[0] != ED25519:
            raise Malformed("not a public key like name+0123abcd+base64 of type Ed25519")
        found = cls(match["name"], body[1:])
        if found.key_id.hex() != match["id"]:
            raise Malformed(f"the public key of {found.name} does not have the id {match['id']}: it was damaged")
        return found

    def __str__(self) -> str:
        body = base64.b64encode(bytes([ED25519]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{body}"

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || 0x0A || 0x01 || public key)."""
        named = self.name.encode() + b"\n" + bytes([ED25519]) + self.public_key
        return sha256(named).digest()[:KEY_ID_BYTES]

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether this key signed this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key by its name. Its seed is shown by nothing."""

    def __init__(self, name: str, seed: bytes) -> None:
        if _NAME.fullmatch(name) is None or len(seed) != SEED_BYTES:
            raise ValueError(f"a signer has a name without spaces or plus, and a seed of {SEED_BYTES} bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())
        """The public part."""

    def sign(self, text: str) -> Signature:
        """Signs a note's text, which ends in a newline."""
        return Signature(self.verifier.name, self.verifier.key_id, self._key.sign(text.encode()))


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its signatures, none of which was checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str | bytes) -> Self:
        """Reads a note. Raises Malformed, naming what is wrong with it."""
        written = _text(note)
        text, separator, rest = written.rpartition("\n\n")
        if not separator or not written.endswith("\n"):
            raise Malformed("not a signed note: it has no text, empty line and signatures")
        lines = rest[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise Malformed(f"the note has more than {SIGNATURES_MAX} signatures")
        return cls(text + "\n", tuple(_signature(line) for line in lines))

    @classmethod
    def signed(cls, text: str, *signers: Signer) -> Self:
        """A new note with the signatures of these."""
        return cls(text, tuple(each.sign(text) for each in signers))

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def verified_by(self, verifiers: Collection[Verifier]) -> tuple[Verifier, ...]:
        """Those of `verifiers` that signed it. Raises Unsigned when none did, or a signature of theirs is false."""
        found: list[Verifier] = []
        for signature in self.signatures:
            for each in verifiers:
                if (signature.name, signature.key_id) != (each.name, each.key_id) or each in found:
                    continue
                if not each.verifies(self.text, signature.signature):
                    raise Unsigned(f"the signature of {each.name} ({each.key_id.hex()}) does not verify")
                found.append(each)
        if not found:
            signed = ", ".join(f"{each.name} ({each.key_id.hex()})" for each in self.signatures)
            raise Unsigned(f"no key that is trusted signed it; it is signed by {signed}")
        return tuple(found)


def _text(note: str | bytes) -> str:
    if len(note) > NOTE_BYTES_MAX:
        raise Malformed(f"a note has {NOTE_BYTES_MAX} bytes at most")
    try:
        written = note.decode() if isinstance(note, bytes) else note
    except UnicodeDecodeError as error:
        raise Malformed("a note is UTF-8") from error
    if _CONTROL.search(written):
        raise Malformed("a note has no control characters but newlines")
    return written


def _signature(line: str) -> Signature:
    match = _SIGNATURE.fullmatch(line)
    body = _decoded(match["body"]) if match else b""
    if match is None or len(body) <= KEY_ID_BYTES:
        raise Malformed(f"not a line of signature: {line[:80]!r}")
    return Signature(match["name"], body[:KEY_ID_BYTES], body[KEY_ID_BYTES:])


def _decoded(body: str) -> bytes:
    """The bytes of base64 in its one canonical writing; empty for any other."""
    try:
        decoded = base64.b64decode(body, validate=True)
    except ValueError:  # also of text beyond ASCII, for which it has no error of its own
        return b""
    return decoded if base64.b64encode(decoded).decode() == body else b""

"""Files of proofs, line by line: hashes and other bytes in base64, each in its one writing."""

import base64
import binascii

from ledger.proof.errors import Malformed
from ledger.proof.merkle import HASH_BYTES

FILE_BYTES_MAX = 512 * 1024
PATH_HASHES_MAX = 63
"""Longest inclusion proof: a tree of 2**63 leaves."""


def written(text: str | bytes) -> str:
    """The text of a file. Raises Malformed when it is too large or no UTF-8."""
    if len(text) > FILE_BYTES_MAX:
        raise Malformed(f"a proof has {FILE_BYTES_MAX} bytes at most")
    try:
        return text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise Malformed("a proof is UTF-8") from error


def hash_line(content: bytes) -> str:
    """A hash, or other bytes, as a line."""
    return base64.b64encode(content).decode()


def read_hash(line: str) -> bytes:
    """The hash in a line. Raises Malformed."""
    found = read_line(line)
    if len(found) != HASH_BYTES:
        raise Malformed(f"not a hash of a proof: {line[:80]!r}")
    return found


def read_line(line: str) -> bytes:
    """The bytes in a line. Raises Malformed."""
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"not base64 in a proof: {line[:80]!r}") from error
    if hash_line(found) != line:
        raise Malformed(f"not base64 in its one writing: {line[:80]!r}")
    return found

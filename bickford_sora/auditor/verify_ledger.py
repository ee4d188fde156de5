"""Check facts of a bickford-sora ledger without trusting its owner, and without installing anything.

    python verify_ledger.py EXPORT.jsonl --checkpoint FILE --public-key KEY [--tiles FOLDER]
    python verify_ledger.py RECEIPT.tlog-proof ... --public-key KEY

KEY is the ledger's public key as `name+id+base64`, or a file that holds it. Take it, and the checkpoint, from somebody
who keeps them apart from the ledger: they are what everything is held to.

An export has a fact a line (CloudEvents 1.0). A fact's columns and the SHA-256 of its payload make an envelope (RFC
8785), the envelope a leaf, the leaves a tree (RFC 6962 section 2.1). A checkpoint says how many facts there were and
the tree's root (c2sp.org/tlog-checkpoint), in a note (c2sp.org/signed-note) signed with Ed25519 (RFC 8032). A receipt
leads from one fact to a checkpoint (c2sp.org/tlog-proof). Tiles are the tree's hashes as others keep them
(c2sp.org/tlog-tiles): with them the first fact that differs is named, though its line was made again with all its
hashes; without them, the positions between two checkpoints among which it is.

It proves that this was recorded, in this order, before the checkpoint was signed. It does not prove that what was
recorded is true. Needs Python 3.11; exit status 0: all of it holds, 1: something differs, 2: wrong usage.
"""

import argparse
import base64
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

READ_BYTES_MAX = 512 * 1024
"""Longest line of an export, and largest receipt, checkpoint or file of keys, in bytes."""
HASH_BYTES = 32
TILE_WIDTH = 256
LISTED_MAX = 10
"""Most positions that are named in a line."""


class Differs(Exception):  # noqa: N818 - it says what happened
    """Something is not what was recorded; the message says what, and where."""


# --- Ed25519 (RFC 8032 section 5.1). Verification only: nothing here is secret, so nothing has to take equal time.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]
"""X, Y, Z, T with x = X/Z, y = Y/Z and x*y = T/Z."""


def add(one: Point, other: Point) -> Point:
    """The sum of two points (section 5.1.4)."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(times: int, point: Point) -> Point:
    """A point added to itself so many times."""
    total = (0, 1, 1, 0)
    while times:
        if times & 1:
            total = add(total, point)
        point = add(point, point)
        times >>= 1
    return total


def decompress(encoded: bytes) -> Point:
    """The point in 32 bytes (section 5.1.3). Raises ValueError when they hold none."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    squared = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if len(encoded) != HASH_BYTES or y >= P or (x * x - squared) % P or (x == 0 and sign):
        raise ValueError("not a point")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, -1, P) % P).to_bytes(HASH_BYTES, "little"))


@functools.cache  # a pack's receipts have one checkpoint between them
def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's Ed25519 signature over `message` (section 5.1.7)."""
    r, s = signature[:HASH_BYTES], int.from_bytes(signature[HASH_BYTES:], "little")
    if len(signature) != 2 * HASH_BYTES or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % L
    try:
        one, other = multiply(s, BASE), add(decompress(r), multiply(k, decompress(public_key)))
    except ValueError:
        return False
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 and (one[1] * other[2] - other[1] * one[2]) % P == 0


# --- Keys, signed notes and checkpoints.


Keys = dict[tuple[str, bytes], bytes]
"""Public keys by their name and the id that names them in signatures."""


class Checkpoint(NamedTuple):
    """That the ledger `origin` had `size` facts, with this root above them."""

    origin: str
    size: int
    root: bytes


def read_keys(given: str) -> Keys:
    """The key in a text, or those that begin the lines of the file of that name, without those listed as stolen."""
    keys: Keys = {}
    lines = (read_small(Path(given)) if Path(given).is_file() else given).splitlines()
    for line in (each.split()[0] for each in lines if each.strip() and each.split()[-1] != "stolen"):
        match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", line)
        body = unbase64(match[3]) if match else b""
        if match is None or body[0] != 1:
            raise Differs(f"not an Ed25519 public key as name+id+base64: {line[:80]!r}")
        key_id = hashlib.sha256(match[1].encode() + b"\n" + body).digest()[:4]
        if key_id.hex() != match[2]:
            raise Differs(f"the public key of {match[1]} is damaged: its id is {key_id.hex()}, not {match[2]}")
        keys[match[1], key_id] = body[1:]
    return keys


def open_checkpoint(note: str, keys: Keys) -> Checkpoint:
    """The checkpoint in a note that one of the keys signed. Signatures of other keys are ignored."""
    text, _, signatures = note.rpartition("\n\n")
    match = re.match(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n", f"{text}\n")
    lines = [re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})", line) for line in signatures.split("\n")[:-1]]
    if match is None or not note.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", note):
        raise Differs("not a checkpoint: a signed note of origin, size and root")
    found = Checkpoint(match[1], int(match[2]), unbase64(match[3]))
    signed = False
    for line in lines:
        if line is None:
            raise Differs(f"the checkpoint of size {found.size} has a line that is no signature")
        body = unbase64(line[2])
        public_key = keys.get((line[1], body[:4]))
        if public_key and not is_signed(public_key, f"{text}\n".encode(), body[4:]):
            raise Differs(f"the signature of {line[1]} on the checkpoint of size {found.size} is false")
        signed = signed or public_key is not None
    if not signed:
        raise Differs(f"no key that was given signed the checkpoint of {found.origin}, size {found.size}")
    return found


def unbase64(text: str) -> bytes:
    """The bytes of base64 in its one writing."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    if base64.b64encode(decoded).decode() != text:
        raise Differs(f"not base64: {text[:80]!r}")
    return decoded


def read_small(path: Path) -> str:
    """A small file's text."""
    with path.open("rb") as file:
        content = file.read(READ_BYTES_MAX + 1)
    if len(content) > READ_BYTES_MAX:
        raise Differs(f"{path.name} is larger than {READ_BYTES_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Differs(f"{path.name} is not text") from None


# --- The tree (RFC 6962 section 2.1).


def leaf_hash(envelope: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + envelope).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash above two hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows: the roots of its complete subtrees, one for each bit of its size."""

    def __init__(self) -> None:
        self._size = 0
        self._subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash."""
        rest = self._size
        while rest & 1:
            leaf = node_hash(self._subtrees.pop(), leaf)
            rest >>= 1
        self._subtrees.append(leaf)
        self._size += 1

    def root(self) -> bytes:
        """The root above all leaves."""
        if not self._subtrees:
            return hashlib.sha256(b"").digest()
        root = self._subtrees[-1]
        for left in self._subtrees[-2::-1]:
            root = node_hash(left, root)
        return root


def root_by_proof(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2), None when it has another length."""
    last = size - 1
    for each in proof:
        if last == 0:
            return None
        if index & 1 or index == last:
            leaf = node_hash(each, leaf)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = node_hash(leaf, each)
        index, last = index >> 1, last >> 1
    return None if last else leaf


# --- An export: facts as CloudEvents, one a line, in the one way an export writes them.

ATTRIBUTES = (
    *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "position", "version"),
    *("recordedat", "tenant", "actor", "correlation", "causation", "trace", "payloadsha256", "leafhash"),
)
COLUMNS = (
    *("actor", "causation", "correlation", "event_id", "occurred_at", "payload_sha256", "position", "recorded_at"),
    *("stream", "tenant", "trace", "type", "version"),
)
"""Of the envelope, in order. CloudEvents has other names for some of them."""
NAMES = (
    *("actor", "causation", "correlation", "id", "time", "payloadsha256", "position", "recordedat"),
    *("subject", "tenant", "trace", "type", "version"),
)


class Fact(NamedTuple):
    """Where a fact stands, in the ledger and in its stream, and its leaf hash."""

    position: int
    stream: str
    version: int
    leaf: bytes


def read_fact(line: bytes, origin: str, place: str) -> Fact:
    """The fact in a line. Raises Differs unless the line is exactly as exported."""
    try:
        head, data, payload = split(line)
        event = json.loads(head)
        exact = {name: event[name] for name in ATTRIBUTES if name in event}
        position, stream, version = int(event["position"]), str(event["subject"]), int(event["version"])
        columns = dict(zip(COLUMNS, map(event.get, NAMES), strict=True))
        envelope = as_json({**columns, "position": position})
        written = as_json(exact)[:-1] + data + b"}\n"
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Differs(f"{place}: not a fact as an export writes it ({type(error).__name__})") from None
    if written != line or str(position) != event["position"]:
        raise Differs(f"{place}: not written as an export writes it")
    if [event.get(name) for name in ("specversion", "source", "datacontenttype")] != [
        "1.0",
        origin,
        "application/json",
    ]:
        raise Differs(f"{place}, position {position}: not CloudEvents 1.0 of {origin}, in JSON")
    if hashlib.sha256(payload).hexdigest() != event.get("payloadsha256"):
        raise Differs(f"{place}, position {position}: the payload is not the one that was recorded")
    if leaf_hash(envelope).hex() != event.get("leafhash"):
        raise Differs(f"{place}, position {position}: the columns are not those that were recorded")
    return Fact(position, stream, version, leaf_hash(envelope))


def split(line: bytes) -> tuple[bytes, bytes, bytes]:
    """The attributes as a JSON object, the payload with its name as it stands in the line, and the payload.

    The payload comes last, and no text in front of it can look like its name: quotes in a JSON text are escaped.
    """
    if not line.endswith(b"}\n"):
        raise ValueError("the line is cut")
    head, data, rest = line[:-2].partition(b',"data":')
    if data:
        return head + b"}", data + rest, rest
    head, data, rest = line[:-2].partition(b',"data_base64":"')
    return head + b"}", data + rest, base64.b64decode(rest[:-1], validate=True)


def as_json(value: object) -> bytes:
    """JSON without spaces; of texts and integers by their names in order it is that of RFC 8785."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# --- What is known of single facts: from tiles, and from receipts.

Known = Callable[[int], bytes | None]
"""Gives the leaf hash at a position, None where it is not known."""


def read_tiles(folder: Path, checkpoint: Checkpoint) -> bytes:
    """All leaf hashes, from tiles of level 0. Raises Differs unless they lead to the checkpoint's root."""
    leaves, tree = bytearray(), Tree()
    for index in range(-(-checkpoint.size // TILE_WIDTH)):
        width = min(checkpoint.size - index * TILE_WIDTH, TILE_WIDTH)
        digits = str(index).zfill(-(-len(str(index)) // 3) * 3)
        *upper, lowest = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        full = folder.joinpath("tile", "0", *(f"x{part}" for part in upper), lowest)
        path = full if full.is_file() else full.with_name(f"{lowest}.p") / str(width)
        hashes = path.read_bytes()[: width * HASH_BYTES]
        for at in range(0, len(hashes), HASH_BYTES):
            tree.append(hashes[at : at + HASH_BYTES])
        leaves += hashes
    if len(leaves) != checkpoint.size * HASH_BYTES or tree.root() != checkpoint.root:
        raise Differs(f"the tiles do not lead to the root of the checkpoint of size {checkpoint.size}")
    return bytes(leaves)


def open_receipt(path: Path, keys: Keys) -> tuple[int, bytes, Checkpoint]:
    """The position and leaf hash that a receipt proves, and its checkpoint. Raises Differs when it proves nothing."""
    head, _, note = read_small(path).partition("\n\n")
    parts = (
        r"c2sp\.org/tlog-proof@v1\nextra ([A-Za-z0-9+/=]+)\nindex (0|[1-9][0-9]{0,18})((?:\n[A-Za-z0-9+/]{43}=){0,63})"
    )
    match = re.fullmatch(parts, head)
    if match is None:
        raise Differs(f"{path.name}: not a receipt")
    checkpoint, index, leaf = open_checkpoint(note, keys), int(match[2]), leaf_hash(unbase64(match[1]))
    proof = [unbase64(each) for each in match[3].split()]
    if index >= checkpoint.size or root_by_proof(leaf, index, checkpoint.size, proof) != checkpoint.root:
        raise Differs(f"{path.name}: its fact is not under the checkpoint of size {checkpoint.size}")
    return index + 1, leaf, checkpoint


# --- Putting it together.


def check_export(
    path: Path, checkpoints: list[Checkpoint], known: Known, seen: set[int], *, part: bool
) -> Iterator[str]:
    """What holds of an export. Raises Differs at the first fact that is missing, or not what was recorded.

    Its positions come into `seen`.
    """
    sizes = {each.size: each.root for each in checkpoints}
    tree, before, covered, number = Tree(), 0, 0, 0
    unknown: list[int] = []
    versions: dict[str, int] = {}
    with path.open("rb") as file:
        while line := file.readline(READ_BYTES_MAX):
            number += 1
            position, stream, version, leaf = read_fact(line, checkpoints[0].origin, f"line {number}")
            if position <= before or (position != number and not part):
                raise Differs(f"line {number}: position {position} stands here, not {before + 1}")
            if known(position) not in (leaf, None):
                raise Differs(f"line {number}, position {position}: not the fact that was recorded there")
            due = versions.get(stream, 0) + 1
            if version < due or (version > due and not part):
                raise Differs(
                    f"line {number}, position {position}: {stream} has version {version} here, where {due} is due"
                )
            versions[stream] = version
            unknown += [position] if known(position) is None else []
            seen.add(position)
            before = position
            tree.append(leaf)
            if position in sizes and not part:
                if tree.root() != sizes[position]:
                    raise Differs(
                        f"a fact at one of the positions {covered + 1} to {position} is not what was recorded"
                    )
                covered = position
    if not part and max(sizes) > number:
        raise Differs(f"after line {number}: positions {number + 1} to {max(sizes)} are missing")
    covered = max(covered, number - len(unknown))
    yield f"holds: {covered} of {number} facts are what was recorded at their positions"
    if part:
        yield from uncovered(unknown, max(sizes))
    elif covered < number:
        yield f"not covered yet: {number - covered} facts, from position {covered + 1} on"


def uncovered(unknown: Sequence[int], signed: int) -> Iterator[str]:
    """What is said of facts of a part that nothing is known of and that are behind the checkpoint of `signed` facts.

    Raises Differs where some are under it: whether they are what was recorded, nobody can say.
    """
    behind = [each for each in unknown if each > signed]
    if behind:
        yield f"not covered yet: {len(behind)} facts, at {listed(behind)}"
    unproved = [each for each in unknown if each <= signed]
    if unproved:
        raise Differs(f"facts under the checkpoint that no receipt or tile proves: positions {listed(unproved)}")


def listed(positions: Sequence[int]) -> str:
    """The first of some positions, in words."""
    more = f" and {len(positions) - LISTED_MAX} more" if len(positions) > LISTED_MAX else ""
    return ", ".join(map(str, positions[:LISTED_MAX])) + more


def check(given: argparse.Namespace) -> Iterator[str]:
    """What holds of everything that was given. Raises Differs."""
    keys = read_keys(given.public_key)
    checkpoints = [open_checkpoint(read_small(each), keys) for each in given.checkpoint]
    yield from (f"holds: the checkpoint of {each.origin}, size {each.size}, is signed" for each in checkpoints)
    files = [path for each in given.files for path in (sorted(each.glob("*.tlog-proof")) if each.is_dir() else [each])]
    proved: dict[int, bytes] = {}
    for path in [each for each in files if each.suffix == ".tlog-proof"]:
        position, proved[position], checkpoint = open_receipt(path, keys)
        checkpoints.append(checkpoint)
        yield f"holds: {path.name}, position {position} under the checkpoint of size {checkpoint.size}"
    if len({each.origin for each in checkpoints}) != 1:
        raise Differs("everything is held to checkpoints of one ledger: give one, or receipts")
    known: Known = proved.get
    if given.tiles:
        newest = max(checkpoints, key=lambda each: each.size)
        leaves = read_tiles(given.tiles, newest)
        known = lambda position: leaves[(position - 1) * HASH_BYTES : position * HASH_BYTES] or None  # noqa: E731 - a table
        yield f"holds: the tiles lead to the checkpoint of size {newest.size}"
    seen: set[int] = set()
    exports = [each for each in files if each.suffix != ".tlog-proof"]
    for path in exports:
        yield from (f"{said} ({path.name})" for said in check_export(path, checkpoints, known, seen, part=given.part))
    missing = sorted(set(proved) - seen) if exports else []
    if missing:
        raise Differs(f"facts that receipts prove are in none of these files: positions {listed(missing)}")


def main() -> int:
    """Runs the command. Returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="exports, receipts, folders of receipts")
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, help="may be repeated")
    parser.add_argument("--public-key", required=True, help="name+id+base64, or a file that holds it")
    parser.add_argument("--tiles", type=Path, help="a folder that holds the tree's hashes in tile/")
    parser.add_argument("--part", action="store_true", help="the export is a selection: positions may be missing")
    try:
        for said in check(parser.parse_args()):
            print(said)  # noqa: T201 - its answer
    except (Differs, OSError, ValueError) as error:
        print(f"differs: {error}")  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

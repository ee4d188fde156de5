"""The auditor's one file, held to the vectors of RFC 8032, to the package's own code, and to every tampering."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bickford_sora.auditor import verify_ledger
from bickford_sora.auditor.verify_ledger import Differs, Tree, is_signed, read_fact, root_by_proof
from ledger.exchange.cloudevents import line_of
from ledger.payloads import is_moved
from ledger.proof.leaves import leaf_of
from ledger.proof.merkle import Leaves, inclusion_proof, root
from tests.trying import tries

from .ledgers import ORIGIN, OTHER_SIGNER, SIGNER, Files, files, flipped, row

FACTS = 300
"""More than one tile."""
ODD = 'a"\\/\x00\x1f\x7f\x80\n\tä€😀\u2028<&'
"""Characters that writers of JSON treat in ways of their own."""
PROGRAM = Path(verify_ledger.__file__)
RFC_8032 = [  # section 7.1: tests 1, 2, 3 and SHA(abc)
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A ledger in files, which no test changes."""
    ledger = files(tmp_path_factory.mktemp("ledger"), FACTS)
    ledger.tiles()
    for size in (100, FACTS - 20, FACTS):
        ledger.checkpoint(size)
    return ledger


@pytest.fixture
def ledger(made: Files, tmp_path: Path) -> Files:
    """A copy of it."""
    return Files(shutil.copytree(made.folder, tmp_path / "ledger"), made.rows)


def said(capsys: pytest.CaptureFixture[str], *arguments: object, status: int) -> list[str]:
    """What the program says of these, which has to end like this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["verify_ledger.py", *map(str, arguments)])
        ended = verify_ledger.main()
    lines = capsys.readouterr().out.splitlines()
    assert ended == status, lines
    return lines


def held_to(ledger: Files, *sizes: int) -> list[object]:
    """Arguments: the export, its key, and these checkpoints."""
    notes = [argument for size in sizes for argument in ("--checkpoint", ledger.folder / f"{size}.checkpoint")]
    return [ledger.export, "--public-key", ledger.key, *notes]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_verify_and_nothing_near_them_does(key: str, message: str, signature: str) -> None:
    public, signed, given = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert is_signed(public, signed, given)
    assert not is_signed(public, signed + b"\0", given)
    assert not is_signed(public, signed, given[:-1])
    assert not is_signed(public, signed, given + b"\0")
    assert not is_signed(public[:-1], signed, given)
    for at in range(0, 64, 9):
        assert not is_signed(public, signed, given[:at] + bytes([given[at] ^ 1]) + given[at + 1 :])
    more = (int.from_bytes(given[32:], "little") + verify_ledger.L).to_bytes(32, "little")
    assert not is_signed(public, signed, given[:32] + more)  # a second writing of the same signature


@settings(max_examples=tries(15), deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=300))
def test_it_verifies_what_another_implementation_signs(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    signature, public = key.sign(message), key.public_key().public_bytes_raw()
    assert is_signed(public, message, signature)
    assert not is_signed(public, message + b".", signature)


@settings(max_examples=tries(60), deadline=None)
@given(leaves=st.lists(st.binary(min_size=32, max_size=32), max_size=70), data=st.data())
def test_its_tree_is_the_ledgers_tree(leaves: list[bytes], data: st.DataObject) -> None:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    assert tree.root() == root(Leaves(leaves), len(leaves))
    if leaves:
        index = data.draw(st.integers(0, len(leaves) - 1))
        proof = inclusion_proof(Leaves(leaves), index, len(leaves))
        assert root_by_proof(leaves[index], index, len(leaves), proof) == tree.root()
        assert root_by_proof(leaves[index], index, len(leaves), [*proof, leaves[0]]) != tree.root()
        assert root_by_proof(flipped(leaves[index]), index, len(leaves), proof) != tree.root()


@settings(max_examples=tries(100), deadline=None)
@given(
    position=st.integers(1, 2**62),
    actor=st.text(ODD, min_size=1),
    payload=st.binary().filter(lambda stored: not is_moved(stored)) | st.just(b'{"f":{},"v":1}'),
)
def test_it_reads_every_fact_as_the_ledger_writes_it(position: int, actor: str, payload: bytes) -> None:
    fact = row(1)
    fact = replace(fact, id=position, state=payload, context=fact.context._replace(actor=actor))
    read = read_fact(line_of(fact, leaf_of(fact), ORIGIN), ORIGIN, "line 1")
    assert read == (position, fact.originator_id, fact.originator_version, leaf_of(fact))


def test_it_runs_alone_without_anything_installed(ledger: Files, tmp_path: Path) -> None:
    alone = shutil.copy(PROGRAM, tmp_path / "check.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", alone, *map(str, held_to(ledger, FACTS)), "--tiles", str(ledger.folder / "tiles")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout.splitlines()[-1]
        == f"holds: {FACTS} of {FACTS} facts are what was recorded at their positions (ledger.jsonl)"
    )


def test_what_no_checkpoint_covers_yet_is_named(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, *held_to(ledger, 100, FACTS - 20), status=0)
    assert lines[-2:] == [
        f"holds: 280 of {FACTS} facts are what was recorded at their positions (ledger.jsonl)",
        "not covered yet: 20 facts, from position 281 on (ledger.jsonl)",
    ]


def test_any_bit_that_is_flipped_is_found_in_its_line(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ledger.lines
    chance = random.Random(3)  # noqa: S311 - no secret
    for _ in range(60):
        number = chance.randrange(FACTS)
        line = bytearray(lines[number])
        line[chance.randrange(len(line) - 1)] ^= 1 << chance.randrange(7)
        if bytes(line) == lines[number] or b"\n" in line[:-1]:
            continue
        with pytest.raises(Differs, match=f"^line {number + 1}"):
            read_fact(bytes(line), ORIGIN, f"line {number + 1}")
    ledger.write_lines([*lines[:5], lines[5].replace(b'"tenant":"main"', b'"tenant":"mail"'), *lines[6:]])
    told = said(capsys, *held_to(ledger, FACTS), status=1)
    assert told[-1] == "differs: line 6, position 6: the columns are not those that were recorded"


def swapped(lines: Sequence[bytes]) -> list[bytes]:
    return [*lines[:20], lines[21], lines[20], *lines[22:]]


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda lines: [*lines[:49], *lines[50:]], "line 50: position 51 stands here, not 50"),
        (lambda lines: [*lines[:49], lines[48], *lines[49:]], "line 50: position 49 stands here, not 50"),
        (swapped, "line 21: position 22 stands here, not 21"),
        (lambda lines: lines[:-1], "after line 299: positions 300 to 300 are missing"),
        (lambda _: [], "after line 0: positions 1 to 300 are missing"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "line 300: not a fact as an export writes it"),
        (lambda lines: [*lines, lines[-1]], "line 301: position 300 stands here, not 301"),
        (lambda lines: lines[1:], "line 1: position 2 stands here, not 1"),
        (lambda lines: [b"{}\n", *lines], "line 1: not a fact as an export writes it"),
        (lambda lines: [*lines[:9], lines[9].replace(b'",', b'" ,', 1), *lines[10:]], "line 10: not written as"),
    ],
    ids=[
        "removed",
        "repeated",
        "swapped",
        "end cut",
        "emptied",
        "newline cut",
        "added",
        "start cut",
        "foreign",
        "space",
    ],
)
def test_lines_that_are_not_where_they_were_are_found(
    tamper: Callable[[list[bytes]], list[bytes]], found: str, ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.write_lines(tamper(ledger.lines))
    assert said(capsys, *held_to(ledger, 100, FACTS), status=1)[-1].startswith(f"differs: {found}")


@pytest.mark.parametrize("position", [1, 100, 101, 279, FACTS])
def test_a_forger_who_makes_all_hashes_again_is_found_by_the_interval_and_by_tiles_exactly(
    position: int, ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = [replace(each, state=b'{"f":{},"v":2}') if each.id == position else each for each in ledger.rows]
    ledger.write_rows(forged)
    arguments = held_to(ledger, 100, FACTS)
    first, last = (1, 100) if position <= 100 else (101, FACTS)
    interval = f"differs: a fact at one of the positions {first} to {last} is not what was recorded"
    assert said(capsys, *arguments, status=1)[-1] == interval
    exact = f"differs: line {position}, position {position}: not the fact that was recorded there"
    assert said(capsys, *arguments, "--tiles", ledger.folder / "tiles", status=1)[-1] == exact


@pytest.mark.parametrize(
    ("version", "of", "due"), [(2, 17, 1), (3, 16, 2), (1, 16, 2)], ids=["begins late", "gap", "twice"]
)
def test_a_version_that_is_not_due_in_its_stream_is_found(
    version: int, of: int, due: int, ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = f"render:main:{of}"
    wrong = replace(ledger.rows[16], originator_id=stream, originator_version=version)
    ledger.write_rows([*ledger.rows[:16], wrong, *ledger.rows[17:]])
    told = said(capsys, *held_to(ledger, FACTS), status=1)
    assert told[-1] == f"differs: line 17, position 17: {stream} has version {version} here, where {due} is due"


def test_a_part_may_leave_out_versions_and_they_only_rise(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = ledger.rows[-2:]
    late = replace(first, originator_version=7)
    ledger.write_rows([late])
    told = said(capsys, *held_to(ledger, FACTS - 20), "--part", status=0)[-1]
    assert f"not covered yet: 1 facts, at {FACTS - 1}" in told
    ledger.write_rows([late, replace(second, originator_id=late.originator_id, originator_version=7)])
    told = said(capsys, *held_to(ledger, FACTS - 20), "--part", status=1)[-1]
    assert "version 7 here, where 8 is due" in told


def test_a_forged_fact_behind_the_checkpoint_is_not_said_to_hold(
    ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.write_rows([replace(each, topic="render.denied") if each.id == FACTS else each for each in ledger.rows])
    assert "not covered yet: 20 facts" in said(capsys, *held_to(ledger, FACTS - 20), status=0)[-1]


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda note: note.replace("\n300\n", "\n299\n"), "the signature of bickford-sora"),
        (lambda note: note.replace("bickford-sora/", "bickford-sorb/", 1), "the signature of"),
        (lambda note: note[: note.index("— ")], "no key that was given signed"),
        (lambda note: note[:-1], "not a checkpoint"),
        (lambda note: note.replace("— ", "- "), "the checkpoint of size 300 has a line that is no signature"),
        (lambda note: note.replace("\n\n", "\n"), "not a checkpoint"),
        (lambda _: "", "not a checkpoint"),
    ],
    ids=["size", "origin", "unsigned", "cut", "dash", "no empty line", "empty"],
)
def test_a_checkpoint_that_was_changed_is_refused(
    tamper: Callable[[str], str], found: str, ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ledger.folder / f"{FACTS}.checkpoint"
    path.write_text(tamper(path.read_text("utf-8")), "utf-8")
    assert said(capsys, *held_to(ledger, FACTS), status=1)[-1].startswith(f"differs: {found}")


def test_a_checkpoint_of_another_key_or_another_tree_is_refused(
    ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.checkpoint(FACTS, signer=OTHER_SIGNER)
    assert "no key that was given signed" in said(capsys, *held_to(ledger, FACTS), status=1)[-1]
    ledger.checkpoint(FACTS, forge=flipped)
    assert "positions 1 to 300 is not what was recorded" in said(capsys, *held_to(ledger, FACTS), status=1)[-1]


def test_a_damaged_key_is_named(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    key = str(SIGNER.verifier)
    checkpoint = ("--checkpoint", ledger.folder / f"{FACTS}.checkpoint")
    assert said(capsys, ledger.export, "--public-key", key, *checkpoint, status=0)
    for damaged, found in ((key[:-6] + "A" + key[-5:], "is damaged"), ("key", "not an Ed25519 public key")):
        assert found in said(capsys, ledger.export, "--public-key", damaged, *checkpoint, status=1)[-1]


def test_tiles_that_were_changed_or_are_missing_are_refused(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    tiles = ledger.folder / "tiles"
    arguments = [*held_to(ledger, FACTS), "--tiles", tiles]
    tile = tiles / "tile" / "0" / "000"
    content = tile.read_bytes()
    tile.write_bytes(flipped(content))
    assert "the tiles do not lead to the root" in said(capsys, *arguments, status=1)[-1]
    tile.write_bytes(content[:-32])
    assert "the tiles do not lead to the root" in said(capsys, *arguments, status=1)[-1]
    tile.unlink()
    assert "No such file" in said(capsys, *arguments, status=1)[-1]


def test_a_receipt_proves_its_fact_and_no_other(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = ledger.receipt(17, FACTS)
    assert said(capsys, receipt, "--public-key", ledger.key, status=0) == [
        f"holds: 17.tlog-proof, position 17 under the checkpoint of size {FACTS}"
    ]
    text = receipt.read_text("utf-8")
    other = ledger.receipt(18, FACTS).read_text("utf-8").splitlines()[1]
    for changed in (
        text.replace("index 16", "index 17"),
        text.replace(text.splitlines()[1], other),
        text.replace(text.splitlines()[3] + "\n", ""),
        text.replace("tlog-proof@v1", "tlog-proof@v2"),
        text.replace(f"\n{FACTS}\n", "\n299\n"),
        text[:200],
    ):
        receipt.write_text(changed, "utf-8")
        assert said(capsys, receipt, "--public-key", ledger.key, status=1)[-1].startswith("differs: ")


def test_a_selection_is_held_to_receipts_and_says_what_none_covers(
    ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ledger.folder / "receipts"
    folder.mkdir()
    for position in (3, 40):
        ledger.receipt(position, FACTS).rename(folder / f"{position}.tlog-proof")
    lines = ledger.lines
    ledger.write_lines([lines[2], lines[39], lines[41]])
    arguments = (ledger.export, folder, "--public-key", ledger.key, "--part")
    assert [line.partition(" (")[0] for line in said(capsys, *arguments, status=1)[-2:]] == [
        "holds: 2 of 3 facts are what was recorded at their positions",
        "differs: facts under the checkpoint that no receipt or tile proves: positions 42",
    ]
    forged = replace(ledger.rows[39], topic="render.denied")
    ledger.write_rows([ledger.rows[2], forged])
    assert "line 2, position 40: not the fact" in said(capsys, *arguments, status=1)[-1]


def test_the_checkpoint_of_many_receipts_has_its_signature_checked_once(
    ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    verify_ledger.is_signed.cache_clear()
    receipts = [ledger.receipt(position, FACTS) for position in (3, 40)]
    assert len(said(capsys, *receipts, "--public-key", ledger.key, status=0)) == len(receipts)
    assert verify_ledger.is_signed.cache_info().misses == 1


def test_a_fact_that_was_taken_out_of_a_pack_is_missed_by_its_receipt(
    ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    receipts = [ledger.receipt(position, FACTS) for position in (3, 40)]
    arguments = (ledger.export, *receipts, "--public-key", ledger.key, "--part")
    lines = ledger.lines
    ledger.write_lines([lines[2], lines[39]])
    assert said(capsys, *arguments, status=0)[-1].startswith("holds: 2 of 2 facts")
    for left, gone in (([lines[2]], "40"), ([], "3, 40")):
        ledger.write_lines(left)
        told = said(capsys, *arguments, status=1)[-1]
        assert told == f"differs: facts that receipts prove are in none of these files: positions {gone}"


def test_a_fact_that_was_changed_and_its_receipt_taken_away_is_found(
    ledger: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (ledger.export, ledger.receipt(3, FACTS), "--public-key", ledger.key, "--part")
    ledger.write_rows([ledger.rows[2], replace(ledger.rows[39], topic="render.denied")])
    assert said(capsys, *arguments, status=1)[-1].endswith("no receipt or tile proves: positions 40")


def test_a_key_that_is_listed_as_stolen_is_not_trusted(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    listed = ledger.folder / "keys.txt"
    arguments = (ledger.receipt(3, FACTS), "--public-key", listed)
    key = Path(ledger.key).read_text("utf-8").strip()
    listed.write_text(f"{key}\t2026-11-20\t2026-11-21\trotated\n", "utf-8")
    said(capsys, *arguments, status=0)
    listed.write_text(f"{key}\t2026-11-20\t2026-11-21\tstolen\n", "utf-8")
    assert "no key that was given signed" in said(capsys, *arguments, status=1)[-1]


def test_a_damaged_receipt_is_named(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = ledger.receipt(17, FACTS)
    receipt.write_bytes(b"\xff" + receipt.read_bytes())
    told = said(capsys, ledger.receipt(3, FACTS), receipt, "--public-key", ledger.key, status=1)[-1]
    assert told == "differs: 17.tlog-proof is not text"


def test_without_anything_to_hold_it_to_nothing_holds(ledger: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert "give one" in said(capsys, *held_to(ledger), status=1)[-1]

"""Files that others hand in: each reader takes them or says what is wrong, in its own error."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.auditor import verify_ledger
from bickford_sora.decisions.invoices import read_invoice
from bickford_sora.decisions.rules.reading import PolicyInvalid, read_policy
from bickford_sora.erasure_list import ErasureList, ErasureListDamaged, Listed
from bickford_sora.errors import InvalidRequest
from bickford_sora.renderer_file import RendererFileInvalid, read_renderer_file
from ledger.events import ErasureDecided
from ledger.exchange.cloudevents import line_of, row_of
from ledger.exchange.errors import ExportDamaged
from ledger.exchange.key_bundle import _key
from ledger.exchange.manifest import manifest_path, read_manifest
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.errors import Malformed, ProofError
from ledger.proof.leaves import leaf_of
from ledger.proof.notes import Note
from ledger.proof.receipts import Receipt, receipt_of
from tests.auditor.ledgers import ORIGIN, SIGNER, row
from tests.docs.pages import ROOT
from tests.fuzz.bytes import JSON, altered, damaged, refusal, tried
from tests.ledger.ledger_facts import NOON

POLICIES = [each.read_bytes() for each in sorted((ROOT / "docs" / "examples" / "policies").glob("*.yaml"))]
RENDERERS = [each.read_bytes() for each in sorted((ROOT / "docs" / "examples" / "renderers").glob("*.yaml"))]
LINES = [line_of(row(position), leaf_of(row(position)), ORIGIN) for position in range(1, 12)]
CHECKPOINT = Checkpoint(ORIGIN, 3, bytes(32)).signed(SIGNER)
RECEIPT = str(receipt_of(1, [bytes(32), bytes(32)], CHECKPOINT, b'{"a":1}')).encode()
MANIFEST = {
    "ledger_id": "00000000-0000-0000-0000-00000000004d",
    "format": "jsonl",
    "events": 3,
    "first": 1,
    "last": 3,
    "file_sha256": "0" * 64,
    "tree": {"size": 3, "root": "0" * 64},
}
KEY = {"name": "req-1/video_1", "wrapped": "AAAA", "created_at": "2026-11-20T12:00:00Z", "destroyed_at": None}
INVOICE = b"video_id,amount,currency,day\nvideo_1,0.40,USD,2026-11-20\nvideo_2,1.20,USD,2026-11-21\n"
YAML = JSON.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


@tried(120)
@given(content=damaged(*POLICIES) | YAML | st.binary(max_size=40))
def test_no_policy_breaks_its_reader(content: bytes) -> None:
    refused = refusal(PolicyInvalid, read_policy, content)
    assert refused is None or refused.problems


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@tried(120)
@given(content=damaged(*RENDERERS) | YAML | st.binary(max_size=40))
def test_no_renderer_file_breaks_its_reader(folder: Path, content: bytes) -> None:
    path = folder / "renderers.yaml"
    path.write_bytes(content)
    refused = refusal(RendererFileInvalid, read_renderer_file, path)
    assert refused is None or str(path) in str(refused)


@tried(200)
@given(line=damaged(*LINES))
def test_no_export_breaks_its_reader(line: bytes) -> None:
    refused = refusal(ExportDamaged, row_of, line, ORIGIN, "line 1")
    assert refused is not None or line in LINES, "a changed line was taken"


@tried(200)
@given(line=damaged(*LINES))
def test_no_export_breaks_the_auditors_reader(line: bytes) -> None:
    refused = refusal(verify_ledger.Differs, verify_ledger.read_fact, line, ORIGIN, "line 1")
    assert refused is not None or line in LINES, "a changed line was taken"


@tried(100)
@given(content=altered(MANIFEST) | st.binary(max_size=40))
def test_no_manifest_breaks_its_reader(folder: Path, content: bytes) -> None:
    export = folder / "ledger.jsonl"
    manifest_path(export).write_bytes(content)
    refusal(ExportDamaged, read_manifest, export)


@tried(200)
@given(content=damaged(CHECKPOINT.encode()))
def test_no_checkpoint_breaks_its_reader(content: bytes) -> None:
    try:
        note = Note.parse(content)
        checkpoint = Checkpoint.parse(note)
        note.verified_by([SIGNER.verifier])
    except ProofError:
        return
    assert checkpoint == Checkpoint(ORIGIN, 3, bytes(32)), "a changed checkpoint was taken"


@tried(200)
@given(content=damaged(CHECKPOINT.encode()))
def test_no_checkpoint_breaks_the_auditors_reader(content: bytes) -> None:
    keys = verify_ledger.read_keys(str(SIGNER.verifier))
    try:
        found = verify_ledger.open_checkpoint(content.decode("utf-8", "replace"), keys)
    except verify_ledger.Differs:
        return
    assert found == (ORIGIN, 3, bytes(32)), "a changed checkpoint was taken"


@tried(150)
@given(content=damaged(RECEIPT))
def test_no_receipt_breaks_its_reader(content: bytes) -> None:
    refusal(Malformed, Receipt.parse, content)


@tried(100)
@given(content=altered(KEY))
def test_no_bundle_of_keys_breaks_its_reader(content: bytes) -> None:
    refusal(ExportDamaged, lambda: _key(content + b"\n", "line 1").wrapped_bytes)


@tried(120)
@given(content=damaged(INVOICE))
def test_no_invoice_breaks_its_reader(content: bytes) -> None:
    refusal(InvalidRequest, read_invoice, content.decode("utf-8", "replace"))


@tried(100)
@given(data=st.data())
def test_no_list_of_erasures_breaks_its_reader(folder: Path, data: st.DataObject) -> None:
    path = folder / "erasures.jsonl"
    path.unlink(missing_ok=True)
    listed = ErasureList(path)
    for number in range(3):
        decided = ErasureDecided(kind="requester", subject=f"req-{number}", project="default", cause="asked")
        listed.append(Listed(at=NOON, tenant="main", actor="key_1", requester=f"req-{number}", decided=decided))
    whole = path.read_bytes()
    path.write_bytes(data.draw(damaged(whole)))
    try:
        read = [*listed]
    except ErasureListDamaged:
        return
    # What is cut off at the end cannot be told; anything else was seen.
    assert [each.requester for each in read] == [f"req-{number}" for number in range(len(read))]

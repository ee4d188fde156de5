"""Receipts: the envelope's bytes, which are fixed for good, and what a receipt proves."""

import base64
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.envelope import Context
from ledger.mapper import RecordedRow
from ledger.payloads import payload_sha256
from ledger.proof.checkpoints import Checkpoint, origin_of
from ledger.proof.errors import Malformed, Mismatch, OtherLedger, Unsigned
from ledger.proof.findings import Findings
from ledger.proof.leaves import column_leaves, envelope_of, leaf_hash, leaf_of
from ledger.proof.merkle import Leaves, inclusion_proof, root
from ledger.proof.notes import Signer
from ledger.proof.receipts import Receipt, receipt_of
from ledger.proof.row_check import Row, RowCheck
from ledger.wire import POSTGRES_EPOCH

ID = UUID("0190A0B0-0000-7000-8000-00000000ABCD")
AT = datetime(2026, 11, 21, 13, 0, 0, 500, timezone(timedelta(hours=1)))
ROW = RecordedRow(
    "render:main:0190a0b0000070008000000000000001",
    3,
    "render.queued",
    b'{"f":{},"v":1}',
    7,
    ID,
    Context("main", "wörker\u2028\x7f\n", AT, ID, None, "a" * 32),
    datetime(2026, 11, 21, 12, 0, 1, tzinfo=UTC),
)
ORIGIN = origin_of(UUID(int=1))
SIGNER = Signer(ORIGIN, b"\1" * 32)
LEAVES = [leaf_hash(bytes([number])) for number in range(9)]


def receipt() -> Receipt:
    """Of ROW, the seventh of nine."""
    leaves = [*LEAVES[:6], leaf_of(ROW), *LEAVES[7:]]
    nodes = Leaves(leaves)
    checkpoint = Checkpoint(ORIGIN, 9, root(nodes, 9)).signed(SIGNER)
    return receipt_of(6, inclusion_proof(nodes, 6, 9), checkpoint, envelope_of(ROW))


def test_the_envelope_is_these_bytes() -> None:
    expected = (
        '{"actor":"wörker\u2028\x7f\\n","causation":null,"correlation":"0190a0b0-0000-7000-8000-00000000abcd",'
        '"event_id":"0190a0b0-0000-7000-8000-00000000abcd","occurred_at":"2026-11-21T12:00:00.000500Z",'
        f'"payload_sha256":"{sha256(ROW.state).hexdigest()}","position":7,"recorded_at":"2026-11-21T12:00:01.000000Z",'
        '"stream":"render:main:0190a0b0000070008000000000000001","tenant":"main","trace":"' + "a" * 32 + '",'
        '"type":"render.queued","version":3}'
    )
    assert envelope_of(ROW) == expected.encode()
    assert leaf_of(ROW) == sha256(b"\0" + expected.encode()).digest()


@given(st.text(max_size=20))
def test_the_envelope_of_any_text_is_canonical(text: str) -> None:
    """As RFC 8785 section 3.2.2.2: short escapes where JSON has them, \\u00xx for other controls, else UTF-8."""
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        return  # PostgreSQL holds none
    written = envelope_of(replace(ROW, context=ROW.context._replace(actor=text)))
    assert (
        json.dumps(json.loads(written), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() == written
    )


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.lists(st.integers(-150_000_000, 150_000_000) | st.sampled_from([-60_000_000, 0, 1, 1_000_000, 60_000_000])),
)
def test_moments_are_written_as_each_for_itself_whatever_was_written_before(when: datetime, steps: list[int]) -> None:
    rows = []
    for step in [0, *steps]:
        with suppress(OverflowError):  # behind the last date, or in front of the first
            when += timedelta(microseconds=step)
        rows.append(replace(ROW, recorded_at=when, context=ROW.context._replace(occurred_at=when)))
    assert column_leaves(map(_columns, rows), payload_sha256) == [leaf_of(row) for row in rows]


def _columns(row: RecordedRow) -> Row:
    """As `sql/rows.sql` gives a recorded row."""
    context = row.context
    recorded, occurred = (
        (at - POSTGRES_EPOCH) // timedelta(microseconds=1) for at in (row.recorded_at, context.occurred_at)
    )
    task, cause = (None if each is None else str(each) for each in (context.correlation, context.causation))
    who = (context.tenant, context.actor, task, cause, context.trace)
    place = (row.id, str(row.originator_id), row.originator_version, row.topic, str(row.event_id))
    return (*place, recorded, occurred, *who, row.state)


@given(
    st.lists(
        st.builds(
            RecordedRow,
            st.text(),
            st.integers(1, 2**63 - 1),
            st.text(),
            st.binary() | st.binary(min_size=32, max_size=32).map(b"\0".__add__),
            st.just(0),
            st.uuids(),
            st.builds(
                Context,
                st.text(),
                st.text(),
                st.datetimes(timezones=st.just(UTC)),
                st.none() | st.uuids(),
                st.none() | st.uuids(),
                st.none() | st.text(),
            ),
            st.datetimes(timezones=st.just(UTC)),
        ),
        max_size=8,
    )
)
def test_leaves_of_many_rows_are_those_of_each_row(rows: list[RecordedRow]) -> None:
    placed = [replace(row, id=position) for position, row in enumerate(rows, start=1)]
    leaves = RowCheck(Findings(), size_needed=0).leaves([_columns(row) for row in placed])
    assert leaves == [leaf_of(row) for row in placed]


@pytest.mark.parametrize("column", [5, 6])
@pytest.mark.parametrize("infinity", [2**63 - 1, -(2**63)])
def test_infinity_is_no_moment_however_often_it_is_looked_at(column: int, infinity: int) -> None:
    row = list(_columns(ROW))
    row[column] = infinity
    for _ in range(2):
        with pytest.raises(OverflowError):
            column_leaves([cast("Row", tuple(row))], payload_sha256)


def test_a_receipt_comes_back_and_leads_to_its_checkpoint() -> None:
    text = str(receipt())
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert "\nindex 6\n" in text
    parsed = Receipt.parse(text.encode())
    assert parsed == receipt()
    assert parsed.check(verifiers=[SIGNER.verifier], origin=ORIGIN).size == 9
    bare = Receipt.parse(str(replace(receipt(), extra=None)))
    assert bare.check(verifiers=[SIGNER.verifier], leaf=leaf_of(ROW)).size == 9
    with pytest.raises(Malformed, match="no envelope"):
        bare.check(verifiers=[SIGNER.verifier])


def test_a_receipt_of_one_fact_in_a_tree_of_one_has_no_path() -> None:
    only = receipt_of(0, [], Checkpoint(ORIGIN, 1, leaf_of(ROW)).signed(SIGNER), envelope_of(ROW))
    assert Receipt.parse(str(only)).check(verifiers=[SIGNER.verifier]).size == 1


def test_a_receipt_with_another_fact_in_it_does_not_lead_there() -> None:
    other = replace(receipt(), extra=envelope_of(replace(ROW, state=b"{}")))
    with pytest.raises(Mismatch):
        other.check(verifiers=[SIGNER.verifier])
    with pytest.raises(Mismatch):
        replace(receipt(), index=5).check(verifiers=[SIGNER.verifier])


def test_a_receipt_for_another_size_or_ledger_or_key_is_named() -> None:
    wrong_size = Checkpoint(ORIGIN, 10, b"\0" * 32).signed(SIGNER)
    with pytest.raises(Mismatch):
        replace(receipt(), checkpoint=wrong_size).check(verifiers=[SIGNER.verifier])
    with pytest.raises(OtherLedger):
        receipt().check(verifiers=[SIGNER.verifier], origin=origin_of(UUID(int=2)))
    with pytest.raises(Unsigned):
        receipt().check(verifiers=[Signer(ORIGIN, b"\2" * 32).verifier])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("index 6", "index 06"),
        ("index 6", "index -6"),
        ("index 6\n", ""),
        ("\n\n", "\n"),
        ("extra ", "extra *"),
        ("index 6\n", f"index 6\n{base64.b64encode(b'short').decode()}\n"),
        ("index 6\n", "index 6\n" + f"{base64.b64encode(bytes(32)).decode()}\n" * 64),
    ],
)
def test_a_damaged_receipt_is_refused(before: str, after: str) -> None:
    with pytest.raises(Malformed):
        Receipt.parse(str(receipt()).replace(before, after, 1))

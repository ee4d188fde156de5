"""Verification decodes by a fact's own rules, without making the fact."""

import orjson
import pytest

from ledger.envelope import Fact
from ledger.errors import InvalidEvent
from ledger.mapper import FactMapper, encode
from ledger.proof.findings import Findings
from ledger.proof.row_check import RowCheck
from tests.ledger.examples import EXAMPLES

MAPPER = FactMapper()
STRANGE = [None, True, -1, 3.5, "", "x" * 40_000, [], [1], {}, {"x": 1}]


def payloads(fact: Fact) -> list[bytes]:
    """A fact's payload, with each field taken away and each made strange, and with one that it does not have."""
    stored = orjson.loads(encode(fact))
    fields = stored["f"]
    others = [{**fields, name: value} for name in fields for value in STRANGE]
    others += [{name: fields[name] for name in fields if name != gone} for gone in fields]
    return [orjson.dumps({**stored, "f": each}) for each in (fields, {**fields, "added": 1}, *others)]


def found(fact: Fact, told: list[bytes]) -> list[bool]:
    """Of which payloads verification says that they are not what such a fact has."""
    findings = Findings()
    check = RowCheck(findings, size_needed=0, types={fact.TYPE: type(fact)})
    invalid = []
    for number, payload in enumerate(told, start=1):
        before = findings.listed[-1:], findings.left_off
        columns = ("0190a0b0-0000-7000-8000-000000000001", 0, 0, "acme", "key_1", None, None, None)
        check.leaves([(number, "render:acme:1", number, fact.TYPE, *columns, payload)])
        invalid.append((findings.listed[-1:], findings.left_off) != before)
    assert findings.kinds == {"invalid_event"}
    return invalid


def is_refused(fact: Fact, payload: bytes) -> bool:
    try:
        MAPPER.decode(fact.TYPE, payload, place="here")
    except InvalidEvent:
        return True
    return False


@pytest.mark.parametrize("fact", EXAMPLES.values(), ids=EXAMPLES)
def test_what_a_fact_refuses_is_found(fact: Fact) -> None:
    told = payloads(fact)
    refused = [is_refused(fact, each) for each in told]
    assert found(fact, told) == refused
    assert not refused[0]

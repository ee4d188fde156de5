"""Verification takes no payload that a fact's own rules refuse, though it does not make the fact."""

import json
from typing import Self

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import model_validator

from ledger.envelope import Fact
from ledger.errors import InvalidEvent
from ledger.events import TYPES
from ledger.mapper import FactMapper, encode
from ledger.proof.findings import Findings
from ledger.proof.forms import form_of
from ledger.proof.row_check import RowCheck
from tests.ledger.examples import EXAMPLES

MAPPER = FactMapper()
NEARLY = [  # what one parser might take for valid, and another not
    "2026-02-30T00:00:00Z",
    "2026-01-02T00:00:00",
    "2026-01-02T00:00:00+24:00",
    "2026-01-02\n",
    "USD\n",
    "a1" * 32 + "\n",
    "A1" * 32,
    10**30,
    1.0,
    "1",
]
STRANGE = [*NEARLY, None, True, -1, 3.5, "", "x" * 40_000, [], [1], {}, {"x": 1}]


def payloads(fact: Fact) -> list[bytes]:
    """A fact's payload, with each field taken away and each made strange, and with one that it does not have."""
    stored = orjson.loads(encode(fact))
    fields = stored["f"]
    others = [{**fields, name: value} for name in fields for value in STRANGE]
    others += [{name: fields[name] for name in fields if name != gone} for gone in fields]
    others += [json.loads(json.dumps(fields).replace(name, "\ud800", 1)) for name in fields]
    told = [json.dumps({**stored, "f": each}) for each in (fields, {**fields, "added": 1}, *others)]
    told += [json.dumps({**stored, "v": version}) for version in (0, -1, stored["v"] + 1, "1", True, 1.5, None)]
    return [each.encode() for each in told]


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


@pytest.mark.parametrize("name", TYPES)
def test_every_fact_has_a_form_that_is_checked_quickly(name: str) -> None:
    assert form_of(TYPES[name]) is not None, "a million facts of it take seconds longer"


@pytest.mark.parametrize("fact", EXAMPLES.values(), ids=EXAMPLES)
def test_what_is_written_today_is_taken_by_its_form(fact: Fact) -> None:
    check = form_of(type(fact))
    assert check is not None
    check(encode(fact))  # what a form does not take is read the whole way, which takes twice as long


class Ranged(Fact):
    """With a rule about the whole of it, which no form can say."""

    TYPE = "test.ranged"
    first: int
    last: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("first is behind last")
        return self


def test_a_rule_that_no_form_can_say_is_asked_for() -> None:
    assert form_of(Ranged) is None
    good, bad = encode(Ranged(first=1, last=2)), b'{"f":{"first":2,"last":1},"v":1}'
    assert found(Ranged(first=1, last=2), [good, bad]) == [False, True]


@given(
    st.text(alphabet="0123456789abcdef", min_size=63, max_size=65)
    | st.text(alphabet="09afAFgx \n\t\x00\u0660", min_size=62, max_size=66)
    | st.none()
    | st.integers()
    | st.lists(st.just("a"), min_size=64, max_size=64)
    | st.dictionaries(st.text(), st.just("a"))
)
def test_a_digest_is_taken_where_its_rules_take_it_and_nowhere_else(digest: object) -> None:
    is_taken_as_by_its_rules("webhook.received", "body_sha256", digest)


@given(
    st.text(alphabet="AMZ", min_size=2, max_size=4)
    | st.text(alphabet="AZaz@[ \n\u00c4\u01c5\uff21", min_size=3, max_size=4)
    | st.none()
    | st.integers()
    | st.lists(st.just("A"), min_size=3, max_size=3)
    | st.dictionaries(st.text(), st.just("A"), min_size=3, max_size=3)
)
def test_a_currency_is_taken_where_its_rules_take_it_and_nowhere_else(currency: object) -> None:
    is_taken_as_by_its_rules("spend.reserved", "cost", {"amount_micro": 1, "currency": currency})


@given(
    st.dates().map(str)
    | st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}.?\Z")
    | st.text(alphabet="0-9\u0660T \n", min_size=10, max_size=10)
    | st.sampled_from(["2026-02-30", "0000-01-01", "20260102", "2026-W01-1", "+2026-01-02", "2026-01-02T00:00:00Z"])
    | st.none()
    | st.integers()
    | st.lists(st.just("2026-01-02"))
)
def test_a_day_is_taken_where_its_rules_take_it_and_nowhere_else(day: object) -> None:
    is_taken_as_by_its_rules("spend.reserved", "day", day)


def is_taken_as_by_its_rules(type_name: str, field: str, value: object) -> None:
    """A form takes no value that a fact's rules refuse, and a check finds those that they refuse, and no others."""
    fact = EXAMPLES[type_name]
    stored = orjson.loads(encode(fact))
    stored["f"][field] = value
    payload = json.dumps(stored).encode()
    check = form_of(TYPES[type_name])
    assert check is not None
    refused = is_refused(fact, payload)
    try:
        check(payload)
    except ValueError:
        pass
    else:
        assert not refused
    findings = Findings()
    columns = ("0190a0b0-0000-7000-8000-000000000001", 0, 0, "acme", "key_1", None, None, None)
    RowCheck(findings, size_needed=0).leaves([(1, "render:acme:1", 1, type_name, *columns, payload)])
    assert bool(findings.kinds) == refused

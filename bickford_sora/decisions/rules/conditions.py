"""When a rule holds: every condition that is given must hold, and a list holds by any of its entries."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, JsonValue, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from bickford_sora.decisions.declared import Purpose
from bickford_sora.decisions.fields import FIELDS
from bickford_sora.decisions.rules import expression, hours, pattern
from bickford_sora.decisions.rules.checks import Test
from bickford_sora.decisions.rules.entries import Amount, Count, Entry, Flag, Labels, Size
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.renderers.port import Operation

VALUES_MAX = 100
"""Most values of one field."""

ANY_VALUE: Literal["any"] = "any"
FieldValue = StrictBool | StrictInt | StrictFloat | StrictStr
FieldValues = Literal["any"] | Annotated[tuple[FieldValue, ...], Field(min_length=1, max_length=VALUES_MAX)]


def _hours(text: str) -> str:
    hours.hours_of(text)
    return text


class WhenEntry(Entry):
    """The conditions of a rule. Without any it holds for every render."""

    operations: Annotated[tuple[Operation, ...], Field(min_length=1)] | None = None
    models: Labels | None = None
    sizes: Annotated[tuple[Size, ...], Field(min_length=1)] | None = None
    seconds_min: Amount | None = None
    seconds_max: Amount | None = None
    fields: Annotated[dict[str, FieldValues], Field(min_length=1)] | None = None
    """Fields beyond the protocol: `any` value, or one of those listed. Every field named must hold."""
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1)] | None = None
    cost_micro_min: Amount | None = None
    """Holds from this cost on. An unknown cost counts as reaching it, but for rules that allow."""
    requesters: Labels | None = None
    projects: Labels | None = None
    tags: Labels | None = None
    hours: Annotated[str, AfterValidator(_hours)] | None = None
    """Such as `9-17`, or `22-6` over midnight, in the policy's time zone."""
    prompt: Annotated[str, Field(max_length=pattern.PATTERN_CHARS_MAX), AfterValidator(pattern.checked)] | None = None
    """An RE2 pattern that is found somewhere in the prompt."""
    has_reference: Flag | None = None
    remix_depth_min: Count | None = None
    has_approved_draft: Flag | None = None
    """Whether a draft in the lineage was approved."""
    cel: (
        Annotated[str, Field(max_length=expression.EXPRESSION_CHARS_MAX), AfterValidator(expression.checked)] | None
    ) = None
    """A CEL expression. Where it cannot be told, it holds, but for rules that allow."""

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        if self.seconds_min is not None and self.seconds_max is not None and self.seconds_min > self.seconds_max:
            raise ValueError(f"never holds: seconds_min {self.seconds_min} is above seconds_max {self.seconds_max}")
        if unknown := (self.fields or {}).keys() - FIELDS:
            raise ValueError(f"there are no fields {', '.join(sorted(unknown))}; known are {', '.join(sorted(FIELDS))}")
        if self.operations is not None:
            if self.has_reference and "create" not in self.operations:
                raise ValueError("never holds: only a create has a reference image")
            if self.remix_depth_min is not None and set(self.operations) == {"create"}:
                raise ValueError("never holds: the remix depth of a create is 0")
        if self.has_reference and self.remix_depth_min is not None:
            raise ValueError("never holds: only a create has a reference image, and its remix depth is 0")
        return self


CHANGEABLE: Mapping[str, str] = MappingProxyType(
    {
        "operations": "the operation",
        "models": "the model",
        "sizes": "the size",
        "seconds_min": "seconds",
        "seconds_max": "seconds",
        "fields": "fields beyond the protocol",
        "purposes": "the purpose",
        "cost_micro_min": "the cost",
        "tags": "the tags",
        "hours": "the hour",
        "prompt": "the prompt",
        "has_reference": "the reference image",
        "remix_depth_min": "the remix depth",
        "has_approved_draft": "the lineage's approved drafts",
    }
)
"""What a client may change about each condition, in its own words."""


def test_of(when: WhenEntry, *, grants: bool, zone: ZoneInfo) -> Test:
    """The conditions as one test. What cannot be told holds for every rule but those that grant."""
    tests = tuple(_tests(when, grants=grants, zone=zone))
    if len(tests) == 1:
        return tests[0]

    def all_hold(seen: Seen) -> bool:
        for test in tests:  # noqa: SIM110 - a generator inside `all` takes twice as long
            if not test(seen):
                return False
        return True

    return all_hold


def _tests(when: WhenEntry, *, grants: bool, zone: ZoneInfo) -> Iterator[Test]:
    """One test for each condition given, the slow ones last."""
    yield from _listed(when)
    yield from _amounts(when, grants=grants)
    yield from _truths(when)
    for name, values in (when.fields or {}).items():
        yield _field(name, values)
    if when.hours is not None:
        within = hours.within(hours.hours_of(when.hours), zone)
        yield lambda seen: within(seen.at)
    if when.prompt is not None:
        found = pattern.Pattern(when.prompt).is_in
        yield lambda seen: found(seen.prompt)
    if when.cel is not None:
        yield _expression(expression.compiled(when.cel, zone), grants=grants)


def _listed(when: WhenEntry) -> Iterator[Test]:
    if when.operations is not None:
        operations = frozenset(when.operations)
        yield lambda seen: seen.operation in operations
    if when.models is not None:
        models = frozenset(when.models)
        yield lambda seen: seen.model in models
    if when.sizes is not None:
        sizes = frozenset(when.sizes)
        yield lambda seen: seen.size in sizes
    if when.purposes is not None:
        purposes = frozenset(when.purposes)
        yield lambda seen: seen.purpose in purposes
    if when.requesters is not None:
        requesters = frozenset(when.requesters)
        yield lambda seen: seen.requester in requesters
    if when.projects is not None:
        projects = frozenset(when.projects)
        yield lambda seen: seen.project in projects
    if when.tags is not None:
        tags = frozenset(when.tags)
        yield lambda seen: not tags.isdisjoint(seen.tags)


def _amounts(when: WhenEntry, *, grants: bool) -> Iterator[Test]:
    if when.seconds_min is not None:
        shortest = when.seconds_min
        yield lambda seen: seen.seconds >= shortest
    if when.seconds_max is not None:
        longest = when.seconds_max
        yield lambda seen: seen.seconds <= longest
    if when.cost_micro_min is not None:
        cheapest = when.cost_micro_min
        yield lambda seen: not grants if seen.cost_micro is None else seen.cost_micro >= cheapest
    if when.remix_depth_min is not None:
        shallowest = when.remix_depth_min
        yield lambda seen: seen.remix_depth >= shallowest


def _truths(when: WhenEntry) -> Iterator[Test]:
    if when.has_reference is not None:
        referenced = when.has_reference
        yield lambda seen: seen.has_reference is referenced
    if when.has_approved_draft is not None:
        approved = when.has_approved_draft
        yield lambda seen: seen.lineage_has_approved_draft is approved


def _field(name: str, values: Literal["any"] | tuple[FieldValue, ...]) -> Test:
    if values == ANY_VALUE:
        return lambda seen: seen.fields.get(name) is not None
    allowed = tuple(_exact(value) for value in values)
    return lambda seen: _exact(seen.fields.get(name)) in allowed


def _exact(value: JsonValue) -> tuple[bool, JsonValue]:
    """A value that differs from every other: to Python, true is 1."""
    return isinstance(value, bool), value


def _expression(holds: Callable[[Seen], bool | None], *, grants: bool) -> Test:
    def test(seen: Seen) -> bool:
        held = holds(seen)
        return not grants if held is None else held

    return test

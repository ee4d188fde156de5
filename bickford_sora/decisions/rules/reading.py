"""A policy file's bytes made a policy, or everything that is wrong with them, by line."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from bickford_sora.decisions.caller import MAIN
from bickford_sora.decisions.rules.contradictions import Place, contradictions
from bickford_sora.decisions.rules.document import PolicyDocument
from bickford_sora.decisions.rules.evaluation import CompiledPolicy, compile_policy

POLICY_BYTES_MAX = 80 * 1024
"""However its characters are escaped, the text then fits into one fact."""
PROBLEMS_MAX = 20
"""Most problems that are told of at once."""
_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    line: int | None
    """From 1. None: the file as a whole."""
    place: str
    """Such as `rules.0.when.hours`; empty for the whole."""
    reason: str

    def __str__(self) -> str:
        """The problem in one line."""
        return ": ".join(filter(None, (f"line {self.line}" if self.line else "", self.place, self.reason)))


class PolicyInvalid(ValueError):  # noqa: N818 - the name states the cause
    """A policy cannot be used. The message says in which lines, and why; the policy in force stays in force."""

    code = "policy_invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)[:PROBLEMS_MAX]
        """In the order of their lines; at least one."""
        super().__init__("; ".join(map(str, self.problems)))

    @property
    def line(self) -> int | None:
        """Of the first problem."""
        return self.problems[0].line

    @property
    def reason(self) -> str:
        """Of the first problem."""
        return self.problems[0].reason


def read_policy(content: bytes, *, models: Collection[str] | None = None, tenant: str = MAIN) -> CompiledPolicy:
    """The policy in a file's bytes. Raises PolicyInvalid, with every problem.

    Args:
        content: YAML in UTF-8.
        models: What renderers offer. Given, a policy that names another model is refused.
        tenant: Whose it is to be. One that names a key which is not this tenant's is refused.
    """
    if len(content) > POLICY_BYTES_MAX:
        raise PolicyInvalid([Problem(None, "", f"larger than {POLICY_BYTES_MAX} bytes")])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyInvalid([Problem(None, "", "not UTF-8")]) from None
    plain, lines = _parsed(text)
    try:
        document = PolicyDocument.model_validate(plain)
    except ValidationError as error:
        raise _invalid(((each["loc"], _reason(each)) for each in error.errors()), lines) from None
    if wrong := [*contradictions(document, models, tenant)]:
        raise _invalid(wrong, lines)
    return compile_policy(document, text)


def _invalid(wrong: Iterable[tuple[Place, str]], lines: Mapping[Place, int]) -> PolicyInvalid:
    problems = (_problem(place, reason, lines) for place, reason in wrong)
    return PolicyInvalid(sorted(problems, key=lambda each: each.line or 0))


def _problem(place: Place, reason: str, lines: Mapping[Place, int]) -> Problem:
    """With the line of the innermost part that is in the file: what is missing is told of where it belongs."""
    known: Place = ()
    for part in place:
        if (*known, part) in lines:
            known = (*known, part)
    return Problem(lines.get(known), ".".join(map(str, known)), reason)


def _reason(error: Mapping[str, Any]) -> str:
    """In the words of a file, where those of Python would say less."""
    if error["type"] == "missing":
        return f"{error['loc'][-1]} is missing"
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["type"] == "too_short":
        return "the list is empty"
    return str(error["msg"]).removeprefix("Value error, ")


def _parsed(text: str) -> tuple[object, dict[Place, int]]:
    """What the YAML says, and the line of each of its parts."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise PolicyInvalid([Problem(None, "", "the file is empty")])
        lines = dict(_lines(node, (), set()))
        return loader.construct_document(node), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise PolicyInvalid([Problem(mark.line + 1 if mark else None, "", f"not YAML: {reason}")]) from None
    except RecursionError:
        raise PolicyInvalid([Problem(None, "", "nested too deeply")]) from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, PolicyInvalid):
            raise
        raise PolicyInvalid([Problem(None, "", f"has a value that cannot be read: {error}")]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _lines(node: yaml.Node, place: Place, met: set[int]) -> Iterator[tuple[Place, int]]:
    """The line of a part and of all parts in it. Raises PolicyInvalid for aliases, and for keys as `_keys` does."""
    line = node.start_mark.line + 1
    if id(node) in met:
        raise PolicyInvalid(
            [Problem(line, "", "it is used again by an alias (*name), which is not read: write it out")]
        )
    met.add(id(node))
    yield place, line
    if isinstance(node, yaml.SequenceNode):
        for index, each in enumerate(node.value):
            yield from _lines(each, (*place, index), met)
    elif isinstance(node, yaml.MappingNode):
        for key, value in _keys(node, place):
            yield from _lines(value, (*place, key.value), met)
            yield (*place, key.value), key.start_mark.line + 1


def _keys(node: yaml.MappingNode, place: Place) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """A mapping's keys with their values. Raises PolicyInvalid for a key that is no text, or is there twice."""
    known: set[str] = set()
    for key, value in node.value:
        wrong = None
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
            wrong = "a key is text"
        elif key.value in known:
            wrong = f"{key.value!r} is there twice"
        if wrong is not None:
            raise PolicyInvalid([Problem(key.start_mark.line + 1, ".".join(map(str, place)), wrong)])
        known.add(key.value)
        yield key, value

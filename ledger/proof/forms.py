"""The form of stored payloads, checked by a parser that is made for each type of fact: twice as fast as making facts.

It is made from the fact's own rules, and takes nothing that they refuse. It may refuse what they take (an older schema,
a number that is written as text): then the fact's rules are asked themselves, which also know what is wrong.
"""

import functools
from binascii import unhexlify
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from ledger.envelope import Fact

Check = Callable[[bytes], object]
"""Takes a payload of the form. Raises ValueError for any other."""
Rules = Mapping[str, Any]
"""A schema of pydantic-core."""

_SCALAR = str | int | float | bool | None
_PLAIN: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "datetime": Annotated[datetime, msgspec.Meta(tz=True)],
    "definition-ref": _SCALAR | list[_SCALAR] | dict[str, _SCALAR],  # to `_ANY_JSON`: of all JSON, what is not deep
}
_ANY_JSON = "pydantic.types.JsonValue:"
_LIMITS = ("ge", "le", "gt", "lt", "min_length", "max_length", "pattern")
_KNOWN = {"type", "metadata", "ref", *_LIMITS}
"""What is understood of a value's rules; with anything else, its type has no form."""
_KNOWN_OF: Mapping[str, set[str]] = {
    "datetime": {"tz_constraint", "microseconds_precision"},
    "definition-ref": {"schema_ref"},
    "tuple": {"items_schema", "variadic_item_index"},
    "dict": {"keys_schema", "values_schema"},
    "nullable": {"schema"},
    "default": {"schema", "default", "default_factory", "default_factory_takes_data"},
    "literal": {"expected"},
    "model": {"cls", "schema", "config", "custom_init", "root_model"},
}


class _Digest:
    """A SHA-256 in hex, in a form. To read its digits takes a third of the time that the expression of facts takes."""


class _Currency:
    """A currency, in a form: to look at its letters takes less than half of what the expression takes."""


_DIGEST = _Digest()
_DIGEST_CHARS = 64
_CURRENCY = _Currency()
_CURRENCY_CHARS = 3
_BY_PATTERN: Mapping[str, type] = {
    "^[0-9a-f]{64}$": _Digest,
    "^[A-Z]{3}$": _Currency,
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": date,  # takes less: only days of the calendar
}
"""What takes texts of a pattern, or some of them, without asking an expression."""


class _NoFormError(Exception):
    """The rules of a type are more than a form can say."""


@functools.cache
def form_of(cls: type[Fact]) -> Check | None:
    """Checks that bytes are a payload of a fact's present schema, as `FactMapper` reads it.

    None where the rules of a fact are more than a form can say. Made once: of all types it takes 30 milliseconds.
    """
    rules: Any = cls.__pydantic_core_schema__
    shared = rules.get("definitions", ())
    if not all(each["ref"].startswith(_ANY_JSON) for each in shared):
        return None
    try:
        fields = _type(rules["schema"] if shared else rules)
    except _NoFormError:
        return None
    stored = [("f", fields), ("v", Literal[cls.SCHEMA])]
    form = msgspec.defstruct("Stored", stored, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(form, dec_hook=_text).decode


def _text(expected: type, text: Any) -> object:
    """Takes a SHA-256 of lower-case digits, or a currency of capitals. Raises ValueError, or TypeError for no text."""
    if expected is _Digest:
        if len(text) == _DIGEST_CHARS and unhexlify(text).hex() == text:
            return _DIGEST
    elif len(text) == _CURRENCY_CHARS and str.isascii(text) and str.isalpha(text) and str.isupper(text):
        return _CURRENCY
    raise ValueError(f"not a {expected.__name__}")


def _type(rules: Rules) -> Any:
    """The type that takes what these rules take, or less. Raises _NoFormError."""
    kind = rules["type"]
    if not rules.keys() <= _KNOWN | _KNOWN_OF.get(kind, set()):
        raise _NoFormError(kind)
    if kind in _PLAIN:
        return _limited(_PLAIN[kind], rules)
    if kind in _MADE:
        return _MADE[kind](rules)
    raise _NoFormError(kind)


def _tuple(rules: Rules) -> Any:
    """Any number of one type."""
    each, *others = rules["items_schema"]
    if others or rules.get("variadic_item_index") != 0:
        raise _NoFormError("tuple")
    return _limited(tuple[_type(each), ...], rules)  # type: ignore[misc]


def _dict(rules: Rules) -> Any:
    """Any texts, and what each of them has."""
    if not rules["keys_schema"].keys() <= {"type", "metadata"} or rules["keys_schema"]["type"] != "str":
        raise _NoFormError("dict")
    return _limited(dict[str, _type(rules["values_schema"])], rules)  # type: ignore[misc]


def _struct(model: Rules) -> Any:
    """A model's fields, and no others."""
    fields = model["schema"]
    if model["root_model"] or model["custom_init"] or model["config"]["extra_fields_behavior"] != "forbid":
        raise _NoFormError(model["cls"])
    members: list[Any] = []
    # A parser looks first for the field behind the last it found, and payloads are written in the order of names.
    for name, field in sorted(fields["fields"].items()):
        if not field.keys() <= {"type", "schema", "metadata"}:  # such as another name
            raise _NoFormError(name)
        default = (None,) if field["schema"]["type"] == "default" else ()
        members.append((name, _type(field["schema"]), *default))
    return msgspec.defstruct(model["cls"].__name__, members, forbid_unknown_fields=True, kw_only=True, gc=False)


def _limited(plain: Any, rules: Rules) -> Any:
    limits = {name: rules[name] for name in _LIMITS if name in rules}
    pattern: Any = limits.get("pattern")
    if plain is str and len(limits) == 1 and pattern in _BY_PATTERN:
        return _BY_PATTERN[pattern]
    if pattern is not None:
        if not pattern.startswith("^") or not pattern.endswith("$") or "\\" in pattern:
            raise _NoFormError(pattern)
        limits["pattern"] = pattern.removesuffix("$") + r"\Z"  # in Python `$` also stands before a last newline
    return Annotated[plain, msgspec.Meta(**limits)] if limits else plain


_MADE: Mapping[str, Callable[[Rules], Any]] = {
    "literal": lambda rules: Literal[tuple(rules["expected"])],
    "default": lambda rules: _type(rules["schema"]),
    "nullable": lambda rules: _type(rules["schema"]) | None,
    "dict": _dict,
    "tuple": _tuple,
    "model": _struct,
}

"""What a client is told of a field that is not as it must be."""

from typing import Any

from pydantic import ValidationError

from bickford_sora.errors import InvalidRequest

VALUE_CHARS_SHOWN_MAX = 80
"""How much of a wrong value, or of a name, an error repeats."""

_OF_THE_VALUE = frozenset(
    {
        "greater_than_equal",
        "less_than_equal",
        "literal_error",
        "string_pattern_mismatch",
        "string_too_long",
        "string_too_short",
        "too_long",
        "too_short",
        "value_error",
    }
)
"""Of the right type, and still not to be used."""


def invalid(error: ValidationError, *, within: str | None = None, named: str | None = None) -> InvalidRequest:
    """The first thing that is wrong, by its name, or by `named`; `within` is the field whose value was looked at."""
    first: Any = error.errors(include_input=False, include_url=False)[0]
    path = [within, *first["loc"]] if within else first["loc"]
    if not path and named is None:  # it is about the fields together, and says which
        return InvalidRequest(f"{first['msg']}.", code="invalid_value")
    param = named or ".".join(str(part) for part in path)[:VALUE_CHARS_SHOWN_MAX]
    if first["type"] == "missing":
        return InvalidRequest(f"Missing required parameter: {param!r}.", code="missing_required_parameter", param=param)
    if first["type"] == "extra_forbidden":
        return InvalidRequest(f"Unknown parameter: {param!r}.", code="unknown_parameter", param=param)
    if first["type"] in _OF_THE_VALUE:
        return InvalidRequest(f"Invalid value for {param!r}: {first['msg']}.", code="invalid_value", param=param)
    return InvalidRequest(f"Invalid type for {param!r}: {first['msg']}.", code="invalid_type", param=param)

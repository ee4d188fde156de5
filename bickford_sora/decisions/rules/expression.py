"""Conditions in CEL, for what the plain ones cannot say. Needs the extra `bickford-sora[cel]`."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

from bickford_sora.decisions.rules.seen import Seen

EXPRESSION_CHARS_MAX = 2_000
EXTRA = "bickford-sora[cel]"


def compiled(source: str, zone: ZoneInfo) -> Callable[[Seen], bool | None]:
    """Whether the expression holds; None when it cannot be told, as of a division by zero.

    Raises ValueError for one that is not CEL, names what there is not, or is neither true nor false.
    """
    cel = _library()
    try:
        expression = _environment(cel).compile(source)
    except RuntimeError as error:
        raise ValueError(f"not a CEL expression: {_reason(error)}") from None
    if expression.return_type() != cel.Type.BOOL:
        raise ValueError("a CEL condition must be true or false")

    def holds(seen: Seen) -> bool | None:
        value = expression.eval(data=variables(seen, zone)).value()
        return value if isinstance(value, bool) else None

    return holds


def checked(source: str) -> str:
    """The expression as it is. Raises ValueError when it cannot be used."""
    compiled(source, ZoneInfo("UTC"))
    return source


def _library() -> Any:
    try:
        return import_module("cel_expr_python.cel")
    except ImportError:
        raise ValueError(f"a condition in CEL needs the extra {EXTRA}: pip install '{EXTRA}'") from None


def _environment(cel: Any) -> Any:
    of = cel.Type
    names: Mapping[str, Any] = {
        **dict.fromkeys(
            ("operation", "model", "size", "project", "requester", "key_id", "purpose", "prompt"), of.STRING
        ),
        **dict.fromkeys(("seconds", "hour", "remix_depth", "changes", "renders_in_last_hour"), of.INT),
        **dict.fromkeys(("cost_micro", "seconds_since_last_render"), of.DYN),
        **dict.fromkeys(("has_reference", "lineage_has_approved_draft"), of.BOOL),
        **dict.fromkeys(("tags", "attestations"), of.List(of.STRING)),
        "fields": of.Map(of.STRING, of.DYN),
        "moderation": of.Map(of.STRING, of.BOOL),
    }
    return cel.NewEnv(variables=names)


def variables(seen: Seen, zone: ZoneInfo) -> dict[str, Any]:
    """What an expression sees, by name."""
    return {
        "operation": seen.operation,
        "model": seen.model,
        "size": seen.size,
        "seconds": seen.seconds,
        "cost_micro": seen.cost_micro,
        "project": seen.project,
        "requester": seen.requester,
        "key_id": seen.key_id,
        "hour": seen.at.astimezone(zone).hour,
        "prompt": seen.prompt,
        "purpose": seen.purpose or "",
        "tags": [*seen.tags],
        "fields": dict(seen.fields),
        "has_reference": seen.has_reference,
        "remix_depth": seen.remix_depth,
        "changes": seen.changes,
        "renders_in_last_hour": seen.renders_in_last_hour,
        "seconds_since_last_render": seen.seconds_since_last_render,
        "lineage_has_approved_draft": seen.lineage_has_approved_draft,
        "attestations": [*seen.attestations],
        "moderation": dict(seen.moderation),
    }


def _reason(error: RuntimeError) -> str:
    first_line, _, _ = str(error).partition("\n")
    return first_line.removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: <input>:")

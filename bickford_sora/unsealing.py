"""Facts, and the renders folded from them, as plain fields with their sealed texts in the clear."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from ledger import lifecycle
from ledger.envelope import Event, Sealed
from ledger.errors import Erased
from ledger.keys import Keys
from ledger.render import Render

ERASED = "(erased)"
"""What stands in the place of a text whose key was destroyed."""
KEPT = "(secret)"
"""What stands in the place of a secret, which nobody is told again."""
_SECRETS = frozenset({"secret"})
"""Fields that sign or open something: whoever reads facts is not to do that."""
_OF_THE_EVENT = frozenset({"stream", "version", "last_event_id", "last_event_at"})
"""What every fact changes of a render."""

Changed = dict[str, tuple[Any, Any]]
"""Before and after, by the name of the field; None where it had no value."""


def opened(part: BaseModel, keys: Keys) -> dict[str, Any]:
    """A fact's fields with sealed texts in the clear. What was erased is said so, and secrets are not told."""
    shown = part.model_dump(mode="json")
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            shown[name] = opened(value, keys)
        elif isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
            shown[name] = [opened(each, keys) for each in value]
        elif name in _SECRETS:
            shown[name] = KEPT
        elif value is not None and _is_sealed(field.annotation):
            texts = isinstance(value, dict)
            shown[name] = {each: _text(text, keys) for each, text in value.items()} if texts else _text(value, keys)
    return shown


def differences(events: Sequence[Event], keys: Keys) -> list[Changed]:
    """What each fact of a render changed of it, from its first fact on. Raises lifecycle.ImpossibleStep."""
    state: Render | None = None
    before: dict[str, Any] = {}
    found = []
    for event in events:
        state = lifecycle.evolve(state, event)
        after = {
            name: value for name, value in _flat(_plain(state, keys)) if name.partition(".")[0] not in _OF_THE_EVENT
        }
        names = dict.fromkeys([*after, *before])
        found.append({name: (was, now) for name in names if (was := before.get(name)) != (now := after.get(name))})
        before = after
    return found


def _plain(value: Any, keys: Keys) -> Any:
    """A state as nothing but mappings, sequences and values."""
    if isinstance(value, BaseModel):
        return opened(value, keys)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _field(getattr(value, each.name), each.type, keys) for each in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each, keys) for name, each in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(each, keys) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _field(value: Any, annotation: Any, keys: Keys) -> Any:
    return _text(value, keys) if value is not None and _is_sealed(annotation) else _plain(value, keys)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its place, as `intent.prompt` or `assets.0.sha256`."""
    inner = value if isinstance(value, Mapping) else dict(enumerate(value)) if isinstance(value, list) else None
    if inner is None:
        yield from [] if value is None else [(name, value)]
        return
    for key, each in inner.items():
        yield from _flat(each, f"{name}.{key}" if name else str(key))


def _text(sealed: Sealed, keys: Keys) -> str:
    try:
        return keys.open(sealed)
    except Erased:
        return ERASED


def _is_sealed(annotation: Any) -> bool:
    return annotation is Sealed or Sealed in getattr(annotation, "__args__", ())

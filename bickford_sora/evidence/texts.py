"""A fact's fields in words: sealed texts opened if that was asked for, else said to be sealed."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ledger.envelope import Sealed
from ledger.errors import Erased
from ledger.keys import Keys

SEALED = "(sealed)"
ERASED = "(erased)"


class Texts:
    """Tells sealed texts. `keys` opens them; None: nobody asked for that."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys

    def text(self, sealed: Sealed) -> str:
        """The text, or why it is not shown. Raises ledger.errors.Corrupt for one that was changed."""
        if self._keys is None:
            return SEALED
        try:
            return self._keys.open(sealed)
        except Erased:
            return ERASED

    def fields(self, part: BaseModel) -> Iterator[tuple[str, str]]:
        """Names and values, those of inner parts by dotted names; without what is not given."""
        for name, field in type(part).model_fields.items():
            yield from self._told(name, getattr(part, name), is_sealed=_is_sealed(field.annotation))

    def _told(self, name: str, value: Any, *, is_sealed: bool) -> Iterator[tuple[str, str]]:
        if value is None or value in ((), {}):
            return
        if isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", text) for inner, text in self.fields(value))
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from self._told(f"{name}.{key}", inner, is_sealed=is_sealed)
        elif isinstance(value, tuple | list):
            for number, inner in enumerate(value, start=1):
                yield from self._told(f"{name}.{number}", inner, is_sealed=is_sealed)
        else:
            yield name, self.text(value) if is_sealed else str(value)


def _is_sealed(annotation: Any) -> bool:
    """Whether a field holds sealed texts: `Sealed`, or something made of it."""
    return annotation is Sealed or any(map(_is_sealed, getattr(annotation, "__args__", ())))

"""What changed between two texts, word by word. Pure."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal

from pydantic import BaseModel

WORDS_MAX = 400
"""Of longer texts the whole is shown, before and after: looking for what they share would take too long."""

_WORDS = re.compile(r"\s+|[^\s\w]|\w+")


class Piece(BaseModel):
    """A piece of text that stayed, went or came."""

    kind: Literal["kept", "gone", "come"]
    text: str


def differences(before: str, after: str) -> list[Piece]:
    """The pieces of both texts, in order."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > WORDS_MAX:
        return _pieces(before, after)
    return [*_between(old, new)]


def _between(old: list[str], new: list[str]) -> Iterator[Piece]:
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Piece(kind="kept", text="".join(old[i:j]))
        else:
            yield from _pieces("".join(old[i:j]), "".join(new[k:m]))


def _pieces(gone: str, come: str) -> list[Piece]:
    pieces = (Piece(kind="gone", text=gone), Piece(kind="come", text=come))
    return [each for each in pieces if each.text]

"""What was written, as words that can be compared: guardrails and advice read it once for each render."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
"""Characters that split a word for a program and for no reader."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one or more texts."""

    words: tuple[str, ...]
    known: frozenset[str]
    line: str
    """All words with one space around each."""

    def has(self, listed: "WordList") -> bool:
        """Whether any of the list's words or phrases is in it."""
        return not self.known.isdisjoint(listed.words) or any(phrase in self.line for phrase in listed.phrases)


@dataclass(frozen=True, slots=True)
class WordList:
    """Words and phrases to look for."""

    words: frozenset[str]
    phrases: tuple[str, ...] = ()
    """Two words or more, with one space around each word."""


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text without case, width, punctuation and invisible characters."""
    folded = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    return tuple(_WORD.findall(folded))


def wording(texts: Iterable[str]) -> Wording:
    """The words of all texts together. A phrase does not reach from one text into the next."""
    apart = [words_of(text) for text in texts]
    words = tuple(word for each in apart for word in each)
    line = " | ".join(" ".join(each) for each in apart)
    return Wording(words, frozenset(words), f" {line} ")


def word_list(listed: Iterable[str]) -> WordList:
    """A list to look for. Raises ValueError for an entry without a letter or digit."""
    split = {entry: words_of(entry) for entry in listed}
    if empty := [entry for entry, words in split.items() if not words]:
        raise ValueError(f"{empty[0]!r} has no letter or digit")
    return WordList(
        words=frozenset(words[0] for words in split.values() if len(words) == 1),
        phrases=tuple(sorted({f" {' '.join(words)} " for words in split.values() if len(words) > 1})),
    )

"""How words are written where they are indexed and where they are asked for: in one way."""

import unicodedata


def folded(text: str) -> str:
    """A text without upper case, each letter of it made in one way (NFC).

    Not left to the database: one whose locale is `C`, as the embedded one's is, knows the capitals of ASCII alone.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())

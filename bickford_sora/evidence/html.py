"""HTML from parts. Every text is escaped here, once; nothing else in a pack writes markup."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

Html = NewType("Html", str)
"""Markup, in which texts are escaped."""
EMPTY = {"meta", "br"}
"""Elements that have no end."""


def element(tag: str, /, *inside: str | Sequence[Html], **attributes: str) -> Html:
    """One element. A text is escaped; markup that was made here comes in a list."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    if tag in EMPTY:
        return Html(f"<{tag}{given}>")
    content = "".join(escape(each) if isinstance(each, str) else "".join(each) for each in inside)
    return Html(f"<{tag}{given}>{content}</{tag}>")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table of texts."""
    head = element("tr", [element("th", each, scope="col") for each in columns])
    body = [element("tr", [element("td", each) for each in row]) for row in rows]
    return element("table", [element("thead", [head]), element("tbody", body)])


def fields(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names and values."""
    return element("dl", [part for name, value in pairs for part in (element("dt", name), element("dd", value))])


def document(title: str, style: str, body: Sequence[Html]) -> str:
    """A page that needs nothing but itself, and could not fetch or run anything if it wanted to.

    `style` is the program's own.
    """
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        Html(f"<style>{style}</style>"),
    ]
    page = element("html", [element("head", head), element("body", body)], lang="en")
    return f"<!doctype html>\n{page}\n"

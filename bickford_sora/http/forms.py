"""Reading what a client sent: multipart, URL-encoded or JSON bytes in, fields and files out. Pure.

Stricter than the framework's own forms, which take a body that breaks off, read invalid UTF-8 as Latin-1 and keep the
last of two equal fields: here a client that says something unclear is told so before it pays for it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from bickford_sora.decisions.media import File
from bickford_sora.decisions.wrong import VALUE_CHARS_SHOWN_MAX
from bickford_sora.errors import InvalidRequest

NO_NUL = r"^[^\x00]*$"
"""What the text of a query has to look like: the database takes no NUL character."""
VIDEO_ID_CHARS_MAX = 128
"""Longest id of a video in a query."""
FORM_PARTS_MAX = 64
"""Fields and files of one form together, and names of a JSON object."""
JSON_DEPTH_MAX = 16
"""How deep JSON may be nested."""

_PLAIN_HEAD = re.compile(rb'\r\nContent-Disposition: form-data; name="([A-Za-z0-9_\[\]-]{1,256})"\r\n\r\n')
"""What comes before the text of a plain field, as clients' libraries write it. A longer name the parser may refuse."""
_PLAIN_BOUNDARY_BYTES_MAX = 70
"""Longest boundary that RFC 2046 section 5.1.1 allows. A longer one the parser may refuse."""
_PLAIN_ENDS = frozenset({b"--", b"--\r\n"})
"""What comes behind the last boundary of a plain form, and nothing behind that."""
_FIELD_NAME = re.compile(r"([^\[\]]+)(?:\[([^\[\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Form:
    """A parsed body. `a[b]=c` has become {"a": {"b": "c"}}, `a[]=b` {"a": ["b"]}."""

    fields: dict[str, object] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)


def parse(content_type: str | None, body: bytes) -> Form:
    """The form in `body`. Raises InvalidRequest naming what is wrong with it."""
    media_type, options = parse_options_header(content_type)
    if media_type == b"multipart/form-data":
        return _multipart(options.get(b"boundary", b""), body)
    if media_type == b"application/x-www-form-urlencoded":
        return _urlencoded(body)
    if media_type == b"application/json":
        return Form(json_object(body))
    raise InvalidRequest(
        "Send multipart/form-data, application/x-www-form-urlencoded or application/json.",
        code="unsupported_content_type",
        param="Content-Type",
    )


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object in `body`; of equal names the last counts. Raises InvalidRequest."""
    try:
        parsed = orjson.loads(body)
    except ValueError:
        raise _malformed("We could not parse the JSON body of your request.", "invalid_json") from None
    if not isinstance(parsed, dict):
        raise _malformed("The JSON body must be an object.", "invalid_json")
    if len(parsed) > FORM_PARTS_MAX:
        raise _too_many()
    for name, value in parsed.items():
        for text in (name, *_texts(value)):
            _check_text(name, text)
    return parsed


def _urlencoded(body: bytes) -> Form:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=FORM_PARTS_MAX
        )
    except ValueError:
        raise _malformed("We could not parse the form in your request.", "invalid_form") from None
    form = Form()
    for name, value in pairs:
        _place(form, name, value)
    return form


def _multipart(boundary: bytes, body: bytes) -> Form:
    form = Form()
    plain = _plain_fields(boundary, body)
    if plain is not None:
        for name, content in plain:
            _place(form, name, _text(name, content))
        return form
    parts = _Parts()
    try:
        MultipartParser(boundary, parts.callbacks()).write(body)
    except FormParserError:
        raise _malformed("We could not parse the multipart form in your request.", "invalid_form") from None
    if not boundary or not parts.complete:
        raise _malformed("The multipart form in your request breaks off.", "invalid_form")
    for part in parts.parts:
        name, filename = part.names()
        if filename is None:
            _place(form, name, _text(name, part.content))
        elif name in form.files or name in form.fields:
            raise _twice(name)
        else:
            _check_text(name, name)
            _check_text(name, filename)
            form.files[name] = File(bytes(part.content), filename or None)
    return form


def _plain_fields(boundary: bytes, body: bytes) -> list[tuple[str, bytes]] | None:
    """Names and texts of a form that has plain fields alone; None where it takes the parser to tell what it is.

    The parser looks at each byte by itself, which takes ten times as long. Whatever the body is, no more is looked for
    than FORM_PARTS_MAX fields, and nothing is copied from the first part on that is not plain.
    """
    delimiter = b"\r\n--" + boundary
    if not 0 < len(boundary) <= _PLAIN_BOUNDARY_BYTES_MAX or not body.startswith(delimiter[2:]):
        return None
    fields: list[tuple[str, bytes]] = []
    behind = len(delimiter) - 2
    while len(fields) < FORM_PARTS_MAX and (head := _PLAIN_HEAD.match(body, behind)):
        end = body.find(delimiter, head.end())
        if end < 0:
            return None
        fields.append((head[1].decode(), body[head.end() : end]))
        behind = end + len(delimiter)
    return fields if body[behind : behind + 5] in _PLAIN_ENDS else None


@dataclass(slots=True)
class _Part:
    """One part of a multipart body while it is read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)

    def names(self) -> tuple[str, str | None]:
        """The field's name, and the file's when it is one (RFC 7578 section 4.2)."""
        disposition, options = parse_options_header(self.headers.get(b"content-disposition"))
        name = options.get(b"name")
        if disposition != b"form-data" or not name:
            raise _malformed("A part of the multipart form has no name.", "invalid_form")
        filename = options.get(b"filename")
        return _text(None, name), None if filename is None else _text(None, filename)


class _Parts:
    """Collects the parts of a multipart body from the parser's callbacks."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.complete = False
        """Whether the closing boundary was seen; the parser itself does not mind its absence."""
        self._name = bytearray()
        self._value = bytearray()

    def callbacks(self) -> Any:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self.parts[-1].content.extend(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= FORM_PARTS_MAX:
            raise _too_many()
        self.parts.append(_Part())

    def _header(self) -> None:
        headers = self.parts[-1].headers
        name = bytes(self._name).lower()
        if name in headers:
            raise _malformed("A part of the multipart form has a header twice.", "invalid_form")
        headers[name] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _end(self) -> None:
        self.complete = True


def _place(form: Form, name: str, value: str) -> None:
    """Puts a plain field where its name says."""
    _check_text(name, name)
    _check_text(name, value)
    match = _FIELD_NAME.fullmatch(name)
    if match is None:
        raise InvalidRequest("Not a name of a field.", code="invalid_form", param=_shown(name))
    outer, inner = match[1], match[2]
    if outer in form.files:
        raise _twice(outer)
    if inner is None:
        if outer in form.fields:
            raise _twice(outer)
        form.fields[outer] = value
        return
    within = form.fields.setdefault(outer, [] if inner == "" else {})
    if isinstance(within, list) and inner == "":
        within.append(value)
    elif isinstance(within, dict) and inner != "" and inner not in within:
        within[inner] = value
    else:
        raise _twice(name)


def _text(name: str | None, raw: bytes | bytearray) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("Text must be UTF-8.", code="invalid_encoding", param=name and _shown(name)) from None


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value. Raises InvalidRequest when it is nested too deep, or an object has too many names."""
    open_values = [(value, 1)]
    while open_values:
        each, depth = open_values.pop()
        if depth > JSON_DEPTH_MAX:
            raise _malformed(f"JSON may be nested {JSON_DEPTH_MAX} deep at most.", "invalid_json")
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            if len(each) > FORM_PARTS_MAX:
                raise _too_many()
            yield from each
            open_values.extend((inner, depth + 1) for inner in each.values())
        elif isinstance(each, list):
            open_values.extend((inner, depth + 1) for inner in each)


def _check_text(name: str, text: str) -> None:
    if "\0" in text:
        raise InvalidRequest("Text must not hold a NUL character.", code="invalid_text", param=_shown(name))


def _shown(name: str) -> str:
    return name.replace("\0", "")[:VALUE_CHARS_SHOWN_MAX]


def _twice(name: str) -> InvalidRequest:
    return InvalidRequest(f"{_shown(name)!r} is given twice.", code="duplicate_parameter", param=_shown(name))


def _too_many() -> InvalidRequest:
    return _malformed(f"A form, and each JSON object, has at most {FORM_PARTS_MAX} fields.", "too_many_fields")


def _malformed(message: str, code: str) -> InvalidRequest:
    return InvalidRequest(message, code=code)

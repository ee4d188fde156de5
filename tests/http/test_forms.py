"""The form parser alone, under whatever bytes there are."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bickford_sora.decisions.media import File
from bickford_sora.errors import InvalidRequest
from bickford_sora.http import forms
from bickford_sora.http.forms import Form, parse

MULTIPART = "multipart/form-data; boundary=b"
fragments = st.sampled_from(
    [
        b"--b", b"--b--", b"\r\n", b"\r", b"\n", b"-", b": ", b'Content-Disposition: form-data; name="prompt"',
        b'; filename="a"', b"; name=", b'"', b"a[b]", b"\xff", b"\0", b"text", b"Content-Type: text/plain",
    ]
)  # fmt: skip


def outcome(content_type: str, body: bytes) -> str:
    """`parsed`, or the code of the refusal. Anything else that is raised is what these tests look for."""
    try:
        parse(content_type, body)
    except InvalidRequest as error:
        return error.code
    return "parsed"


OUTCOMES = {
    "parsed",
    "invalid_form",
    "invalid_json",
    "invalid_text",
    "invalid_encoding",
    "duplicate_parameter",
    "too_many_fields",
}


@settings(max_examples=300, deadline=None)
@given(st.lists(fragments, max_size=30).map(b"".join))
def test_no_multipart_body_breaks_the_parser(body: bytes) -> None:
    assert outcome(MULTIPART, body) in OUTCOMES


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["application/json", "application/x-www-form-urlencoded", MULTIPART]), st.binary(max_size=200))
def test_no_bytes_break_the_parser(content_type: str, body: bytes) -> None:
    assert outcome(content_type, body) in OUTCOMES


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_content_type_breaks_the_parser(content_type: str) -> None:
    assert outcome(content_type, b"{}") == "unsupported_content_type"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300).filter(lambda content: b"\r\n--b" not in content))
def test_a_file_arrives_byte_for_byte(content: bytes) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="input_reference"; filename="\xc3\xa4.png"\r\n\r\n'
        + content
        + b"\r\n--b--\r\n"
    )
    assert parse(MULTIPART, body).files == {"input_reference": File(content, "ä.png")}


plain_parts = st.lists(
    st.sampled_from(
        [
            b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n',
            b'--b\r\nContent-Disposition: form-data; name="a[b]"\r\n\r\n',
            b'--b\r\ncontent-disposition: form-data; name="tags[]"\r\n\r\n',
            b"text\r\n", b"\xc3\xa4\r\n", b"\r\n", b"\r", b"\n", b"--b", b"--bc\r\n", b"-", b"\xff", b"\0",
            b"--b--", b"--b--\r\n", b"x\r\n--b--\r\n",
        ]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


def formed(body: bytes) -> Form | str:
    try:
        return parse(MULTIPART, body)
    except InvalidRequest as error:
        return error.code


@settings(max_examples=1_000, deadline=None)
@given(plain_parts | plain_parts.map(lambda parts: parts + b"\r\n--b--\r\n"))
@example(b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\ntext\r\n--b--\r\n')
def test_a_plain_form_says_what_the_parser_hears_in_it(body: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "_plain_fields", lambda *_: None)
        heard = formed(body)
    assert formed(body) == heard


def test_bracketed_names_become_objects_and_lists() -> None:
    form = parse(
        "application/x-www-form-urlencoded; charset=utf-8", b"video[id]=v1&video[x]=2&tags[]=a&tags[]=b&p=%C3%A4"
    )
    assert form.fields == {"video": {"id": "v1", "x": "2"}, "tags": ["a", "b"], "p": "ä"}


def test_an_empty_form_has_no_fields() -> None:
    assert parse("application/x-www-form-urlencoded", b"") == Form()
    assert parse(MULTIPART, b"--b--\r\n") == Form()


def test_a_field_twice_in_brackets_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        parse("application/x-www-form-urlencoded", b"a[b]=1&a[b]=2")

"""The form parser alone, under whatever bytes there are."""

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bickford_sora.decisions.media import File
from bickford_sora.errors import InvalidRequest
from bickford_sora.http import forms
from bickford_sora.http.forms import FORM_PARTS_MAX, Form, parse
from tests.trying import tries

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


@settings(max_examples=tries(300), deadline=None)
@given(st.lists(fragments, max_size=30).map(b"".join))
def test_no_multipart_body_breaks_the_parser(body: bytes) -> None:
    assert outcome(MULTIPART, body) in OUTCOMES


@settings(max_examples=tries(200), deadline=None)
@given(st.sampled_from(["application/json", "application/x-www-form-urlencoded", MULTIPART]), st.binary(max_size=200))
def test_no_bytes_break_the_parser(content_type: str, body: bytes) -> None:
    assert outcome(content_type, body) in OUTCOMES


@settings(max_examples=tries(200), deadline=None)
@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_content_type_breaks_the_parser(content_type: str) -> None:
    assert outcome(content_type, b"{}") == "unsupported_content_type"


@settings(max_examples=tries(100), deadline=None)
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


def formed(content_type: str, body: bytes) -> Form | str:
    try:
        return parse(content_type, body)
    except InvalidRequest as error:
        return error.code


def plain(*fields: tuple[str, str]) -> bytes:
    """A form of plain fields, as clients' libraries write it, with the boundary `b`."""
    head = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    return "".join([*(head.format(*field) for field in fields), "--b--\r\n"]).encode()


boundaries = st.sampled_from(["b", "-", "--", "b-", "bb", "x" * 70, "x" * 71, "x" * 256, "x" * 257]) | st.text(
    "ab-'()+_,./:=? ", max_size=4
)


@settings(max_examples=tries(1_500), deadline=None)
@given(boundaries, plain_parts | plain_parts.map(lambda parts: parts + b"\r\n--b--\r\n"))
@example("b", plain(("prompt", "text")))
@example("b", plain(("prompt", "text")) + b"behind the end")
@example("b", plain(*((f"a[{number}]", "text") for number in range(FORM_PARTS_MAX))))
@example("b", plain(*((f"a[{number}]", "text") for number in range(FORM_PARTS_MAX + 1))))
@example("b", plain(("n" * 256, "text")))
@example("b", plain(("n" * 4_200, "text")))
@example("x" * 256, plain(("prompt", "text")))
@example("x" * 257, plain(("prompt", "text")))
def test_a_plain_form_says_what_the_parser_hears_in_it(boundary: str, body: bytes) -> None:
    content_type = f'multipart/form-data; boundary="{boundary}"'
    body = body.replace(b"--b", b"--" + boundary.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "_plain_fields", lambda *_: None)
        heard = formed(content_type, body)
    assert formed(content_type, body) == heard


def peak_bytes(body: bytes) -> int:
    """The most memory that looking for plain fields takes, beside the body."""
    tracemalloc.start()
    try:
        assert forms._plain_fields(b"b", body) is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("begun", [b"--b", plain(("prompt", "text")).removesuffix(b"--\r\n")], ids=["alone", "behind"])
def test_a_body_of_boundaries_is_not_taken_to_pieces(begun: bytes) -> None:
    body = begun + b"\r\n--b" * 100_000
    assert peak_bytes(body) < 20_000
    assert formed(MULTIPART, body) == "invalid_form"


def test_a_form_of_endless_fields_is_looked_at_up_to_the_limit() -> None:
    body = plain(*(("tags[]", "x") for _ in range(20_000)))
    assert peak_bytes(body) < 40_000
    assert formed(MULTIPART, body) == "too_many_fields"


def test_json_of_endless_names_is_looked_at_up_to_the_limit() -> None:
    names = ",".join(f'"f{number}":0' for number in range(FORM_PARTS_MAX + 1))
    assert formed("application/json", f"{{{names}}}".encode()) == "too_many_fields"
    assert formed("application/json", f'{{"a":[{{{names}}}]}}'.encode()) == "too_many_fields"


def test_a_file_in_a_form_is_not_copied_to_see_whether_it_is_plain() -> None:
    file = b'--b\r\nContent-Disposition: form-data; name="input_reference"; filename="a"\r\n\r\n' + b"x" * 4_000_000
    body = plain(("prompt", "text")).removesuffix(b"--b--\r\n") + file + b"\r\n--b--\r\n"
    assert peak_bytes(body) < 20_000
    form = formed(MULTIPART, body)
    assert isinstance(form, Form)
    assert form.fields == {"prompt": "text"}
    assert len(form.files["input_reference"].content) == 4_000_000


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

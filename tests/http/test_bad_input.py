"""What a client can get wrong: each is refused by name, with the status its class has, and leaves no trace."""

from typing import Any

import pytest

from tests.http.houses import BODY_BYTES_MAX, Kit, error_of, make_kit, png

REFUSED = "invalid_request_error"


def form(*parts: bytes, boundary: bytes = b"b", end: bytes = b"--b--\r\n") -> dict[str, Any]:
    """A multipart body made by hand."""
    content = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
    return {"content": content, "headers": {"content-type": f"multipart/form-data; boundary={boundary.decode()}"}}


def part(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + value


def typed(content_type: str, content: bytes) -> dict[str, Any]:
    return {"content": content, "headers": {"content-type": content_type}}


def image(content: bytes) -> dict[str, Any]:
    return {"data": {"prompt": "sea"}, "files": {"input_reference": ("a.png", content, "image/png")}}


PROMPT = part(b"prompt", b"sea")

CREATES: dict[str, tuple[dict[str, Any], tuple[int, str | None, str]]] = {
    "no prompt": ({"json": {"model": "sora-2"}}, (400, "prompt", "missing_required_parameter")),
    "empty prompt": ({"json": {"prompt": ""}}, (400, "prompt", "empty_prompt")),
    "blank prompt": ({"json": {"prompt": " \n"}}, (400, "prompt", "empty_prompt")),
    "over-long prompt": ({"json": {"prompt": "x" * 32_001}}, (400, "prompt", "prompt_too_long")),
    "prompt of another type": ({"json": {"prompt": ["sea"]}}, (400, "prompt", "invalid_type")),
    "prompt is null": ({"json": {"prompt": None}}, (400, "prompt", "invalid_type")),
    "prompt with NUL": ({"json": {"prompt": "a\0b"}}, (400, "prompt", "invalid_text")),
    "prompt with half a surrogate pair": (
        typed("application/json", b'{"prompt": "\\ud800"}'),
        (400, None, "invalid_json"),
    ),
    "unknown model": ({"json": {"prompt": "sea", "model": "sora-9"}}, (400, "model", "model_not_found")),
    "unknown size": ({"json": {"prompt": "sea", "size": "1x1"}}, (400, "size", "invalid_value")),
    "unknown seconds": ({"json": {"prompt": "sea", "seconds": "5"}}, (400, "seconds", "invalid_value")),
    "seconds true": ({"json": {"prompt": "sea", "seconds": True}}, (400, "seconds", "invalid_type")),
    "unknown field": ({"json": {"prompt": "sea", "n": 2}}, (400, "n", "unknown_parameter")),
    "field named like a client's trap": (
        {"json": {"prompt": "sea", "videos": 1}},
        (400, "videos", "unknown_parameter"),
    ),
    "bracketed field": ({"data": {"prompt": "sea", "metadata[k]": "v"}}, (400, "metadata", "unknown_parameter")),
    "list field": ({"data": {"prompt": "sea", "labels[]": ["a", "b"]}}, (400, "labels", "unknown_parameter")),
    "scalar and bracketed": ({"data": {"a": "1", "a[b]": "2"}}, (400, "a[b]", "duplicate_parameter")),
    "badly bracketed": ({"data": {"prompt": "sea", "a[b][c]": "2"}}, (400, "a[b][c]", "invalid_form")),
    "reference by URL, JSON": (
        {"json": {"prompt": "sea", "input_reference": {"image_url": "http://127.0.0.1:1/x.png"}}},
        (400, "input_reference.image_url", "image_url_unreachable"),
    ),
    "reference by URL, brackets": (
        {"data": {"prompt": "sea", "input_reference[image_url]": "https://x.internal"}},
        (400, "input_reference.image_url", "image_url_refused"),
    ),
    "reference as text": (
        {"data": {"prompt": "sea", "input_reference": '{"file_id":"f"}'}},
        (400, "input_reference.file_id", "unsupported_parameter"),
    ),
    "reference by file id, JSON": (
        {"json": {"prompt": "sea", "input_reference": {"file_id": "f"}}},
        (400, "input_reference.file_id", "unsupported_parameter"),
    ),
    "reference by another scheme": (
        {"json": {"prompt": "sea", "input_reference": {"image_url": "file:///etc/passwd"}}},
        (400, "input_reference.image_url", "invalid_image_url"),
    ),
    "reference without an address": (
        {"json": {"prompt": "sea", "input_reference": {}}},
        (400, "input_reference.image_url", "missing_required_parameter"),
    ),
    "reference with more than an address": (
        {"json": {"prompt": "sea", "input_reference": {"image_url": "https://x", "detail": "low"}}},
        (400, "input_reference.detail", "unknown_parameter"),
    ),
    "reference that is a bare address": (
        {"data": {"prompt": "sea", "input_reference": "https://x/y.png"}},
        (400, "input_reference", "invalid_type"),
    ),
    "reference as a list": (
        {"json": {"prompt": "sea", "input_reference": ["https://x"]}},
        (400, "input_reference", "invalid_type"),
    ),
    "reference as broken base64": (
        {"json": {"prompt": "sea", "input_reference": {"image_url": "data:image/png;base64,!!"}}},
        (400, "input_reference.image_url", "invalid_image_url"),
    ),
    "reference as a data URL without data": (
        {"json": {"prompt": "sea", "input_reference": {"image_url": "data:image/png"}}},
        (400, "input_reference.image_url", "invalid_image_url"),
    ),
    "reference as a data URL of no image": (
        {"json": {"prompt": "sea", "input_reference": {"image_url": "data:image/png;base64,AAAA"}}},
        (400, "input_reference", "invalid_image"),
    ),
    "reference of another size": (image(png(64, 64)), (400, "input_reference", "image_size_mismatch")),
    "reference is no image": (image(b"no image at all"), (400, "input_reference", "invalid_image")),
    "reference is a broken image": (image(png()[:200]), (400, "input_reference", "invalid_image")),
    "reference is an empty file": (image(b""), (400, "input_reference", "invalid_image")),
    "reference too large": (image(b"x" * 500_001), (400, "input_reference", "image_too_large")),
    "file in another field": (
        {"data": {"prompt": "sea"}, "files": {"mask": ("a.png", b"x", "image/png")}},
        (400, "mask", "unexpected_file"),
    ),
    "prompt as a file": ({"files": {"prompt": ("p.txt", b"sea", "text/plain")}}, (400, "prompt", "unexpected_file")),
    "two references": (
        form(PROMPT, *[part(b"input_reference", b"x", b'; filename="a"')] * 2),
        (400, "input_reference", "duplicate_parameter"),
    ),
    "prompt twice": (form(PROMPT, PROMPT), (400, "prompt", "duplicate_parameter")),
    "prompt twice, URL-encoded": (
        typed("application/x-www-form-urlencoded", b"prompt=a&prompt=b"),
        (400, "prompt", "duplicate_parameter"),
    ),
    "too many fields": (
        form(PROMPT, *[part(b"f%d" % number, b"v") for number in range(64)]),
        (400, None, "too_many_fields"),
    ),
    "too many fields, URL-encoded": (
        typed("application/x-www-form-urlencoded", b"&".join(b"f%d=v" % number for number in range(65))),
        (400, None, "invalid_form"),
    ),
    "multipart that breaks off": (form(PROMPT, end=b""), (400, None, "invalid_form")),
    "multipart with another boundary": (form(PROMPT, boundary=b"c"), (400, None, "invalid_form")),
    "multipart without a boundary": (typed("multipart/form-data", b"--b--\r\n"), (400, None, "invalid_form")),
    "multipart with an endless boundary": (form(PROMPT, boundary=b"x" * 300), (400, None, "invalid_form")),
    "multipart that is garbage": (
        typed("multipart/form-data; boundary=b", b"\x00\xff" * 50),
        (400, None, "invalid_form"),
    ),
    "multipart that is empty": (typed("multipart/form-data; boundary=b", b""), (400, None, "invalid_form")),
    "part without a name": (form(b"Content-Disposition: form-data\r\n\r\nsea"), (400, None, "invalid_form")),
    "part that is no form data": (
        form(b'Content-Disposition: attachment; name="prompt"\r\n\r\nsea'),
        (400, None, "invalid_form"),
    ),
    "part with a header twice": (
        form(b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nsea'),
        (400, None, "invalid_form"),
    ),
    "field that is not UTF-8": (form(part(b"prompt", b"\xff\xfe")), (400, "prompt", "invalid_encoding")),
    "name that is not UTF-8": (form(part(b"\xff", b"sea")), (400, None, "invalid_encoding")),
    "field with NUL": (form(part(b"prompt", b"a\0b")), (400, "prompt", "invalid_text")),
    "file name with NUL": (
        form(PROMPT, part(b"input_reference", b"x", b'; filename="a\0b"')),
        (400, "input_reference", "invalid_text"),
    ),
    "URL-encoded that is not UTF-8": (
        typed("application/x-www-form-urlencoded", b"prompt=%ff"),
        (400, None, "invalid_form"),
    ),
    "JSON that is not JSON": (typed("application/json", b"{prompt: sea}"), (400, None, "invalid_json")),
    "JSON that is not UTF-8": (typed("application/json", b'{"prompt": "\xff"}'), (400, None, "invalid_json")),
    "JSON that is empty": (typed("application/json", b""), (400, None, "invalid_json")),
    "JSON that is a list": ({"json": ["prompt"]}, (400, None, "invalid_json")),
    "JSON that is text": ({"json": "prompt"}, (400, None, "invalid_json")),
    "JSON that is deep": (
        typed("application/json", b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}"),
        (400, None, "invalid_json"),
    ),
    "JSON that is bottomless": (typed("application/json", b"[" * 200_000), (400, None, "invalid_json")),
    "JSON with a number that is none": (typed("application/json", b'{"prompt": NaN}'), (400, None, "invalid_json")),
    "another content type": (typed("text/plain", b"prompt=sea"), (400, "Content-Type", "unsupported_content_type")),
    "no content type": ({"content": b"prompt=sea"}, (400, "Content-Type", "unsupported_content_type")),
    "oversized body": (
        typed("application/json", b" " * (BODY_BYTES_MAX + 1)),
        (413, None, "request_too_large"),
    ),
}


@pytest.mark.parametrize("name", CREATES)
def test_a_wrong_create_is_refused_and_leaves_no_trace(kit: Kit, name: str) -> None:
    request, (status, param, code) = CREATES[name]
    answer = kit.request("POST", "/v1/videos", **request)
    assert error_of(answer) == (status, REFUSED, param, code)
    assert kit.ledger.head() == 0
    assert not kit.assets._contents


REMIXES: dict[str, tuple[dict[str, Any], tuple[int, str | None, str]]] = {
    "no prompt": ({"json": {}}, (400, "prompt", "missing_required_parameter")),
    "empty prompt": ({"json": {"prompt": ""}}, (400, "prompt", "empty_prompt")),
    "another size": ({"json": {"prompt": "night", "size": "1280x720"}}, (400, "size", "unknown_parameter")),
    "other seconds": ({"json": {"prompt": "night", "seconds": "8"}}, (400, "seconds", "unknown_parameter")),
    "another model": ({"json": {"prompt": "night", "model": "sora-2-pro"}}, (400, "model", "unknown_parameter")),
    "a reference": (
        {"json": {"prompt": "night", "input_reference": {"file_id": "f"}}},
        (400, "input_reference", "unknown_parameter"),
    ),
    "a file": (image(png()), (400, "input_reference", "unexpected_file")),
    "no body": (typed("application/json", b""), (400, None, "invalid_json")),
    "oversized body": (typed("application/json", b" " * (BODY_BYTES_MAX + 1)), (413, None, "request_too_large")),
}


@pytest.mark.parametrize("name", REMIXES)
def test_a_wrong_remix_is_refused_and_leaves_no_trace(kit: Kit, name: str) -> None:
    source = kit.finished()
    head = kit.ledger.head()
    request, (status, param, code) = REMIXES[name]
    assert error_of(kit.request("POST", f"/v1/videos/{source}/remix", **request)) == (status, REFUSED, param, code)
    assert kit.ledger.head() == head


def test_an_unfinished_video_cannot_be_remixed_yet(kit: Kit) -> None:
    source = kit.create()
    kit.submit(source)
    head = kit.ledger.head()
    answer = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": "night"})
    assert error_of(answer) == (400, REFUSED, "video_id", "video_not_completed")
    kit.complete(source)  # the renderer's word is not enough: the file is not ours yet
    answer = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": "night"})
    assert error_of(answer)[3] == "video_not_completed"
    assert kit.ledger.head() == head + 2, "it was completed and settled"


def test_a_failed_video_can_never_be_remixed(kit: Kit) -> None:
    source = kit.create()
    kit.fail(source)
    head = kit.ledger.head()
    answer = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": "night"})
    assert error_of(answer) == (409, REFUSED, "video_id", "source_has_no_video")
    assert answer.headers["x-should-retry"] == "false"
    assert kit.ledger.head() == head


@pytest.mark.parametrize(
    "video_id", ["video_" + "0" * 32, "video_", "job_1", "%00", "%ff%fe", "..%2f..%2fetc", "x" * 5000]
)
@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("DELETE", ""), ("GET", "/content"), ("POST", "/remix"), ("POST", "/retry")]
)
def test_an_unknown_id_is_not_found(kit: Kit, method: str, rest: str, video_id: str) -> None:
    body = {"json": {"prompt": "night"}} if rest == "/remix" else {}
    answer = kit.request(method, f"/v1/videos/{video_id}{rest}", **body)
    status, kind, param, code = error_of(answer)
    assert (status, kind) == (404, REFUSED)
    assert (param, code) in {("video_id", "video_not_found"), (None, "unknown_url")}
    assert kit.ledger.head() == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/videos"),
        ("GET", "/v1/videos"),
        ("GET", "/v1/videos?limit=wrong"),
        ("GET", "/v1/videos/video_00000000000000000000000000000000"),
        ("DELETE", "/v1/videos/video_00000000000000000000000000000000"),
        ("GET", "/v1/videos/nothing/content?variant=wrong"),
        ("HEAD", "/v1/videos/nothing/content"),
        ("POST", "/v1/videos/nothing/remix"),
        ("POST", "/v1/videos/nothing/retry"),
        ("POST", "/v1/threads/t/observations"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong-key"},
        {"authorization": "Bearer "},
        {"authorization": "Basic YTpi", "api-key": "bk_live_alpha_key"},
        {"authorization": "Bearer bk_live_alpha_key x"},
        {"api-key": "wrong-key"},
        {"authorization": b"Bearer \xff\xfe"},
        {"authorization": "Bearer " + "k" * 10_000},
    ],
    ids=str,
)
def test_nobody_gets_in_without_a_key(method: str, path: str, headers: dict[str, Any]) -> None:
    kit = make_kit()
    kit.recorder.close()  # a ledger that would say so if it were asked
    raw = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers.items()]
    answer = kit.request(method, path, key=None, headers=raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    if method != "HEAD":
        assert error_of(answer) == (401, REFUSED, None, "invalid_api_key")


def test_both_ways_to_send_a_key_are_understood(kit: Kit) -> None:
    assert kit.request("GET", "/v1/videos", key=None, headers={"api-key": "bk_live_alpha_key"}).status_code == 200
    assert kit.request("GET", "/v1/videos", key=None, headers={"authorization": "bearer bk_live_alpha_key"}).is_success

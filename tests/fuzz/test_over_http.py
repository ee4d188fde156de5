"""Whatever is sent, nothing crashes, nothing is a 5xx, and what is refused leaves no trace."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.bytes import JSON, altered, damaged, tried
from tests.http.houses import KEY, ROOT_KEY, Kit, make_kit, png, webhook
from tests.http.test_every_route import served

REFUSED = {400, 401, 404, 405, 409, 411, 413, 415, 422, 429}
EVENT = {"id": "evt_1", "object": "event", "type": "video.completed", "data": {"id": "job_1"}, "created_at": 1}
CREATE = {"prompt": "A calm sea", "model": "sora-2", "seconds": "4", "size": "720x1280", "input_reference": {}}
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40).map(
    lambda text: text.encode("latin-1")
)


@pytest.fixture(scope="module")
def kit() -> Kit:
    return make_kit()


def check(kit: Kit, head: int, status: int, path: str) -> None:
    """No 5xx; and what was refused for its form is as if it had never been."""
    assert status < 500, path
    if status in REFUSED:
        assert kit.ledger.head() == head, path


def posted(kit: Kit, path: str, **options: Any) -> int:
    head = kit.ledger.head()
    answer = kit.request("POST", path, **options)
    check(kit, head, answer.status_code, path)
    if answer.status_code >= 400:
        assert set(answer.json()["error"]) >= {"message", "type", "code", "param"}
    return answer.status_code


@tried(80)
@given(body=altered(EVENT) | st.binary(max_size=60))
def test_no_signed_webhook_breaks_the_house(kit: Kit, body: bytes) -> None:
    content, headers = webhook(body=body)
    assert posted(kit, "/webhooks/openai", key=None, content=content, headers=headers) in {200, 400, 413}


@tried(80)
@given(
    body=st.binary(max_size=60),
    headers=st.dictionaries(
        st.sampled_from(
            [b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"content-type", b"content-length"]
        ),
        HEADER | st.binary(min_size=5_000, max_size=5_001).map(lambda each: each.hex().encode()),
    ),
    twice=st.booleans(),
)
def test_no_webhook_breaks_the_house(kit: Kit, body: bytes, headers: dict[bytes, bytes], *, twice: bool) -> None:
    sent = [*headers.items()] * (2 if twice else 1)
    assert posted(kit, "/webhooks/openai", key=None, content=body, headers=sent) in REFUSED


def multipart() -> bytes:
    fields = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name, value)
        for name, value in ((b"prompt", b"A calm sea"), (b"seconds", b"4"), (b"model", b"sora-2"))
    )
    file = b'--b\r\nContent-Disposition: form-data; name="input_reference"; filename="a.png"\r\n'
    return fields + file + b"Content-Type: image/png\r\n\r\n" + png()[:200] + b"\r\n--b--\r\n"


@tried(80)
@given(content=damaged(multipart()))
def test_no_form_breaks_the_house(kit: Kit, content: bytes) -> None:
    posted(kit, "/v1/videos", content=content, headers={"content-type": "multipart/form-data; boundary=b"})


@tried(80)
@given(content=altered(CREATE))
def test_no_create_breaks_the_house(kit: Kit, content: bytes) -> None:
    posted(kit, "/v1/videos", content=content, headers={"content-type": "application/json"})


WITHOUT_END = {"/v1/ledger/stream", "/v1/videos/{video_id}/events"}
ALL = sorted(at for at, _ in served(make_kit().app.routes) if at[1] not in WITHOUT_END)
ROUTES = [at for at in ALL if at[0] not in {"GET", "HEAD"}]
PATHS = [path for method, path in ALL if method == "GET"]
BODIES = JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60) | st.just(b"[" * 5_000)


@tried(150)
@given(route=st.sampled_from(ROUTES), body=BODIES, key=st.sampled_from([KEY, ROOT_KEY]), ids=st.text(max_size=12))
def test_no_body_breaks_the_house(kit: Kit, route: tuple[str, str], body: bytes, key: str, ids: str) -> None:
    method, template = route
    encoded = "".join(f"%{byte:02x}" for byte in ids.encode("utf-8", "surrogatepass")) or "video_0"
    path = "/".join(encoded if part.startswith("{") else part for part in template.split("/"))
    head = kit.ledger.head()
    answer = kit.request(method, path, key=key, content=body, headers={"content-type": "application/json"})
    check(kit, head, answer.status_code, f"{method} {path}")


QUERIES = [
    "after",
    "limit",
    "order",
    "as_of",
    "from",
    "to",
    "until",
    "since",
    "variant",
    "expires",
    "signature",
    "q",
    "type",
]


@tried(80)
@given(
    path=st.sampled_from(PATHS),
    query=st.dictionaries(st.sampled_from(QUERIES), st.text(max_size=12) | st.integers().map(str), max_size=3),
    ids=st.text(max_size=12),
)
def test_no_query_breaks_the_house(kit: Kit, path: str, query: dict[str, str], ids: str) -> None:
    encoded = "".join(f"%{byte:02x}" for byte in ids.encode("utf-8", "surrogatepass")) or "video_0"
    asked = "/".join(encoded if "{" in part else part for part in path.split("/"))
    query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    answer = kit.request("GET", asked, key=ROOT_KEY, params=query)
    assert answer.status_code < 500, asked


RANGE = HEADER | st.text('bytes=-,0123456789 \t*W/"', max_size=60).map(str.encode)


@tried(80)
@given(
    headers=st.dictionaries(
        st.sampled_from([b"range", b"if-range", b"if-none-match", b"if-match", b"if-modified-since"]), RANGE, min_size=1
    )
)
def test_no_header_of_a_download_breaks_it(kit: Kit, headers: dict[bytes, bytes]) -> None:
    video_id = kit.finished()
    whole = kit.request("GET", f"/v1/videos/{video_id}/content").content
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", headers=[*headers.items()])
    assert answer.status_code in {200, 206, 304, 412, 416}
    if answer.status_code == 206:
        first, last = map(int, answer.headers["content-range"].removeprefix("bytes ").partition("/")[0].split("-"))
        assert answer.content == whole[first : last + 1]
    if answer.status_code == 200:
        assert answer.content == whole


@tried(60)
@given(
    name=st.sampled_from([b"traceparent", b"idempotency-key", b"authorization", b"accept", b"cookie", b"x-request-id"]),
    value=HEADER | st.binary(min_size=3_000, max_size=3_001).map(lambda each: each.hex().encode()),
)
def test_no_header_of_a_create_breaks_the_house(kit: Kit, name: bytes, value: bytes) -> None:
    # A model that nobody has is refused whatever the header says, so that good headers leave no renders.
    sent = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {KEY}".encode()), (name, value)]
    content = json.dumps({"model": "none", "prompt": "x"}).encode()
    assert posted(kit, "/v1/videos", key=None, content=content, headers=sent) in REFUSED

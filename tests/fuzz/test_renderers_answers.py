"""Whatever a renderer answers, a dialect sorts it into the outcomes there are."""

import io
import ssl
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bickford_sora.renderers.dialects import DIALECTS, open_renderer, open_transport
from bickford_sora.renderers.errors import RendererError
from bickford_sora.renderers.port import Order, Renderer, Upload
from ledger.clock import system_clock
from tests.fuzz.bytes import altered, refusal, tried

JOB = {
    "id": "video_1",
    "object": "video",
    "status": "completed",
    "progress": 100,
    "model": "sora-2",
    "seconds": "4",
    "size": "720x1280",
    "prompt": "A calm sea",
    "created_at": 1_700_000_000,
    "completed_at": 1_700_000_100,
    "expires_at": 1_700_003_600,
    "error": {"code": "moderation_blocked", "message": "no"},
    "usage": {"cost": 0.4},
    "polling_url": "http://renderer.test/v1/videos/video_1",
    "unsigned_urls": ["http://renderer.test/v1/file"],
}
PAGE = {"object": "list", "data": [JOB], "has_more": False, "first_id": "video_1", "last_id": "video_1"}
ERROR = {"error": {"message": "no", "code": "rate_limit_exceeded", "type": "x", "param": None}, "detail": "no"}
STATUSES = [200, 200, 200, 200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503]
BODIES = altered(JOB) | altered(PAGE) | altered(ERROR) | st.binary(max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "location", "retry-after", "openai-poll-after-ms", "content-length", "content-encoding"]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
    | st.sampled_from(["gzip", "http://169.254.169.254/", "-1", "9" * 40, "Thu, 99 Nov 2026", "application/json"]),
    max_size=2,
)
TLS = ssl.create_default_context()
ORDER = Order(model="sora-2", prompt="A calm sea", seconds="4", size="720x1280", idempotency_key="key-1")


class Scripted(httpx.BaseTransport):
    """Gives every request the same answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._answer = status, headers, body

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        status, headers, body = self._answer
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body), request=request)


def submit(renderer: Renderer) -> object:
    return renderer.submit(ORDER)


def status(renderer: Renderer) -> object:
    return renderer.status("video_1")


def jobs(renderer: Renderer) -> object:
    return [each for each, _ in zip(renderer.jobs(), range(3), strict=False)]


def content(renderer: Renderer) -> object:
    with renderer.content("video_1", "video") as file:
        return file.media_type


def character(renderer: Renderer) -> object:
    clip = Upload("a.mp4", "video/mp4", io.BytesIO(b"clip").getvalue)
    return renderer.create_character("Ada", clip, idempotency_key="key-1")


def probe(renderer: Renderer) -> object:
    return renderer.probe()


def delete(renderer: Renderer) -> object:
    return renderer.delete("video_1")


CALLS: list[Callable[[Renderer], object]] = [submit, status, jobs, content, character, probe, delete]


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@tried(40)
@given(call=st.sampled_from(CALLS), code=st.sampled_from(STATUSES), headers=HEADERS, body=BODIES)
def test_no_answer_breaks_a_dialect(
    dialect: str, call: Callable[[Renderer], object], code: int, headers: dict[str, str], body: bytes
) -> None:
    with closing(
        open_transport(dialect, "http://renderer.test/v1", SecretStr("sk-secret-of-ours"), tls=TLS)
    ) as transport:
        client = transport._client
        transport._client = httpx.Client(
            verify=TLS, transport=Scripted(code, headers, body), base_url=client.base_url, headers=client.headers
        )
        transport._resolve = lambda _host, _port: ["93.184.215.14"]
        client.close()
        renderer = open_renderer(
            dialect, name="r", credential="c", transport=transport, clock=system_clock, pages_max=3
        )
        refused = refusal(RendererError, call, renderer)
        assert refused is None or "sk-secret-of-ours" not in f"{refused!r}{refused.message}"

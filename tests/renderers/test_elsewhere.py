"""Where a download may lead, and who sees the credential on the way."""

import ssl
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from bickford_sora.renderers import elsewhere
from bickford_sora.renderers.elsewhere import NotAllowed, place_of
from bickford_sora.renderers.transport import Transport
from tests.renderers.conftest import IMPATIENT, SECRET
from tests.renderers.fake_server import FakeServer, answering

BASE = "https://renderer.test/v1"
ASKED = f"{BASE}/videos/video_1/content"
PUBLIC = ["93.184.216.34"]


def resolved(addresses: Sequence[str]) -> elsewhere.Resolve:
    return lambda _host, _port: addresses


@pytest.mark.parametrize(
    ("location", "url", "own"),
    [
        ("/files/1.mp4", "https://renderer.test/files/1.mp4", True),
        ("https://renderer.test:443/files/1.mp4", "https://renderer.test:443/files/1.mp4", True),
        ("https://renderer.test:8443/1.mp4", "https://renderer.test:8443/1.mp4", False),
        ("//store.test/1.mp4?signed=1", "https://store.test/1.mp4?signed=1", False),
    ],
)
def test_only_the_configured_scheme_host_and_port_are_shown_the_credential(location: str, url: str, own: bool) -> None:
    place = place_of(BASE, ASKED, location, resolved(PUBLIC))
    assert (place.url, place.own) == (url, own)


def test_another_host_is_connected_to_at_the_address_that_was_checked() -> None:
    assert place_of(BASE, ASKED, "https://store.test/1.mp4", resolved(PUBLIC)).address == PUBLIC[0]
    assert place_of(BASE, ASKED, "/1.mp4", resolved(["10.0.0.1"])).address is None


@pytest.mark.parametrize(
    ("location", "addresses"),
    [
        ("", PUBLIC),
        ("http://store.test/1.mp4", PUBLIC),
        ("http://renderer.test/1.mp4", PUBLIC),
        ("file:///etc/passwd", PUBLIC),
        ("https://user:word@store.test/1.mp4", PUBLIC),
        ("https://store.test:99999/1.mp4", PUBLIC),
        ("https://[::1", PUBLIC),
        (f"https://store.test/{'x' * 4_096}", PUBLIC),
        ("https://store.test/1.mp4", []),
        ("https://store.test/1.mp4", ["127.0.0.1"]),
        ("https://store.test/1.mp4", ["169.254.169.254"]),
        ("https://store.test/1.mp4", ["::ffff:10.0.0.1"]),
        ("https://store.test/1.mp4", [*PUBLIC, "192.168.1.1"]),
    ],
)
def test_a_place_that_must_not_be_asked_is_not(location: str, addresses: list[str]) -> None:
    with pytest.raises(NotAllowed):
        place_of(BASE, ASKED, location, resolved(addresses))


def test_a_name_that_does_not_resolve_is_not_asked() -> None:
    def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    with pytest.raises(NotAllowed):
        place_of(BASE, ASKED, "https://store.test/1.mp4", unknown)


def test_a_download_follows_its_own_server_with_the_credential_and_another_port_without(tls: ssl.SSLContext) -> None:
    with (
        FakeServer(answering(200, b"mp4")) as store,
        FakeServer(answering(302, None, location="/moved"), answering(307, None, location=store.url)) as server,
        Transport(server.url, SecretStr(SECRET), limits=IMPATIENT, tls=tls) as transport,
    ):
        with transport.stream("/videos/video_1/content", {"variant": "video"}) as answer:
            assert (answer.status, b"".join(answer.chunks)) == (200, b"mp4")
        assert [request.split(b" ", 2)[1] for request in server.requests] == [
            b"/v1/videos/video_1/content?variant=video",
            b"/moved",
        ]
        assert all(SECRET.encode() in request for request in server.requests)
        assert len(store.requests) == 1
        assert SECRET.encode() not in store.requests[0]


def test_another_host_is_asked_by_its_own_name_and_without_the_credential(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "is_public", lambda _: True)
    with FakeServer(answering(200, b"mp4")) as store:
        location = store.url.replace("127.0.0.1", "store.test") + "/1.mp4?signed=1"
        with (
            FakeServer(answering(302, None, location=location)) as server,
            Transport(
                server.url, SecretStr(SECRET), limits=IMPATIENT, tls=tls, resolve=resolved(["127.0.0.1"])
            ) as transport,
            transport.stream("/videos/video_1/content") as answer,
        ):
            assert b"".join(answer.chunks) == b"mp4"
        assert store.requests[0].startswith(b"GET /v1/1.mp4?signed=1 HTTP/1.1\r\n")
        assert b"host: store.test:" in store.requests[0].lower()
        assert SECRET.encode() not in store.requests[0]


def test_a_redirect_to_a_private_address_is_an_answer(tls: ssl.SSLContext) -> None:
    with FakeServer(answering(200)) as inner:
        location = inner.url.replace("127.0.0.1", "localhost")
        with (
            FakeServer(answering(302, None, location=location)) as server,
            Transport(server.url, SecretStr(SECRET), limits=IMPATIENT, tls=tls) as transport,
        ):
            with transport.stream("/videos/video_1/content") as answer:
                assert answer.status == 302
            with pytest.raises(NotAllowed), transport.stream_elsewhere(location):
                pass
        assert inner.requests == []


def test_redirects_end(tls: ssl.SSLContext) -> None:
    with (
        FakeServer(answering(302, None, location="/again")) as server,
        Transport(server.url, SecretStr(SECRET), limits=IMPATIENT, tls=tls) as transport,
    ):
        with transport.stream("/videos/video_1/content") as answer:
            assert answer.status == 302
        assert len(server.requests) == 4

"""Nobody gets us to call inwards, to wait for ever, or to read more than we want."""

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bickford_sora.client.http import new_client
from bickford_sora.egress import AddressRefused, Egress, FetchFailed, TooLarge, is_public, usual_authorities
from bickford_sora.renderers.transport import Transport

LOOPBACK = ("127.0.0.0/8",)
PUBLIC = "93.184.215.14"

Behaviour = Callable[[socket.socket, bytes], None]


@contextmanager
def listening(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server on the loopback address that does `behaviour` with each connection; its port and what it was sent."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(plain,), daemon=True).start()

    def handle(plain: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
            requests.append(whole_request(connection))
            behaviour(connection, requests[-1])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def whole_request(connection: socket.socket) -> bytes:
    """A request with its body: one that is closed on with bytes unread is reset, and its answer lost."""
    read = b""
    while b"\r\n\r\n" not in read and (more := connection.recv(65_536)):
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length and len(body) < int(length[1]) and (more := connection.recv(65_536)):
        body += more
    return head + b"\r\n\r\n" + body


def answering(answer: bytes) -> Behaviour:
    return lambda connection, _: connection.sendall(answer)


def trickling(connection: socket.socket, _: bytes) -> None:
    """An answer whose headers never end: a byte every 50 ms."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.05)


def streaming(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"a" * 65_536)


def silent(connection: socket.socket, _: bytes) -> None:
    while connection.recv(65_536):
        pass


OK = answering(b"HTTP/1.1 200 OK\r\nContent-Type: Image/PNG; x=y\r\ncontent-length: 3\r\n\r\nabc")


def resolving(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda _host, _port: addresses


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "192.0.0.192",  # the metadata of Oracle's machines
        "192.0.0.8",
        "168.63.129.16",  # the host of Azure's
        "::ffff:168.63.129.16",
        "192.88.99.1",
        "3fff::1",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    egress = Egress(allow_private=(), resolve=resolving(address))
    with pytest.raises(AddressRefused):
        egress.fetch("http://rebound.example/", bytes_max=10, timeout_s=1)
    with pytest.raises(AddressRefused):
        egress.post("https://rebound.example/", b"", {}, timeout_s=1)


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_a_public_address_may_be_called(address: str) -> None:
    assert is_public(ip_address(address))
    Egress(allow_private=(), resolve=resolving(address)).check_webhook("https://example.com/hook")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://localhost/",
        "http://0/",
    ],
)
def test_every_way_to_write_a_private_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        Egress(allow_private=()).fetch(url, bytes_max=10, timeout_s=1)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "",
        "https://",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "https://example.com:99999/",
        "https://example.com/" + "a" * 2_048,
        "https://exa mple.com/",
        "https://[::1",
        "https://example.com/\r\nhost: other",
    ],
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    egress = Egress(allow_private=(), resolve=resolving(PUBLIC))
    with pytest.raises(AddressRefused) as refused:
        egress.fetch(url, bytes_max=10, timeout_s=1)
    assert "secret" not in str(refused.value)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    egress = Egress(allow_private=(), resolve=resolving(PUBLIC, "10.0.0.1"))
    with pytest.raises(AddressRefused):
        egress.fetch("http://half.example/", bytes_max=10, timeout_s=1)


def test_a_webhook_goes_by_tls_unless_its_address_is_expressly_allowed() -> None:
    public = Egress(allow_private=LOOPBACK, resolve=resolving(PUBLIC))
    with pytest.raises(AddressRefused, match="https"):
        public.post("http://example.com/", b"", {}, timeout_s=1)
    with listening(OK) as (port, requests):
        answered = Egress(allow_private=LOOPBACK).post(
            f"http://127.0.0.1:{port}/hook?a=b#c", b"body", {"webhook-id": "wh_1"}, timeout_s=5
        )
    assert answered.status == 200
    assert requests[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert f"\r\nhost: 127.0.0.1:{port}\r\n".encode() in requests[0].lower()
    assert b"\r\nwebhook-id: wh_1\r\n" in requests[0].lower()


def test_a_name_is_resolved_once_and_the_checked_address_is_called() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    with listening(OK) as (port, requests):
        egress = Egress(allow_private=("127.0.0.1",), resolve=lambda _host, _port: next(answers))
        fetched = egress.fetch(f"http://rebinding.example:{port}/x", bytes_max=3, timeout_s=60)
    assert (fetched.content, fetched.media_type) == (b"abc", "image/png")
    assert f"\r\nhost: rebinding.example:{port}\r\n".encode() in requests[0].lower()
    assert list(answers) == [["10.0.0.1"]]


@pytest.mark.parametrize("location", ["http://10.0.0.1/", "http://[::1]/", "//169.254.169.254/", "file:///etc/passwd"])
def test_a_redirect_to_where_we_do_not_call_is_refused(location: str) -> None:
    redirect = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()
    with listening(answering(redirect)) as (port, _), pytest.raises(AddressRefused):
        Egress(allow_private=("127.0.0.1",)).fetch(f"http://127.0.0.1:{port}/", bytes_max=10, timeout_s=60)


def test_redirects_come_to_an_end() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n"
    with listening(answering(redirect)) as (port, requests), pytest.raises(FetchFailed, match="TooManyRedirects"):
        Egress(allow_private=LOOPBACK).fetch(f"http://127.0.0.1:{port}/", bytes_max=10, timeout_s=60)
    assert len(requests) == 4


def test_a_redirect_is_followed_to_where_it_leads() -> None:
    def behaviour(connection: socket.socket, request: bytes) -> None:
        first = request.startswith(b"GET / ")
        OK(connection, request) if not first else connection.sendall(
            b"HTTP/1.1 307 Temporary\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n"
        )

    with listening(behaviour) as (port, _):
        fetched = Egress(allow_private=LOOPBACK).fetch(f"http://127.0.0.1:{port}/", bytes_max=3, timeout_s=60)
    assert fetched.content == b"abc"


def test_a_post_follows_no_redirect() -> None:
    redirect = b"HTTP/1.1 307 Moved\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n"
    with listening(answering(redirect)) as (port, requests):
        answered = Egress(allow_private=LOOPBACK).post(f"http://127.0.0.1:{port}/", b"x", {}, timeout_s=60)
    assert (answered.status, answered.headers["location"], len(requests)) == (307, "/there", 1)


@pytest.mark.parametrize("behaviour", [silent, trickling])
def test_one_that_never_answers_is_left_at_the_deadline(behaviour: Behaviour) -> None:
    with listening(behaviour) as (port, _):
        began = time.monotonic()
        with pytest.raises(FetchFailed):
            Egress(allow_private=LOOPBACK).post(f"http://127.0.0.1:{port}/", b"x", {}, timeout_s=0.4)
        assert time.monotonic() - began < 20


def test_one_that_streams_for_ever_is_not_read_to_the_end() -> None:
    with listening(streaming) as (port, _):
        egress = Egress(allow_private=LOOPBACK)
        assert egress.post(f"http://127.0.0.1:{port}/", b"x", {}, timeout_s=60).status == 200
        with pytest.raises(TooLarge):
            egress.fetch(f"http://127.0.0.1:{port}/", bytes_max=100_000, timeout_s=60)


def test_one_that_says_how_large_it_is_is_not_waited_for() -> None:
    def behaviour(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabc")
        silent(connection, request)

    with listening(behaviour) as (port, _), pytest.raises(TooLarge):
        Egress(allow_private=LOOPBACK).fetch(f"http://127.0.0.1:{port}/", bytes_max=100_000, timeout_s=60)


def test_a_body_that_trickles_is_left_at_the_deadline() -> None:
    def behaviour(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"a")
            time.sleep(0.05)

    with listening(behaviour) as (port, _), pytest.raises(FetchFailed):
        Egress(allow_private=LOOPBACK).fetch(f"http://127.0.0.1:{port}/", bytes_max=100_000, timeout_s=0.4)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nbroken off",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure(answer: bytes) -> None:
    with listening(answering(answer)) as (port, _), pytest.raises(FetchFailed):
        Egress(allow_private=LOOPBACK).fetch(f"http://127.0.0.1:{port}/", bytes_max=100, timeout_s=60)


def test_a_name_that_does_not_resolve_is_a_failure_and_no_reason_to_refuse_an_endpoint() -> None:
    def nowhere(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror

    egress = Egress(allow_private=(), resolve=nowhere)
    egress.check_webhook("https://nowhere.example/")
    with pytest.raises(FetchFailed, match="NameNotResolved"):
        egress.post("https://nowhere.example/", b"", {}, timeout_s=1)


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(OK) as (port, requests), listening(OK) as (proxy, at_proxy):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{proxy}")
        Egress(allow_private=LOOPBACK).fetch(f"http://127.0.0.1:{port}/", bytes_max=3, timeout_s=60)
    assert (len(requests), at_proxy) == (1, [])


def test_tls_asks_for_the_name_in_the_url_and_not_for_the_address(tmp_path: Path) -> None:
    trusted, server = certificate("hooks.example", tmp_path)
    with listening(OK, tls=server) as (port, requests):
        egress = Egress(allow_private=LOOPBACK, resolve=resolving("127.0.0.1"), tls=trusted)
        assert egress.post(f"https://hooks.example:{port}/", b"x", {}, timeout_s=60).status == 200
        with pytest.raises(FetchFailed):
            egress.post(f"https://other.example:{port}/", b"x", {}, timeout_s=60)
    assert f"host: hooks.example:{port}".encode() in requests[0].lower()
    assert len(requests) == 1


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Who trusts a certificate of this name, and who has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate is checked against the real clock
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return ssl.create_default_context(cafile=str(file)), server


def test_all_our_clients_share_the_usual_authorities_and_take_none_of_the_environment() -> None:
    assert os.environ["SSL_CERT_FILE"], "where there is one authority only"
    usual = usual_authorities()
    assert len(usual.get_ca_certs()) > 1
    with (
        new_client("http://127.0.0.1:1/v1", "bk_live_1", timeout_s=1) as client,
        Transport("http://127.0.0.1:1/v1", None) as transport,
    ):
        for each in (client, transport._client):
            assert each._transport._pool._ssl_context is usual  # type: ignore[attr-defined]

# ruff: noqa: N818 - the names state the cause, as those of the ledger do
"""Calls to addresses that callers gave us: webhook endpoints, and media named by URL. Nobody gets us to call inwards.

The one module here that calls whatever a stranger names, and the only one of its room that knows httpx. A name is
resolved once; unless every address it has is public the call is refused; then exactly one of the checked addresses is
connected to, so that a name that answers differently the next time gains nothing.

EgressError
├── AddressRefused    the URL leads, or might lead, to where we do not call
├── FetchFailed       it was tried and no usable answer came
└── TooLarge          the answer is larger than the limit
"""

import functools
import re
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from bickford_sora.patience import PatientTransport, PatientUntil, resolve, share_s

URL_CHARS_MAX = 2_048
"""Longest URL that is called, in characters."""
REDIRECTS_MAX = 3
"""Redirects that one fetch follows; each is checked as the first URL was."""
ADDRESSES_MAX = 4
"""Addresses of one name that are tried, one after the other."""
USER_AGENT = "bickford-sora"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host and port. Raises OSError when there are none."""

_NAT64 = IPv6Network("64:ff9b::/96")
_NEVER_CALLED = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments (RFC 6890), which Pythons before 3.11.10 take for public; and
    # a cloud's metadata: 192.0.0.192 at Oracle
    IPv4Network("168.63.129.16/32"),  # the host of each virtual machine at Azure, which hands out its settings
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, withdrawn (RFC 7526)
    IPv6Network("3fff::/20"),  # for documentation (RFC 9637)
)
"""Networks that are not the public internet, although `ipaddress` says so or once did."""
_HOST = re.compile(rb"[a-z0-9._-]+|[0-9a-f:.]+")
"""A name as the resolver is asked for it, or an address."""
_PORT_MAX = 65_535
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = range(200, 300)


class EgressError(Exception):
    """A call to an address from outside did not succeed. Its text quotes neither the URL nor the answer."""

    code = "egress_failed"


class AddressRefused(EgressError):
    """The URL is not one that is called: its form, its scheme, or an address that is not public."""

    code = "address_refused"


class FetchFailed(EgressError):
    """No usable answer came.

    Attributes:
        reason: the kind of failure in one word; never text from outside.
        http_status: of the answer, when there was one.
    """

    code = "fetch_failed"

    def __init__(self, reason: str, *, http_status: int | None = None) -> None:
        super().__init__(f"no usable answer came: {reason}")
        self.reason = reason
        self.http_status = http_status


class TooLarge(EgressError):
    """The answer is larger than the limit; the rest was not read."""

    code = "answer_too_large"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL gave."""

    content: bytes = field(repr=False)
    media_type: str | None
    """As the server claims, in lower case and without parameters; None when it says nothing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How a POST was answered; the body is not read. Header names are lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL that may be called, and the addresses it may be called at."""

    url: httpx.URL
    addresses: tuple[str, ...]


@functools.cache
def usual_authorities() -> ssl.SSLContext:
    """Trusts the usual authorities and nothing of the environment. Read once: it takes some twenty milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class Egress:
    """Calls URLs from outside. Safe to use from several threads.

    No proxy, certificate or credential is taken from the environment, no cookie is kept, and no connection is used
    for a second call.

    Args:
        allow_private: networks (`10.0.0.0/8`) or addresses that may be called although they are not public; a webhook
            may go to them without TLS.
        resolve: how names become addresses.
        tls: whom to trust; None trusts the usual authorities.

    Raises:
        ValueError: one of `allow_private` is neither a network nor an address.
    """

    def __init__(
        self,
        *,
        allow_private: tuple[str, ...],
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed: tuple[Network, ...] = tuple(ip_network(each, strict=False) for each in allow_private)
        self._resolve = resolve
        self._tls = tls or usual_authorities()

    def fetch(self, url: str, *, bytes_max: int, timeout_s: float, redirects_max: int = REDIRECTS_MAX) -> Fetched:
        """GETs a URL, through at most `redirects_max` redirects, in at most `timeout_s` seconds altogether.

        Raises AddressRefused, FetchFailed (also for a status that is not 2xx), or TooLarge beyond `bytes_max`.
        """
        deadline = time.monotonic() + timeout_s
        for _ in range(redirects_max + 1):
            with self._answer("GET", self._checked(url, public_tls=False), deadline=deadline) as response:
                if response.status_code not in _REDIRECTS:
                    return _fetched(response, bytes_max)
                url = _redirected(response, url)
        raise FetchFailed("TooManyRedirects")

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Answered:
        """POSTs to a URL once, without following redirects, in at most `timeout_s` seconds altogether.

        Raises AddressRefused, also for http:// to an address that is not expressly allowed, or FetchFailed when no
        answer came: the other side may have taken it.
        """
        deadline = time.monotonic() + timeout_s
        target = self._checked(url, public_tls=True)
        with self._answer("POST", target, deadline=deadline, body=body, headers=headers) as response:
            return Answered(response.status_code, dict(response.headers))

    def ask(self, url: str, body: bytes, headers: Mapping[str, str], *, bytes_max: int, timeout_s: float) -> Fetched:
        """POSTs to a URL once and reads the answer, without following redirects, in at most `timeout_s` seconds.

        Raises AddressRefused as `post` does, FetchFailed (also for a status that is not 2xx), or TooLarge.
        """
        deadline = time.monotonic() + timeout_s
        target = self._checked(url, public_tls=True)
        with self._answer("POST", target, deadline=deadline, body=body, headers=headers) as response:
            return _fetched(response, bytes_max)

    def check_webhook(self, url: str) -> None:
        """Raises AddressRefused when `post` would refuse this URL now. A name that does not resolve passes."""
        with suppress(FetchFailed):
            self._checked(url, public_tls=True)

    def _checked(self, given: str, *, public_tls: bool) -> _Target:
        """The URL and its addresses, all of which may be called."""
        url = _parsed(given)
        host = url.raw_host.decode("ascii")
        try:
            found = self._resolve(host, url.port or _PORTS[url.scheme])
        except (OSError, UnicodeError):
            raise FetchFailed("NameNotResolved") from None
        if not found:
            raise FetchFailed("NameNotResolved")
        allowed = [self._is_allowed(ip_address(each)) for each in found]
        if not all(expressly or is_public(ip_address(each)) for each, expressly in zip(found, allowed, strict=True)):
            raise AddressRefused("the URL leads to an address that is not public")
        if public_tls and url.scheme != "https" and not all(allowed):
            raise AddressRefused("the URL must begin with https://")
        return _Target(url, tuple(found[:ADDRESSES_MAX]))

    def _is_allowed(self, address: Address) -> bool:
        plain = _embedded_ipv4(address) or address
        return any(each.version == plain.version and plain in each for each in self._allowed)

    @contextmanager
    def _answer(
        self,
        method: str,
        target: _Target,
        *,
        deadline: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Generator[httpx.Response, None, None]:
        """The beginning of an answer, and its body as it comes. No step goes on beyond the deadline."""
        with self._client() as client:
            response = _first_connected(client, target, method=method, body=body, headers=headers, deadline=deadline)
            with closing(response):
                yield response

    def _client(self) -> httpx.Client:
        return httpx.Client(
            transport=PatientTransport(self._tls, connections_max=1, idle_max=0, idle_s=0.0),
            trust_env=False,
            follow_redirects=False,
            headers={"accept-encoding": "identity", "user-agent": USER_AGENT},
        )


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also the IPv4 address that one of IPv6 stands for."""
    embedded = _embedded_ipv4(address)
    if embedded is not None:
        return is_public(embedded)
    if any(address.version == each.version and address in each for each in _NEVER_CALLED):
        return False
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _embedded_ipv4(address: Address) -> IPv4Address | None:
    """The IPv4 address behind IPv4-mapped (RFC 4291), NAT64 (RFC 6052) and 6to4 (RFC 3056) addresses."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _parsed(given: str) -> httpx.URL:
    if len(given) > URL_CHARS_MAX:
        raise AddressRefused(f"a URL has at most {URL_CHARS_MAX} characters")
    try:
        url = httpx.URL(given)
    except (httpx.InvalidURL, ValueError):
        raise AddressRefused("not a URL") from None
    if url.scheme not in _PORTS or not _HOST.fullmatch(url.raw_host) or not 0 < (url.port or 1) <= _PORT_MAX:
        raise AddressRefused("the URL must begin with https:// or http:// and name a host")
    if url.userinfo:
        raise AddressRefused("the URL must not hold credentials")
    return url


def _first_connected(
    client: httpx.Client,
    target: _Target,
    *,
    method: str,
    body: bytes | None,
    headers: Mapping[str, str] | None,
    deadline: float,
) -> httpx.Response:
    """The answer of the first address that lets itself be connected to. Raises FetchFailed."""
    reason = "NotConnected"
    for tried, address in enumerate(target.addresses):
        left_s = max(deadline - time.monotonic(), 0.0)
        connect_s = share_s(left_s, len(target.addresses) - tried)
        request = client.build_request(
            method,
            target.url.copy_with(host=address, fragment=None),
            content=body,
            headers={**(headers or {}), "host": target.url.netloc.decode("ascii")},
            # TLS asks for, and checks, the name in the URL, not the address.
            extensions={"sni_hostname": target.url.raw_host.decode("ascii")},
            timeout=httpx.Timeout(PatientUntil(left_s, deadline), connect=PatientUntil(connect_s, deadline)),
        )
        try:
            return client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = type(error).__name__
        except httpx.RequestError as error:
            reason = type(error).__name__
            break  # it may have arrived: not sent again to another address
    # Outside the `except`: a chained error of httpx quotes what the other side sent.
    raise FetchFailed(reason)


def _redirected(response: httpx.Response, url: str) -> str:
    try:
        return str(httpx.URL(url).join(response.headers.get("location", "")))
    except (httpx.InvalidURL, ValueError):
        raise FetchFailed("RedirectInvalid", http_status=response.status_code) from None


def _fetched(response: httpx.Response, bytes_max: int) -> Fetched:
    status = response.status_code
    if status not in _OK:
        raise FetchFailed("HttpStatus", http_status=status)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("AnswerEncoded", http_status=status)
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > bytes_max:
        raise _too_large(bytes_max)
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        return Fetched(_bounded(response.iter_raw(), bytes_max), media_type or None)
    except httpx.RequestError as error:
        failure = FetchFailed(type(error).__name__, http_status=status)
    raise failure


def _bounded(chunks: Iterable[bytes], bytes_max: int) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > bytes_max:
            raise _too_large(bytes_max)
    return bytes(content)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"the answer is larger than the limit of {bytes_max} bytes")

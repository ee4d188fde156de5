# ruff: noqa: N818 - the names state the cause, as those of the ledger do
"""HTTP to renderers. The only module of this package that knows httpx: its types and errors stay inside.

A failed call is sorted by the one question that matters for money: could the renderer have taken the request?

TransportFailure
├── NotSent     no connection was made; the renderer cannot know of the request
└── NoAnswer    the request, or a part of it, was sent and no whole answer came; the renderer may have taken it
    └── AnswerTooLarge    it came and is more than we read
"""

import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, Self

import httpx
from pydantic import SecretStr

from bickford_sora.egress import usual_authorities
from bickford_sora.patience import PatientTransport, PatientUntil
from bickford_sora.patience import resolve as resolve_by_system
from bickford_sora.renderers.elsewhere import NotAllowed, Place, Resolve, place_of
from bickford_sora.tracing import Tracing

ERROR_BODY_BYTES_MAX = 64 * 1024
"""How much of an error's body is looked at. JSON that is longer is read as text."""
CREDENTIAL_CHARS_REDACTED_MIN = 8
"""Shorter credentials (vLLM's customary "EMPTY") are no secrets and would spoil ordinary text."""
REDIRECTS_MAX = 3
"""Redirects that one download follows."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

KeyHeader = Literal["authorization", "api-key"]
"""The header a credential goes in: as a bearer token, or as it is."""


class TransportFailure(Exception):
    """A call brought no whole answer.

    Attributes:
        reason: the kind of failure in one word; never text from outside.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(TransportFailure):
    """Nothing of the request was sent: no address, no connection, or none free in the pool."""


class TooLate(NotSent):
    """The last bytes of the request were not sent, because the caller said so."""


class NoAnswer(TransportFailure):
    """The request may have arrived, but no whole answer came: timeout, reset, broken protocol."""


class AnswerTooLarge(NoAnswer):
    """The answer is larger than the limit; the rest was not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """How long and how much; each call to a renderer is bounded by these."""

    connections_max: int = 20
    connections_idle_max: int = 10
    connection_idle_s: float = 2.0
    """Below the 5 s after which uvicorn closes: a submit that meets a closing connection has an unknown outcome."""
    pool_timeout_s: float = 5.0
    """Longest wait for a free connection."""
    connect_timeout_s: float = 5.0
    """Longest wait for a connection, all addresses of the host together; a TLS handshake has as long again."""
    answer_timeout_s: float = 60.0
    """Longest time from the call, connecting included, to a whole answer; its last piece is waited for at most as long
    again. A request that was read slowly has so much left for its answer."""
    silence_timeout_s: float = 30.0
    """Longest pause between two pieces of a download."""
    download_timeout_s: float = 900.0
    """Longest time of a download, from the call on."""
    answer_bytes_max: int = 2 * 1024 * 1024
    """A video with a prompt of 32,000 characters fits, escaped."""
    list_bytes_max: int = 32 * 1024 * 1024
    """A list page of 100 such videos fits."""
    download_bytes_max: int = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a multipart form."""

    name: str
    filename: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer whose body is read as it comes. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    """Raises NoAnswer when the body breaks off or passes a limit."""


@dataclass(frozen=True, slots=True)
class Traced:
    """How calls of one renderer are traced."""

    renderer: str
    tracing: Tracing
    sends_on: bool = False
    """Whether the renderer is told our trace (W3C traceparent)."""

    @contextmanager
    def call(self, request: httpx.Request) -> Generator[None, None, None]:
        """A span around a call."""
        with self.tracing.span("renderer call", renderer=self.renderer, method=request.method):
            traceparent = self.tracing.traceparent() if self.sends_on else None
            if traceparent is not None:
                request.headers["traceparent"] = traceparent
            yield


Observe = Callable[[str, str, float], None]


def _unobserved(_method: str, _outcome: str, _duration_s: float) -> None:
    """Nobody is told."""


class Transport:
    """Calls one base URL with one credential. Safe to use from many threads.

    It never retries: whether a call may be repeated is decided elsewhere. Only a download follows redirects, to
    where `elsewhere` allows it. Proxies and certificates from the environment are ignored.

    Args:
        base_url: scheme, host, perhaps a port and a path; must not hold credentials.
        credential: sent in `key_header`; None sends none.
        limits: times and sizes.
        tls: whom to trust, for renderers with certificates of their own; None trusts the usual authorities.
        key_header: the header the credential goes in.
        resolve: how the names of other hosts become addresses.
        observe: told of each call: its method, what came of it (a status, or why there was none), and the seconds until
            its answer began.
        traced: how calls are traced; None: not at all.

    Raises:
        ValueError: for a base URL or credential that cannot be used. The message does not repeat it.
    """

    def __init__(
        self,
        base_url: str,
        credential: SecretStr | None,
        *,
        limits: TransportLimits | None = None,
        tls: ssl.SSLContext | None = None,
        key_header: KeyHeader = "authorization",
        resolve: Resolve = resolve_by_system,
        observe: Observe | None = None,
        traced: Traced | None = None,
    ) -> None:
        self.base_url = _checked_base_url(base_url)
        self.limits = given = limits or TransportLimits()
        self._credential = credential
        self._key_header = key_header
        self._resolve = resolve
        self._observe = observe or _unobserved
        self._traced = traced or Traced("", Tracing())
        self._client = httpx.Client(
            base_url=self.base_url,
            # answers are asked for unpacked, so that sizes on the wire are the sizes that count
            headers={
                "accept-encoding": "identity",
                "user-agent": "bickford-sora",
                **_authorization(credential, key_header),
            },
            follow_redirects=False,
            transport=PatientTransport(
                tls or usual_authorities(),
                connections_max=given.connections_max,
                idle_max=given.connections_idle_max,
                idle_s=given.connection_idle_s,
            ),
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        files: Sequence[FilePart] = (),
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        bytes_max: int | None = None,
        is_too_late: Callable[[], bool] | None = None,
    ) -> Answer:
        """Make one call, once, and read its answer whole, whatever its status.

        `form` and `files` make a multipart body, also without a file; `json` makes a JSON body.
        `timeout_s` takes the place of `answer_timeout_s`, `bytes_max` that of `answer_bytes_max`. `is_too_late` is
        asked when all but the last bytes of the body have left.

        Raises:
            TooLate: `is_too_late` said so.
            NotSent: nothing was sent.
            NoAnswer: no whole answer came in time, or (AnswerTooLarge) it was larger than that.
        """
        wait_s = self.limits.answer_timeout_s if timeout_s is None else timeout_s
        request = self._client.build_request(
            method,
            path,
            files=_multipart(form, files),
            json=json,
            params=params,
            headers=headers,
        )
        deadline = time.monotonic() + wait_s
        self._limit(request, wait_s, ends_at=deadline + wait_s)
        if is_too_late is not None:
            request.stream = _HeldBack(request.stream, is_too_late)
        with closing(self._send(request)) as response:
            read_max = self.limits.answer_bytes_max if bytes_max is None else bytes_max
            chunks = _chunks(response, bytes_max=read_max, deadline=deadline)
            refused = response.status_code >= HTTPStatus.BAD_REQUEST  # a refusal stays one however long it is
            body = read_at_most(chunks, ERROR_BODY_BYTES_MAX) if refused else b"".join(chunks)
            return Answer(response.status_code, dict(response.headers), body)

    @contextmanager
    def stream(self, path: str, params: Mapping[str, str] | None = None) -> Generator[StreamedAnswer, None, None]:
        """GET `path` and read the body of its answer as it comes, at most `download_bytes_max` in `download_timeout_s`.

        Follows up to REDIRECTS_MAX redirects; one that must not be followed is the answer.

        Raises:
            NotSent: nothing was sent.
            NoAnswer: no answer began.
        """
        with self._streamed(self._client.build_request("GET", path, params=params)) as answer:
            yield answer

    @contextmanager
    def stream_elsewhere(self, url: str) -> Generator[StreamedAnswer, None, None]:
        """As `stream`, of a URL that the renderer named.

        Raises NotAllowed when it must not be asked, and what `stream` raises.
        """
        with self._streamed(self._request_for(place_of(self.base_url, self.base_url, url, self._resolve))) as answer:
            yield answer

    @contextmanager
    def _streamed(self, request: httpx.Request) -> Generator[StreamedAnswer, None, None]:
        limits = self.limits
        deadline = time.monotonic() + limits.download_timeout_s
        with closing(self._followed(request, deadline)) as response:
            chunks = _chunks(response, bytes_max=limits.download_bytes_max, deadline=deadline)
            yield StreamedAnswer(response.status_code, dict(response.headers), chunks)

    def _followed(self, request: httpx.Request, deadline: float) -> httpx.Response:
        """The answer behind at most REDIRECTS_MAX redirects."""
        asked = str(request.url)
        response = self._sent_by(request, deadline)
        for _ in range(REDIRECTS_MAX):
            if response.status_code not in _REDIRECTS:
                break
            try:
                place = place_of(self.base_url, asked, response.headers.get("location", ""), self._resolve)
                request = self._request_for(place)
            except NotAllowed:
                break
            response.close()
            asked = place.url
            response = self._sent_by(request, deadline)
        return response

    def _sent_by(self, request: httpx.Request, deadline: float) -> httpx.Response:
        """The beginning of a download's answer."""
        self._limit(request, self.limits.silence_timeout_s, ends_at=deadline)
        return self._send(request)

    def _request_for(self, place: Place) -> httpx.Request:
        """A GET of a place that may be asked, with the credential where that is shown."""
        try:
            url = httpx.URL(place.url).copy_with(fragment=None)
        except (httpx.InvalidURL, ValueError):
            raise NotAllowed("not a URL") from None
        if url.raw_host.decode("ascii") != place.host:
            raise NotAllowed("two readings of one URL")  # what was checked is not what would be called
        request = self._client.build_request("GET", url)
        if not place.own:
            request.headers.pop(self._key_header, None)
        if place.address is not None:
            # The checked address is connected to; TLS still asks for, and checks, the name.
            request.extensions["sni_hostname"] = url.raw_host.decode("ascii")
            request.url = url.copy_with(host=place.address)
        return request

    def redacted(self, text: str | None) -> str | None:
        """`text` without the credential, for what a renderer may have echoed."""
        secret = self._credential.get_secret_value() if self._credential else ""
        if text is None or len(secret) < CREDENTIAL_CHARS_REDACTED_MIN:
            return text
        return text.replace(secret, "[credential]")

    def _send(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        try:
            with self._traced.call(request):
                response = self._client.send(request, stream=True)
        except httpx.RequestError as error:
            failure = _sort(error)
        except TooLate as late:
            failure = late
        else:
            self._observe(request.method, str(response.status_code), time.monotonic() - began)
            return response
        self._observe(
            request.method, "not_sent" if isinstance(failure, NotSent) else "no_answer", time.monotonic() - began
        )
        # Outside the `except`, here and below: a chained error of httpx quotes what a broken renderer sent.
        raise failure

    def _limit(self, request: httpx.Request, wait_s: float, *, ends_at: float) -> None:
        """Bounds each step of a call by `wait_s`, and all of it by `ends_at` (monotonic seconds)."""
        step = PatientUntil(wait_s, ends_at)
        connect = PatientUntil(min(wait_s, self.limits.connect_timeout_s), ends_at)
        pool_s = min(wait_s, self.limits.pool_timeout_s)
        steps = {"connect": connect, "pool": pool_s, "read": step, "write": step}
        request.extensions["timeout"] = steps


HELD_BACK_BYTES = 4
"""A form ends in two dashes and a line's end, and some read it to the dashes only."""


class _HeldBack(httpx.SyncByteStream):
    """A body whose last bytes leave only if it is not too late then.

    So few are written in one go, so that between the look at the clock and the request's being whole there is no more
    than that write.
    """

    def __init__(self, body: httpx.SyncByteStream | httpx.AsyncByteStream, is_too_late: Callable[[], bool]) -> None:
        assert isinstance(body, httpx.SyncByteStream)  # noqa: S101 - the client's own, which is synchronous
        self._body = body
        self._is_too_late = is_too_late

    def __iter__(self) -> Iterator[bytes]:
        held = b""
        for piece in self._body:
            held += piece
            if len(held) > HELD_BACK_BYTES:
                yield held[:-HELD_BACK_BYTES]
                held = held[-HELD_BACK_BYTES:]
        if self._is_too_late():
            raise TooLate("TooLate")
        yield held

    def close(self) -> None:
        self._body.close()


def _checked_base_url(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise ValueError("the base URL of a renderer is not a URL") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("the base URL of a renderer must start with http:// or https:// and name a host")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("the base URL of a renderer must not hold credentials, a query or a fragment")
    return str(url).rstrip("/")


def _authorization(credential: SecretStr | None, key_header: KeyHeader) -> dict[str, str]:
    if credential is None:
        return {}
    secret = credential.get_secret_value()
    # checked here because the error of a header that cannot be sent would quote it
    if not secret or not all("!" <= character <= "~" for character in secret):
        raise ValueError("a credential must be visible ASCII without blanks; look for a stray line end")
    return {key_header: f"Bearer {secret}" if key_header == "authorization" else secret}


def _multipart(
    form: Mapping[str, str] | None, files: Sequence[FilePart]
) -> list[tuple[str, tuple[str | None, bytes, str | None]]] | None:
    if form is None and not files:
        return None
    # a part without a filename is a plain field: this way the body is multipart even with no file
    parts: list[tuple[str, tuple[str | None, bytes, str | None]]] = [
        (name, (None, value.encode(), None)) for name, value in (form or {}).items()
    ]
    parts.extend((file.name, (file.filename, file.content, file.media_type)) for file in files)
    return parts


def _chunks(response: httpx.Response, *, bytes_max: int, deadline: float) -> Iterator[bytes]:
    """The body as it was sent. A body shorter than its Content-Length, or without its last chunk, ends in NoAnswer."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoAnswer("AnswerEncoded")
    received = 0
    try:
        # without a chunk size: gathering chunks would keep a trickle from the deadline
        for chunk in response.iter_raw():
            received += len(chunk)
            if received > bytes_max:
                raise AnswerTooLarge("AnswerTooLarge")
            if time.monotonic() > deadline:
                raise NoAnswer("AnswerTooSlow")
            yield chunk
    except httpx.RequestError as error:
        failure = _sort(error)
    else:
        return
    raise failure


_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def _sort(error: httpx.RequestError) -> TransportFailure:
    kind = NotSent if isinstance(error, _NOTHING_SENT) else NoAnswer
    return kind(type(error).__name__)


def read_at_most(chunks: Iterable[bytes], bytes_max: int) -> bytes:
    """The first `bytes_max` bytes; what follows is not read."""
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        if len(kept) >= bytes_max:
            break
    return bytes(kept[:bytes_max])

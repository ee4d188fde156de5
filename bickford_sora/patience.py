"""Calls that end when their time is over, whatever their answers are made of.

A client's timeouts begin anew with every byte that comes. Whoever sends a head, a chunk's extension or a trailer one
byte at a time, or one `103 Early Hints` after the other, would keep a thread for ever, since no look at what was
read of a body ever comes to happen. So each step of a connection, from the first address that is tried on, is given
what is left of the whole call. What is left out is the system's resolver, which cannot be interrupted: it has its
own limits (resolv.conf), and what it takes is taken from the call.
"""

import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any, Self, cast

import httpcore
import httpx

ADDRESS_WAIT_MIN_S = 2.0
"""One of several addresses is waited for at least so long, where the call has as much left."""

_Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class PatientUntil(float):
    """A timeout of one step, in seconds, that also says when the whole call ends (monotonic seconds)."""

    ends_at: float

    def __new__(cls, step_s: float, ends_at: float) -> Self:
        """A step of at most `step_s`, in a call that ends at `ends_at`."""
        made = super().__new__(cls, step_s)
        made.ends_at = ends_at
        return made


class PatientTransport(httpx.HTTPTransport):
    """Connections whose steps end with the call they belong to, where its timeouts are `PatientUntil`.

    Args:
        tls: whom to trust.
        connections_max: the most that are open at a time.
        idle_max: of those, how many are kept for a next call.
        idle_s: how long they are kept, in seconds.
    """

    def __init__(self, tls: ssl.SSLContext, *, connections_max: int, idle_max: int, idle_s: float) -> None:
        super().__init__(verify=tls, trust_env=False)
        # httpx has no way to say how connections are made; a test holds that this one is taken.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=connections_max,
            max_keepalive_connections=idle_max,
            keepalive_expiry=idle_s,
            network_backend=_Backend(),
        )


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system's resolver gives them. Raises OSError when there are none.

    The resolver also reads what only looks like a name (`2130706433`, `0x7f.1`): what it makes of it is checked.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def share_s(left_s: float, addresses: int) -> float:
    """How long the first of so many addresses is waited for, so that one that is silent leaves time for the next."""
    return min(left_s, max(left_s / addresses, ADDRESS_WAIT_MIN_S))


def _left_s(timeout: float | None, too_late: type[Exception]) -> float:
    """What a step may take. Raises `too_late` when the call is over, and TypeError when nobody said when it is."""
    if not isinstance(timeout, PatientUntil):
        raise TypeError("a call without an end")
    left_s = timeout.ends_at - time.monotonic()
    if left_s <= 0:
        raise too_late
    return min(float(timeout), left_s)


class _Stream(httpcore.NetworkStream):
    """A connection whose steps end with the call they belong to."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left_s(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Not by httpcore's: it gives as much time again to every few bytes that the other side takes.
        connection, unsent = self._stream.get_extra_info("socket"), memoryview(buffer)
        try:
            while unsent:
                connection.settimeout(_left_s(timeout, httpcore.WriteTimeout))
                unsent = unsent[connection.send(unsent) :]
        except TimeoutError as late:
            raise httpcore.WriteTimeout from late
        except OSError as error:
            raise httpcore.WriteError from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = _left_s(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left_s))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects to the first of a host's addresses that answers, all of them within one step."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore."""
        ends_at = time.monotonic() + _left_s(timeout, httpcore.ConnectTimeout)
        options = cast("Any", socket_options)
        failure: Exception = httpcore.ConnectError("the name has no address")
        addresses = _addresses(host, port)
        for tried, address in enumerate(addresses):
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                raise httpcore.ConnectTimeout
            wait_s = share_s(left_s, len(addresses) - tried)
            try:
                return _Stream(self._backend.connect_tcp(address, port, wait_s, local_address, options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _addresses(host: str, port: int) -> Sequence[str]:
    try:
        return resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name has no address") from error

"""Calls that end when their time is over, whatever their answers are made of.

A client's timeouts begin anew with every byte that comes. Whoever sends a head, a chunk's extension or a trailer one
byte at a time, or one `103 Early Hints` after the other, would keep a thread for ever, since no look at what was
read of a body ever comes to happen. So each read and write of a connection is given what is left of the whole call.
"""

import ssl
import time
from collections.abc import Iterable
from typing import Any, Self, cast

import httpcore

WRITTEN_BYTES_MAX = 64 * 1024
"""Of a body so much is written before the time is looked at again."""

_Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class PatientUntil(float):
    """A timeout of one step, in seconds, that also says when the whole call ends (monotonic seconds)."""

    ends_at: float

    def __new__(cls, step_s: float, ends_at: float) -> Self:
        """A step of at most `step_s`, in a call that ends at `ends_at`."""
        made = super().__new__(cls, step_s)
        made.ends_at = ends_at
        return made


def _left_s(timeout: float | None, too_late: type[Exception]) -> float | None:
    """What a step may take. Raises `too_late` when the call is over."""
    if not isinstance(timeout, PatientUntil):
        return timeout
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
        for at in range(0, len(buffer), WRITTEN_BYTES_MAX):
            self._stream.write(buffer[at : at + WRITTEN_BYTES_MAX], _left_s(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class PatientBackend(httpcore.NetworkBackend):
    """Connects as httpcore does; what is read and written then heeds a `PatientUntil`."""

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
        options = cast("Any", socket_options)
        return _Stream(self._backend.connect_tcp(host, port, timeout, local_address, options))

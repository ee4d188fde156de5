"""Serving over a socket: in the foreground until a signal, or from a thread of this process."""

import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from bickford_sora.http.heads import BoundedHeads

KEEP_ALIVE_S = 75
"""How long an idle connection is kept; longer than clients wait between polls, so that none meets its closing."""
BACKLOG = 1024
CONNECTIONS_MAX = 2_000
"""Connections of one process, idle ones included; a request on one more is answered 503 by the server itself."""
SHUTDOWN_TIMEOUT_S = 20
"""How long requests under way may take when the server is told to stop."""
START_TIMEOUT_S = 15.0
COLLECTED_AT = 10_000
"""How many more objects there are when the collector looks for cycles: the interpreter's 700 come with each request."""


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    on_started: Callable[[str], None] | None = None,
    stop_event: threading.Event | None = None,
    on_stopping: Callable[[], None] | None = None,
    shutdown_timeout_s: int = SHUTDOWN_TIMEOUT_S,
) -> None:
    """Serves until SIGTERM or SIGINT, or until `stop_event` is set, then lets requests under way finish, and returns.

    `on_started` gets the server's URL once it listens; `on_stopping` is called before requests under way are waited
    for, and ends those that would never end. Signals are only minded in the main thread, and what handled
    them before handles them again afterwards. Raises OSError when the address cannot be used.
    """
    with _listen(host, port) as listening:
        server = _Server(_config(app, shutdown_timeout_s), _url(listening), on_started, stop_event, on_stopping)
        _spare_collector()
        server.run(sockets=[listening])


class ServerThread:
    """Serves from a thread, on a free port unless one is named: a context manager, for tests and demonstrations."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_stopping: Callable[[], None] | None = None,
        shutdown_timeout_s: int = 5,
    ) -> None:
        self._stop = threading.Event()
        self._started = threading.Event()
        self._listening = _listen(host, port)
        self.url = _url(self._listening)
        """Where the server is, without a path."""
        config = _config(app, shutdown_timeout_s)
        server = _Server(config, self.url, lambda _: self._started.set(), self._stop, on_stopping)
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [self._listening]}, name="http")

    def start(self) -> None:
        """Serves, and returns when calls are answered. Raises RuntimeError when it does not come up."""
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            self.stop()
            raise RuntimeError("the server did not come up")

    def stop(self) -> None:
        """Lets requests under way finish, stops, and frees the port."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._listening.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the process alone: it does not raise a signal again after it has stopped."""

    def __init__(
        self,
        config: uvicorn.Config,
        url: str,
        on_started: Callable[[str], None] | None,
        stop_event: threading.Event | None,
        on_stopping: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self._url = url
        self._on_started = on_started
        self._stop_event = stop_event
        self._on_stopping = on_stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Minds SIGTERM and SIGINT while it serves."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self._drain) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen, and says so."""
        await super().startup(sockets=sockets)
        if self._on_started is not None and self.started:
            self._on_started(self._url)

    async def on_tick(self, counter: int) -> bool:
        """Looks ten times a second whether to stop."""
        if self._stop_event is not None and self._stop_event.is_set():
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what would never end by itself, and waits for the rest."""
        if self._on_stopping is not None:
            self._on_stopping()
        await super().shutdown(sockets=sockets)

    def _drain(self, _signal: int, _frame: FrameType | None) -> None:
        # The second signal means it: what is under way is broken off.
        self.force_exit = self.should_exit
        self.should_exit = True


def _spare_collector() -> None:
    """Has the collector leave alone what the server is made of: every request waits while that is looked through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AT)


def _config(app: ASGIApp, shutdown_timeout_s: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHeads,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=shutdown_timeout_s,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Accepted connections inherit it; without it an answer can wait 40 ms for the client's delayed acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

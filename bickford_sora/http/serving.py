"""Serving over a socket: in the foreground, or from a thread of this process. Signals are left to others."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from bickford_sora.http.waits import Looker, Patience
from bickford_sora.http.whole import WholeRequests

KEEP_ALIVE_S = 75
"""How long an idle connection is kept; longer than clients wait between polls, so that none meets its closing."""
BACKLOG = 1024
CONNECTIONS_MAX = 2_000
"""Connections of one process, idle ones included; a request on one more is answered 503 by the server itself."""
SHUTDOWN_TIMEOUT_S = 20
"""How long requests under way may take when the server is told to stop."""
START_TIMEOUT_S = 15.0
PATIENCE = Patience()
"""How long clients are waited for, unless somebody else says."""


def bind(host: str, port: int) -> socket.socket:
    """A socket with this address, on which nobody listens yet. Raises OSError when the address cannot be used."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # an address that was used just now is free; elsewhere it would be one in use
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it; without it an answer can wait 40 ms for the client's delayed acknowledgement.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket) -> str:
    """Where a server is that listens there, without a path."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    app: ASGIApp,
    bound: socket.socket,
    stop: threading.Event,
    *,
    on_started: Callable[[], None] = lambda: None,
    on_stopping: Callable[[], None] | None = None,
    shutdown_timeout_s: int = SHUTDOWN_TIMEOUT_S,
) -> None:
    """Listens on the socket and serves until `stop` is set, then lets requests under way finish, and returns.

    `on_started` is called once it listens; `on_stopping` before requests under way are waited for, and ends those that
    would never end. Raises OSError when somebody else listens there.
    """
    _Server(_config(app, shutdown_timeout_s), on_started, stop, on_stopping).run(sockets=[bound])


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
        patience: Patience = PATIENCE,
    ) -> None:
        self._stop = threading.Event()
        self._started = threading.Event()
        self._bound = bind(host, port)
        self.url = url_of(self._bound)
        """Where the server is, without a path."""
        config = _config(app, shutdown_timeout_s)
        server = _Server(config, self._started.set, self._stop, on_stopping, patience)
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [self._bound]}, name="http")

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
        self._bound.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the process and its signals alone."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], None],
        stop: threading.Event,
        on_stopping: Callable[[], None] | None,
        patience: Patience = PATIENCE,
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._stop = stop
        self._on_stopping = on_stopping
        self._looker = Looker(patience)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Minds none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen, and says so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()

    async def on_tick(self, counter: int) -> bool:
        """Looks ten times a second whether to stop, and now and then whether clients keep their connections waiting."""
        if self._stop.is_set():
            self.should_exit = True
        self._looker.look(time.monotonic(), list(self.server_state.connections))
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what would never end by itself, and waits for the rest."""
        if self._on_stopping is not None:
            self._on_stopping()
        await super().shutdown(sockets=sockets)


def _config(app: ASGIApp, shutdown_timeout_s: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=WholeRequests,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=shutdown_timeout_s,
    )

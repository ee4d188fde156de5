"""Serves a simulator over a real socket: in a thread for tests and `demo`, in the foreground for the command."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

import uvicorn

from bickford_sora.simulator.app import make_app
from bickford_sora.simulator.connection import BreakableProtocol
from bickford_sora.simulator.flavours import flavour_of
from bickford_sora.simulator.settings import SimulatorSettings
from bickford_sora.simulator.simulator import Simulator

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 20.0
_POLL_S = 0.005


class SimulatorServer:
    """A simulator served from a thread of this process.

    Stopping and starting again keeps the port and the jobs: to a client it is an outage. To forget the jobs as
    well call `simulator.restart()` in between.
    """

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        simulator: Simulator | None = None,
        listening: socket.socket | None = None,
    ) -> None:
        """`listening`: what it is served from the first time, in place of a socket of its own."""
        if settings is not None and simulator is not None:
            raise ValueError("a simulator brings its own settings")
        self.simulator = simulator or Simulator(settings)
        self._given = listening
        self._port = listening.getsockname()[1] if listening else self.simulator.settings.port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return base_url(self.simulator.settings, self._port)

    @property
    def control_url(self) -> str:
        """Where the control routes are: ``/billing``, ``/faults`` and so on follow it."""
        return self.url.removesuffix(self.simulator.flavour.prefix) + "/simulator"

    def start(self) -> None:
        """Serve, and return when calls are answered.

        Raises:
            OSError: when the port is taken.
            RuntimeError: when it is running already, or does not come up within 10 s.
        """
        if self._thread is not None:
            raise RuntimeError("the simulator is running already")
        self._socket, self._given = self._given or listen(self.simulator.settings.host, self._port), None
        self._port = self._socket.getsockname()[1]
        self._server = uvicorn.Server(_uvicorn_config(self.simulator))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="simulator", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                self.stop()
                raise RuntimeError("the simulator did not come up")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Break off what is under way and free the port. Does nothing when it is not running."""
        if self._thread is None or self._server is None or self._socket is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_S)
        self._socket.close()
        self._thread = self._server = self._socket = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def run(settings: SimulatorSettings, *, announce: Callable[[str], None]) -> None:
    """Serve in the foreground until interrupted: the command ``bickford-sora simulator``.

    `announce` is told the base URL once, when the port is taken.

    Raises:
        OSError: when somebody else has the port.
    """
    simulator = Simulator(settings)
    with listen(settings.host, settings.port) as listening, contextlib.suppress(KeyboardInterrupt):
        announce(base_url(settings, listening.getsockname()[1]))
        uvicorn.Server(_uvicorn_config(simulator)).run(sockets=[listening])


def base_url(settings: SimulatorSettings, port: int) -> str:
    """What a client of a simulator with these settings takes as its base URL."""
    host = settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{flavour_of(settings).prefix}"


def listen(host: str, port: int) -> socket.socket:
    """What a simulator is served from; port 0 takes a free one. Raises OSError when somebody else has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=1024)
    # accepted connections inherit it; asyncio sets it only on sockets made with IPPROTO_TCP, and without it
    # each answer waits 40 ms for the client's delayed acknowledgement
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _uvicorn_config(simulator: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(simulator),
        http=BreakableProtocol,
        loop="asyncio",  # its transports give the socket whose linger option makes a reset
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )

"""A whole installation in processes of their own: servers, a worker, PostgreSQL and a renderer that keeps the bill."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import httpx

from tests.cli.commands import environment
from tests.cli.forking import IS_POSSIBLE, Forked
from tests.processes import children_of, postmasters

Role = Literal["api", "background", "keeper", "worker", "postgres", "backend", "everything"]
KEY = "bk_live_only-for-the-storm"
SIZE = "128x96"
SIMULATOR_KEY = "sk-simulator"
SECRET = "whsec_c3Rvcm0tc3Rvcm0tc3Rvcm0tc3Rvcm0="
READY_S_MAX = 180.0
END_S_MAX = 20.0
LOOK_S = 0.02


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Program:
    """One process of ours, which is started again as an init system would."""

    name: str
    arguments: list[str]
    environment: Mapping[str, str]
    log: IO[bytes]
    is_forked: bool = False
    process: Forked | subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and does not wait until it is ready."""
        if self.is_forked:
            self.process = Forked(self.arguments, self.environment, self.log)
            return
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bickford_sora", *self.arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process is not None, self.name
        return self.process.pid

    def kill(self) -> None:
        """kill -9. Whatever it started is left to find that out by itself."""
        assert self.process is not None, self.name
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def end(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S_MAX)
            if self.process.stdout is not None:
                self.process.stdout.close()
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Site:
    """The processes and where they are."""

    folder: Path
    given: Mapping[str, str] = field(default_factory=dict)
    apis: int = 2
    forgets: bool = False
    """Whether the renderer is one that bills nothing, keeps its jobs in memory, and has what it forgot made again."""
    is_forked: bool = False
    """Whether programs have no start of their own: how soon a killed one is there again, is not what users see then."""

    def __post_init__(self) -> None:
        self.data_dir = self.folder / "data"
        self.ports = [free_port() for _ in range(self.apis)]
        self.simulator_port = free_port()
        self.log = (self.folder / "site.log").open("ab")
        self._http = httpx.Client(timeout=10, limits=httpx.Limits(max_keepalive_connections=0))
        known = environment(self.data_dir, {**_SETTINGS, **self.given, **self._renderer_settings()})
        serve = [
            self._program(f"api {port}", known, "serve", "--host", "127.0.0.1", "--port", str(port))
            for port in self.ports
        ]
        self.servers = dict(zip(self.ports, serve, strict=True))
        self.worker = self._program("worker", known, "worker")
        self.simulator = self._program(
            "simulator", known, "simulator", "--port", str(self.simulator_port), "--render-time", "0.4", "--frame-rate",
            "4", "--size", SIZE, "--seconds", "1", "--webhook-secret", SECRET,
            "--webhook-url", f"http://127.0.0.1:{self.ports[0]}/webhooks/openai",
        )  # fmt: skip

    @property
    def renderer(self) -> str:
        """Where the simulator listens."""
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def urls(self) -> list[str]:
        """Of the servers."""
        return [f"http://127.0.0.1:{port}/v1" for port in self.ports]

    def _renderer_settings(self) -> dict[str, str]:
        base_url = f"{self.renderer}/v1"
        if not self.forgets:
            return {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": SIMULATOR_KEY, "OPENAI_WEBHOOK_SECRET": SECRET}
        file = self.folder / "renderers.json"
        file.write_text(json.dumps({"renderers": [_FORGETFUL | {"replicas": [base_url]}]}))
        return {"BICKFORD_RENDERERS_FILE": str(file), "SITE_KEY": SIMULATOR_KEY, "SITE_WEBHOOK_SECRET": SECRET}

    def start(self) -> None:
        """Starts everything, and waits until it serves."""
        self.simulator.start()
        self._wait(lambda: self._answers(f"{self.renderer}/simulator/billing"))
        for each in (*self.servers.values(), self.worker):
            each.start()
        for port in self.ports:
            self._wait(lambda port=port: self.is_ready(port))  # type: ignore[misc]

    def is_ready(self, port: int) -> bool:
        """Whether a server takes requests."""
        return self._answers(f"http://127.0.0.1:{port}/readyz")

    def faults(self, faults: list[dict[str, Any]]) -> None:
        """What goes wrong at the renderer from now on."""
        httpx.delete(f"{self.renderer}/simulator/faults").raise_for_status()
        for each in faults:
            httpx.post(f"{self.renderer}/simulator/faults", json=each).raise_for_status()

    def told(self, what: Literal["billing", "deliveries"]) -> Any:
        """The renderer's own count."""
        return httpx.get(f"{self.renderer}/simulator/{what}", timeout=30).raise_for_status().json()

    def kill(self, role: Role, chance: random.Random) -> bool:
        """kill -9 of one process of a role, or of all of them; ours are started again at once. False: there is none."""
        if role == "everything":
            pids = [each.pid for each in (*self.servers.values(), self.worker)]
            victims = [pid for each in ("api", "background", "postgres") for pid in self._of(each)]
            for pid in (*pids, *victims):
                _kill(pid)
            for each in (*self.servers.values(), self.worker):
                each.kill()
                each.start()
            return True
        if role in {"keeper", "worker"}:
            program = self.worker if role == "worker" else chance.choice(self._expendable())
            program.kill()
            program.start()
            return True
        found = self._of(role)
        if found:
            _kill(chance.choice(found))
        return bool(found)

    def _expendable(self) -> list[Program]:
        """Servers one of which may die as a whole: where only one serves, it is one of those that start."""
        serving = [port for port in self.ports if self._answers(f"http://127.0.0.1:{port}/healthz")]
        starting = [port for port in self.ports if port not in serving]
        return [self.servers[port] for port in (serving if len(serving) > 1 else starting or self.ports)]

    def _of(self, role: Role) -> list[int]:
        """Processes that we did not start ourselves."""
        if role in _NAMES:
            below = [pid for each in self.servers.values() for pid in children_of(each.pid)]
            return [pid for pid in below if _name(pid) == _NAMES[role]]
        servers = postmasters(self.data_dir / "postgres")
        if role == "postgres":
            return servers
        return [pid for each in servers for pid in children_of(each) if _is_backend(pid)]

    def stop(self) -> None:
        """Ends everything that belongs to this site, also what was left behind."""
        for each in (*self.servers.values(), self.worker, self.simulator):
            each.end()
        gives_up_at = time.monotonic() + END_S_MAX
        while self._left() and time.monotonic() < gives_up_at:
            time.sleep(LOOK_S)
        for pid in self._left():
            _kill(pid)
        self._http.close()
        self.log.close()

    def _left(self) -> list[int]:
        """By their environment or their command line: some have been left by whoever started them."""
        place = str(self.data_dir).encode()
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if place in (folder / "environ").read_bytes() or place in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def _program(self, name: str, known: Mapping[str, str], *arguments: str) -> Program:
        return Program(name, list(arguments), known, self.log, is_forked=self.is_forked and IS_POSSIBLE)

    def _answers(self, url: str) -> bool:
        try:
            return self._http.get(url).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _wait(self, is_done: Any) -> None:
        gives_up_at = time.monotonic() + READY_S_MAX
        while not is_done():
            assert time.monotonic() < gives_up_at, (self.folder / "site.log").read_text()[-4_000:]
            time.sleep(LOOK_S)


_SETTINGS = {
    "BICKFORD_API_KEY": KEY,
    "BICKFORD_SECONDS": "1",
    "BICKFORD_SIZES": SIZE,
    "BICKFORD_SUBMIT_TIMEOUT_S": "1",
    "BICKFORD_RECONCILE_GRACE_S": "0.5",
    "BICKFORD_LEASE_S": "3",
    "BICKFORD_POLL_INTERVAL_S": "0.5",
    "BICKFORD_RETRY_AFTER_MAX_S": "1",
    "BICKFORD_DOWNLOAD_TIMEOUT_S": "2",
    "BICKFORD_SUBMISSION_ATTEMPTS_MAX": "50",
    "BICKFORD_WORKERS": "4",
    "BICKFORD_LOG_LEVEL": "warning",
}
_FORGETFUL: dict[str, Any] = {
    "name": "openai",
    "dialect": "openai",
    "credential": {"name": "openai-default", "env": "SITE_KEY"},
    "webhook_secret_env": "SITE_WEBHOOK_SECRET",
    "limits": {"lost_grace_s": 1, "lost_attempts_max": 1000},
    "on_lost": "resubmit",
    "models": [{"name": "sora-2", "sizes": [SIZE], "seconds": ["1"], "price": {"micro_per_unit": {"*": 0}}}],
}


_NAMES: dict[Role, str] = {"api": "sora-server", "background": "sora-background"}
"""Of the processes below a keeper."""


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _name(pid: int) -> str:
    with suppress(OSError):  # ended meanwhile
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _words(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").replace("\0", " ")
    return ""


def _is_backend(pid: int) -> bool:
    """Whether PostgreSQL's child serves a connection."""
    words = _words(pid)
    return words.startswith("postgres: ") and "[local]" in words

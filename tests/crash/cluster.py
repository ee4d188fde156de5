"""A primary and its standby, as a cluster has them: every commit waits for both, unless it is not to."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bickford_sora.database.binaries import SYSTEM_DIR, Binaries, candidate_folders, choose_binaries, reachable_by
from bickford_sora.database.cluster import ENVIRONMENT
from bickford_sora.database.serveruser import ServerUser, choose_server_user
from tests.processes import children_of

OWNER = "bickford"
READY_S_MAX = 30.0
COMMAND_S_MAX = 120.0


@dataclass
class Node:
    """One server of the two."""

    folder: Path
    port: int
    binaries: Binaries
    user: ServerUser
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.folder / "data"

    @property
    def address(self) -> str:
        """How libpq reaches this server alone."""
        return f"host={self.folder} port={self.port} user={OWNER} dbname=postgres connect_timeout=2"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Runs one of PostgreSQL's programs to its end, as the server's user."""
        command = [self.binaries.folder / program, *arguments]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            timeout=COMMAND_S_MAX,
            cwd="/",
            env=ENVIRONMENT,
            **self.user.identity(),
        )

    def start(self) -> None:
        """Returns when it takes connections."""
        given = {"listen_addresses": "", "unix_socket_directories": self.folder, "port": self.port}
        arguments = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries.postgres, "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                **self.user.identity(),
            )
        gives_up_at = time.monotonic() + READY_S_MAX
        while not self._answers():
            assert time.monotonic() < gives_up_at, (self.folder / "log").read_text()
            time.sleep(0.05)

    def ask(self, statement: str) -> object:
        """The one value of a statement."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return None if row is None else row[0]

    def set(self, name: str, value: str) -> None:
        """Changes a setting of the running server, also for when it is started again."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"alter system set {name} = '{value}'".encode())
            connection.execute("select pg_reload_conf()")

    def stop_receiving(self) -> None:
        """Has a standby fall behind: whatever the primary records from now on it does not get."""
        self.set("primary_conninfo", "")
        gives_up_at = time.monotonic() + READY_S_MAX
        while self.ask("select count(*) from pg_stat_wal_receiver"):
            assert time.monotonic() < gives_up_at
            time.sleep(0.02)

    def promote(self) -> None:
        """Makes a standby the primary. It waits for no standby of its own."""
        assert self.ask("select pg_promote(true)") is True

    def kill(self) -> None:
        """kill -9 of the server and of everything that belongs to it: the machine is gone."""
        if self.process is not None:
            # Backends have sessions of their own, and are found by their parent.
            for pid in (self.process.pid, *children_of(self.process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            return self.ask("select 1") == 1
        except psycopg.OperationalError:
            return False


@dataclass(frozen=True)
class Pair:
    """The primary and its standby."""

    primary: Node
    standby: Node

    @property
    def url(self) -> str:
        """Both, of which libpq takes the one that can be written to."""
        hosts = f"{self.primary.folder},{self.standby.folder}"
        ports = f"{self.primary.port},{self.standby.port}"
        return (
            f"postgresql:///postgres?host={hosts}&port={ports}&user={OWNER}"
            "&target_session_attrs=read-write&connect_timeout=2"
        )


@contextmanager
def replicated_pair(*, is_synchronous: bool = True) -> Iterator[Pair]:
    """Two servers on this machine; if `is_synchronous`, what the first acknowledges, the second has on disk."""
    folder = Path(tempfile.mkdtemp(prefix="bickford-pair-"))
    folder.chmod(0o711)
    nodes = [_node(folder / name, port) for name, port in (("one", 5433), ("two", 5434))]
    primary, standby = nodes
    try:
        primary.run("initdb", "-D", primary.data, "-U", OWNER, "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync")
        primary.start()
        primary.run(
            "pg_basebackup", "-D", standby.data, "-R", "-X", "stream", "-c", "fast", "-d", primary.address, "--no-sync"
        )
        standby.start()
        if is_synchronous:
            primary.set("synchronous_standby_names", "*")  # after the copy was made, so that the copy waits for nobody
        yield Pair(primary, standby)
    finally:
        for node in nodes:
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _node(folder: Path, port: int) -> Node:
    folder.mkdir()
    user = choose_server_user(folder / "data")
    if user.switched:
        os.chown(folder, user.user_id, user.group_id)
    chosen = choose_binaries([*candidate_folders()], cluster_major=None)
    return Node(folder, port, reachable_by(user, chosen, SYSTEM_DIR), user)

"""The schema moves on while older processes go on appending: nothing is lost, and no position is left out."""

import shutil
import threading
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import psycopg

from bickford_sora.database.migrations import migrate, read_migrations
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.envelope import Decision
from ledger.recorder import PostgresRecorder
from tests.ledger import version_before
from tests.ledger.ledger_facts import decision, new_stream

OLDER = 6
"""The last migration of the older version."""
WRITERS = 4
APPENDS_BEFORE = 20
APPENDS_AFTER = 20

MIGRATIONS = files("ledger.migrations")


class Writer:
    """A process, in a thread: it keeps the connections it had before the upgrade."""

    def __init__(self, append: Callable[[Decision], object]) -> None:
        self.acknowledged: list[str] = []
        self.failed: list[Exception] = []
        self._append = append
        self._stop = threading.Event()
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def reach(self, count: int) -> None:
        """Waits until so many are acknowledged."""
        with self._moved:
            assert self._moved.wait_for(lambda: len(self.acknowledged) >= count or self.failed, timeout=30)
        assert self.failed == []

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stop.is_set():
            stream = new_stream()
            try:
                self._append(decision((stream, 0)))
            except Exception as error:  # noqa: BLE001 - any of them is what the test looks for
                self.failed.append(error)
                self._stop.set()
            with self._moved:
                self.acknowledged.append(stream)
                self._moved.notify_all()


def test_writers_of_the_older_version_lose_nothing_while_the_schema_moves_on(database_url: str, tmp_path: Path) -> None:
    older = tmp_path / "older"
    with as_file(MIGRATIONS) as folder:
        shutil.copytree(folder, older)
    for migration in read_migrations(older)[OLDER:]:
        (older / str(migration)).unlink()
    migrate(database_url, older, schema="ledger")
    with open_pool(database_url, size_max=WRITERS) as old_pool, open_pool(database_url, size_max=2) as new_pool:
        new = PostgresRecorder(new_pool)

        def append_as_before(decided: Decision) -> None:
            with old_pool.connection() as connection:
                assert version_before.append(connection, decided)[0] == "appended"

        writers = [Writer(append_as_before) for _ in range(WRITERS)]
        try:
            for writer in writers:
                writer.reach(APPENDS_BEFORE)
            applied = [each.number for each in migrate(database_url, MIGRATIONS, schema="ledger")]
            # From here on a process of the newer version appends beside the older ones.
            newer = Writer(Ledger(new).append)
            writers.append(newer)
            counts = [len(writer.acknowledged) for writer in writers]
            for writer, count in zip(writers, counts, strict=True):
                writer.reach(count + APPENDS_AFTER)
        finally:
            for writer in writers:
                writer.stop()
            new.close()
    assert applied == [each.number for each in read_migrations(MIGRATIONS)[OLDER:]]
    acknowledged = {stream for writer in writers for stream in writer.acknowledged}
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select position, stream from ledger.events order by position").fetchall()
    assert [position for position, _ in rows] == list(range(1, len(rows) + 1))
    assert {stream for _, stream in rows} == acknowledged
    assert all(writer.failed == [] for writer in writers)

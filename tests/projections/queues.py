"""Work items written straight into the read model: a queue of any length, without the facts it would be made from."""  # noqa: INP001

from collections import Counter
from datetime import UTC, datetime, timedelta

from projections.leases import Leases, Room, Rooms, WorkItem
from projections.port import Pool
from projections.work import WORK

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
COLUMNS = WORK.tables["items"]


class Street:
    """One renderer, those who wait for it, and what it has: the work loop and the projector in one thread."""

    def __init__(self, pool: Pool, leases: Leases, *, in_flight_max: int | None = 4, **weights: int) -> None:
        self.pool, self.leases = pool, leases
        self.now = NOON
        self.weights = {f"main/{project}": weight for project, weight in weights.items()}
        self.in_flight_max = in_flight_max
        self.submissions_per_minute_max: int | None = None
        self.closed: str | None = None
        self.jobs: list[WorkItem] = []
        self.started: Counter[str] = Counter()
        self._position = 0
        with pool.connection() as connection:
            connection.execute("truncate projection_work.items, work.agenda, work.turns, work.renderers, work.begun")
            connection.execute("update work.taken_over set items = 0, nudges = 0")

    def ask(self, project: str, renders: int = 1, *, rank: int = 1, tenant: str = "main", gpu: str = "gpu") -> None:
        """Renders that are allowed."""
        with self.pool.connection() as connection, connection.cursor() as cursor:
            copy = f"copy projection_work.items ({', '.join(COLUMNS)}) from stdin"
            with cursor.copy(copy) as rows:  # type: ignore[arg-type] - of our own column names
                for _ in range(renders):
                    self.now += timedelta(milliseconds=1)
                    self._position += 1
                    video_id = f"video_{self._position:032x}"
                    place = (f"render:{tenant}:{video_id}", tenant, project, video_id, "submit", None, gpu, None)
                    rows.write_row((*place, rank, self.now, 2, self._position))

    def rooms(self) -> Rooms:
        room = Room(
            renderer="gpu",
            in_flight_max=self.in_flight_max,
            submissions_per_minute_max=self.submissions_per_minute_max,
            submissions_max=0 if self.closed else None,
            closed=self.closed,
        )
        return Rooms(rooms=[room], weights=self.weights)

    def claim(self, limit: int = 8, owner: str = "w1") -> list[WorkItem]:
        self.now += timedelta(milliseconds=1)
        return self.leases.claim(owner, limit, 60, self.now, rooms=self.rooms())

    def start(self, limit: int = 8, owner: str = "w1", *, gives_back: bool = True) -> list[str]:
        """Claims what may be submitted, and submits it. Returns the projects, in turn.

        There are no facts here: what is given back looks as if it had not been sent.
        """
        items = [each for each in self.claim(limit, owner) if each.step == "submit"]
        for item in items:
            self._becomes(item, "follow")
            if gives_back:
                self.leases.release(item, self.now + timedelta(seconds=0.5))
            self.started[item.project] += 1
        self.jobs += items
        return [item.project for item in items]

    def end(self, jobs: int = 1) -> None:
        """The renderer has finished its oldest jobs."""
        for item in self.jobs[:jobs]:
            self._becomes(item, None)
        del self.jobs[:jobs]

    def _becomes(self, item: WorkItem, step: str | None) -> None:
        self._position += 1
        with self.pool.connection() as connection:
            if step is None:
                connection.execute("delete from projection_work.items where stream = %s", (item.stream,))
                return
            connection.execute(
                "update projection_work.items set step = %s, version = version + 2, position = %s where stream = %s",
                (step, self._position, item.stream),
            )

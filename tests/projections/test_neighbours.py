"""Two neighbouring versions work on one database during an upgrade: what the older one reads, the newer one leaves."""  # noqa: INP001

import re
from datetime import timedelta
from pathlib import Path

import pytest
from render_histories import Author

from projections.leases import Leases
from projections.port import Pool
from projections.projector import Projector

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MIGRATIONS = (ROOT / "ledger" / "migrations").glob("*.sql")
SHARED = (ROOT / "projections" / "sql").glob("*/schema.sql")
TAKES_AWAY = re.compile(
    r"drop (table|column|schema|view|constraint|function|trigger|type)|\brename\b|alter column \w+ (set data )?type"
    r"|set not null",
    re.IGNORECASE,
)
CONTRACTED: dict[str, str] = {}
"""By file, what it takes away and which version was the last to use that: an older one than the version before."""


@pytest.mark.parametrize("schema", sorted([*MIGRATIONS, *SHARED]), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_schema_takes_away_what_the_version_before_may_use(schema: Path) -> None:
    statements = re.sub(r"--.*", "", schema.read_text())
    assert TAKES_AWAY.search(statements) is None or schema.name in CONTRACTED


def test_a_worker_of_the_version_before_finishes_beside_the_new_one(
    pool: Pool, projector: Projector, author: Author
) -> None:
    with pool.connection() as connection:
        connection.execute((HERE / "older_work.sql").read_bytes())
    rendered = [author.queued_render() for _ in range(2)]
    author.flush()
    projector.catch_up()

    older = OlderWorker(pool, author)
    assert older.claim(1) == rendered[:1]
    leases = Leases(pool)
    leases.ensure()  # the new version starts
    assert older.claim(2) == rendered[1:], "it goes on, and knows what it has leased"
    assert {each.stream for each in leases.claim("new", 5, 60, author.now + timedelta(hours=1))} == set(rendered)


class OlderWorker:
    """Claims by the statement of that version."""

    def __init__(self, pool: Pool, author: Author) -> None:
        self._pool = pool
        self._now = author.now + timedelta(hours=1)

    def claim(self, limit: int) -> list[str]:
        given = {"steps": None, "now": self._now, "limit": limit, "owner": "older"}
        with self._pool.connection() as connection:
            rows = connection.execute(
                (HERE / "older_claim.sql").read_text(),  # type: ignore[arg-type] - a file of ours
                {**given, "lease_until": self._now + timedelta(minutes=1)},
            )
            return [row[0] for row in rows]

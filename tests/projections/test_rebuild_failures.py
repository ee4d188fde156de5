"""The failure table's rows of a rebuild, on a real database: read models come out as if nothing had failed."""  # noqa: INP001 - tests/ holds rooms, it is no package

from itertools import product
from typing import Any

import psycopg
import pytest
from render_histories import Author, Tables

from ledger.application import Ledger
from projections.lineage import LINEAGE
from projections.port import Pool
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.videos import VIDEOS
from tests.workers.failure_table import REBUILD, Cause, Effect
from tests.workers.harness import Killed, Mischief


class FragileRebuild(Rebuild):
    """A rebuild that can be killed around each of its steps, and whose database can fail there."""

    mischief: Mischief

    def _fill(self, *args: Any, **more: Any) -> Any:
        with self.mischief.around("rebuild.fill"):
            return super()._fill(*args, **more)

    def _swap(self, *args: Any) -> int:
        with self.mischief.around("rebuild.swap"):
            return super()._swap(*args)


def test_a_rebuild_that_fails_anywhere_is_made_again_without_harm(
    *, pool: Pool, ledger: Ledger, projector: Projector, author: Author, tables: Tables
) -> None:
    author.stored_render()
    author.flush()
    projector.catch_up()
    live = tables.everything()
    seen: set[str] = set()
    for step, cause, effect in product(REBUILD, Cause, Effect):
        rebuild = FragileRebuild(ledger, pool, [VIDEOS, LINEAGE])
        rebuild.mischief = Mischief()
        at: Any = step.place, "before" if effect is Effect.NOT_APPLIED else "after"
        if cause is Cause.CRASH:
            rebuild.mischief.kill_at = at
        else:
            rebuild.mischief.fail_at, rebuild.mischief.failure = at, psycopg.OperationalError("no answer")
        with pytest.raises((Killed, psycopg.OperationalError)):
            rebuild.rebuild()
        assert tables.everything() == live, "what is read is whole at any time"
        rebuild.rebuild()
        assert tables.everything() == live
        assert rebuild.check() == []
        seen |= rebuild.mischief.seen
    assert seen == {each.place for each in REBUILD}

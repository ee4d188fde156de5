import random  # noqa: INP001 - tests/ holds rooms, it is no package
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from render_histories import Author, Tables

from bickford_sora.database.migrations import migrate
from ledger.application import Ledger
from ledger.recorder import PostgresRecorder
from projections.port import Pool, Projection
from projections.projector import Projector
from projections.rebuild import Rebuild


@contextmanager
def started_over(pool: Pool, projections: list[Projection]) -> Iterator[Ledger]:
    """A ledger without events in place of the one before, whose types are known to each connection that appended."""
    with pool.connection() as connection:
        for schema in ("ledger", "projections", *(each.schema for each in projections)):
            connection.execute(f"drop schema if exists {schema} cascade".encode())
    migrate(pool, files("ledger.migrations"), schema="ledger")
    pool.drain()
    with closing(PostgresRecorder(pool)) as recorder:
        yield Ledger(recorder)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chooser=st.randoms(use_true_random=False), rounds=st.integers(1, 5), deeds=st.integers(1, 30))
def test_tables_followed_live_equal_tables_rebuilt(
    *,
    chooser: random.Random,
    rounds: int,
    deeds: int,
    pool: Pool,
    projections: list[Projection],
    tables: Tables,
) -> None:
    with started_over(pool, projections) as ledger:
        projector = Projector(ledger, pool, projections)
        projector.ensure()
        author = Author(ledger)
        for _ in range(rounds):
            for _ in range(deeds):
                author.anything(chooser)
            head = author.flush()
            projector.catch_up(until=chooser.randint(0, head))
        assert projector.catch_up() == head
        live = tables.everything()
        assert len(live["audit.events"]) == head
        assert len(live["videos.videos"]) == len(author.renders)
        assert len(live["endpoints.endpoints"]) == sum(not each.deleted for each in author.endpoints.values())
        assert len(live["endpoints.deliveries"]) == len(author.deliveries)
        assert len(live["api_keys.api_keys"]) == len(author.keys)

        Rebuild(ledger, pool, projections).rebuild()

        assert tables.everything() == live
        assert [each.parked for each in projector.lag()] == [0] * len(projections)


def test_a_rebuild_of_one_projection_leaves_the_others_alone(
    author: Author, projector: Projector, rebuild: Rebuild, tables: Tables, pool: Pool
) -> None:
    author.stored_render()
    author.flush()
    projector.catch_up()
    live = tables.everything()
    with pool.connection() as connection:
        connection.execute("update projection_videos.videos set model = 'wrong'")
        connection.execute("update projection_audit.events set actor = 'wrong'")

    rebuild.rebuild("videos")

    now = tables.everything()
    assert now["videos.videos"] == live["videos.videos"]
    assert now["audit.events"] != live["audit.events"]

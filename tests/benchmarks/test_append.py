import json

import psycopg

from .append import ROUNDS, run


def test_the_append_benchmark_measures_both_sides_and_leaves_nothing_behind(server_url: str) -> None:
    progress: list[str] = []
    measured = run(server_url, writers=2, seconds=0.05, on_progress=progress.append)
    assert {"ours_1", "ours_2", "stock_1", "stock_2", "ratio_stock", "ratio_stock_1"} <= set(
        json.loads(json.dumps(measured))
    )
    assert all(measured[name] > 0 for name in ("ours_1", "ours_2", "stock_1", "stock_2"))
    assert len(progress) == ROUNDS * 4
    with psycopg.connect(server_url) as connection:
        left = connection.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'bickford_bench_%'").fetchone()
    assert left == (0,)

"""Read models are held to the ledger, and what could not be read is looked after."""  # noqa: INP001

import pytest
from render_histories import Author, insert_raw

from ledger.application import Ledger
from projections.comparison import Difference
from projections.errors import OtherVersion, RebuildRefused
from projections.port import Pool
from projections.projector import Projector
from projections.rebuild import Rebuild


def test_tables_that_somebody_edited_are_named_row_by_row(
    pool: Pool, projector: Projector, rebuild: Rebuild, author: Author, ledger: Ledger
) -> None:
    streams = sorted(author.stored_render() for _ in range(3))
    head = author.flush()
    projector.catch_up()
    assert rebuild.check() == []
    with pool.connection() as connection:
        connection.execute("update projection_videos.videos set model = 'x', size = 'y' where stream = %s", streams[:1])
        connection.execute("delete from projection_videos.videos where stream = %s", streams[1:2])
        connection.execute("update projection_audit.events set position = position + 1000 where position = 2")
        marked = connection.execute("select min(position) from projection_audit.marks where kind = 'sha256'").fetchone()
        connection.execute("delete from projection_audit.marks where position = %s and kind = 'sha256'", marked)
    author.stored_render()
    author.flush()  # not followed yet: what is compared is what the live tables should hold
    found = rebuild.check()
    assert found == [
        Difference("videos", "videos", streams[0], "changed", ("model", "size")),
        Difference("videos", "videos", streams[1], "missing", ()),
        Difference("audit", "events", "2", "missing", ()),
        Difference("audit", "events", "1002", "unexpected", ()),
        Difference("audit", "marks", str(marked[0]), "changed", ()),
    ]
    assert {each.position for each in projector.lag()} == {head}
    with pool.connection() as connection:
        assert connection.execute("select from pg_namespace where nspname like '%\\_next'").fetchall() == []


def test_tables_of_another_version_are_not_compared(
    pool: Pool, projector: Projector, rebuild: Rebuild, author: Author
) -> None:
    author.stored_render()
    author.flush()
    projector.catch_up()
    with pool.connection() as connection:
        connection.execute("update projections.positions set version = 1 where name = 'videos'")
    with pytest.raises(OtherVersion, match="videos is live in version 1"):
        rebuild.check("videos")


def test_a_check_names_an_event_that_no_longer_validates(
    ledger_database: str, projector: Projector, rebuild: Rebuild, author: Author
) -> None:
    stream = author.stored_render()
    author.flush()
    insert_raw(ledger_database, stream, author.heads[stream] + 1, "render.progress", b"{}")
    projector.catch_up()
    with pytest.raises(RebuildRefused, match=f"{stream} version {author.heads[stream] + 1}"):
        rebuild.check("audit")


def test_a_parked_stream_is_listed_skipped_and_tried_again(
    *, ledger_database: str, pool: Pool, ledger: Ledger, projector: Projector, author: Author
) -> None:
    stream = author.stored_render()
    head = author.flush()
    projector.catch_up()
    version = author.heads[stream] + 1
    insert_raw(ledger_database, stream, version, "render.unheard_of", b'{"f":{},"v":1}')
    projector.catch_up()
    parked = projector.parked()
    assert {(each.stream, each.position, each.error_code) for each in parked} == {
        (stream, head + 1, "unknown_event_type")
    }
    assert {each.name: (each.parked, each.skipped, each.gaps) for each in projector.lag()}["videos"] == (1, 0, 1)

    assert projector.skip(stream) == len(parked)
    assert projector.skip("render:acme:unheard-of") == 0
    insert_raw(ledger_database, stream, version + 1, "render.unheard_of", b'{"f":{},"v":1}')
    projector.catch_up()
    projector.retry_parked()
    assert all(each.skipped_at is not None for each in projector.parked())
    assert {each.name: (each.parked, each.skipped, each.gaps) for each in projector.lag()}["audit"] == (0, 1, 2)

    projector.retry_parked(stream)
    assert all(each.skipped_at is None for each in projector.parked())
    with pool.connection() as connection:  # as an upgrade that knows the type would read it
        connection.execute("alter table ledger.events disable trigger user")
        connection.execute("alter table ledger.events disable trigger events_refuse_change")
        connection.execute("update ledger.events set type = 'render.deleted' where type = 'render.unheard_of'")
        connection.execute("delete from ledger.events where version = %s and stream = %s", (version + 1, stream))
    projector.retry_parked(stream)
    assert projector.parked() == []
    assert {each.gaps for each in projector.lag()} == {0}


def test_a_rebuild_under_way_is_seen(projector: Projector, rebuild: Rebuild, author: Author) -> None:
    author.stored_render()
    author.flush()
    seen: list[set[str]] = []

    def look(_done: int, _total: int) -> None:
        seen.append({each.name for each in projector.lag() if each.rebuilding})

    rebuild.rebuild("videos", "work", on_progress=look)
    assert seen[0] == {"videos", "work"}
    assert [each.name for each in projector.lag() if each.rebuilding] == []

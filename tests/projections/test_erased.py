"""Erasures in the read models: found as work, shown as erased, left out of what can still be read."""  # noqa: INP001

from render_histories import Author, Tables

from ledger import events as e
from ledger import streams
from ledger.events.erasure import Cause
from projections.port import Pool
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.videos import Videos
from projections.work import WORK


def decided(author: Author, stream: str, cause: Cause = "asked") -> e.ErasureDecided:
    subject = author.renders[stream].intent.video_id
    return e.ErasureDecided(subject=subject, kind="render", project="film", cause=cause)


def steps(tables: Tables) -> dict[str, str]:
    """The next step of each stream that has one."""
    return {row[0]: row[4] for row in tables.rows(WORK, "items")}


def test_an_erasure_is_work_until_its_files_are_gone(
    pool: Pool, projector: Projector, author: Author, tables: Tables, rebuild: Rebuild
) -> None:
    asked, retained, kept = (author.stored_render() for _ in range(3))
    author.spend(asked)
    requester = streams.requester("acme", "ann")
    whole = e.ErasureDecided(subject="ann", kind="requester", project="film", cause="asked")
    author.write(requester, whole)
    author.write(asked, decided(author, asked))
    author.write(retained, decided(author, retained, "retention"))
    author.flush()
    projector.catch_up()
    assert steps(tables) == dict.fromkeys((asked, retained, requester), "erase")
    spent = tables.everything()["spend.movements"]
    assert len(spent) == 1

    for stream, reason in ((asked, "asked"), (retained, "retention")):
        author.write(stream, e.SubjectErased(subject=author.renders[stream].intent.video_id, reason=reason))
    author.write(requester, e.SubjectErased(subject="ann", reason="asked"))
    author.flush()
    projector.catch_up()
    assert steps(tables) == {asked: "purge"}, "the end of a prompt's retention leaves the files"
    ids = {stream: author.renders[stream].intent.video_id for stream in (asked, retained, kept)}
    videos = Videos(pool)
    shown = {stream: videos.get("acme", "film", video_id) for stream, video_id in ids.items()}
    assert [each and (each.erased_at is not None, each.erased) for each in shown.values()] == [
        (True, True),
        (True, False),
        (False, False),
    ]
    assert videos.readable("acme", None, "video_g", 10) == [ids[kept]]
    assert videos.readable("acme", ids[kept], "video_g", 10) == []
    assert videos.readable("acme", None, ids[kept], 10) == []

    author.write(asked, e.RenderPurged(renderer_copy="deleted", assets_deleted=1))
    author.flush()
    projector.catch_up()
    assert steps(tables) == {}
    followed = tables.everything()
    assert followed["spend.movements"] == spent
    rebuild.rebuild()
    assert tables.everything() == followed

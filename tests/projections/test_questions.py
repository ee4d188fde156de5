import pytest  # noqa: INP001 - tests/ holds rooms, it is no package
from render_histories import VERDICT, Author

from ledger import events as e
from ledger.envelope import Sealed
from ledger.errors import Unavailable
from projections.audit import AUDIT_EVENTS_MAX, Audit, Claim, Filters
from projections.lineage import Lineage
from projections.port import Pool
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.videos import PAGE_VIDEOS_MAX, Videos


def publish(author: Author, projector: Projector) -> None:
    author.flush()
    projector.catch_up()


def video_id(author: Author, stream: str) -> str:
    return author.renders[stream].intent.video_id


# --- videos -------------------------------------------------------------------------------------


def test_a_video_is_completed_only_once_its_file_is_stored(pool: Pool, projector: Projector, author: Author) -> None:
    videos = Videos(pool)
    stream = author.intent()
    seen = []

    def look() -> None:
        publish(author, projector)
        video = videos.get("acme", "film", video_id(author, stream))
        assert video is not None
        seen.append((video.phase, video.status, video.progress))

    look()
    author.allow(stream)
    look()
    author.start_submission(stream)
    look()
    author.queue(stream)
    look()
    author.write(stream, e.RenderProgress(status="in_progress", progress=40))
    look()
    author.write(stream, e.RenderCompleted())
    look()
    author.store(stream)
    look()
    assert seen == [
        ("intent", "queued", 0),
        ("allowed", "queued", 0),
        ("submitting", "queued", 0),
        ("queued", "queued", 0),
        ("in_progress", "in_progress", 40),
        ("completed", "in_progress", 100),
        ("stored", "completed", 100),
    ]
    video = videos.get("acme", "film", video_id(author, stream))
    assert video is not None
    assert (video.renderer, video.credential, video.job_id) == ("openai", "main", "job-1")
    assert (video.bytes, video.version, video.position) == (1_234, 7, author.ledger.head())
    assert video.storage_uri == f"file:///assets/{video.sha256}"
    assert video.completed_at is not None


def test_a_failure_is_shown_with_its_code_and_sealed_message(pool: Pool, projector: Projector, author: Author) -> None:
    stream = author.queued_render()
    author.write(stream, e.RenderFailed(code="moderation", message=Sealed("c2VhbA=="), failed_by="renderer"))
    publish(author, projector)
    video = Videos(pool).get("acme", "film", video_id(author, stream))
    assert video is not None
    assert (video.status, video.failure_code, video.failure_message) == ("failed", "moderation", "c2VhbA==")


def test_a_video_is_shown_with_what_was_said_of_it_last(pool: Pool, projector: Projector, author: Author) -> None:
    stream = author.stored_render()
    publish(author, projector)
    videos = Videos(pool)

    def seen() -> tuple[object, ...]:
        video = videos.get("acme", "film", video_id(author, stream))
        assert video is not None
        return video.review_verdict, video.review_score, video.reviews

    assert seen() == (None, None, 0)
    said = {"clarity": 1, "continuity": 1, "brand_fit": 1, "review_time_s": 9}
    author.write(stream, e.RenderReviewed(verdict="approved", **said))
    author.write(stream, e.RenderReviewed(verdict="rejected", score=0.885, **said))
    publish(author, projector)
    assert seen() == ("rejected", 0.885, 2)
    assert videos.page("acme", "film").videos[0].reviews == 2


def test_nobody_outside_the_project_sees_a_video(pool: Pool, projector: Projector, author: Author) -> None:
    stream = author.stored_render()
    publish(author, projector)
    videos, lineage, audit = Videos(pool), Lineage(pool), Audit(pool)
    for tenant, project in (("acme", "game"), ("other", "film"), ("", "")):
        assert videos.get(tenant, project, video_id(author, stream)) is None
        assert videos.page(tenant, project).videos == ()
        assert lineage.descendants(tenant, project, video_id(author, stream)) == []
    assert audit.events("other") == []


def test_all_projects_of_a_tenant_are_looked_at_together(pool: Pool, projector: Projector, author: Author) -> None:
    film, game, denied = author.intent(), author.intent(project="game"), author.intent(project="game")
    author.write(denied, e.RenderDenied(verdict=VERDICT, code="budget", message="too dear"))
    publish(author, projector)
    videos = Videos(pool)
    both = [video_id(author, film), video_id(author, game)]
    assert [each.video_id for each in videos.page("acme", None, order="asc").videos] == both
    assert [each.video_id for each in videos.page("acme", None).videos] == both[::-1]
    assert [each.video_id for each in videos.page("acme", None, both[1]).videos] == both[:1]
    assert [each.video_id for each in videos.page("acme", None, both[0], order="asc").videos] == both[1:]
    assert videos.page("acme", None, limit=1).has_more
    assert videos.get("acme", None, both[1]) == videos.get("acme", "game", both[1]) is not None
    assert videos.get("other", None, both[1]) is None
    assert videos.page("other", None).videos == ()


def test_pages_meet_without_gap_or_overlap_in_both_orders(pool: Pool, projector: Projector, author: Author) -> None:
    made = [video_id(author, author.intent()) for _ in range(7)]
    author.intent(project="game")
    publish(author, projector)
    videos = Videos(pool)
    for order, expected in (("asc", made), ("desc", made[::-1])):
        seen: list[str] = []
        after, has_more = None, True
        while has_more:
            page = videos.page("acme", "film", after, 3, order)  # type: ignore[arg-type]
            seen += [video.video_id for video in page.videos]
            after, has_more = seen[-1], page.has_more
        assert seen == expected
    assert not videos.page("acme", "film", limit=7).has_more
    for limit in (0, PAGE_VIDEOS_MAX + 1):
        with pytest.raises(ValueError, match="limit"):
            videos.page("acme", "film", limit=limit)


def test_every_tenant_that_asked_for_a_render_is_named_once(pool: Pool, projector: Projector, author: Author) -> None:
    videos = Videos(pool)
    assert videos.tenants() == []
    others = [Author(author.ledger, tenant=each, now=author.now, job_prefix=each) for each in ("zeta", "main")]
    for each in (author, *others):
        each.intent()
        each.intent(project="other")
        publish(each, projector)
    assert videos.tenants() == ["acme", "main", "zeta"]


def test_deleted_and_denied_videos_are_not_listed(pool: Pool, projector: Projector, author: Author) -> None:
    kept, deleted, denied = author.stored_render(), author.stored_render(), author.intent()
    author.write(deleted, e.RenderDeleted())
    author.write(denied, e.RenderDenied(verdict=VERDICT, code="budget", message="too dear"))
    publish(author, projector)
    videos = Videos(pool)
    assert [video.video_id for video in videos.page("acme", "film").videos] == [video_id(author, kept)]
    gone = videos.get("acme", "film", video_id(author, deleted))
    assert gone is not None
    assert gone.deleted_at is not None


def test_a_reader_with_prepared_statements_sees_the_rebuilt_table(
    pool: Pool, projector: Projector, rebuild: Rebuild, author: Author
) -> None:
    stream = author.stored_render()
    publish(author, projector)
    videos = Videos(pool)
    for _ in range(10):
        assert len(videos.page("acme", "film").videos) == 1
    rebuild.rebuild()
    author.write(stream, e.RenderDeleted())
    publish(author, projector)
    for _ in range(10):
        assert videos.page("acme", "film").videos == ()


def test_a_database_that_is_away_is_unavailable(pool: Pool, projector: Projector) -> None:
    pool.close()
    with pytest.raises(Unavailable):
        Videos(pool).get("acme", "film", "video_" + "0" * 32)


# --- lineage ------------------------------------------------------------------------------------


def test_the_family_of_a_video(pool: Pool, projector: Projector, author: Author) -> None:
    first = video_id(author, author.stored_render())
    second = video_id(author, author.stored_render(first))
    third = video_id(author, author.intent(source=second))
    sibling = video_id(author, author.intent(source=first))
    denied = author.intent(source=first)
    author.write(denied, e.RenderDenied(verdict=VERDICT, code="budget", message="too dear"))
    publish(author, projector)
    lineage = Lineage(pool)
    up = lineage.ancestors("acme", "film", third)
    assert [(edge.parent_video_id, edge.child_video_id, edge.depth) for edge in up] == [
        (second, third, 1),
        (first, second, 2),
    ]
    down = lineage.descendants("acme", "film", first)
    assert [(edge.parent_video_id, edge.child_video_id, edge.depth) for edge in down] == [
        (first, second, 1),
        (first, sibling, 1),
        (second, third, 2),
    ]
    assert {edge.operation for edge in down} == {"remix"}
    assert lineage.ancestors("acme", "film", first) == []


def test_a_family_is_followed_so_far_and_no_further(
    pool: Pool, projector: Projector, author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.lineage.LINEAGE_DEPTH_MAX", 3)
    family = [video_id(author, author.intent())]
    for _ in range(6):
        family.append(video_id(author, author.intent(source=family[-1])))
    publish(author, projector)
    assert [edge.child_video_id for edge in Lineage(pool).descendants("acme", "film", family[0])] == family[1:4]
    assert len(Lineage(pool).ancestors("acme", "film", family[-1])) == 3


# --- audit --------------------------------------------------------------------------------------


def test_every_fact_of_a_render_is_found_by_video_and_by_requester(
    pool: Pool, projector: Projector, author: Author
) -> None:
    anns, bobs = author.stored_render(), author.intent(requester="bob")
    author.spend(anns)
    author.webhook("job-1")
    publish(author, projector)
    audit = Audit(pool)
    everything = audit.events("acme")
    assert [event.position for event in everything] == list(range(1, author.ledger.head() + 1))
    of_video = audit.events("acme", Filters(video_id=video_id(author, anns)))
    assert {event.type for event in of_video} == {
        "render.intent",
        "render.allowed",
        "render.submission_started",
        "render.queued",
        "render.completed",
        "render.stored",
        "job.claimed",
        "spend.reserved",
        "webhook.received",
    }
    assert audit.events("acme", Filters(requester="ann")) == of_video
    assert audit.events("acme", Filters(project="film", requester="ann")) == of_video
    assert [event.stream for event in audit.events("acme", Filters(requester="bob"))] == [bobs]
    assert audit.events("acme", Filters(requester="nobody")) == []


def test_a_job_is_found_by_its_name_and_by_its_video(pool: Pool, projector: Projector, author: Author) -> None:
    first, second = author.queued_render("job-1"), author.queued_render("job-2")
    publish(author, projector)
    audit = Audit(pool)
    (claim,) = audit.claims("acme", job_ids=["job-1", "job-9"])
    assert claim == Claim("openai", "job-1", video_id(author, first))
    assert audit.claims("acme", video_ids=[video_id(author, second)])[0].job_id == "job-2"
    assert audit.claims("another", job_ids=["job-1"]) == audit.claims("acme") == []


def test_the_audit_is_filtered_by_what_it_holds(pool: Pool, projector: Projector, author: Author) -> None:
    author.stored_render()
    author.webhook("job-1")
    publish(author, projector)
    audit = Audit(pool)
    everything = audit.events("acme")
    (webhook,) = audit.events("acme", Filters(webhook_event_id="wh_1"))
    assert (webhook.type, webhook.job_id, webhook.renderer) == ("webhook.received", "job-1", "openai")
    assert [event.code for event in audit.events("acme", Filters(type="render.completed"))] == [None]
    assert audit.events("acme", Filters(actor="worker")) == everything
    assert audit.events("acme", Filters(actor="eve")) == []
    assert audit.events("acme", after=3, limit=2) == everything[3:5]
    assert audit.events("acme", after=3, before=9, limit=2, order="desc") == everything[6:8][::-1]
    assert everything[0].trace == "0a" * 16
    for limit in (0, AUDIT_EVENTS_MAX + 1):
        with pytest.raises(ValueError, match="limit"):
            audit.events("acme", limit=limit)

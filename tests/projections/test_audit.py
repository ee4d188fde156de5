"""The audit in PostgreSQL answers as one that reads the ledger more plainly; questions find what they say."""  # noqa: INP001

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from psycopg import sql
from render_histories import SHA, START, Author, Tables, insert_raw

from ledger import events as e
from ledger.application import Ledger
from ledger.envelope import Context, Decision
from ledger.identifiers import new_uuid7
from ledger.sql import query
from projections.api_keys import API_KEYS
from projections.audit import _HASHED, AUDIT, CAUSES_MAX, Audit, Filters
from projections.audit import _page as _statement
from projections.errors import OtherVersion
from projections.port import Pool, Projection
from projections.projector import Projector
from projections.questions import QUESTIONS, UNUSED_DAYS, Questions
from projections.rebuild import Rebuild
from projections.spend import SPEND
from projections.videos import VIDEOS
from tests.http.folded_audit import FoldedAudit

STEPS = 60


@pytest.fixture
def projections() -> list[Projection]:
    return [AUDIT, VIDEOS, SPEND, API_KEYS]


def test_every_filter_finds_what_a_plain_reading_finds(
    pool: Pool, ledger: Ledger, projector: Projector, author: Author
) -> None:
    choice = random.Random(7)  # noqa: S311 - a test to be repeated
    for _ in range(STEPS):
        author.anything(choice)
        author.flush()
    author.stored_render()
    author.flush()
    projector.catch_up()
    audit, folded = Audit(pool), FoldedAudit(ledger)
    everything = folded.events("acme", Filters(), limit=10_000)
    assert audit.events("acme") == everything
    asked = [(filters, _page(len(everything), choice)) for filters in _filters(everything, choice) for _ in range(2)]
    expected = [folded.events("acme", filters, **page) for filters, page in asked]
    for all_share_a_hash in (False, True):
        if all_share_a_hash:
            _take_hashes_away(pool)
        assert [audit.events("acme", filters, **page) for filters, page in asked] == expected
        assert audit.events("other", Filters(type="render.intent")) == []


def test_facts_whose_stream_is_parked_are_counted_for_their_tenant(
    *, ledger_database: str, pool: Pool, projector: Projector, author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [author.stored_render(), author.stored_render()]
    head = author.flush()
    audit = Audit(pool)
    projector.catch_up()
    assert audit.parked("acme") == 0
    for stream in streams:
        insert_raw(ledger_database, stream, author.heads[stream] + 1, "render.unheard_of", b'{"f":{},"v":1}')
        insert_raw(ledger_database, stream, author.heads[stream] + 2, "render.unheard_of", b'{"f":{},"v":1}')
    assert audit.parked("acme") == 0, "it is not that far"
    projector.catch_up()
    assert len(audit.events("acme")) == head
    assert audit.parked("acme") == 4
    assert audit.parked("other") == 0
    monkeypatch.setattr("projections.audit.PARKED_COUNTED_MAX", 3)
    assert audit.parked("acme") == 3, "counted to the limit"


def test_a_renderers_webhook_is_told_to_the_tenant_whose_job_it_is_about_and_to_no_other(
    *, pool: Pool, ledger: Ledger, projector: Projector, rebuild: Rebuild, author: Author, tables: Tables
) -> None:
    operator = Author(ledger, tenant="main", job_prefix="job")
    stream = author.intent()
    author.allow(stream)
    author.start_submission(stream)
    author.queue(stream, "job-1")
    author.flush()
    for job_id in ("job-1", "job-nobodys"):  # receipts are the operator's, who is asked for all of them
        operator.webhook(job_id)
    operator.flush()
    projector.catch_up()
    audit, webhooks = Audit(pool), Filters(type="webhook.received")
    video_id = author.renders[stream].intent.video_id
    [theirs] = audit.events("acme", Filters(type="webhook.received", project="film"))
    assert (theirs.tenant, theirs.video_id, theirs.job_id) == ("acme", video_id, "job-1")
    assert audit.events("acme", Filters(video_id=video_id))[-1] == theirs
    assert [each.job_id for each in audit.events("main", webhooks)] == ["job-nobodys"]
    assert audit.events("main", webhooks) == FoldedAudit(ledger).events("main", webhooks, limit=10)
    live = tables.everything()
    rebuild.rebuild()
    assert tables.everything() == live


def test_attempts_of_a_delivery_are_told_to_the_project_whose_video_it_is_about(
    *, pool: Pool, ledger: Ledger, projector: Projector, rebuild: Rebuild, author: Author, tables: Tables
) -> None:
    video_id = author.renders[author.stored_render()].intent.video_id
    delivery = author.deliver(author.endpoint(), "evt_1", video_id)
    author.flush()
    projector.catch_up()  # what was scheduled is then read from the ledger
    author.attempt(delivery, http_status=503)
    author.write(delivery, e.DeliveryGivenUp(reason="retries_exhausted"))
    author.flush()
    projector.catch_up()
    audit = Audit(pool)
    asked = Filters(project="film", video_id=video_id)
    later = audit.events("acme", asked)[-2:]
    assert [each.type for each in later] == ["delivery.attempted", "delivery.given_up"]
    assert audit.events("acme", asked) == FoldedAudit(ledger).events("acme", asked, limit=100)
    live = tables.everything()
    rebuild.rebuild()
    assert tables.everything() == live


def test_tables_of_another_version_are_named_as_that(pool: Pool, projector: Projector) -> None:
    projector.catch_up()
    with pool.connection() as connection:
        connection.execute("drop function projection_audit.begins cascade")
    with pytest.raises(OtherVersion, match="Run `bickford-sora replay` first"):
        Audit(pool).events("acme")


@pytest.mark.parametrize("asked", [*_HASHED, "", "rule"])
def test_a_page_of_one_value_is_read_in_the_order_of_an_index(pool: Pool, projector: Projector, asked: str) -> None:
    projector.catch_up()
    bounds = dict.fromkeys(("stream", "correlation", "causation", "cost_micro_min", "cost_micro_max", "currency"))
    values = dict.fromkeys((*_HASHED, "video_id", "mark", "mark_kind"))
    asked_for = {**bounds, **values, "tenant": "acme", "after": 0, "before": 99, "first": 1, "last": 98, "limit": 5}
    filters = Filters(**({asked: "x"} if asked else {}))
    asked_for |= {"mark": "x", "mark_kind": "rule"} if asked == "rule" else {asked: "x"}
    with pool.connection() as connection, connection.transaction(force_rollback=True):
        connection.execute("set local enable_seqscan = off")
        connection.execute("set local enable_bitmapscan = off")
        statement = sql.SQL("explain ") + _statement(filters, marked=int(asked == "rule"), order="desc")
        plan = "\n".join(line for (line,) in connection.execute(statement, asked_for))
    assert "Sort" not in plan
    assert "Index Scan Backward" in plan


def _page(events: int, choice: random.Random) -> dict[str, Any]:
    """Where to look, in which direction, and for how many."""
    bounds = {"after": choice.randint(0, 9), "before": events - choice.randint(0, 9)}
    return {**bounds, "order": choice.choice(["asc", "desc"]), "limit": choice.choice([1, 5, 1000])}


def _take_hashes_away(pool: Pool) -> None:
    """From here on all values have the same hash: only what they say tells them apart."""
    with pool.connection() as connection:
        connection.execute(
            "create or replace function projection_audit.hashed(tenant text, value text) returns bigint "
            "language sql immutable parallel safe return 0::bigint"
        )
        connection.execute("reindex table projection_audit.events")
        connection.execute("reindex table projection_audit.marks")


def _filters(events: list[Any], choice: random.Random) -> list[Filters]:
    """Filters by one thing, by two, and by marks."""
    names = ("project", "stream", "video_id", "job_id", "type", "actor", "requester", "trace", "currency")
    single = [{name: getattr(event, name)} for name in names for event in choice.sample(events, 3)]
    sha = next(each.video_id for each in events if each.type == "render.stored").removeprefix("video_") * 2
    marks: list[dict[str, Any]] = [
        {"rule": "r1"},
        {"sha256": sha},
        {"storage_uri": f"file:///assets/{sha}"},
        {"rule": "x"},
    ]
    marks += [{"sha256": sha, "storage_uri": f"file:///assets/{sha}"}, {"sha256": sha, "rule": "r1"}]
    costs: list[dict[str, Any]] = [{"cost_micro_min": 400_000}, {"cost_micro_max": 1}, {"cost_micro_min": 400_001}]
    kinds = [*single, *marks, *costs]
    pairs = [{**choice.choice(kinds), **choice.choice(kinds)} for _ in range(20)]
    return [Filters(**each) for each in (*kinds, *pairs)]


def test_what_led_to_a_fact_and_what_it_led_to_is_followed_to_its_ends(
    pool: Pool, ledger: Ledger, projector: Projector, author: Author
) -> None:
    stream = author.stored_render()
    author.flush()
    cause = ledger.history(stream)[-1].event_id
    request = new_uuid7(author.clock)
    for number in range(CAUSES_MAX + 3):  # a chain in streams of its own, and a branch at each step
        context = Context("acme", "worker", author.clock(), correlation=request, causation=cause)
        facts = [(f"test:{number}", e.RenderCancelled(reason="operator")), (f"test:b{number}", e.RenderDeleted())]
        decision = Decision.of(facts, heads={}, context=context, new_id=lambda: new_uuid7(author.clock))
        ledger.append(decision)
        cause = decision.events[0].event_id
    projector.catch_up()
    audit, folded = Audit(pool), FoldedAudit(ledger)
    first = ledger.history("test:0")[0].event_id
    assert audit.causes("acme", cause) == folded.causes("acme", cause)[:CAUSES_MAX]
    assert len(audit.causes("acme", cause)) == CAUSES_MAX
    assert audit.causes("acme", first) == folded.causes("acme", first) != []
    assert audit.effects("acme", first, limit=50) == folded.effects("acme", first, limit=50)
    assert audit.effects("acme", cause) == []
    assert audit.effects("other", first) == audit.causes("other", cause) == []
    assert audit.event("acme", first) == folded.event("acme", first) != None  # noqa: E711 - a chain
    assert audit.event("other", first) is None
    assert len(audit.events("acme", Filters(correlation=request))) == 2 * (CAUSES_MAX + 3)


# --- ready-made questions ------------------------------------------------------------------------------------------


def found(questions: Questions, name: str, author: Author, *, days: float = 0, project: str | None = None) -> list[Any]:
    answer = questions.ask("acme", project, name, author.now + timedelta(days=days))
    assert questions.ask("other", None, name, author.now + timedelta(days=days)).rows == []
    first = "key_id" if name == "unused_keys" else "video_id"
    return [row[first] for row in answer.rows]


def test_a_key_that_records_nothing_for_long_is_found(pool: Pool, projector: Projector, author: Author) -> None:
    idle, ended = author.key(), author.key(expires_at=START + timedelta(days=2))
    revoked, busy = author.key(project="game"), author.key(project="game")
    keys = {name: author.keys[stream].key_id for name, stream in (("idle", idle), ("busy", busy))}
    author.write(revoked, e.KeyRevoked(key_id=author.keys[revoked].key_id, project="game"))
    author.flush()
    projector.catch_up()
    questions = Questions(pool)
    assert ended in author.keys
    assert found(questions, "unused_keys", author) == []
    assert found(questions, "unused_keys", author, days=UNUSED_DAYS + 1) == sorted(keys.values())
    assert found(questions, "unused_keys", author, days=UNUSED_DAYS + 1, project="game") == [keys["busy"]]
    _asks(author, keys["busy"])  # it is recorded now, by the database's clock, long after `START`
    projector.catch_up()
    assert found(questions, "unused_keys", author, days=UNUSED_DAYS + 1) == [keys["idle"]]


def _asks(author: Author, actor: str) -> None:
    context = Context("acme", actor, author.clock())
    fact = e.RenderDeleted()
    author.ledger.append(
        Decision.of([("test:1", fact)], heads={}, context=context, new_id=lambda: new_uuid7(author.clock))
    )


def test_an_approval_nobody_answered_in_time_is_found(pool: Pool, projector: Projector, author: Author) -> None:
    held, answered = author.intent(), author.intent()
    verdict = e.Verdict(policy_hash=SHA, rules=("long",))
    asked = e.RenderApprovalRequested(approval_id="a", verdict=verdict, expires_at=author.now + timedelta(days=1))
    author.write(held, asked)
    author.write(answered, asked, e.RenderApproved(approval_id="a", approver="bob"))
    author.allow(answered)
    author.flush()
    projector.catch_up()
    questions = Questions(pool)
    assert found(questions, "expired_approvals", author) == []
    video_id = author.renders[held].intent.video_id
    assert found(questions, "expired_approvals", author, days=2) == [video_id]
    assert found(questions, "expired_approvals", author, days=2, project="game") == []


def test_what_cost_something_and_has_no_video_is_found(pool: Pool, projector: Projector, author: Author) -> None:
    cost = e.Money(amount_micro=400_000, currency="USD")
    stored, failed, free = author.stored_render(), author.queued_render(), author.queued_render()
    for stream, settled in ((stored, cost), (failed, cost), (free, None)):
        video_id = author.renders[stream].intent.video_id
        author.write("spend:acme", e.SpendReserved(video_id=video_id, cost=cost))
        author.write("spend:acme", e.SpendSettled(video_id=video_id, cost=settled))
    author.write(failed, e.RenderFailed(code="broken", failed_by="renderer"))
    author.flush()
    projector.catch_up()
    questions = Questions(pool)
    assert found(questions, "spend_without_video", author) == [author.renders[failed].intent.video_id]
    assert found(questions, "spend_without_video", author, project="game") == []


def test_an_intent_nobody_decided_on_is_found(pool: Pool, projector: Projector, author: Author) -> None:
    undecided = author.intent()
    author.stored_render()
    author.flush()
    projector.catch_up()
    questions = Questions(pool)
    assert found(questions, "videos_without_decision", author) == [author.renders[undecided].intent.video_id]
    author.allow(undecided)
    author.flush()
    projector.catch_up()
    assert found(questions, "videos_without_decision", author) == []


@pytest.mark.parametrize("name", ["expired_approvals", "videos_without_decision"])
def test_a_question_finds_a_renders_facts_by_its_stream_and_not_in_the_whole_ledger(
    pool: Pool, projector: Projector, author: Author, name: str
) -> None:
    author.intent()
    author.flush()
    projector.catch_up()
    asked = {"tenant": "acme", "project": None, "at": START, "days": UNUSED_DAYS, "limit": 10}
    statement = "explain " + query(name, "projections.sql.questions")
    with pool.connection() as connection, connection.transaction():
        for other in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
            connection.execute(f"set local enable_{other} = off")  # of so few facts any plan is cheap
        plan = "\n".join(row[0] for row in connection.execute(statement, asked, prepare=False))
    assert "Index Scan using events_stream_version_key" in plan, plan
    assert "Index Cond: (stream = " in plan, plan


def test_every_question_has_an_answer_and_no_other_name_does(pool: Pool, projector: Projector) -> None:
    projector.catch_up()
    for name in QUESTIONS:
        assert replace(Questions(pool).ask("acme", None, name, START), name="") is not None
    with pytest.raises(KeyError):
        Questions(pool).ask("acme", None, "drop table", START)

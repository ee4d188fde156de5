"""Words are found where they were written, until they are erased."""  # noqa: INP001

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql

from bickford_sora.composition.books import PROJECTIONS, lags, open_books
from bickford_sora.database.pool import open_pool
from bickford_sora.settings import Settings
from ledger import events as e
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Context, Decision, Fact, Sealed
from ledger.identifiers import new_uuid7
from ledger.keys import Keys
from ledger.keystore import PostgresKeyStore
from ledger.recorder import PostgresRecorder
from projections import search as module
from projections.audit import AUDIT, Audit, Filters
from projections.port import Pool, Projection
from projections.projector import Projector
from projections.search import Search

ANN, BOB = "req-ann", "req-bob"


class Writer:
    """Records prompts and errors as the gateway does: sealed."""

    def __init__(self, ledger: Ledger, keys: Keys) -> None:
        self.ledger = ledger
        self.keys = keys
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self.heads: dict[str, int] = {}

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def record(self, stream: str, fact: Fact) -> None:
        head = self.heads.get(stream, 0)
        decision = Decision.of(
            [(stream, fact)],
            heads={stream: head},
            context=Context("acme", "worker", self.clock()),
            new_id=lambda: new_uuid7(self.clock),
        )
        self.ledger.append(decision)
        self.heads[stream] = head + 1

    def ask(self, prompt: str, requester: str = ANN, **texts: str) -> str:
        """A new render's video id."""
        video_id = streams.video_id(new_uuid7(self.clock))
        fact = e.RenderIntent(
            video_id=video_id,
            project="film",
            requester=requester,
            model="sora-2",
            seconds="4",
            size="1280x720",
            prompt=self.keys.seal(prompt, requester=requester, subject=video_id, field="render.intent.prompt"),
            text_fields={
                name: self.keys.seal(text, requester=requester, subject=video_id, field=f"render.intent.{name}")
                for name, text in texts.items()
            },
        )
        self.record(streams.render("acme", video_id), fact)
        return video_id

    def fail(self, video_id: str, message: str, requester: str = ANN) -> None:
        sealed = self.keys.seal(message, requester=requester, subject=video_id, field="render.failed.message")
        fact = e.RenderFailed(code="blocked", message=sealed, failed_by="renderer")
        self.record(streams.render("acme", video_id), fact)

    def erase(self, subject: str, *, requester: str = ANN) -> None:
        self.keys.destroy(requester=requester, subject=None if subject == requester else subject)
        self.record(f"requester:acme:{len(self.heads)}", e.SubjectErased(subject=subject, reason="asked"))


@pytest.fixture
def projections() -> list[Projection]:
    return [AUDIT]


@pytest.fixture
def keys(pool: Pool) -> Keys:
    return Keys(b"m" * 32, PostgresKeyStore(PostgresRecorder(pool)))


@pytest.fixture
def writer(ledger: Ledger, keys: Keys) -> Writer:
    return Writer(ledger, keys)


@pytest.fixture
def search(ledger: Ledger, keys: Keys, pool: Pool) -> Search:
    made = Search(ledger, keys, pool)
    made.ensure()
    return made


class Finder:
    """Asks the audit for words, once everything has caught up."""

    def __init__(self, audit: Audit, projector: Projector, search: Search) -> None:
        self.audit = audit
        self.projector = projector
        self.search = search

    def __call__(self, text: str, tenant: str = "acme", **filters: str) -> list[str]:
        self.projector.catch_up()
        self.search.catch_up()
        return [f"{each.video_id} {each.type}" for each in self.audit.events(tenant, Filters(text=text, **filters))]


@pytest.fixture
def found(pool: Pool, projector: Projector, search: Search) -> Finder:
    return Finder(Audit(pool), projector, search)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Äpfel", "äpfel"),
        ("naïve", "NAÏVE"),
        ("ЖДЯ", "ждя"),
        ("Straße", "STRASSE"),
        ("O\u0308l", "\u00f6l"),
        ("\u00f6l", "O\u0308L"),
    ],
)
def test_words_are_found_however_their_letters_are_written(
    writer: Writer, found: Finder, written: str, asked: str
) -> None:
    video_id = writer.ask(f"a {written} at sea")
    assert found(asked) == found(written) == found(f'"{asked} at"') == [f"{video_id} render.intent"]


def test_words_are_found_in_prompts_fields_and_errors(writer: Writer, found: Finder) -> None:
    kite = writer.ask("A red Kite over the sea", negative_prompt="clouds")
    boat = writer.ask("A boat", BOB)
    writer.fail(boat, "The sea is too rough", BOB)
    assert found("kite") == found("red KITE") == found("clouds") == [f"{kite} render.intent"]
    assert found("sea") == [f"{kite} render.intent", f"{boat} render.failed"]
    assert found('"rough sea"') == found("kite boat") == found("'; drop table") == found("") == []
    assert found("kite or boat") == [f"{kite} render.intent", f"{boat} render.intent"]
    assert found("sea -rough") == [f"{kite} render.intent"]
    assert found("sea", requester=BOB) == found("sea", type="render.failed") == [f"{boat} render.failed"]
    assert found("sea", tenant="another") == []


def test_what_was_erased_is_found_no_more_and_a_replay_does_not_revive_it(
    writer: Writer, found: Finder, search: Search, pool: Pool
) -> None:
    mine, other, theirs = writer.ask("sea one"), writer.ask("sea two"), writer.ask("sea three", BOB)
    writer.fail(mine, "sea")
    assert len(found("sea")) == 4
    writer.erase(mine)
    assert found("sea") == [f"{other} render.intent", f"{theirs} render.intent"]
    writer.erase(ANN)
    assert found("sea") == [f"{theirs} render.intent"]
    search.clear()
    assert search.reached() == 0
    assert found("sea") == [f"{theirs} render.intent"]
    with pool.connection() as connection:
        assert connection.execute("select count(*) from search.texts").fetchone() == (1,)


def test_a_damaged_text_hinders_no_other(writer: Writer, found: Finder) -> None:
    video_id = writer.ask("sea")
    fact = e.RenderFailed(code="blocked", message=Sealed("s1.not-what-was-sealed"), failed_by="renderer")
    writer.record(streams.render("acme", video_id), fact)
    assert found("sea") == [f"{video_id} render.intent"]


def test_an_index_of_another_version_or_ahead_of_the_ledger_begins_anew(
    writer: Writer, found: Finder, search: Search, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.ask("sea")
    assert len(found("sea")) == 1
    search.ensure()
    assert search.reached() == 1, "there is nothing to do"
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    search.ensure()
    assert search.reached() == 0
    assert len(found("sea")) == 1
    with pool.connection() as connection:
        connection.execute(sql.SQL("update search.progress set position = 99"))
    search.ensure()
    assert search.reached() == 0


def test_it_can_be_removed_with_all_it_holds(writer: Writer, found: Finder, search: Search, pool: Pool) -> None:
    writer.ask("sea")
    found("sea")
    search.drop()
    with pool.connection() as connection:
        assert connection.execute("select to_regclass('search.texts')").fetchone() == (None,)
    search.ensure()
    assert len(found("sea")) == 1


class Interrupted(Keys):
    """Keys that something comes between while they are read."""

    def __init__(self, pool: Pool, happens: Callable[[], object]) -> None:
        super().__init__(b"m" * 32, PostgresKeyStore(PostgresRecorder(pool)))
        self._happens = happens

    def open_all(self, sealed: Iterable[Sealed]) -> dict[Sealed, str | None]:
        self._happens()
        return super().open_all(sealed)


PATIENCE_S = 2.0
"""How long the server waits for a transaction that does nothing."""


def test_texts_may_take_longer_to_read_than_a_transaction_may_wait(
    ledger_database: str, ledger: Ledger, writer: Writer, pool: Pool
) -> None:
    slow = Interrupted(pool, lambda: time.sleep(2 * PATIENCE_S))
    writer.ask("A heron lifts off")
    with open_pool(ledger_database, size_max=2, idle_in_transaction_timeout_s=PATIENCE_S) as impatient:
        search = Search(ledger, slow, impatient)
        search.ensure()
        assert search.catch_up() == ledger.head()


def test_a_batch_that_another_process_took_in_meanwhile_is_left_to_it(
    ledger: Ledger, writer: Writer, pool: Pool, search: Search
) -> None:
    video_id = writer.ask("A heron lifts off")

    def meanwhile() -> None:
        search.catch_up()
        writer.erase(video_id)
        search.catch_up()

    assert Search(ledger, Interrupted(pool, meanwhile), pool).step() == 1
    with pool.connection() as connection:
        assert connection.execute("select from search.texts").fetchall() == [], "what was erased meanwhile stays erased"


def test_the_index_is_told_of_beside_the_read_models_unless_it_is_gone(database_url: str, tmp_path: Path) -> None:
    with open_books(Settings(data_dir=tmp_path / "data", database_url=database_url)) as books:
        assert books.search is not None
        assert {each.name for each in lags(books)} == {*(each.name for each in PROJECTIONS), module.NAME}
        books.search.drop()  # by a process where it is switched off
        assert {each.name for each in lags(books)} == {each.name for each in PROJECTIONS}

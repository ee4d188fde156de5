"""The event sourcing library's known traps, by their numbers, shown not to lie on our path.

F4 and F5 (a missed wake-up, a subscription that dies) are in test_following.py, F9 concerns a part that is not used.
"""

import inspect
from collections.abc import Sequence

import pytest
from eventsourcing.persistence import InfrastructureFactory

from ledger import following, recorder, sending
from ledger.application import Ledger
from ledger.committer import Answer, ConnectionBroken
from ledger.envelope import PAYLOAD_BYTES_MAX, Decision
from ledger.events import TYPES, Asset, RenderStored
from ledger.mapper import FactMapper
from ledger.wire import Encoded

from .ledger_facts import CONTEXT, NOON, allowed, decision, event, intent, new_id, new_stream, rows_of, small


def test_f1_a_save_of_five_megabytes_does_not_hang(ledger: Ledger) -> None:
    stream = new_stream()
    prompt = "x" * (PAYLOAD_BYTES_MAX - 1_000)
    facts = [(stream, intent(prompt))] * 21
    large = Decision.of(facts, heads={stream: 0}, context=CONTEXT, new_id=new_id)
    assert sum(len(row.state) for row in rows_of(large)) > 5 * 1024 * 1024
    ledger.append(large)
    assert [each.version for each in ledger.history(stream)] == list(range(1, 22))


def test_f1_a_save_of_twenty_thousand_events_does_not_hang(ledger: Ledger) -> None:
    stream = new_stream()
    ledger.append(decision((stream, 0), facts=20_000))
    assert ledger.head() == 20_000
    assert ledger.history(stream, after=19_999)[0].position == 20_000
    ledger.append(decision((new_stream(), 0)))  # and nobody holds the lock afterwards


@pytest.mark.parametrize("prefix", ["", "LEDGER_"])
def test_f2_f3_the_environment_cannot_choose_another_recorder(
    monkeypatch: pytest.MonkeyPatch, prefix: str, recorder: recorder.PostgresRecorder
) -> None:
    for name, value in {
        "POSTGRES_ENABLE_DB_FUNCTIONS": "y",
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "AGGREGATE_CACHE_MAXSIZE": "10",
        "IS_SNAPSHOTTING_ENABLED": "y",
        "CIPHER_TOPIC": "nowhere:Nothing",
        "COMPRESSOR_TOPIC": "nowhere:Nothing",
        "APPLICATION_RECORDER_TOPIC": "nowhere:Nothing",
    }.items():
        monkeypatch.setenv(prefix + name, value)
    ledger = Ledger(recorder)
    assert ledger.recorder is recorder
    assert ledger.repository.cache is None
    assert ledger.snapshots is None
    assert isinstance(ledger.factory, InfrastructureFactory)
    assert type(ledger.factory).__module__ == "eventsourcing.popo"
    stream = new_stream()
    ledger.save(event(stream, 1, small()))
    assert ledger.head() == 1


def test_f2_f3_no_module_of_ours_reaches_the_librarys_own_postgres_recorder() -> None:
    for module in (recorder, sending, following):
        assert "eventsourcing.postgres" not in inspect.getsource(module)


class SendThatLosesItsAcknowledgement:
    """Commits, and then the connection breaks before the answer arrives."""

    def __init__(self, ledger: Ledger, losses: int) -> None:
        self._send = ledger.recorder._committer._send
        self.losses = losses
        ledger.recorder._committer._send = self

    def __call__(self, batch: Sequence[Encoded]) -> Sequence[Answer]:
        answers = self._send(batch)
        if self.losses:
            self.losses -= 1
            raise ConnectionBroken("after the commit")
        return answers


def test_f6_a_commit_whose_acknowledgement_was_lost_is_not_reported_as_a_conflict(ledger: Ledger) -> None:
    send = SendThatLosesItsAcknowledgement(ledger, losses=2)
    stream = new_stream()
    answer = ledger.append(decision((stream, 0), facts=2))
    assert (answer.first_position, answer.replayed) == (1, True)
    assert send.losses == 0
    assert ledger.head() == 2


def test_f6_also_when_another_writer_went_on_from_there(ledger: Ledger) -> None:
    stream = new_stream()
    lost = decision((stream, 0))
    first = ledger.append(lost)
    ledger.append(decision((stream, 1)))
    assert ledger.append(lost) == first._replace(replayed=True)


def test_f7_the_order_is_read_in_batches_not_one_transaction_an_event(ledger: Ledger) -> None:
    ledger.append(decision((new_stream(), 0), facts=500))
    assert len(ledger.read(0, limit=following.BATCH_EVENTS_MAX)) == 500


def test_f8_a_read_by_topic_is_refused_instead_of_scanning_the_table(ledger: Ledger) -> None:
    with pytest.raises(NotImplementedError):
        ledger.recorder.select_notifications(1, 10, topics=("render.stored",))


def stored() -> RenderStored:
    asset = Asset(
        variant="video",
        storage_uri="file:///v.mp4",
        sha256="a" * 64,
        bytes=1,
        media_type="video/mp4",
        width=720,
        height=1280,
        made_by="renderer",
        has_c2pa=False,
    )
    return RenderStored(assets=(asset, asset))


@pytest.mark.parametrize("fact", [intent(), allowed(), stored()], ids=lambda fact: fact.TYPE)
def test_f10_events_come_back_equal_whole_and_copyable(fact: RenderStored) -> None:
    mapper = FactMapper()
    written = event(new_stream(), 1, fact)
    read = mapper.to_domain_event(mapper.to_stored_event(written))
    assert read == written
    assert read.fact.model_copy(update={}) == fact
    assert hash(read.event_id) == hash(written.event_id)
    assert type(read.fact) is TYPES[fact.TYPE]
    assert read.context.occurred_at == NOON

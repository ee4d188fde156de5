"""A backup from before an erasure is restored: all of it is erased again, whoever dies over it."""

from collections.abc import Iterator

import pytest

from bickford_sora.erasure_list import Listed
from bickford_sora.erasures import INTAKE_S, Erasures
from ledger import streams
from ledger.application import Ledger
from ledger.errors import Erased
from ledger.identifiers import id_maker
from ledger.keys import MemoryKeyStore
from ledger.memory import MemoryRecorder
from tests.workers.harness import CALLER, FragileKeys, FragileRecording, Harness, Killed, Moment, harness
from tests.workers.test_erasure import erase, erase_all, finished


@pytest.fixture
def there() -> Iterator[Harness]:
    with harness() as made:
        yield made


def copied(there: Harness) -> tuple[MemoryRecorder, dict[str, bytes | None]]:
    """A backup of the ledger, and of the keys beside it."""
    recorder = MemoryRecorder(there.clock)
    for row in there.ledger._recorder.read(0, until=there.ledger.head()):
        recorder._order.append(row)
        recorder._streams[str(row.originator_id)].append(row)
    return recorder, dict(there.keys._store._keys)  # type: ignore[attr-defined]


def restored(there: Harness, backup: tuple[MemoryRecorder, dict[str, bytes | None]]) -> Erasures:
    """What erases again on the restored ledger; whoever asks it can be killed as over the first one."""
    recorder, kept = backup
    store = MemoryKeyStore()
    store._keys.update(kept)
    keys = FragileKeys(b"m" * 32, store)
    recording = FragileRecording(Ledger(recorder), clock=there.clock, new_id=id_maker(there.clock))
    keys.mischief = recording.mischief = there.mischief
    return Erasures(recording=recording, keys=keys, assets=there.assets, kept=there.erasures.kept)


def is_erased_again(erasures: Erasures, video_id: str) -> bool:
    """Whether a restored ledger knows that this is erased, and nobody can read it."""
    render = erasures.recording.ledger.render(streams.render("main", video_id))
    assert render is not None
    assert render.erased is erasures.keys.are_destroyed([(render.intent.requester, video_id)])[0]
    return render.erased and render.ended


def test_what_a_restored_backup_brings_back_is_erased_again(there: Harness) -> None:
    stored, asked = finished(there), there.ask("under way")
    backup = copied(there)
    there.run()
    for video_id in (stored, asked):
        erase(there, video_id)
    erase_all(there)
    there.run()
    erasures = restored(there, backup)
    assert erasures.keys.open(there.render(stored).intent.prompt), "the backup has it"
    again = erasures.reapply()
    assert [each.decided.subject for each in again] == [stored, asked, CALLER.requester]
    for video_id in (stored, asked):
        assert is_erased_again(erasures, video_id)
    assert not erasures.reapply(), "done once"
    there.clock.advance(INTAKE_S)
    assert erasures.carry_out(streams.requester("main", CALLER.requester))
    done = erasures.erasure(streams.requester("main", CALLER.requester))
    assert done is not None
    assert done.is_done


@pytest.mark.parametrize("place", ["keys.destroy", "append:erasure.decided"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_a_restore_brings_back_is_erased_whoever_dies_over_it(there: Harness, place: str, moment: Moment) -> None:
    video_id = finished(there)
    backup = copied(there)
    erase(there, video_id)
    erasures = restored(there, backup)
    there.mischief.kill_at = (place, moment)
    with pytest.raises(Killed):
        erasures.reapply()
    erasures.reapply()
    assert is_erased_again(erasures, video_id)


@pytest.mark.parametrize("place", ["keys.destroy", "append:erasure.decided"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_requester_whom_a_restore_brings_back_is_erased_whoever_dies_over_it(
    there: Harness, place: str, moment: Moment
) -> None:
    video_id = finished(there)
    backup = copied(there)
    erase_all(there)
    erasures = restored(there, backup)
    there.mischief.kill_at = (place, moment)
    with pytest.raises(Killed):
        erasures.reapply()
    erasures.reapply()
    assert erasures.erasure(streams.requester("main", CALLER.requester)) is not None, "workers see to its renders"
    with pytest.raises(Erased):
        erasures.keys.open(there.render(video_id).intent.prompt)


def test_two_processes_that_start_on_a_restored_backup_erase_a_requester_once(there: Harness) -> None:
    finished(there)
    backup = copied(there)
    erase_all(there)
    one = restored(there, backup)
    other = Erasures(recording=one.recording, keys=one.keys, assets=one.assets, kept=one.kept)
    found: list[Listed] = []
    there.mischief.hooks["append:erasure.decided"] = lambda: found.extend(other.reapply())
    assert one.reapply() == found
    stream = streams.requester("main", CALLER.requester)
    assert [each.fact.TYPE for each in one.recording.ledger.history(stream)] == ["erasure.decided"]

"""Erasing: what was decided is carried out to its end, whoever dies over it, and nothing that stays changes."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.erasing import Standing
from bickford_sora.erasures import INTAKE_S
from bickford_sora.errors import Conflicting, NotFound, RoleMissing
from bickford_sora.legal_holds import LegalHolds
from bickford_sora.references import asset_subject
from bickford_sora.workers.retain import Retain
from bickford_sora.workers.workshop import KEPT_RECHECK_S, Task
from ledger import streams
from ledger.errors import Erased, LedgerError, SegmentUnreadable, Unavailable, UnknownEventType
from ledger.events import CharacterRequested
from ledger.identifiers import id_maker
from ledger.render import Phase
from projections.lineage import LINEAGE
from projections.story import Story
from projections.videos import VIDEOS
from tests.ledger.examples import EXAMPLES
from tests.workers.harness import CALLER, ORIGIN, Harness, Killed, Moment, harness

ADMIN = Caller("main", "default", "req-admin", "key_admin", frozenset({"admin"}), spans_tenant=True)
OF_ANOTHER = Caller("main", "other", "req-b", "key_b", frozenset({"admin"}))


@pytest.fixture
def there() -> Iterator[Harness]:
    with harness() as made:
        yield made


def erase(there: Harness, video_id: str, by: Caller = ADMIN) -> Standing:
    return there.erasing.erase(by, {"render": video_id, "reason": "asked by Mia"}, origin=ORIGIN)


def erase_all(there: Harness, requester: str = CALLER.requester, by: Caller = ADMIN) -> Standing:
    return there.erasing.erase(by, {"requester": requester, "reason": "asked by Mia"}, origin=ORIGIN)


def finished(there: Harness, prompt: str = "a red kite", **more: object) -> str:
    video_id = there.ask(prompt, **more)
    there.run(lambda: there.render(video_id).ended)
    assert there.render(video_id).phase is Phase.STORED
    return video_id


def check_gone(there: Harness, video_id: str) -> None:
    """No word, no file and no copy at the renderer is left."""
    render = there.render(video_id)
    assert render.erased
    assert render.purged
    with pytest.raises(Erased):
        there.keys.open(render.intent.prompt)
    assert not [uri for uri in there.assets.uris if video_id.removeprefix("video_") in uri.replace("-", "")]
    assert all(job.deleted for job in there.renderer.billed(video_id))


def test_an_erased_render_is_gone_here_and_at_the_renderer(there: Harness) -> None:
    video_id, other = finished(there), finished(there, "a blue kite")
    standing = erase(there, video_id)
    assert standing.is_unreadable
    assert (standing.renders_left, standing.files_left) == (0, 1)
    there.run()
    check_gone(there, video_id)
    assert erase(there, video_id).files_left == 0, "asking again shows how it stands"
    assert there.types(video_id)[-3:] == ["erasure.decided", "subject.erased", "render.purged"]
    assert there.keys.open(there.render(other).intent.prompt) == "a blue kite"
    assert [each.subject for each in there.erasures.kept] == [video_id]


def test_the_reason_is_sealed_under_the_key_of_whoever_asked(there: Harness) -> None:
    video_id = finished(there)
    erase(there, video_id)
    decided = next(each for each in there.facts(video_id) if each.TYPE == "erasure.decided")
    reason = decided.model_dump()["reason"]
    assert "Mia" not in reason
    assert there.keys.open(reason) == "asked by Mia"
    assert "Mia" not in there.erasures.kept.path.read_text()


def test_a_deleted_video_is_erased_too(there: Harness) -> None:
    video_id = finished(there)
    there.delete(video_id)
    there.run()
    erase(there, video_id)
    there.run()
    check_gone(there, video_id)


def test_a_render_under_way_is_refused_by_its_state(there: Harness) -> None:
    video_id = there.ask()
    with pytest.raises(Conflicting, match=f"{video_id} is allowed") as refused:
        erase(there, video_id)
    assert refused.value.code == "erasure_under_way"
    with pytest.raises(Conflicting):
        erase_all(there)
    assert there.keys.open(there.render(video_id).intent.prompt), "nothing was destroyed"


@pytest.mark.parametrize("place", ["list.append", "keys.destroy", "append:subject.erased", "assets.delete", "delete"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_erasure_ends_complete_whoever_dies_over_it(there: Harness, place: str, moment: Moment) -> None:
    video_id = finished(there)
    there.mischief.kill_at = (place, moment)
    try:
        erase(there, video_id)
    except Killed:
        assert there.render(video_id).erasure is not None or there.render(video_id).erased
    there.run()
    assert there.mischief.kills == 1
    check_gone(there, video_id)
    assert there.types(video_id).count("subject.erased") == 1
    assert {each.subject for each in there.erasures.kept} == {video_id}


def test_no_key_is_destroyed_before_the_list_has_it(there: Harness) -> None:
    video_id = finished(there)
    there.mischief.kill_at = ("list.append", "before")
    with pytest.raises(Killed):
        erase(there, video_id)
    assert there.keys.open(there.render(video_id).intent.prompt)


def work_off(there: Harness, requester: str = CALLER.requester) -> None:
    stream = streams.requester("main", requester)
    there.workers["erase"](Task(stream, 0))
    there.run()


def test_a_requester_is_erased_with_every_render(there: Harness) -> None:
    ours = [finished(there, each) for each in ("a kite", "a boat")]
    standing = erase_all(there)
    assert standing.is_unreadable
    assert standing.renders_left == 2
    for video_id in ours:
        with pytest.raises(Erased):
            there.keys.open(there.render(video_id).intent.prompt)
    there.clock.advance(INTAKE_S)
    work_off(there)
    for video_id in ours:
        check_gone(there, video_id)
    again = erase_all(there)
    assert (again.renders_left, again.files_left) == (0, 0)
    assert again.erased_at is not None
    with pytest.raises(Erased):
        there.ask("anew")


@pytest.mark.parametrize("place", ["list.append", "keys.destroy", "append:subject.erased", "assets.forget"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_requesters_erasure_ends_complete_whoever_dies_over_it(there: Harness, place: str, moment: Moment) -> None:
    ours = [finished(there, each) for each in ("a kite", "a boat")]
    clip = with_character(there)
    there.clock.advance(INTAKE_S)
    there.mischief.kill_at = (place, moment)
    with suppress(Killed):
        erase_all(there)
        work_off(there)
    assert there.mischief.kills == 1
    work_off(there)
    for video_id in ours:
        check_gone(there, video_id)
        assert there.types(video_id).count("subject.erased") == 1
    assert not there.assets.exists(clip)
    erased_at = erase_all(there).erased_at
    assert erased_at is not None
    work_off(there)
    assert erase_all(there).erased_at == erased_at, "it is over once"


def with_character(there: Harness) -> str:
    """The address of a character's clip."""
    character_id = streams.character_id(id_maker(there.clock)())
    name = there.keys.seal("Mia", requester=CALLER.requester, subject=character_id, field="character.requested.name")
    stored = there.assets.put(asset_subject(character_id), [b"clip"], bytes_max=100)
    example = EXAMPLES["character.requested"]
    assert isinstance(example, CharacterRequested)
    clip = example.source_video.model_copy(update={"storage_uri": stored.storage_uri})
    change = {"character_id": character_id, "requester": CALLER.requester, "name": name, "source_video": clip}
    stream = streams.character("main", character_id)
    there.erasures.recording.append(Draft(((stream, example.model_copy(update=change)),), {stream: 0}), ORIGIN)
    return stored.storage_uri


def test_a_hold_on_a_project_keeps_its_characters(there: Harness) -> None:
    with_character(there)
    project = EXAMPLES["character.requested"].model_dump()["project"]
    holding(there).place(ADMIN, {"scope": "project", "subject": project, "reason": "a suit"}, origin=ORIGIN)
    with pytest.raises(Conflicting) as refused:
        erase_all(there)
    assert refused.value.code == "legal_hold"


def test_a_locked_clip_is_refused_by_name(there: Harness) -> None:
    clip = with_character(there)
    there.assets.locked.add(clip)
    with pytest.raises(Conflicting, match=clip):
        erase_all(there)


def test_files_that_a_backup_brought_back_are_removed_again_unless_they_are_held(there: Harness) -> None:
    video_id, waiting = finished(there), finished(there, "a boat")
    unknown = there.assets.put(asset_subject(video_id), [b"of a download that died"], bytes_max=100).storage_uri
    erase(there, video_id)
    there.run()
    assert not there.assets.exists(unknown)
    kept = there.assets.put(asset_subject(video_id), [b"copy"], bytes_max=100).storage_uri
    erase(there, waiting)
    holding(there).place(ADMIN, {"scope": "render", "subject": waiting, "reason": "a suit"}, origin=ORIGIN)
    assert there.erasures.remove_files_again() == 1
    assert not there.assets.exists(kept)
    assert there.assets.exists(there.render(waiting).files[0])


def test_a_request_that_came_just_before_is_waited_for(there: Harness) -> None:
    finished(there)
    late = streams.video_id(id_maker(there.clock)())
    there.keys.seal("late", requester=CALLER.requester, subject=late, field="render.intent.prompt")
    erase_all(there)
    work_off(there)
    assert erase_all(there).erased_at is None, "it may still be recorded"
    there.clock.advance(INTAKE_S)
    work_off(there)
    assert erase_all(there).erased_at is not None


def test_what_slips_in_while_a_requester_is_erased_ends_without_a_job(there: Harness) -> None:
    finished(there)
    slipped: list[str] = []
    there.mischief.hooks["list.append"] = lambda: slipped.append(there.ask("slipped in"))
    erase_all(there)
    work_off(there)
    assert there.render(slipped[0]).phase is Phase.CANCELLED
    assert not there.renderer.billed(slipped[0])
    check_gone(there, slipped[0])


def test_of_another_project_or_tenant_nothing_is_erased(there: Harness) -> None:
    video_id = finished(there)
    foreign = Caller("acme", "default", "req-x", "key_x", frozenset({"admin"}), spans_tenant=True)
    for stranger in (OF_ANOTHER, foreign):
        with pytest.raises(NotFound):
            erase(there, video_id, stranger)
    with pytest.raises(NotFound):
        erase_all(there, by=foreign)
    with pytest.raises(NotFound):
        erase_all(there, "req-unknown")
    with pytest.raises(NotFound):
        erase_all(there, "no id at all")
    with pytest.raises(RoleMissing):
        erase_all(there, by=OF_ANOTHER)
    assert there.keys.open(there.render(video_id).intent.prompt)


def test_files_under_a_lock_are_refused_by_name(there: Harness) -> None:
    video_id = finished(there)
    locked = there.render(video_id).files[0]
    there.assets.locked.add(locked)
    for ask in (lambda: erase(there, video_id), lambda: erase_all(there)):
        with pytest.raises(Conflicting, match=locked) as refused:
            ask()
        assert refused.value.code == "asset_locked"
    assert there.keys.open(there.render(video_id).intent.prompt), "nothing was destroyed"
    there.assets.locked.clear()
    erase(there, video_id)
    there.run()
    check_gone(there, video_id)


def test_a_lock_that_comes_later_is_waited_for(there: Harness) -> None:
    video_id = finished(there)
    erase(there, video_id)
    there.assets.locked.add(there.render(video_id).files[0])
    there.run(run_s_max=60)
    assert not there.render(video_id).purged
    there.assets.locked.clear()
    there.run()
    check_gone(there, video_id)


def holding(there: Harness) -> LegalHolds:
    return LegalHolds(recording=there.erasures.recording, keys=there.keys, four_eyes=there.erasing.four_eyes)


@pytest.mark.parametrize("scope", ["render", "requester", "project", "tenant"])
def test_a_hold_keeps_what_it_covers_from_every_end(scope: str) -> None:
    with harness(asset_retention_s=3600.0) as there:
        deleted, video_id = finished(there), finished(there, "a boat")
        there.delete(deleted)
        subjects = {"render": video_id, "requester": CALLER.requester, "project": "default"}
        asked = {"scope": scope, "reason": "a suit"} | ({"subject": subjects[scope]} if scope in subjects else {})
        hold = holding(there).place(ADMIN, asked, origin=ORIGIN)
        for refused in (lambda: there.delete(video_id), lambda: erase(there, video_id), lambda: erase_all(there)):
            with pytest.raises(Conflicting, match=hold.placed.hold_id) as held:
                refused()
            assert held.value.code == "legal_hold"
        assert not there.erasing.end_retention(streams.render("main", video_id))
        there.run(run_s_max=2 * 24 * 3600.0)
        assert there.render(video_id).files
        assert not there.render(video_id).expired
        assert there.render(deleted).purged is (scope == "render"), "a hold of one video keeps that one"
        holding(there).lift(ADMIN, hold.placed.hold_id, {"reason": "settled"}, origin=ORIGIN)
        there.run(run_s_max=KEPT_RECHECK_S + 60)
        assert there.render(video_id).expired
        assert there.render(deleted).purged


def test_a_hold_that_comes_while_an_erasure_is_decided_wins(there: Harness) -> None:
    video_id = finished(there)

    def hold() -> None:
        holding(there).place(ADMIN, {"scope": "tenant", "reason": "a suit"}, origin=ORIGIN)

    there.mischief.hooks["append:erasure.decided"] = hold
    with pytest.raises(Conflicting):
        erase(there, video_id)
    assert there.keys.open(there.render(video_id).intent.prompt)


class Readable:
    """The read model's answer, folded from the ledger."""

    def __init__(self, there: Harness) -> None:
        self._there = there

    def tenants(self) -> list[str]:
        return ["main"]

    def readable(self, _tenant: str, after: str | None, before: str, limit: int) -> list[str]:
        found = [
            each
            for each in sorted(self._there.accepted)
            if (after or "") < each < before
            and self._there.render(each).ended
            and self._there.render(each).erased_at is None
        ]
        return found[:limit]


def test_the_end_of_the_prompts_retention_leaves_the_files(there: Harness) -> None:
    old = finished(there)
    there.clock.advance(3600)
    young = finished(there, "a boat")
    retain = Retain(
        query=Readable(there),
        end_retention=there.erasing.end_retention,
        clock=there.clock,
        prompt_retention_s=1800.0,
    )
    assert retain.sweep(threading.Event()) == 1
    there.run()
    render = there.render(old)
    with pytest.raises(Erased):
        there.keys.open(render.intent.prompt)
    assert render.files
    assert not render.purged
    assert there.keys.open(there.render(young).intent.prompt)
    assert retain.sweep(threading.Event()) == 0
    erase(there, old)
    there.run()
    check_gone(there, old)


def test_the_prompts_of_every_tenant_end_with_their_retention(there: Harness) -> None:
    asked: list[str] = []

    class OneEach:
        def tenants(self) -> list[str]:
            return ["acme", "main"]

        def readable(self, tenant: str, _after: str | None, before: str, _limit: int) -> list[str]:
            return [before] if tenant in self.tenants() else []

    def end_retention(stream: str) -> bool:
        asked.append(stream)
        return True

    retain = Retain(query=OneEach(), end_retention=end_retention, clock=there.clock, prompt_retention_s=1.0)
    assert retain.sweep(threading.Event()) == 2
    assert [streams.tenant_of(each) for each in asked] == ["acme", "main"]


@pytest.mark.parametrize("error", [UnknownEventType("newer"), SegmentUnreadable("away")])
def test_a_render_that_cannot_be_read_keeps_no_other_from_the_end_of_its_retention(
    there: Harness, error: LedgerError
) -> None:
    first, other = finished(there), finished(there, "a boat")
    there.clock.advance(3600)

    def end_retention(stream: str) -> bool:
        if stream == streams.render("main", first):
            raise error
        return there.erasing.end_retention(stream)

    retain = Retain(query=Readable(there), end_retention=end_retention, clock=there.clock, prompt_retention_s=1.0)
    assert retain.sweep(threading.Event()) == 1
    assert there.render(other).erasure is not None


def test_the_sweep_waits_for_a_database_that_is_away(there: Harness) -> None:
    stop = threading.Event()
    asked = []

    class Away:
        def tenants(self) -> list[str]:
            return ["main"]

        def readable(self, _tenant: str, _after: str | None, _before: str, _limit: int) -> list[str]:
            asked.append(1)
            stop.set()
            raise Unavailable("gone")

    retain = Retain(
        query=Away(),
        end_retention=there.erasing.end_retention,
        clock=there.clock,
        prompt_retention_s=1.0,
    )
    retain.run(stop)
    assert asked == [1]


def test_every_fact_total_and_table_stays_but_for_the_erased_words(there: Harness) -> None:
    video_id, other = finished(there), finished(there, "a boat")
    facts = [(row.id, row.topic, row.state) for row in there.ledger._recorder.read(0)]
    before = {name: tables(there, name) for name in ("videos", "lineage")}
    spend = there.erasures.recording.spending("main").now()
    texts = there.keys.open_all([there.render(each).intent.prompt for each in (video_id, other)])
    erase(there, video_id)
    there.run()
    there.check()
    now = [(row.id, row.topic, row.state) for row in there.ledger._recorder.read(0)]
    assert now[: len(facts)] == facts
    assert there.erasures.recording.spending("main").now() == spend
    assert tables(there, "lineage") == before["lineage"]
    changed = {row[1] for row in set(tables(there, "videos")) ^ set(before["videos"])}
    assert changed == {video_id}
    assert set(there.keys.open_all(texts).values()) == {None, "a boat"}


def tables(there: Harness, name: str) -> list[tuple[object, ...]]:
    """A read model, replayed from the ledger."""
    projection = {"videos": VIDEOS, "lineage": LINEAGE}[name]
    assert projection.rows is not None
    found = dict.fromkeys(event.stream for event in there.ledger.read(0) if projection.reads(event.stream))
    return [row for stream in found for _, row in projection.rows(Story(stream, there.ledger.history(stream)))]


def test_an_erased_reservation_keeps_its_place_in_the_totals(there: Harness) -> None:
    finished(there)
    erase_all(there)
    there.clock.advance(timedelta(seconds=INTAKE_S).total_seconds())
    work_off(there)
    there.check()

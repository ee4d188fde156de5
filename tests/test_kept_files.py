"""Which files `verify --assets` looks for: all that facts name, until a fact says that they are gone."""

import pytest

from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.kept_files import WATCHED, KeptFiles
from ledger import streams
from ledger.envelope import Fact, Sealed
from ledger.events import (
    CharacterRefused,
    CharacterRequested,
    ErasureDecided,
    InputReference,
    RenderDeleted,
    RenderDenied,
    RenderExpired,
    RenderIntent,
    RenderPurged,
    RenderStored,
    SubjectErased,
    Verdict,
)
from ledger.proof.findings import Findings
from tests.ledger.examples import REFERENCE, SOURCE_VIDEO, VIDEO_ASSET
from tests.ledger.ledger_facts import NOON, intent

RENDER = streams.render("acme", "video_" + "0" * 32)
CHARACTER = streams.character("acme", "char_" + "0" * 32)
HER = streams.requester("acme", "req-her")


class Looked:
    """A store with three files, and a look at what is missing or another."""

    def __init__(self) -> None:
        self.store = MemoryAssetStore()
        self.kept = KeptFiles()
        self.position = 0
        self.files = {
            name: self.store.put("ours", [name.encode()], bytes_max=99) for name in ("image", "clip", "video")
        }

    def told(self, stream: str, *facts: Fact) -> None:
        for fact in facts:
            assert fact.TYPE in WATCHED
            self.position += 1
            self.kept.told(self.position, stream, fact)

    def found(self) -> list[tuple[int, str]]:
        findings = Findings()
        self.kept.check(self.store, findings, lambda *_: None)
        return [(each.first, each.kind) for each in findings.listed]

    def named(self, name: str) -> dict[str, str]:
        return {"storage_uri": self.files[name].storage_uri, "sha256": self.files[name].sha256}

    def image(self) -> InputReference:
        return REFERENCE.model_copy(update=self.named("image"))

    def intent(self) -> RenderIntent:
        image = self.image()
        clip = SOURCE_VIDEO.model_copy(update=self.named("clip"))
        return intent().model_copy(update={"input_reference": image, "source_video": clip})

    def stored(self) -> RenderStored:
        return RenderStored(assets=(VIDEO_ASSET.model_copy(update=self.named("video")),))

    def character(self) -> CharacterRequested:
        clip = SOURCE_VIDEO.model_copy(update=self.named("clip"))
        return CharacterRequested(
            character_id="char_" + "0" * 32,
            project="films",
            requester="req-her",
            name=Sealed("s1.sealed"),
            source_video=clip,
            renderer="openai",
            credential="main",
            replica="https://renderer.example/v1",
            deadline_at=NOON,
        )

    def lose_all(self) -> None:
        for each in self.files.values():
            self.store.delete(each.storage_uri)


@pytest.fixture
def looked() -> Looked:
    return Looked()


def denied(code: str) -> RenderDenied:
    return RenderDenied(verdict=Verdict(policy_hash="a" * 64), code=code, message="No.")


def test_what_a_client_gave_and_what_a_renderer_made_is_looked_for(looked: Looked) -> None:
    looked.told(RENDER, looked.intent(), looked.stored())
    looked.told(CHARACTER, looked.character())
    assert looked.found() == []
    looked.lose_all()
    assert set(looked.found()) == {(1, "asset_missing"), (2, "asset_missing"), (3, "asset_missing")}


def test_a_file_that_is_another_is_found_at_the_fact_that_names_it(looked: Looked) -> None:
    wrong = looked.intent().model_copy(
        update={"input_reference": REFERENCE.model_copy(update={**looked.named("image"), "sha256": "0" * 64})}
    )
    looked.told(RENDER, looked.stored(), wrong)
    assert looked.found() == [(2, "asset_changed")]


@pytest.mark.parametrize(
    "removed",
    [
        RenderDeleted(),
        RenderExpired(assets_deleted=2),
        RenderPurged(renderer_copy="gone", assets_deleted=2),
        SubjectErased(subject="video_1", reason="asked"),
        SubjectErased(subject="video_1", reason="requester"),
        denied("over_budget"),
    ],
    ids=lambda fact: fact.TYPE,
)
def test_what_was_removed_is_not_missing(looked: Looked, removed: Fact) -> None:
    looked.told(RENDER, looked.intent(), looked.stored(), removed)
    looked.lose_all()
    assert looked.found() == []


@pytest.mark.parametrize(
    "fact", [SubjectErased(subject="video_1", reason="retention"), denied("approval_denied"), denied("approval_lapsed")]
)
def test_what_leaves_the_files_is_no_reason_for_them_to_be_gone(looked: Looked, fact: Fact) -> None:
    looked.told(RENDER, looked.intent(), fact)
    looked.lose_all()
    assert {kind for _, kind in looked.found()} == {"asset_missing"}


@pytest.mark.parametrize(
    ("stream", "fact"),
    [
        (CHARACTER, CharacterRefused(code="refused")),
        (HER, ErasureDecided(subject="req-her", kind="requester", project="films", cause="asked")),
        (HER, SubjectErased(subject="req-her", reason="asked")),
    ],
)
def test_a_characters_clip_goes_with_it_or_with_its_requester(looked: Looked, stream: str, fact: Fact) -> None:
    looked.told(CHARACTER, looked.character())
    looked.told(streams.requester("other", "req-her"), SubjectErased(subject="req-her", reason="asked"))
    looked.told(streams.requester("acme", "req-his"), SubjectErased(subject="req-his", reason="asked"))
    looked.lose_all()
    assert looked.found() == [(1, "asset_missing")]
    looked.told(stream, fact)
    assert looked.found() == []


@pytest.mark.parametrize(("number", "steps"), [(1, 1), (49, 49), (150, 50), (1_001, 48)])
def test_progress_is_told_in_steps_however_many_files_there_are(number: int, steps: int) -> None:
    looked, told = Looked(), list[tuple[int, int, str]]()
    for video in range(number):
        stream = streams.render("acme", f"video_{video:032x}")
        looked.told(stream, intent().model_copy(update={"source_video": None, "input_reference": looked.image()}))
    looked.kept.check(looked.store, Findings(), lambda *each: told.append(each))
    assert (len(told), told[-1]) == (steps, (number, number, "files"))

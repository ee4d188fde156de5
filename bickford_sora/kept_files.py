"""The stored files that there should be by what the facts say, each held to the SHA-256 that is recorded of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bickford_sora.assets.errors import AssetDamaged, AssetNotFound
from bickford_sora.assets.port import AssetStore, sha256_of
from bickford_sora.decisions.deliveries import AFTER_APPROVAL
from ledger import streams
from ledger.envelope import Fact
from ledger.events import (
    Asset,
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
    SourceVideo,
    SubjectErased,
)
from ledger.proof.findings import Findings

File: TypeAlias = Asset | InputReference | SourceVideo
OnProgress = Callable[[int, int, str], None]
"""Told how many of how many are done, and of what."""
PROGRESS_STEPS = 50
"""How often progress is told."""
WATCHED = tuple(
    each.TYPE
    for each in (
        RenderIntent,
        RenderStored,
        CharacterRequested,
        RenderDenied,
        RenderDeleted,
        RenderExpired,
        RenderPurged,
        CharacterRefused,
        ErasureDecided,
        SubjectErased,
    )
)
"""Types of the facts that name files, and of those after which files are gone, or may be."""


@dataclass(slots=True)
class KeptFiles:
    """Follows the facts: what clients gave, what renderers made, and what was removed again.

    Holds every file that there should be, by the stream that names it.
    """

    _files: dict[str, list[tuple[int, File]]] = field(default_factory=dict)
    _characters: dict[str, list[str]] = field(default_factory=dict)
    """Streams of the characters of each requester, by the stream of the requester's erasure."""

    def told(self, position: int, stream: str, fact: Fact) -> None:
        """A fact of one of the WATCHED types."""
        if named := _named(fact):
            self._files.setdefault(stream, []).extend((position, each) for each in named)
        if isinstance(fact, CharacterRequested):
            erasure = streams.requester(streams.tenant_of(stream), fact.requester)
            self._characters.setdefault(erasure, []).append(stream)
        elif streams.category(stream) == "requester":  # its renders are told of it, its characters are not
            for character in self._characters.pop(stream, ()):
                self._files.pop(character, None)
        elif _removes(fact):
            self._files.pop(stream, None)

    def check(self, assets: AssetStore, findings: Findings, on_progress: OnProgress) -> None:
        """Reads every file. Raises AssetStoreUnavailable: then nothing is known of the others."""
        files = [each for of_stream in self._files.values() for each in of_stream]
        step = -(-len(files) // PROGRESS_STEPS)
        for done, (position, file) in enumerate(files, start=1):
            _check(assets, file, position, findings)
            if done % step == 0 or done == len(files):
                on_progress(done, len(files), "files")


def _named(fact: Fact) -> Sequence[File]:
    """The files that a fact names."""
    if isinstance(fact, RenderIntent):
        return [each for each in (fact.input_reference, fact.source_video) if each is not None]
    if isinstance(fact, CharacterRequested):
        return [fact.source_video]
    return fact.assets if isinstance(fact, RenderStored) else ()


def _removes(fact: Fact) -> bool:
    """Whether the files of a fact's stream are gone after it, or may be at any moment."""
    match fact:
        case RenderDeleted() | RenderExpired() | RenderPurged() | CharacterRefused():
            return True
        case SubjectErased():
            return fact.reason != "retention"  # the words are gone, the files stay
        case RenderDenied():
            return fact.code not in AFTER_APPROVAL  # what was refused at once is not kept
        case _:
            return False


def _check(assets: AssetStore, file: File, position: int, findings: Findings) -> None:
    try:
        digest = sha256_of(assets, file.storage_uri)
    except AssetNotFound:
        findings.add("asset_missing", position, f"{file.storage_uri} is gone")
        return
    except AssetDamaged as error:
        findings.add("asset_changed", position, f"{file.storage_uri}: {error}")
        return
    if digest != file.sha256:
        findings.add("asset_changed", position, f"{file.storage_uri} is not the file that was stored")

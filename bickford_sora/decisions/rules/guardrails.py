"""Guardrails: what may not be shown, each with the detector that finds it. Without a detector none can be on.

They are the hosted Videos API's own: audience, characters, music, real people, faces in reference images, transcripts.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from bickford_sora.decisions.caller import MAIN
from bickford_sora.decisions.fields import texts
from bickford_sora.decisions.rules.checks import Check, Guard, Test
from bickford_sora.decisions.rules.entries import (
    LISTED_MAX,
    Entry,
    Flag,
    Identifier,
    Label,
    Labels,
    Message,
    OnHold,
)
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.decisions.rules.wording import Wording, word_list, wording

Violated = Callable[[Seen, Wording], bool]


def _words(listed: tuple[str, ...]) -> tuple[str, ...]:
    word_list(listed)
    return listed


class WordsEntry(Entry):
    """Found when the prompt, or another text of the request, has one of these words or phrases."""

    kind: Literal["words"]
    words: Annotated[tuple[Label, ...], Field(min_length=1, max_length=LISTED_MAX), AfterValidator(_words)]


class ModerationsEntry(Entry):
    """Found when `/v1/moderations` of an OpenAI-compatible server flags one of the categories, or did not look."""

    kind: Literal["moderations"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2_000)]
    """Base URL, usually ending in `/v1`."""
    model: Label
    api_key_env: Annotated[str, Field(pattern=r"^MODERATION_[A-Z0-9_]+$", max_length=200)] | None = None
    """The environment variable that holds the key. None: the server wants none.

    Its name begins so, since whoever publishes a policy must not have another secret sent to a server of theirs; that
    of another tenant than the one that runs the server is of `may_name`, besides.
    """
    categories: Labels


def may_name(tenant: str, variable: str) -> bool:
    """Whether a tenant's policy may name this variable: those of the server's own are for its own policies alone."""
    return tenant == MAIN or variable.rpartition("__")[0] == _begin_of(tenant)


def own_variables(tenant: str) -> str:
    """What the variables of another tenant are called, in words for whoever names one."""
    return f"{_begin_of(tenant)}__ and a name without '__'"


def _begin_of(tenant: str) -> str:
    return f"MODERATION_{tenant.upper().replace('-', '_')}"


class AttestationEntry(Entry):
    """Found unless the requester vouches, by this name, that it is not there."""

    kind: Literal["attestation"]
    name: Identifier


Detector = Annotated[WordsEntry | ModerationsEntry | AttestationEntry, Field(discriminator="kind")]


class GuardrailEntry(Entry):
    """One guardrail."""

    enabled: Flag = False
    effect: Literal["deny", "require_approval"] = "deny"
    on_hold: OnHold | None = None
    detector: Detector | None = None
    message: Message | None = None

    @model_validator(mode="after")
    def _has_a_detector(self) -> Self:
        if self.enabled and self.detector is None:
            raise ValueError("it has no detector, so it cannot be enabled: name words, moderations or an attestation")
        if self.on_hold is not None and self.effect != "require_approval":
            raise ValueError("on_hold belongs to require_approval alone")
        return self


class FacesEntry(GuardrailEntry):
    """Faces in reference images, which no list of words can see."""

    @model_validator(mode="after")
    def _can_see(self) -> Self:
        if isinstance(self.detector, WordsEntry):
            raise ValueError(  # noqa: TRY004 - what pydantic takes for a wrong value
                "a list of words does not see faces in an image: name moderations or an attestation"
            )
        return self


class ExceptionEntry(Entry):
    """Who is excepted from a guardrail, and who approved that."""

    approved_by: Label
    projects: Labels = Field(default=(), min_length=0)
    requesters: Labels = Field(default=(), min_length=0)

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.projects and not self.requesters:
            raise ValueError("name the projects or requesters that are excepted")
        return self


class AudienceEntry(GuardrailEntry):
    """Content for viewers under 18 only, but for whoever has an approved exception."""

    exception: ExceptionEntry | None = None


class GuardrailsEntry(Entry):
    """All guardrails. One that is not named is off."""

    audience: AudienceEntry = AudienceEntry()
    characters: GuardrailEntry = GuardrailEntry()
    music: GuardrailEntry = GuardrailEntry()
    real_people: GuardrailEntry = GuardrailEntry()
    faces: FacesEntry = FacesEntry()
    transcripts: GuardrailEntry = GuardrailEntry()

    def enabled(self) -> Iterator[tuple[str, GuardrailEntry]]:
        """Those that are on, by name, in the order above."""
        for name in type(self).model_fields:
            entry: GuardrailEntry = getattr(self, name)
            if entry.enabled:
                yield name, entry


_SUBJECT: Mapping[str, str] = MappingProxyType(
    {
        "audience": "content for adults",
        "characters": "copyrighted characters",
        "music": "copyrighted music",
        "real_people": "real people",
        "faces": "human faces in a reference image",
        "transcripts": "the spoken words asked for",
    }
)
_NOT_READ = "negative_prompt"
"""The one text that says what is not to be seen."""


def guards_of(entries: GuardrailsEntry) -> tuple[Guard, ...]:
    """What is asked of every render."""
    return tuple(_guard(name, entry) for name, entry in entries.enabled())


def texts_read(prompt: str, fields: Mapping[str, JsonValue]) -> list[str]:
    """What guardrails read: the prompt, and every other text of a request that asks for something."""
    others = texts(fields)
    return [prompt, *(others[name] for name in sorted(others) if name != _NOT_READ)]


def wording_of(seen: Seen) -> Wording:
    """The words that guardrails read."""
    return wording(texts_read(seen.prompt, seen.fields))


def _guard(name: str, entry: GuardrailEntry) -> Guard:
    assert entry.detector is not None  # noqa: S101 - the entry would not be enabled
    violated = _violated(entry.detector)
    check = Check(
        id=f"guardrails.{name}",
        effect=entry.effect,
        message=_message(name, entry, entry.detector),
        on_hold=(entry.on_hold or "wait") if entry.effect == "require_approval" else None,
    )
    exception = entry.exception if isinstance(entry, AudienceEntry) else None
    return Guard(check, _with_image(violated) if name == "faces" else violated, _excepted(exception))


def _violated(detector: WordsEntry | ModerationsEntry | AttestationEntry) -> Violated:
    if isinstance(detector, WordsEntry):
        listed = word_list(detector.words)
        return lambda _, written: written.has(listed)
    if isinstance(detector, ModerationsEntry):
        categories = detector.categories
        return lambda seen, _: any(seen.moderation.get(each, True) for each in categories)
    vouched = detector.name
    return lambda seen, _: vouched not in seen.attestations


def _with_image(violated: Violated) -> Violated:
    return lambda seen, written: seen.has_reference and violated(seen, written)


def _excepted(exception: ExceptionEntry | None) -> Test:
    if exception is None:
        return lambda _: False
    projects, requesters = frozenset(exception.projects), frozenset(exception.requesters)
    return lambda seen: seen.project in projects or seen.requester in requesters


def _message(name: str, entry: GuardrailEntry, detector: WordsEntry | ModerationsEntry | AttestationEntry) -> str:
    does = "denies" if entry.effect == "deny" else "asks for approval of"
    told = f"Guardrail {name} of the policy {does} this render."
    if entry.message is not None:
        return f"{told} {entry.message}"
    if isinstance(detector, AttestationEntry):
        return f"{told} Vouch that it is without {_SUBJECT[name]}, by the attestation {detector.name}."
    unsure = ", or could not look" if isinstance(detector, ModerationsEntry) else ""
    return f"{told} It found {_SUBJECT[name]}{unsure}. Take that out of the request."

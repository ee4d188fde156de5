"""The policy file as a whole."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, Strict, model_validator

from bickford_sora.decisions.rules import hours
from bickford_sora.decisions.rules.conditions import WhenEntry
from bickford_sora.decisions.rules.entries import LISTED_MAX, Effect, Entry, Flag, Identifier, Message, OnHold
from bickford_sora.decisions.rules.guardrails import GuardrailsEntry
from bickford_sora.decisions.rules.purposes import PurposesEntry, RemixesEntry

PATTERNS_MAX = 100
"""Most rules with a pattern: each takes memory (`pattern.MEMORY_BYTES_MAX`) for as long as the policy is kept."""


def _zone(name: str) -> str:
    hours.zone_of(name)
    return name


class RuleEntry(Entry):
    """One rule: what follows when its conditions hold."""

    id: Identifier
    effect: Effect
    when: WhenEntry = WhenEntry()
    message: Message | None = None
    """For the client: what to do."""
    on_hold: OnHold | None = None
    """Of `require_approval`: whether the render waits, or is refused until it has its approval. Else it waits."""

    @model_validator(mode="after")
    def _holds_only_for_approval(self) -> Self:
        if self.on_hold is not None and self.effect != "require_approval":
            raise ValueError("on_hold belongs to require_approval alone")
        return self


class PolicyDocument(Entry):
    """A policy file."""

    version: Annotated[int, Strict(), Field(ge=1, le=1)]
    default: Literal["allow", "deny"]
    """What becomes of a render that no rule denies, holds or allows."""
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Of `hours`."""
    rules: Annotated[tuple[RuleEntry, ...], Field(max_length=LISTED_MAX)] = ()
    guardrails: GuardrailsEntry = GuardrailsEntry()
    advice: Flag = False
    """Whether clients are warned of what their prompts lack."""
    purposes: PurposesEntry = PurposesEntry()
    remixes: RemixesEntry = RemixesEntry()

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        if sum(rule.when.prompt is not None for rule in self.rules) > PATTERNS_MAX:
            raise ValueError(f"more than {PATTERNS_MAX} rules have a prompt pattern: join patterns with |")
        return self

"""What a policy may look at, and what is kept of it on the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from bickford_sora.decisions.declared import Purpose
from bickford_sora.decisions.fields import plain, texts
from bickford_sora.renderers.port import Operation


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything known about a render at the moment of its decision."""

    operation: Operation
    model: str
    size: str
    seconds: int
    """What is made anew: of an extension, the segment. More than was asked for where `num_frames` come to more."""
    cost_micro: int | None
    """None: no price is known."""
    project: str
    requester: str
    key_id: str
    at: datetime
    """The decision's moment, with its time zone."""
    prompt: str = field(repr=False)
    purpose: Purpose | None = None
    tags: frozenset[str] = frozenset()
    fields: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """Fields beyond the protocol."""
    has_reference: bool = False
    remix_depth: int = 0
    """Remixes from the first video to this one: 0 of a create, 1 of its remix."""
    changes: int = 0
    """Of a remix: in how many of prompt, model, seconds, size and fields it differs from its source."""
    renders_in_last_hour: int = 0
    """Of this purpose, in this lineage; 0 where no policy asked how often."""
    seconds_since_last_render: int | None = None
    """Of this purpose, in this lineage. None: there was none."""
    lineage_has_approved_draft: bool = False
    attestations: frozenset[str] = frozenset()
    """What the requester vouches for, by name."""
    moderation: Mapping[str, bool] = field(default_factory=dict)
    """By category, whether it was flagged. A category that is missing was not looked at."""


def saw(seen: Seen) -> dict[str, JsonValue]:
    """What was seen, for the record. Of free text only that it is there, of the prompt its length."""
    return {
        "operation": seen.operation,
        "model": seen.model,
        "size": seen.size,
        "seconds": seen.seconds,
        "cost_micro": seen.cost_micro,
        "project": seen.project,
        "requester": seen.requester,
        "key_id": seen.key_id,
        "at": seen.at.isoformat(),
        "prompt_chars": len(seen.prompt),
        "purpose": seen.purpose,
        "tags": [*sorted(seen.tags)],
        "fields": plain(seen.fields),
        "text_fields": [*sorted(texts(seen.fields))],
        "has_reference": seen.has_reference,
        "remix_depth": seen.remix_depth,
        "changes": seen.changes,
        "renders_in_last_hour": seen.renders_in_last_hour,
        "seconds_since_last_render": seen.seconds_since_last_render,
        "lineage_has_approved_draft": seen.lineage_has_approved_draft,
        "attestations": [*sorted(seen.attestations)],
        "moderation": {name: seen.moderation[name] for name in sorted(seen.moderation)},
    }

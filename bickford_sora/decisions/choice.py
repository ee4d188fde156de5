"""What a policy chooses for a purpose: model, size and seconds of a create that leaves them open."""

from dataclasses import replace
from typing import Literal

from bickford_sora.decisions.request import ParsedRequest, VideoRequest
from bickford_sora.decisions.rules.purposes import PurposeEntry, PurposesEntry

Chosen = Literal["model", "size", "seconds"]


def choice_for(request: ParsedRequest, purposes: PurposesEntry) -> PurposeEntry:
    """What the policy chooses for a request: nothing for one without a purpose, or one that is made from another."""
    return purposes.of(request.declared.purpose) if request.operation == "create" else PurposeEntry()


def with_model(request: ParsedRequest, choice: PurposeEntry) -> ParsedRequest:
    """The request with the model chosen for it; one that is named outright stays."""
    return request if request.model is not None else replace(request, model=choice.model)


def chosen(request: ParsedRequest, wanted: VideoRequest, choice: PurposeEntry) -> tuple[Chosen, ...]:
    """What the policy chose of what is now wanted: what the request left open and is as the policy would have it."""
    found: list[Chosen] = []
    if request.model is None and choice.model == wanted.model:
        found.append("model")
    if request.size is None and choice.size == wanted.size:
        found.append("size")
    if request.seconds is None and choice.seconds is not None and str(choice.seconds) == wanted.seconds:
        found.append("seconds")
    return tuple(found)

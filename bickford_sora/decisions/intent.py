"""Deciding a request for a video: the intent, the verdict, and the binding of its Idempotency-Key, in one append."""

from dataclasses import dataclass
from typing import Literal

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.policy import Policy, Refusal
from bickford_sora.decisions.prices import quote
from bickford_sora.decisions.request import VideoRequest
from bickford_sora.errors import Conflicting, NotReady
from ledger import streams
from ledger.envelope import Fact, Sealed
from ledger.events import (
    IdempotencyBound,
    InputReference,
    RenderAllowed,
    RenderDenied,
    RenderIntent,
    RenderRemixed,
)
from ledger.lifecycle import ENDS, Phase, Render


@dataclass(frozen=True, slots=True)
class Route:
    """The renderer a render goes to, and the public name of the credential its job is made with."""

    renderer: str
    credential: str


@dataclass(frozen=True, slots=True)
class Binding:
    """An Idempotency-Key of this request, and the keyed hash of what was asked with it."""

    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything a request became before it is decided."""

    video_id: str
    caller: Caller
    request: VideoRequest
    prompt: Sealed
    route: Route
    reference: InputReference | None = None
    binding: Binding | None = None
    source: Render | None = None
    """The render this one is a remix of."""
    retry_of: str | None = None


def decide(asked: Asked, policy: Policy) -> tuple[Draft, Refusal | None]:
    """The facts of a request, and the refusal when policy denies it. A refusal binds no key and marks no source."""
    stream = streams.render(asked.caller.tenant, asked.video_id)
    price = quote(asked.request)
    verdict, refusal = policy.decide(asked.request, price)
    facts: list[tuple[str, Fact]] = [(stream, _intent(asked))]
    heads = {stream: 0}
    if refusal:
        facts.append((stream, RenderDenied(verdict=verdict, code=refusal.code, message=refusal.message)))
        return Draft(tuple(facts), heads), refusal
    allowed = RenderAllowed(
        verdict=verdict, renderer=asked.route.renderer, credential=asked.route.credential, quote=price
    )
    facts.append((stream, allowed))
    if asked.binding:
        binding_stream = _binding_stream(asked, asked.binding)
        facts.append((binding_stream, _bound(asked, asked.binding)))
        heads[binding_stream] = 0
    if asked.source:
        facts.append((asked.source.stream, RenderRemixed(remix_video_id=asked.video_id)))
        heads[asked.source.stream] = asked.source.version
    return Draft(tuple(facts), heads), None


VERSION_WHEN_ANSWERED = 2
"""A render's version after its deciding append: what the first answer showed, and what a replay shows again."""


def check_remixable(source: Render) -> None:
    """Raises NotReady while the source has no stored video, Conflicting when it never will."""
    if source.phase is Phase.STORED:
        return
    if source.phase in ENDS:
        raise Conflicting(
            "The source has no video to remix: it ended without one.", code="source_has_no_video", param="video_id"
        )
    raise NotReady(
        "The source is not completed yet. Remix it when its status is completed.",
        code="video_not_completed",
        param="video_id",
    )


def check_retryable(render: Render) -> None:
    """Raises Conflicting unless the render ended without a video."""
    if render.phase not in {Phase.FAILED, Phase.ASSET_LOST, Phase.CANCELLED, Phase.DENIED}:
        raise Conflicting("Only a render that failed can be retried.", code="video_not_failed", param="video_id")


def _operation(asked: Asked) -> Literal["create", "remix"]:
    return "remix" if asked.source else "create"


def _intent(asked: Asked) -> RenderIntent:
    binding = asked.binding
    return RenderIntent(
        video_id=asked.video_id,
        project=asked.caller.project,
        requester=asked.caller.requester,
        operation=_operation(asked),
        model=asked.request.model,
        seconds=asked.request.seconds,
        size=asked.request.size,
        prompt=asked.prompt,
        input_reference=asked.reference,
        remix_video_id=asked.source.intent.video_id if asked.source else None,
        retry_of_video_id=asked.retry_of,
        idempotency_stream=_binding_stream(asked, binding) if binding else None,
    )


def _binding_stream(asked: Asked, binding: Binding) -> str:
    return streams.idempotency(asked.caller.tenant, asked.caller.project, binding.key)


def _bound(asked: Asked, binding: Binding) -> IdempotencyBound:
    return IdempotencyBound(
        request_hash=binding.request_hash,
        video_id=asked.video_id,
        project=asked.caller.project,
        requester=asked.caller.requester,
    )

"""Deciding a request for a video: the intent, the verdict, and the binding of its Idempotency-Key, in one append."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bickford_sora.decisions import budgets, quotas
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.choice import Chosen
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.fields import plain
from bickford_sora.decisions.lineage import Lineage
from bickford_sora.decisions.policy import Policy, Refusal
from bickford_sora.decisions.prices import length_s, quote
from bickford_sora.decisions.request import VideoRequest
from bickford_sora.decisions.routing import Destination
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.errors import Conflicting, Gone, NotReady
from ledger import streams
from ledger.envelope import Fact, Sealed
from ledger.events import (
    IdempotencyBound,
    InputReference,
    Quote,
    RenderAllowed,
    RenderApprovalRequested,
    RenderDenied,
    RenderIntent,
    RenderRemixed,
    SourceVideo,
    SpendReserved,
    Verdict,
)
from ledger.render import ENDS, Phase, Render
from ledger.spend import Periods, Spend


@dataclass(frozen=True, slots=True)
class Binding:
    """An Idempotency-Key of this request, and the keyed hash of what was asked with it."""

    key: str
    request_hash: str
    batch_id: str | None = None
    """The batch this is a line of."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a request's words and files."""

    prompt: Sealed
    text_fields: Mapping[str, Sealed] = field(default_factory=dict)
    reference: InputReference | None = None
    source_video: SourceVideo | None = None
    """The uploaded video it is made from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything a request became before it is decided."""

    video_id: str
    caller: Caller
    request: VideoRequest
    destination: Destination
    has_reference: bool = False
    """Whether it came with a reference image."""
    kept: Kept | None = None
    """None while nothing is kept: it can be judged, not recorded."""
    binding: Binding | None = None
    source: Render | None = None
    """The render it is made from."""
    retry_of: str | None = None
    lineage: Lineage = field(default_factory=Lineage)
    """What it joins."""
    moderation: Mapping[str, bool] = field(default_factory=dict)
    """By category, whether a moderation server flagged it."""
    chosen: tuple[Chosen, ...] = ()
    """What the policy chose of it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What policy says of a request."""

    verdict: Verdict
    refusal: Refusal | None
    price: Quote | None
    policy_head: int
    hold_until: datetime
    """How long an approver may think about it."""


def judge(asked: Asked, policy: Policy, at: datetime, *, approval_s: float) -> Judged:
    """Asks the policy about a request at this moment: outside of the turn in which spend is decided.

    `approval_s`: for how many seconds an approver may think about it, where one has to.
    """
    price = quote(asked.request, asked.destination.offer, asked.destination.prices_hash, at)
    verdict, refusal = policy.decide(_seen(asked, price, at), price.cost.currency if price else None)
    return Judged(verdict, refusal, price, policy.head, at + timedelta(seconds=approval_s))


def decide(asked: Asked, judged: Judged, spend: Spend, wanted: SpendReserved) -> tuple[Draft, Refusal | None]:
    """The facts of a request, and the refusal when policy denies it, an approver is to be asked or a budget is used up.

    `wanted` is its reservation. A refusal binds no key, marks no source and sets nothing aside, unless an approver can
    still say yes. All of it stands only while the caller's API key is as it was, the policy that judged is in force,
    and nobody else joined the lineage.
    """
    stream = streams.render(asked.caller.tenant, asked.video_id)
    price = judged.price
    verdict, refusal = quotas.held_to((judged.verdict, judged.refusal), spend, wanted)
    facts: list[tuple[str, Fact]] = [(stream, _intent(asked))]
    heads = {
        **asked.caller.heads,
        **asked.lineage.heads,
        streams.policy(asked.caller.tenant): judged.policy_head,
        stream: 0,
    }
    if refusal and refusal.kind != "approval":
        facts.append((stream, RenderDenied(verdict=verdict, code=refusal.code, message=refusal.message)))
        return Draft(tuple(facts), heads), refusal
    if judged.refusal:
        facts.append((stream, _held(asked, judged.refusal, verdict, price, until=judged.hold_until)))
    else:
        facts.append((stream, _allowed(asked.destination, verdict, price)))
    if asked.binding:
        binding_stream = _binding_stream(asked, asked.binding)
        facts.append((binding_stream, _bound(asked, asked.binding)))
        heads[binding_stream] = 0
    if asked.source:
        facts.append((asked.source.stream, _remixed(asked)))
        heads[asked.source.stream] = asked.source.version
    facts += [(spend.stream, fact) for fact in budgets.reserved(spend, wanted)]
    return Draft(tuple(facts), heads), refusal if refusal and refusal.on_hold == "refuse" else None


VERSION_WHEN_ANSWERED = 2
"""A render's version after its deciding append: what the first answer showed, and what a replay shows again."""


def check_source(source: Render, *, param: str) -> None:
    """Raises NotReady while the source has no stored video, Conflicting when it never will, Gone when it had one."""
    if source.phase in ENDS - {Phase.STORED}:
        raise Conflicting(
            "The source has no video to start from: it ended without one.", code="source_has_no_video", param=param
        )
    if source.phase is not Phase.STORED:
        raise NotReady(
            "The source is not completed yet. Send this again when its status is completed.",
            code="video_not_completed",
            param=param,
        )
    if source.expired or source.erased:
        raise Gone("The source's file is no longer kept.", code="source_expired", param=param)


def check_retryable(render: Render) -> None:
    """Raises Conflicting unless the render ended without a video."""
    if render.phase not in {Phase.FAILED, Phase.ASSET_LOST, Phase.CANCELLED, Phase.DENIED}:
        raise Conflicting("Only a render that failed can be retried.", code="video_not_failed", param="video_id")


def _allowed(destination: Destination, verdict: Verdict, price: Quote | None) -> RenderAllowed:
    offer = destination.offer
    return RenderAllowed(
        verdict=verdict,
        renderer=offer.renderer,
        credential=offer.credential,
        quote=price,
        served_model=None if offer.served_model == offer.model else offer.served_model,
        replica=destination.replica,
    )


def _held(
    asked: Asked, refusal: Refusal, verdict: Verdict, price: Quote | None, *, until: datetime
) -> RenderApprovalRequested:
    allowed = _allowed(asked.destination, verdict, price)
    return RenderApprovalRequested(
        approval_id=streams.approval_id(asked.video_id),
        verdict=verdict,
        expires_at=until,
        message=refusal.message,
        on_hold=refusal.on_hold,
        renderer=allowed.renderer,
        credential=allowed.credential,
        quote=price,
        served_model=allowed.served_model,
        replica=allowed.replica,
    )


def _seen(asked: Asked, price: Quote | None, at: datetime) -> Seen:
    """Everything a policy may look at."""
    request, lineage, declared = asked.request, asked.lineage, asked.request.declared
    return Seen(
        operation=request.operation,
        model=request.model,
        size=request.size,
        seconds=length_s(request, asked.destination.offer),
        cost_micro=price.cost.amount_micro if price else None,
        project=asked.caller.project,
        requester=asked.caller.requester,
        key_id=asked.caller.key_id,
        at=at,
        prompt=request.prompt,
        purpose=declared.purpose,
        tags=frozenset(declared.tags),
        fields=request.fields,
        has_reference=asked.has_reference,
        remix_depth=lineage.remix_depth,
        changes=lineage.changes,
        renders_in_last_hour=lineage.renders_in_last_hour(declared.purpose, at),
        seconds_since_last_render=lineage.seconds_since_last_render(declared.purpose, at),
        lineage_has_approved_draft=lineage.has_approved_draft,
        attestations=frozenset(declared.attestations),
        moderation=asked.moderation,
    )


def reservation(asked: Asked, price: Quote | None, periods: Periods) -> SpendReserved:
    """What is set aside for a render at this price."""
    outputs = asked.request.fields.get("n")
    return SpendReserved(
        video_id=asked.video_id,
        cost=price.cost if price else None,
        project=asked.caller.project,
        requester=asked.caller.requester,
        key_id=asked.caller.key_id,
        model=asked.request.model,
        renderer=asked.destination.offer.renderer,
        purpose=asked.request.declared.purpose,
        tags=asked.request.declared.tags,
        seconds=length_s(asked.request, asked.destination.offer) * (outputs if isinstance(outputs, int) else 1),
        day=periods.day,
        minute=periods.minute,
    )


def _remixed(asked: Asked) -> RenderRemixed:
    operation = asked.request.operation
    assert operation != "create", asked.video_id  # noqa: S101 - a create has no source
    return RenderRemixed(remix_video_id=asked.video_id, operation=operation)


def _intent(asked: Asked) -> RenderIntent:
    binding, kept = asked.binding, asked.kept
    assert kept is not None, asked.video_id  # noqa: S101 - nothing is recorded of what was not kept
    return RenderIntent(
        video_id=asked.video_id,
        project=asked.caller.project,
        requester=asked.caller.requester,
        operation=asked.request.operation,
        model=asked.request.model,
        seconds=asked.request.seconds,
        size=asked.request.size,
        prompt=kept.prompt,
        input_reference=kept.reference,
        remix_video_id=asked.source.intent.video_id if asked.source else None,
        retry_of_video_id=asked.retry_of,
        idempotency_stream=_binding_stream(asked, binding) if binding else None,
        source_video=kept.source_video,
        source_seconds=asked.request.source_seconds,
        fields=plain(asked.request.fields),
        text_fields=dict(kept.text_fields),
        purpose=asked.request.declared.purpose,
        tags=asked.request.declared.tags,
        attestations=asked.request.declared.attestations,
        chosen_by_policy=asked.chosen,
        batch_id=binding.batch_id if binding else None,
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

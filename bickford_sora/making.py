"""One request, one decision: everything between a parsed request and the facts that are recorded of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bickford_sora.allowance import Allowance
from bickford_sora.decisions import approvals, fields, headroom, intent, quotas
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.headroom import Room
from bickford_sora.decisions.intent import Asked, Binding, Kept
from bickford_sora.decisions.policy import Policy, Refusal
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.errors import TryLater, Unauthorized
from bickford_sora.idempotency import Idempotency
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.preparing import Desk, Prepared, Preparing
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin
from ledger import lifecycle, streams
from ledger.envelope import Sealed
from ledger.errors import Conflict
from ledger.render import Render
from ledger.spend import Periods, Spend


class PolicyReplaced(Exception):  # noqa: N818 - the name states the cause
    """Another policy came into force while a request was being decided: what was chosen and looked at was for the old.

    Nothing was recorded.
    """


@dataclass(frozen=True, slots=True)
class Made:
    """A render that was taken, and what is then left of the limits; None where nothing was decided anew."""

    render: Render
    allowance: Allowance | None = None
    opened: Mapping[Sealed, str] = field(default_factory=dict)
    """What its sealed texts say, as far as they were sealed just now."""


class Making:
    """Makes renders of requests. Safe to use from several threads; errors as those of `bickford_sora.intake`."""

    def __init__(self, desk: Desk, idempotency: Idempotency) -> None:
        self._desk = desk
        self._recording = desk.recording
        self._idempotency = idempotency
        self._preparing = Preparing(desk)
        self._issued = IssuedKeys(desk.recording.ledger, desk.recording.clock)

    def make(
        self,
        caller: Caller,
        request: ParsedRequest,
        origin: Origin,
        binding: Binding | None,
        *,
        retry_of: str | None = None,
    ) -> Made:
        """The new render, or the one this key made meanwhile. `retry_of` is the failed video asked for again."""
        self._desk.take_place(caller)
        for _ in range(DECIDE_ATTEMPTS_MAX):
            policy = self._desk.policies.in_force(caller.tenant)
            try:
                return self._made(caller, request, origin, binding, policy, retry_of=retry_of)
            except PolicyReplaced:
                continue
        raise TryLater("The policy is changing. Send the request again.", code="conflict")

    def _made(
        self,
        caller: Caller,
        request: ParsedRequest,
        origin: Origin,
        binding: Binding | None,
        policy: Policy,
        *,
        retry_of: str | None,
    ) -> Made:
        """As `make`, by this policy. From what is cheap to refuse to what costs time, and only then to storage.

        Raises PolicyReplaced when it is not in force any more.
        """
        prepared = self._preparing.prepare(caller, request, policy)
        asked = replace(prepared.asked, kept=self._keep(prepared), binding=binding, retry_of=retry_of)
        return self._decide(asked, policy, origin)

    def _decide(self, asked: Asked, policy: Policy, origin: Origin) -> Made:
        for _ in range(DECIDE_ATTEMPTS_MAX):
            try:
                render, refusal, allowance = self._reserve(asked, policy, origin)
            except Conflict:
                # The API key was rotated or revoked, the policy was replaced, another request bound the key first, or
                # the source or its lineage moved on.
                asked = replace(asked, caller=self._confirmed(asked))
                if replayed := self.replay(asked.caller, asked.binding, origin):
                    self._drop_files(asked)
                    return Made(replayed)
                if self._desk.policies.look_again(asked.caller.tenant).head != policy.head:
                    self._drop_files(asked)
                    raise PolicyReplaced from None
                asked = self._seen_again(asked, policy)
                continue
            # From here on the render is accepted: whatever dies now, a worker will find it.
            if refusal and refusal.kind == "approval":
                return Made(self._answered(asked.caller, asked.video_id, origin))  # it says that it is not approved yet
            if refusal:
                self._drop_files(asked)
                raise quotas.refused(refusal, allowance)
            return Made(render, allowance, {render.intent.prompt: asked.request.prompt})
        raise TryLater("The source is changing. Send the request again.", code="conflict")

    def _reserve(self, asked: Asked, policy: Policy, origin: Origin) -> tuple[Render, Refusal | None, Allowance]:
        """Records the decision, and what it sets aside.

        Returns the render it made, why it may not be, None when it may, and what is left of the limits.
        """
        at = self._recording.clock()
        judged = intent.judge(asked, policy, at, approval_s=self._desk.approval_s)
        decided: list[tuple[Refusal | None, list[Room]]] = []

        def take(spend: Spend, periods: Periods) -> Draft:
            wanted = intent.reservation(asked, judged.price, periods)
            draft, refusal = intent.decide(asked, judged, spend, wanted)
            decided.append((refusal, headroom.rooms(spend, wanted)))
            return draft

        events = self._recording.on_spend(take, origin, on=asked.source)
        refusal, rooms = decided[-1]  # those of the last time it was taken were recorded
        is_taken = refusal is None or refusal.kind == "approval"
        stream = streams.render(asked.caller.tenant, asked.video_id)
        render = lifecycle.fold(None, [event for event in events if event.stream == stream])
        assert render is not None, stream  # noqa: S101 - its intent is recorded whatever was decided
        return render, refusal, headroom.allowance(rooms, at, is_taken=is_taken)

    def _seen_again(self, asked: Asked, policy: Policy) -> Asked:
        """What was asked, with the source and its lineage as they are now."""
        if asked.source is None:
            return asked
        source = self._preparing.source(asked.caller, asked.source.intent.video_id)
        return replace(asked, source=source, lineage=self._preparing.lineage(source, asked.request, policy))

    def replay(self, caller: Caller, binding: Binding | None, origin: Origin) -> Render | None:
        """The first answer given under this key. Raises KeyReused when something else was asked with it.

        What was refused until it is approved starts, once it is.
        """
        bound = self._idempotency.bound(caller, binding) if binding else None
        return self._answered(caller, bound.video_id, origin) if bound else None

    def _answered(self, caller: Caller, video_id: str, origin: Origin) -> Render:
        """A render as it was shown first; one that was refused until it was approved, on its way.

        Raises ApprovalRequired or Denied for one that was refused and may not start.
        """
        for _ in range(DECIDE_ATTEMPTS_MAX):
            render = self._recording.render(streams.render(caller.tenant, video_id))
            if not approvals.was_refused(render):
                return self.first_answer(caller, video_id)
            draft = approvals.started(render, caller, self._recording.clock())
            if not draft:
                return render
            try:
                self._recording.append(draft, origin, on=render)
            except Conflict:
                caller = self._issued.confirmed(caller)
        raise TryLater("The render is changing. Send the request again.", code="conflict")

    def first_answer(self, caller: Caller, video_id: str) -> Render:
        """A render as it was shown first."""
        stream = streams.render(caller.tenant, video_id)
        render = self._recording.ledger.render(stream, version=intent.VERSION_WHEN_ANSWERED)
        assert render is not None, f"{stream} has no facts"  # noqa: S101 - it was recorded together with its binding
        return render

    def _keep(self, prepared: Prepared) -> Kept:
        """Seals the words of a request and stores its files."""
        asked, references = prepared.asked, self._desk.references
        caller, video_id, request = asked.caller, asked.video_id, asked.request
        texts = fields.texts(request.fields).items()
        return Kept(
            prompt=self._sealed(caller, video_id, "prompt", request.prompt),
            text_fields={name: self._sealed(caller, video_id, name, text) for name, text in texts},
            reference=references.keep_picture(caller, video_id, prepared.picture) if prepared.picture else None,
            source_video=references.keep_clip(caller, video_id, prepared.clip) if prepared.clip else None,
        )

    def _sealed(self, caller: Caller, video_id: str, name: str, text: str) -> Sealed:
        return self._desk.keys.seal(text, requester=caller.requester, subject=video_id, field=f"render.intent.{name}")

    def _confirmed(self, asked: Asked) -> Caller:
        """Who asks, by the API key as it is now. Raises Unauthorized, and nothing is left behind."""
        try:
            return self._issued.confirmed(asked.caller)
        except Unauthorized:
            self._drop_files(asked)
            raise

    def _drop_files(self, asked: Asked) -> None:
        if asked.kept:
            self._desk.references.drop(asked.kept.reference, asked.kept.source_video)

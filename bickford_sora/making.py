"""One request, one decision: everything between a parsed request and the facts that are recorded of it.

Requests that come at the same time go through it side by side, and share what is the same for one as for many: the look
for their keys, and the append.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bickford_sora.allowance import Allowance
from bickford_sora.decisions import approvals, fields, headroom, intent, quotas
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.headroom import Room
from bickford_sora.decisions.intent import Asked, Binding, Judged, Kept
from bickford_sora.decisions.policy import Policy, Refusal
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.errors import TryLater, Unauthorized
from bickford_sora.idempotency import Idempotency
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.preparing import Desk, Prepared, Preparing
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Wanted
from bickford_sora.side_by_side import alone, attempt, result, together
from ledger import lifecycle, streams
from ledger.envelope import Event, Sealed
from ledger.errors import Conflict, LedgerError
from ledger.keys import Plain
from ledger.render import Render
from ledger.spend import Periods, Spend

PROMPT = "prompt"
"""What the prompt is called among the texts of a request."""


class PolicyReplaced(Exception):  # noqa: N818 - the name states the cause
    """Another policy came into force while a request was being decided: what was chosen and looked at was for the old.

    Nothing was recorded.
    """


@dataclass(frozen=True, slots=True)
class ToMake:
    """A request that a render is to be made of."""

    caller: Caller
    request: ParsedRequest
    origin: Origin
    binding: Binding | None = None
    retry_of: str | None = None
    """The failed video that is asked for again."""


@dataclass(frozen=True, slots=True)
class Made:
    """A render that was taken, and what is then left of the limits; None where nothing was decided anew."""

    render: Render
    allowance: Allowance | None = None
    opened: Mapping[Sealed, str] = field(default_factory=dict)
    """What its sealed texts say, as far as they were sealed just now."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A request on its way to the decision."""

    wanted: ToMake
    policy: Policy
    prepared: Prepared
    asked: Asked


@dataclass(slots=True)
class _Decision:
    """A decision on a case. It may be taken several times; what the last time came to was recorded."""

    case: _Case
    judged: Judged
    at: datetime
    refusal: Refusal | None = None
    rooms: Sequence[Room] = ()

    def take(self, spend: Spend, periods: Periods) -> Draft:
        wanted = intent.reservation(self.case.asked, self.judged.price, periods)
        draft, self.refusal = intent.decide(self.case.asked, self.judged, spend, wanted)
        self.rooms = headroom.rooms(spend, wanted)
        return draft

    @property
    def allowance(self) -> Allowance:
        is_taken = self.refusal is None or self.refusal.kind == "approval"
        return headroom.allowance(self.rooms, self.at, is_taken=is_taken)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was recorded."""

    render: Render
    refusal: Refusal | None
    allowance: Allowance


class Making:
    """Makes renders of requests. Safe to use from several threads; errors as those of `bickford_sora.intake`."""

    def __init__(self, desk: Desk, idempotency: Idempotency) -> None:
        self._desk = desk
        self._recording = desk.recording
        self._idempotency = idempotency
        self._preparing = Preparing(desk)
        self._issued = IssuedKeys(desk.recording.ledger, desk.recording.clock)

    def make_all(self, wanted: Sequence[ToMake]) -> list[Made | Exception]:
        """The new render of each, or the one its key made meanwhile; or why there is none.

        Each is decided for itself. What they write is written together: their keys, then their facts. Raises
        ledger.errors.Unavailable when nothing was recorded of any.
        """
        placed = alone(self._placed, wanted)
        made = together(self._made_all, placed)
        return [
            attempt(self._made_anew, each) if isinstance(outcome, PolicyReplaced) else outcome
            for each, outcome in zip(wanted, made, strict=True)
        ]

    def _placed(self, wanted: ToMake) -> ToMake:
        self._desk.check_time()
        self._desk.take_place(wanted.caller)
        return wanted

    def _made_anew(self, wanted: ToMake) -> Made:
        """What a request comes to by the policy that came meanwhile."""
        for _ in range(DECIDE_ATTEMPTS_MAX):
            [made] = self._made_all([wanted])
            if not isinstance(made, PolicyReplaced):
                return result(made)
        raise TryLater("The policy is changing. Send the request again.", code="conflict")

    def _made_all(self, wanted: Sequence[ToMake]) -> list[Made | Exception]:
        """From what is cheap to refuse to what costs time, and only then to storage.

        PolicyReplaced where the policy is not in force any more.
        """
        cases = together(self._keep_all, alone(self._prepared, wanted))
        decided = together(self._decide_all, cases)
        return [
            case if isinstance(case, Exception) else attempt(self._made, case, outcome)
            for case, outcome in zip(cases, decided, strict=True)
        ]

    def _prepared(self, wanted: ToMake) -> _Case:
        policy = self._desk.policies.in_force(wanted.caller.tenant)
        prepared = self._preparing.prepare(wanted.caller, wanted.request, policy)
        return _Case(wanted, policy, prepared, prepared.asked)

    def _keep_all(self, cases: Sequence[_Case]) -> list[_Case | Exception]:
        """Seals the words of requests, and stores their files."""
        texts = [_texts(each.asked) for each in cases]
        sealed = iter(self._desk.keys.seal_all([text for each in texts for text in each.values()]))
        words = [{name: next(sealed) for name in each} for each in texts]
        return [attempt(self._kept, case, said) for case, said in zip(cases, words, strict=True)]

    def _kept(self, case: _Case, words: Mapping[str, Sealed | LedgerError]) -> _Case:
        prepared, references = case.prepared, self._desk.references
        sealed: dict[str, Sealed] = {}
        for name, text in words.items():
            if isinstance(text, LedgerError):
                raise text
            sealed[name] = text
        caller, video_id = case.asked.caller, case.asked.video_id
        kept = Kept(
            prompt=sealed.pop(PROMPT),
            text_fields=sealed,
            reference=references.keep_picture(caller, video_id, prepared.picture) if prepared.picture else None,
            source_video=references.keep_clip(caller, video_id, prepared.clip) if prepared.clip else None,
        )
        wanted = case.wanted
        return replace(case, asked=replace(case.asked, kept=kept, binding=wanted.binding, retry_of=wanted.retry_of))

    def _made(self, case: _Case, decided: _Decided | Exception) -> Made:
        """What the decision comes to; taken again where something it relied on moved on."""
        for _ in range(DECIDE_ATTEMPTS_MAX):
            if isinstance(decided, Conflict):
                # The API key was rotated or revoked, the policy was replaced, another request bound the key first, or
                # the source or its lineage moved on.
                case = replace(case, asked=replace(case.asked, caller=self._confirmed(case.asked)))
                asked, origin = case.asked, case.wanted.origin
                if replayed := self.replay(asked.caller, asked.binding, origin):
                    self._drop_files(asked)
                    return Made(replayed)
                if self._desk.policies.look_again(asked.caller.tenant).head != case.policy.head:
                    self._drop_files(asked)
                    raise PolicyReplaced from None
                case = replace(case, asked=self._seen_again(asked, case.policy))
                [decided] = self._decide_all([case])
                continue
            if isinstance(decided, Exception):
                raise decided
            return self._accepted(case, decided)
        raise TryLater("The source is changing. Send the request again.", code="conflict")

    def _accepted(self, case: _Case, decided: _Decided) -> Made:
        # From here on the render is accepted: whatever dies now, a worker will find it.
        asked, refusal = case.asked, decided.refusal
        if refusal and refusal.kind == "approval":  # it says that it is not approved yet
            return Made(self._answered(asked.caller, asked.video_id, case.wanted.origin))
        if refusal:
            self._drop_files(asked)
            raise quotas.refused(refusal, decided.allowance)
        return Made(decided.render, decided.allowance, {decided.render.intent.prompt: asked.request.prompt})

    def _decide_all(self, cases: Sequence[_Case]) -> list[_Decided | Exception]:
        """Records decisions, and what they set aside."""
        return together(self._record_all, alone(self._judged, cases))

    def _judged(self, case: _Case) -> _Decision:
        at = self._recording.clock()
        judged = intent.judge(case.asked, case.policy, at, approval_s=self._desk.approval_s)
        return _Decision(case, judged, at)

    def _record_all(self, decisions: Sequence[_Decision]) -> list[_Decided | Exception]:
        wanted = [Wanted(each.take, each.case.wanted.origin, on=each.case.asked.source) for each in decisions]
        recorded = self._recording.on_spend_all(wanted)
        return [
            events if isinstance(events, Exception) else _decided(decision, events)
            for decision, events in zip(decisions, recorded, strict=True)
        ]

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


def _texts(asked: Asked) -> dict[str, Plain]:
    """The words of a request by the names they are sealed under; the prompt, and its texts that are no prompt."""
    said = {PROMPT: asked.request.prompt, **fields.texts(asked.request.fields)}
    requester, subject = asked.caller.requester, asked.video_id
    return {name: Plain(text, requester, subject, f"render.intent.{name}") for name, text in said.items()}


def _decided(decision: _Decision, events: Sequence[Event]) -> _Decided:
    asked = decision.case.asked
    stream = streams.render(asked.caller.tenant, asked.video_id)
    render = lifecycle.fold(None, [event for event in events if event.stream == stream])
    assert render is not None, stream  # noqa: S101 - its intent is recorded whatever was decided
    return _Decided(render, decision.refusal, decision.allowance)

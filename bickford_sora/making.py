"""One request, one decision: everything between a parsed request and the facts that are recorded of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bickford_sora.decisions import approvals, choice, fields, intent, offers, quotas
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.intent import Asked, Binding
from bickford_sora.decisions.lineage import Lineage
from bickford_sora.decisions.offers import DEFAULTS, Shape, Wish
from bickford_sora.decisions.policy import Policy, Refusal
from bickford_sora.decisions.request import ParsedRequest, VideoRequest
from bickford_sora.decisions.routing import IsStopped, choose
from bickford_sora.decisions.rules.guardrails import texts_read
from bickford_sora.decisions.rules.purposes import PurposeEntry
from bickford_sora.errors import NotFound, TryLater, Unauthorized
from bickford_sora.idempotency import Idempotency
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.lineages import Lineages
from bickford_sora.moderation import Image, Moderation
from bickford_sora.policies import Policies
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from bickford_sora.references import Picture, References
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Sealed
from ledger.errors import Conflict
from ledger.keys import Keys
from ledger.lifecycle import Render
from ledger.spend import Periods, Spend


@dataclass(frozen=True, slots=True)
class Desk:
    """What intake works with."""

    recording: Recording
    keys: Keys
    references: References
    policies: Policies
    moderation: Moderation
    catalogue: Callable[[], Catalogue]
    """What is offered now."""
    is_stopped: IsStopped
    approval_s: float
    """How long a held render waits for an approver, in seconds."""
    repeats_answers: bool = True
    """Whether an answer that could not be delivered is given to the SDKs' repetition of a request."""


class PolicyReplaced(Exception):  # noqa: N818 - the name states the cause
    """Another policy came into force while a request was being decided: what was chosen and looked at was for the old.

    Nothing was recorded.
    """


class Making:
    """Makes renders of requests. Safe to use from several threads; errors as those of `bickford_sora.intake`."""

    def __init__(self, desk: Desk, idempotency: Idempotency) -> None:
        self._desk = desk
        self._recording = desk.recording
        self._idempotency = idempotency
        self._lineages = Lineages(desk.recording.ledger, desk.keys)
        self._issued = IssuedKeys(desk.recording.ledger, desk.recording.clock)

    def make(
        self,
        caller: Caller,
        request: ParsedRequest,
        origin: Origin,
        binding: Binding | None,
        *,
        retry_of: str | None = None,
    ) -> Render:
        """The new render, or the one this key made meanwhile. `retry_of` is the failed video asked for again."""
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
    ) -> Render:
        """As `make`, by this policy. From what is cheap to refuse to what costs time, and only then to storage.

        Raises PolicyReplaced when it is not in force any more.
        """
        wish = choice.choice_for(request, policy.compiled.document.purposes)
        source, uploaded = self._source(caller, request), request.source.file if request.source else None
        found = offers.candidates(choice.with_model(request, wish), self._desk.catalogue(), source)
        clip = self._desk.references.clip(uploaded) if uploaded else None
        wanted, found = offers.completed(found, clip.shape if clip else _shape(source), _wish(wish))
        video_id = streams.video_id(self._recording.new_id())
        destination = choose(found, self._desk.is_stopped, _draw(video_id))
        references = self._desk.references
        picture = references.picture(request.reference, wanted.size) if request.reference else None
        moderation = self._desk.moderation.look(
            policy.compiled.document.guardrails, "\n".join(texts_read(wanted.prompt, wanted.fields)), _image(picture)
        )
        asked = Asked(
            video_id=video_id,
            caller=caller,
            request=wanted,
            prompt=self._sealed(caller, video_id, "prompt", wanted.prompt),
            text_fields=self._sealed_texts(caller, video_id, wanted),
            destination=destination,
            reference=references.keep_picture(caller, video_id, picture) if picture else None,
            source_video=references.keep_clip(caller, video_id, clip) if clip else None,
            binding=binding,
            source=source,
            retry_of=retry_of,
            lineage=self._lineage(source, wanted, policy),
            moderation=moderation,
            chosen=choice.chosen(request, wanted, wish),
        )
        return self._decide(asked, policy, origin)

    def _decide(self, asked: Asked, policy: Policy, origin: Origin) -> Render:
        for _ in range(DECIDE_ATTEMPTS_MAX):
            try:
                refusal = self._reserve(asked, policy, origin)
            except Conflict:
                # The API key was rotated or revoked, the policy was replaced, another request bound the key first, or
                # the source or its lineage moved on.
                asked = replace(asked, caller=self._confirmed(asked))
                if replayed := self.replay(asked.caller, asked.binding, origin):
                    self._drop_files(asked)
                    return replayed
                if self._desk.policies.look_again(asked.caller.tenant).head != policy.head:
                    self._drop_files(asked)
                    raise PolicyReplaced from None
                asked = self._seen_again(asked, policy)
                continue
            # From here on the render is accepted: whatever dies now, a worker will find it.
            if refusal and refusal.kind == "approval":
                return self._answered(asked.caller, asked.video_id, origin)  # it says that it is not approved yet
            if refusal:
                self._drop_files(asked)
                raise quotas.refused(refusal)
            return self._recording.render(streams.render(asked.caller.tenant, asked.video_id))
        raise TryLater("The source is changing. Send the request again.", code="conflict")

    def _reserve(self, asked: Asked, policy: Policy, origin: Origin) -> Refusal | None:
        """Records the decision, and what it sets aside. Returns why it may not be, None when it may."""
        judged = intent.judge(asked, policy, self._recording.clock(), approval_s=self._desk.approval_s)
        refusals: list[Refusal | None] = []

        def take(spend: Spend, periods: Periods) -> Draft:
            draft, refusal = intent.decide(asked, judged, spend, periods)
            refusals.append(refusal)
            return draft

        self._recording.reserve(take, origin, on=asked.source)
        return refusals[-1]  # that of the last time it was taken is the one that was recorded

    def _seen_again(self, asked: Asked, policy: Policy) -> Asked:
        """What was asked, with the source and its lineage as they are now."""
        if asked.source is None:
            return asked
        source = self._checked_source(asked.caller, asked.source.intent.video_id)
        return replace(asked, source=source, lineage=self._lineage(source, asked.request, policy))

    def _lineage(self, source: Render | None, wanted: VideoRequest, policy: Policy) -> Lineage:
        asked = policy.compiled.asks_about_lineage(wanted.declared.purpose)
        return self._lineages.of(source, wanted, with_members=asked)

    def _source(self, caller: Caller, request: ParsedRequest) -> Render | None:
        """The video of this project it is made from; None for an upload, and where there is none."""
        named = request.source
        if named is None or named.video_id is None:
            return None
        return self._checked_source(caller, named.video_id, named.param)

    def _checked_source(self, caller: Caller, video_id: str, param: str = "video_id") -> Render:
        source = find(self._recording.ledger, caller, video_id, param=param)
        intent.check_source(source, param=param)
        return source

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

    def _sealed_texts(self, caller: Caller, video_id: str, request: VideoRequest) -> dict[str, Sealed]:
        return {name: self._sealed(caller, video_id, name, text) for name, text in fields.texts(request.fields).items()}

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
        self._desk.references.drop(asked.reference, asked.source_video)


def find(ledger: Ledger, caller: Caller, video_id: str, *, param: str) -> Render:
    """A render of the caller's project. Raises NotFound when there is none, it is another's, or was deleted."""
    render = find_to_read(ledger, caller, video_id, param=param)
    if render.intent.project != caller.project:
        raise _unknown(param)
    return render


def find_to_read(ledger: Ledger, caller: Caller, video_id: str, *, param: str) -> Render:
    """As `find`, of any project the caller reads."""
    if streams.is_video_id(video_id):
        render = ledger.render(streams.render(caller.tenant, video_id))
        if render is not None and caller.reads(render.intent.project) and not render.deleted:
            return render
    raise _unknown(param)


def _unknown(param: str) -> NotFound:
    return NotFound("No video with this id exists.", code="video_not_found", param=param)


def _wish(choice: PurposeEntry) -> Wish:
    """What the policy chose, and else the protocol's defaults."""
    return Wish(choice.size or DEFAULTS.size, DEFAULTS.seconds if choice.seconds is None else str(choice.seconds))


def _image(picture: Picture | None) -> Image | None:
    return Image(picture.file.content, picture.facts.media_type) if picture else None


def _shape(source: Render | None) -> Shape | None:
    return Shape(source.intent.size, source.intent.video_seconds) if source else None


def _draw(video_id: str) -> int:
    """A number from the random end of an id: drawn once, and the same whenever it is looked at again."""
    return int(video_id[-15:], 16)

"""Taking requests: from a parsed request to recorded facts, and back to the render a client is shown.

Synchronous; `bickford_sora.http` crosses from its event loop to here in one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bickford_sora import finding
from bickford_sora.allowance import Allowance
from bickford_sora.answers import Answers
from bickford_sora.decisions import deletion, intent
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.declared import Declared
from bickford_sora.decisions.deletion import Cancellation
from bickford_sora.decisions.intent import Binding
from bickford_sora.decisions.media import Reference, Source
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.errors import NotFound, TryLater
from bickford_sora.idempotency import Idempotency
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.making import Made, Making, ToMake
from bickford_sora.preparing import Desk
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin
from bickford_sora.renderers.port import Capabilities
from bickford_sora.side_by_side import alone, result
from ledger.envelope import Sealed
from ledger.errors import Conflict, Erased
from ledger.render import Render


@dataclass(frozen=True, slots=True)
class Terms:
    """How a request came, beside what it asks for."""

    origin: Origin
    request_hash: str
    """Keyed hash of the route and of what was asked: what an Idempotency-Key is bound to."""
    key: str | None = None
    """The Idempotency-Key."""
    retry_count: int = 0
    """How often the client says it sent this before."""
    batch_id: str | None = None
    """The batch it is a line of, which has a key then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request for a render is answered with."""

    render: Render
    request_hash: str | None = None
    """Keyed hash of the request; None where an Idempotency-Key makes a repetition safe."""
    repeated: bool = False
    """Whether an earlier request made it, whose answer could not be delivered."""
    allowance: Allowance | None = None
    """What is left of the limits; None where nothing was decided anew."""
    opened: Mapping[Sealed, str] = field(default_factory=dict)
    """What its sealed texts say, as far as they were sealed just now."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody asks for a render."""

    caller: Caller
    request: ParsedRequest
    terms: Terms


class Intake:
    """Takes what makes renders, retries and deletes them. Safe to use from several threads.

    Every method raises `bickford_sora.errors.ProtocolError` for what the client did, and `ledger.errors.Unavailable`
    when the database does not answer; then nothing was recorded, or a retry with the same Idempotency-Key finds it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._recording = desk.recording
        self._idempotency = Idempotency(desk.recording.ledger, desk.keys)
        self._answers = Answers(desk.recording)
        self._making = Making(desk, self._idempotency)
        self._issued = IssuedKeys(desk.recording.ledger, desk.recording.clock)

    def find(self, caller: Caller, video_id: str, *, param: str = "video_id") -> Render:
        """A render the caller reads. Raises NotFound when there is none, it is of nobody it reads, or was deleted."""
        return finding.find_to_read(self._recording.ledger, caller, video_id, param=param)

    def terms(
        self,
        origin: Origin,
        route: str,
        request: ParsedRequest | None,
        *,
        key: str | None = None,
        retry_count: int = 0,
        named: str | None = None,
    ) -> Terms:
        """The terms of a request. `route` says which operation on what was called; a retry has no body to parse.

        `named` is the requester that the caller named, if it did.
        """
        said = self._idempotency.said(request) if request else None
        return Terms(origin, self._idempotency.hash_of(route, said, named=named), key, retry_count)

    def ask(self, caller: Caller, request: ParsedRequest, terms: Terms) -> Answer:
        """A new render: created, or made from another; or the one this very request made before."""
        [answer] = self.ask_all([Asking(caller, request, terms)])
        return result(answer)

    def ask_all(self, asking: Sequence[Asking]) -> list[Answer | Exception]:
        """As `ask` for each, for itself; what they write is written together.

        Raises ledger.errors.Unavailable when nothing was recorded of any.
        """
        begun = alone(self._begun, asking)
        made = iter(self._making.make_all([each for each in begun if isinstance(each, ToMake)]))
        return [
            _answer(next(made), each.terms) if isinstance(before, ToMake) else before
            for each, before in zip(asking, begun, strict=True)
        ]

    def is_quick(self, caller: Caller, request: ParsedRequest) -> bool:
        """Whether nothing but the ledger is waited for while it is decided, as far as is known without a look."""
        policy = self._desk.policies.known(caller.tenant)
        if request.reference is not None or request.source is not None or policy is None:
            return False
        return not self._desk.moderation.asks(policy.compiled.document.guardrails)

    def retry(self, caller: Caller, video_id: str, terms: Terms) -> Answer:
        """A new, newly governed render that asks again for what failed."""
        before = self._before(caller, terms)
        if isinstance(before, Answer):
            return before
        failed = self._own(caller, video_id)
        intent.check_retryable(failed)
        origin = replace(terms.origin, causation=failed.last_event_id)
        [made] = self._making.make_all([ToMake(caller, self._asked_for(failed), origin, before, retry_of=video_id)])
        return result(_answer(made, terms))

    def undelivered(self, caller: Caller, answer: Answer, origin: Origin) -> None:
        """Records that nobody was there to be given this answer, so that a repetition of the request gets it."""
        if answer.request_hash is not None and self._desk.repeats_answers:
            self._answers.undelivered(caller, answer.request_hash, answer.render.intent.video_id, origin)

    def delete(self, caller: Caller, video_id: str, *, origin: Origin) -> Cancellation | None:
        """Deletes a video; an unfinished render is cancelled, and what that does to the renderer's work is said.

        Raises Conflicting where a legal hold keeps it.
        """
        render = self._own(caller, video_id)
        for _ in range(DECIDE_ATTEMPTS_MAX):
            draft = deletion.delete(render, self._recording.ledger.holds(render.tenant)).relying_on(caller.heads)
            if not draft:
                return None
            try:
                self._recording.append(draft, origin, on=render)
            except Conflict:  # the render moved on, the API key did, or a legal hold came
                caller = self._issued.confirmed(caller)
                render = self._recording.render(render.stream)
            else:
                return deletion.cancellation(render, self._capabilities(render))
        raise TryLater("The video changed while it was deleted. Send the request again.", code="conflict")

    def prompt(self, render: Render) -> str | None:
        """The prompt in the clear, None once it was erased."""
        try:
            return self._desk.keys.open(render.intent.prompt)
        except Erased:
            return None

    def _begun(self, asking: Asking) -> Answer | ToMake:
        before = self._before(asking.caller, asking.terms)
        if isinstance(before, Answer):
            return before
        return ToMake(asking.caller, asking.request, asking.terms.origin, before)

    def _before(self, caller: Caller, terms: Terms) -> Answer | Binding | None:
        """What this very request has made before, else what binds its key to what it makes; None without a key."""
        if terms.key is not None:
            binding = replace(self._idempotency.binding(terms.key, terms.request_hash), batch_id=terms.batch_id)
            replayed = self._making.replay(caller, binding, terms.origin)
            return Answer(replayed) if replayed else binding
        if terms.retry_count and self._desk.repeats_answers:
            video_id = self._answers.repeat(caller, terms.request_hash, terms.retry_count, terms.origin)
            if video_id is not None:
                return Answer(self._making.first_answer(caller, video_id), terms.request_hash, repeated=True)
        return None

    def _own(self, caller: Caller, video_id: str) -> Render:
        """A render of the caller's own project: what it may change. Raises NotFound as `find`."""
        return finding.find(self._recording.ledger, caller, video_id, param="video_id")

    def _capabilities(self, render: Render) -> Capabilities | None:
        """What the renderer that was asked is able to do, None when none was, or it is not configured any more."""
        asked = render.job or render.submission
        if asked is None:
            return None
        offer = self._desk.catalogue().offer(render.intent.model, asked.renderer, asked.credential)
        return offer.capabilities if offer else None

    def _asked_for(self, failed: Render) -> ParsedRequest:
        """What a render was asked with, from its facts. Raises Gone or NotFound when part of it is not kept."""
        was, references = failed.intent, self._desk.references
        image, upload = references.image_of(failed), references.source_of(failed)
        texts = {name: self._opened(text) for name, text in was.text_fields.items()}
        return ParsedRequest(
            operation=was.operation,
            prompt=self._opened(was.prompt),
            model=was.model,
            seconds=was.seconds if was.operation in {"create", "extend"} else None,
            size=was.size if was.operation == "create" else None,
            reference=Reference(image) if image else None,
            source=None if was.operation == "create" else Source(was.remix_video_id, upload),
            fields={**was.fields, **texts},
            declared=Declared(purpose=was.purpose, tags=was.tags, attestations=was.attestations),
        )

    def _opened(self, sealed: Sealed) -> str:
        try:
            return self._desk.keys.open(sealed)
        except Erased:
            raise NotFound("The prompt was erased; it can not be asked for again.", code="prompt_erased") from None


def _answer(made: Made | Exception, terms: Terms) -> Answer | Exception:
    if isinstance(made, Exception):
        return made
    hashed = terms.request_hash if terms.key is None else None
    return Answer(made.render, hashed, allowance=made.allowance, opened=made.opened)

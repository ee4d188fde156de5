"""Taking requests: from a parsed request to recorded facts, and back to the render a client is shown.

Synchronous; `bickford_sora.http` crosses from its event loop to here in one place.
"""

import json
from dataclasses import dataclass, replace

from bickford_sora.decisions import deletion, intent
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.intent import Asked, Binding, Route
from bickford_sora.decisions.policy import Policy
from bickford_sora.decisions.request import Image, Offer, VideoRequest, create_request, remix_prompt
from bickford_sora.errors import Denied, InvalidRequest, KeyReused, NotFound, TryLater
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from bickford_sora.references import References
from ledger import streams
from ledger.errors import Conflict, Erased
from ledger.events import IdempotencyBound
from ledger.keys import Keys
from ledger.lifecycle import Render

IDEMPOTENCY_KEY_CHARS_MAX = 255
"""Longest Idempotency-Key in characters."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What intake works with."""

    recording: Recording
    keys: Keys
    references: References
    offer: Offer
    policy: Policy
    route: Route | None
    """The renderer of new renders; None where none is configured."""


class Intake:
    """Creates, remixes, retries and deletes renders. Safe to use from several threads.

    Every method raises `bickford_sora.errors.ProtocolError` for what the client did, and `ledger.errors.Unavailable`
    when the database does not answer; then nothing was recorded, or a retry with the same Idempotency-Key finds it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._recording = desk.recording

    def find(self, caller: Caller, video_id: str) -> Render:
        """A render of the caller's project. Raises NotFound when there is none, it is another's, or was deleted."""
        if streams.is_video_id(video_id):
            render = self._recording.ledger.render(streams.render(caller.tenant, video_id))
            if render is not None and render.intent.project == caller.project and not render.deleted:
                return render
        raise NotFound("No video with this id exists.", code="video_not_found", param="video_id")

    def create(
        self, caller: Caller, fields: dict[str, object], image: Image | None, *, key: str | None, origin: Origin
    ) -> Render:
        """A new render, or the one this Idempotency-Key made before."""
        request = create_request(fields, image, self._desk.offer)
        binding = self._binding("create", key, request)
        if replayed := self._replay(caller, binding):
            return replayed
        return self._ask(caller, request, origin, binding=binding)

    def remix(
        self, caller: Caller, video_id: str, fields: dict[str, object], *, key: str | None, origin: Origin
    ) -> Render:
        """A new render made from a stored one, with another prompt and everything else the same."""
        prompt = remix_prompt(fields, self._desk.offer)
        source = self.find(caller, video_id)
        request = VideoRequest(prompt, source.intent.model, source.intent.seconds, source.intent.size)
        binding = self._binding(f"remix {video_id}", key, request)
        if replayed := self._replay(caller, binding):
            return replayed
        intent.check_remixable(source)
        return self._ask(caller, request, origin, binding=binding, source=source)

    def retry(self, caller: Caller, video_id: str, *, key: str | None, origin: Origin) -> Render:
        """A new, newly governed render that asks again for what failed."""
        failed = self.find(caller, video_id)
        intent.check_retryable(failed)
        asked = failed.intent
        source = self.find(caller, asked.remix_video_id) if asked.remix_video_id else None
        request = VideoRequest(
            self._opened_prompt(failed), asked.model, asked.seconds, asked.size, self._desk.references.image(failed)
        )
        binding = self._binding(f"retry {video_id}", key, request)
        if replayed := self._replay(caller, binding):
            return replayed
        origin = replace(origin, causation=failed.last_event_id)
        return self._ask(caller, request, origin, binding=binding, source=source, retry_of=video_id)

    def delete(self, caller: Caller, video_id: str, *, origin: Origin) -> None:
        """Deletes a video; an unfinished render is cancelled. Its facts stay."""
        render = self.find(caller, video_id)
        for _ in range(DECIDE_ATTEMPTS_MAX):
            draft = deletion.delete(render)
            if not draft:
                return
            try:
                self._recording.append(draft, origin, on=render)
            except Conflict:
                render = self._recording.render(render.stream)
            else:
                return
        raise TryLater("The video changed while it was deleted. Send the request again.", code="conflict")

    def prompt(self, render: Render) -> str | None:
        """The prompt in the clear, None once it was erased."""
        try:
            return self._desk.keys.open(render.intent.prompt)
        except Erased:
            return None

    def _ask(
        self,
        caller: Caller,
        request: VideoRequest,
        origin: Origin,
        *,
        binding: Binding | None,
        source: Render | None = None,
        retry_of: str | None = None,
    ) -> Render:
        video_id = streams.video_id(self._recording.new_id())
        asked = Asked(
            video_id=video_id,
            caller=caller,
            request=request,
            prompt=self._desk.keys.seal(
                request.prompt, requester=caller.requester, subject=video_id, field="render.intent.prompt"
            ),
            route=self._route(source),
            reference=self._desk.references.store(caller, video_id, request),
            binding=binding,
            source=source,
            retry_of=retry_of,
        )
        return self._decide(asked, origin)

    def _decide(self, asked: Asked, origin: Origin) -> Render:
        for _ in range(DECIDE_ATTEMPTS_MAX):
            draft, refusal = intent.decide(asked, self._desk.policy)
            try:
                self._recording.append(draft, origin, on=asked.source)
            except Conflict:
                # Either another request bound the key first, or the source moved on.
                if replayed := self._replay(asked.caller, asked.binding):
                    self._desk.references.drop(asked.reference)
                    return replayed
                if asked.source:
                    source = self.find(asked.caller, asked.source.intent.video_id)
                    intent.check_remixable(source)
                    asked = replace(asked, source=source)
                continue
            # From here on the render is accepted: whatever dies now, a worker will find it.
            if refusal:
                self._desk.references.drop(asked.reference)
                raise Denied(refusal.message, code=refusal.code)
            return self._recording.render(streams.render(asked.caller.tenant, asked.video_id))
        raise TryLater("The source is changing. Send the request again.", code="conflict")

    def _route(self, source: Render | None) -> Route:
        """Where the render goes: a remix to the renderer and credential that hold its source."""
        if source is not None and source.job is not None:
            return Route(source.job.renderer, source.job.credential)
        if self._desk.route is None:
            raise TryLater("No renderer is configured. Set OPENAI_BASE_URL and restart.", code="no_renderer")
        return self._desk.route

    def _binding(self, operation: str, key: str | None, request: VideoRequest) -> Binding | None:
        if key is None:
            return None
        if not 0 < len(key) <= IDEMPOTENCY_KEY_CHARS_MAX:
            raise InvalidRequest(
                f"An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters.",
                code="invalid_idempotency_key",
                param="Idempotency-Key",
            )
        digest = self._desk.keys.digest
        image = digest("reference", request.image.content) if request.image else None
        parsed = [operation, request.prompt, request.model, request.seconds, request.size, image]
        return Binding(key, digest("idempotency", json.dumps(parsed).encode()))

    def _replay(self, caller: Caller, binding: Binding | None) -> Render | None:
        """The first answer given under this key. Raises KeyReused when something else was asked with it."""
        if binding is None:
            return None
        history = self._recording.ledger.history(streams.idempotency(caller.tenant, caller.project, binding.key))
        if not history:
            return None
        bound = history[0].fact
        assert isinstance(bound, IdempotencyBound), bound  # noqa: S101 - the stream holds nothing else
        if bound.request_hash != binding.request_hash:
            raise KeyReused(
                "This Idempotency-Key was used with another request. Use a new key for a new request.",
                code="idempotency_key_reused",
                param="Idempotency-Key",
            )
        stream = streams.render(caller.tenant, bound.video_id)
        return self._recording.ledger.render(stream, version=intent.VERSION_WHEN_ANSWERED)

    def _opened_prompt(self, render: Render) -> str:
        prompt = self.prompt(render)
        if prompt is None:
            raise NotFound("The prompt was erased; it can not be asked for again.", code="prompt_erased")
        return prompt

"""Idempotency-Keys: one key, one request, one answer, for as long as the ledger lives."""

import json
from dataclasses import dataclass

from pydantic import JsonValue

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.intent import Binding
from bickford_sora.decisions.media import File
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.errors import InvalidRequest, KeyReused
from ledger import streams
from ledger.application import Ledger
from ledger.events import IdempotencyBound
from ledger.keys import Keys

IDEMPOTENCY_KEY_CHARS_MAX = 255
"""Longest Idempotency-Key in characters."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Binds keys to requests, and finds what they were bound to. Safe to use from several threads."""

    ledger: Ledger
    keys: Keys

    def hash_of(self, route: str, said: JsonValue, *, named: str | None = None) -> str:
        """Keyed hash of a parsed request: whatever way it was sent, the same. Route and path are part of it.

        So is the requester that was named, if one was: nobody is given what another one asked for.
        """
        words = [route, said] if named is None else [route, said, named]
        return self.keys.digest("idempotency", json.dumps(words, sort_keys=True).encode())

    def said(self, request: ParsedRequest) -> JsonValue:
        """What a request said, for `hash_of`: files by their content, references by their URL."""
        reference, source = request.reference, request.source
        said: dict[str, JsonValue] = {
            "operation": request.operation,
            "prompt": request.prompt,
            "model": request.model,
            "seconds": request.seconds,
            "size": request.size,
            "reference": [self._file(reference.file), reference.url] if reference else None,
            "source": [self._file(source.file), source.video_id] if source else None,
            "fields": dict(request.fields),
        }
        declared = request.declared.given()
        # Only where there is any: keys were bound before anything could be declared.
        return {**said, "declared": declared} if declared else said

    def binding(self, key: str, request_hash: str) -> Binding:
        """A key and what is asked with it. Raises InvalidRequest for no usable key."""
        if not 0 < len(key) <= IDEMPOTENCY_KEY_CHARS_MAX:
            raise InvalidRequest(
                f"An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters.",
                code="invalid_idempotency_key",
                param="Idempotency-Key",
            )
        return Binding(key, request_hash)

    def bound(self, caller: Caller, binding: Binding) -> IdempotencyBound | None:
        """What this key made before, None when it is new. Raises KeyReused when something else was asked with it."""
        history = self.ledger.history(streams.idempotency(caller.tenant, caller.project, binding.key))
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
        return bound

    def _file(self, file: File | None) -> str | None:
        return self.keys.digest("reference", file.content) if file else None

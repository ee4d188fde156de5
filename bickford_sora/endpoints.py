"""Webhook endpoints, as their owners see and change them (`/v1/webhook_endpoints`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from bickford_sora.decisions import deliveries
from bickford_sora.decisions import endpoints as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.endpoints import Asked, SealedSecret
from bickford_sora.dispatch import Dispatch
from bickford_sora.egress import AddressRefused
from bickford_sora.errors import InvalidRequest, NotFound, TryLater
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger import endpoints, streams
from ledger.endpoints import Endpoint
from ledger.envelope import Sealed
from ledger.errors import Conflict
from ledger.keys import Keys
from projections.endpoints import DeliveryRow, EndpointPage


class EndpointsQuery(Protocol):
    """The read model of endpoints. Tenant and project come first, so that nobody is shown another's.

    Errors: `ledger.errors.Unavailable` when the database does not answer.
    """

    def page(self, tenant: str, project: str | None, after: str | None, limit: int, /) -> EndpointPage:
        """Endpoints of a project, or of all the tenant's (None), behind the id `after`, newest first."""

    def count(self, tenant: str, project: str, /) -> int:
        """How many endpoints a project has."""

    def deliveries(self, tenant: str, project: str, endpoint_id: str, limit: int, /) -> list[DeliveryRow]:
        """The newest deliveries to an endpoint."""


@dataclass(frozen=True, slots=True)
class WithSecret:
    """An endpoint, and the one time its signing secret is shown."""

    endpoint: Endpoint
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoints:
    """Creates, shows, changes and removes endpoints. Safe to use from several threads.

    Another project's endpoint is NotFound like one that never was. Raises `ledger.errors.Unavailable` when the database
    does not answer, TryLater when an endpoint never stood still.
    """

    recording: Recording
    keys: Keys
    dispatch: Dispatch
    query: EndpointsQuery
    new_secret: Callable[[int], bytes]
    """So many unpredictable bytes."""

    def create(self, caller: Caller, fields: Mapping[str, object], *, origin: Origin) -> WithSecret:
        """A new endpoint.

        Raises InvalidRequest for fields or a URL that cannot be used, Conflicting when the project has too many.
        """
        asked = decisions.read_new(fields)
        assert asked.event_types is not None  # noqa: S101 - read_new says so
        self._check_url(asked)
        decisions.check_room(self.query.count(caller.tenant, caller.project))
        endpoint_id = streams.endpoint_id(self.recording.new_id())
        stream = streams.endpoint(caller.tenant, endpoint_id)
        secret = decisions.secret_of(self.new_secret(decisions.SECRET_BYTES))
        draft = decisions.created(
            stream,
            self._sealed(asked, "endpoint.created", requester=caller.requester, subject=endpoint_id),
            asked.event_types,
            self._sealed_secret(secret, "endpoint.created", requester=caller.requester, subject=endpoint_id),
            endpoint_id=endpoint_id,
            project=caller.project,
            requester=caller.requester,
        )
        self.recording.append(draft, origin)
        return WithSecret(self.find(caller, endpoint_id), secret)

    def find(self, caller: Caller, endpoint_id: str) -> Endpoint:
        """An endpoint the caller reads, as it is now. Raises NotFound."""
        endpoint = self._folded(caller.tenant, endpoint_id) if streams.is_endpoint_id(endpoint_id) else None
        if endpoint is None or endpoint.deleted or not caller.reads(endpoint.project):
            raise NotFound(
                "No webhook endpoint with this id exists.",
                code="webhook_endpoint_not_found",
                param="webhook_endpoint_id",
            )
        return endpoint

    def update(self, caller: Caller, endpoint_id: str, fields: Mapping[str, object], *, origin: Origin) -> Endpoint:
        """Changes what is given, and enables an endpoint that was disabled. Raises InvalidRequest, NotFound."""
        self.find(caller, endpoint_id)
        asked = decisions.read_change(fields)
        self._check_url(asked)
        return self._decide(caller, endpoint_id, origin, lambda each: self._updated(each, asked))

    def rotate_secret(
        self, caller: Caller, endpoint_id: str, fields: Mapping[str, object], *, origin: Origin
    ) -> WithSecret:
        """A new secret; deliveries carry the old one's signature for another day if that is asked for."""
        keep_old = decisions.read_rotation(fields)
        found = self.find(caller, endpoint_id)
        secret = decisions.secret_of(self.new_secret(decisions.SECRET_BYTES))
        sealed = self._sealed_secret(
            secret, "endpoint.secret_rotated", requester=found.requester, subject=found.endpoint_id
        )
        now = self.recording.clock()
        rotated = self._decide(
            caller, endpoint_id, origin, lambda each: decisions.rotated(each, sealed, now, keep_old=keep_old)
        )
        return WithSecret(rotated, secret)

    def delete(self, caller: Caller, endpoint_id: str, *, origin: Origin) -> None:
        """Removes an endpoint; deliveries that are still due are given up. Raises NotFound."""
        stream = self.find(caller, endpoint_id).stream
        for _ in range(DECIDE_ATTEMPTS_MAX):
            endpoint = cast("Endpoint", self.recording.ledger.fold(stream, endpoints.fold))
            if self._appended(decisions.deleted(endpoint), origin):
                return
        raise _unsettled()

    def test(self, caller: Caller, endpoint_id: str, fields: Mapping[str, object]) -> tuple[str, int]:
        """Sends a sample event now, and says its type and with which status it was answered. Records nothing.

        Raises InvalidRequest when there was no answer.
        """
        event_type = decisions.read_test(fields)
        endpoint = self.find(caller, endpoint_id)
        now, sample_id = self.recording.clock(), self.recording.new_id()
        body = deliveries.sample(f"evt_{sample_id.hex}", event_type, streams.video_id(sample_id), now)
        outcome = self.dispatch.send(endpoint, body, webhook_id=f"wh_{sample_id.hex}", now=now)
        if outcome.http_status is None:
            raise InvalidRequest(
                f"The endpoint gave no answer ({outcome.code}). Check that its URL can be reached from this server.",
                code="webhook_test_failed",
                param="url",
            )
        return event_type, outcome.http_status

    def page(self, caller: Caller, after: str | None, limit: int) -> EndpointPage:
        """The endpoints the caller reads behind the id `after`, newest first. Raises NotFound for an unknown one."""
        if after is not None and not self._is_known(caller, after):
            raise NotFound("No webhook endpoint with this id exists.", code="webhook_endpoint_not_found", param="after")
        return self.query.page(caller.tenant, caller.readable, after, limit)

    def deliveries(self, caller: Caller, endpoint_id: str, limit: int) -> list[DeliveryRow]:
        """The newest deliveries to an endpoint the caller reads. Raises NotFound."""
        endpoint = self.find(caller, endpoint_id)
        return self.query.deliveries(caller.tenant, endpoint.project, endpoint_id, limit)

    def _is_known(self, caller: Caller, endpoint_id: str) -> bool:
        """Whether the caller reads this endpoint; a deleted one still marks a place in the list."""
        endpoint = self._folded(caller.tenant, endpoint_id) if streams.is_endpoint_id(endpoint_id) else None
        return endpoint is not None and caller.reads(endpoint.project)

    def _folded(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        return cast(
            "Endpoint | None", self.recording.ledger.fold(streams.endpoint(tenant, endpoint_id), endpoints.fold)
        )

    def _decide(
        self, caller: Caller, endpoint_id: str, origin: Origin, decision: Callable[[Endpoint], Draft]
    ) -> Endpoint:
        for _ in range(DECIDE_ATTEMPTS_MAX):
            if self._appended(decision(self.find(caller, endpoint_id)), origin):
                return self.find(caller, endpoint_id)
        raise _unsettled()

    def _appended(self, draft: Draft, origin: Origin) -> bool:
        """Whether the draft is recorded, or there was nothing to record."""
        if not draft:
            return True
        try:
            self.recording.append(draft, origin)
        except Conflict:
            return False
        return True

    def _check_url(self, asked: Asked) -> None:
        if asked.url is None:
            return
        try:
            self.dispatch.egress.check_webhook(asked.url)
        except AddressRefused as error:
            raise InvalidRequest(f"The URL cannot be used: {error}.", code="invalid_webhook_url", param="url") from None

    def _updated(self, endpoint: Endpoint, asked: Asked) -> Draft:
        kept = Asked(
            None if asked.name is None or self.keys.open(endpoint.name) == asked.name else asked.name,
            None if asked.url is None or self.keys.open(endpoint.url) == asked.url else asked.url,
        )
        sealed = self._sealed(kept, "endpoint.updated", requester=endpoint.requester, subject=endpoint.endpoint_id)
        return decisions.updated(endpoint, sealed, asked.event_types)

    def _sealed(self, asked: Asked, fact: str, *, requester: str, subject: str) -> dict[str, Sealed]:
        texts = {"name": asked.name, "url": asked.url}
        return {
            field: self.keys.seal(text, requester=requester, subject=subject, field=f"{fact}.{field}")
            for field, text in texts.items()
            if text is not None
        }

    def _sealed_secret(self, secret: str, fact: str, *, requester: str, subject: str) -> SealedSecret:
        sealed = self.keys.seal(secret, requester=requester, subject=subject, field=f"{fact}.secret")
        return SealedSecret(sealed, SealedSecret.hint_of(secret))


def _unsettled() -> TryLater:
    return TryLater("The webhook endpoint is being changed. Send the request again.", code="conflict")

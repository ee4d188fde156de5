"""What the routes work with, and how they get at it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from bickford_sora.assets.port import AssetStore
from bickford_sora.callers import Callers
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest
from bickford_sora.http.crossing import Crossing
from bickford_sora.intake import Intake
from bickford_sora.observations import Observations
from bickford_sora.recording import Origin
from bickford_sora.webhook_intake import WebhookIntake
from ledger.identifiers import NewId
from ledger.keys import Keys
from projections.videos import Page, Video


class VideosQuery(Protocol):
    """The read model of videos. Tenant and project come first, so that nobody is shown another's.

    Errors: `ledger.errors.Unavailable` when the database does not answer.
    """

    def get(self, tenant: str, project: str, video_id: str, /) -> Video | None:
        """One video, deleted ones too."""

    def page(self, tenant: str, project: str, after: str | None, limit: int, order: Literal["asc", "desc"], /) -> Page:
        """Videos behind the id `after` by the time they were asked for, without deleted and denied ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Named limits of the HTTP surface; `bickford_sora.settings` documents the first three."""

    body_bytes_max: int
    projection_wait_s: float
    poll_after_ms: int
    body_silence_s: float = 30.0
    """Longest pause within a request body, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything the routes use."""

    intake: Intake
    observations: Observations
    webhooks: WebhookIntake
    callers: Callers
    keys: Keys
    videos: VideosQuery
    wait_for_videos: Callable[[float], bool]
    """Whether `videos` had everything recorded before the call within so many seconds."""
    assets: AssetStore
    ready: Callable[[], Sequence[str]]
    """What keeps this process from serving, in words for an operator; empty when it is ready."""
    new_id: NewId
    limits: Limits
    crossing: Crossing = field(default_factory=Crossing)
    listing: Crossing = field(default_factory=Crossing)
    """Threads for lists alone: they may wait for the read model, and nothing else shall wait with them."""


@dataclass(frozen=True, slots=True)
class Undertaking:
    """One request, as what it causes is marked with."""

    id: UUID
    trace: str | None

    @property
    def request_id(self) -> str:
        """The id the client is told; its hex digits are the correlation of the facts it caused."""
        return f"req_{self.id.hex}"

    def origin(self, caller: Caller) -> Origin:
        """Where what this request causes began."""
        return Origin(caller.tenant, caller.key_id, self.id, trace=self.trace)


async def _house(request: Request) -> House:
    return cast("House", request.app.state.house)


async def _undertaking(request: Request) -> Undertaking:
    return cast("Undertaking", request.state.undertaking)


_bearer = HTTPBearer(auto_error=False, description="An API key of this server. `api-key: KEY` is understood as well.")


async def authenticated(
    request: Request, house: Annotated[House, Depends(_house)], _: Annotated[object, Depends(_bearer)]
) -> Caller:
    """The caller of a request. Raises Unauthorized."""
    return house.callers.authenticate(request.headers)


TheHouse = Annotated[House, Depends(_house)]
TheUndertaking = Annotated[Undertaking, Depends(_undertaking)]
TheCaller = Annotated[Caller, Depends(authenticated)]


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks for something to be done, where it began, and the Idempotency-Key it came with."""

    house: House
    caller: Caller
    origin: Origin
    key: str | None


async def _order(request: Request, house: TheHouse, caller: TheCaller, undertaking: TheUndertaking) -> Order:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise InvalidRequest("Send one Idempotency-Key.", code="invalid_idempotency_key", param="Idempotency-Key")
    return Order(house, caller, undertaking.origin(caller), keys[0] if keys else None)


TheOrder = Annotated[Order, Depends(_order)]

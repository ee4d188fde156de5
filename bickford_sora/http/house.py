"""What the routes work with, and how they get at it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Literal, Protocol, Self, cast
from uuid import UUID

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from bickford_sora.allowance import RequestsLeft
from bickford_sora.api_keys import ApiKeys
from bickford_sora.approvals import Approvals
from bickford_sora.assets.port import AssetStore
from bickford_sora.audits import Audits
from bickford_sora.batches import Batches
from bickford_sora.budgets import Budgets
from bickford_sora.callers import Callers
from bickford_sora.characters import Characters
from bickford_sora.decisions import requesters
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.endpoints import WebhookEndpoints
from bickford_sora.erasing import Erasing
from bickford_sora.errors import InvalidRequest
from bickford_sora.evidence.packing import Packing
from bickford_sora.four_eyes import FourEyes
from bickford_sora.http.crossing import Crossing
from bickford_sora.http.gate import BODIES_BYTES_MAX, REQUESTS_MAX
from bickford_sora.http.gathering import Gathering
from bickford_sora.http.links import Links
from bickford_sora.http.rate_limits import RateLimit
from bickford_sora.http.readiness import NUMBERS_AT_ONCE, NUMBERS_WAIT_S, Looks, Readiness
from bickford_sora.http.tide import Tide
from bickford_sora.http.underway import Underway
from bickford_sora.intake import Answer, Asking, Intake, Terms
from bickford_sora.invoices import Invoices
from bickford_sora.legal_holds import LegalHolds
from bickford_sora.metrics import Metrics
from bickford_sora.observations import Observations
from bickford_sora.pasts import Pasts
from bickford_sora.policies import Policies
from bickford_sora.price_tables import PriceTables
from bickford_sora.queueing import Queueing
from bickford_sora.quoting import Quoting
from bickford_sora.recording import Origin
from bickford_sora.reviews import Reviews
from bickford_sora.spend_reports import SpendReports
from bickford_sora.tracing import Tracing
from bickford_sora.unknown import Unknown
from bickford_sora.webhook_intake import Status, Webhook
from ledger.identifiers import NewId
from ledger.keys import Keys
from ledger.proof.proofs import Proofs
from projections.videos import Page, Video

RETRY_COUNT = "x-stainless-retry-count"
"""The header in which the SDKs count how often they sent a request before."""
RETRY_COUNT_DIGITS_MAX = 4
QUEUE_LOOKS_MAX = 2
"""Looks at the queue of one process at a time: each one reads all that wait, a second and more where 100,000 do."""
PACKS_MAX = 2
"""Evidence packs that one process makes at the same time."""
CALLS_MAX = 4
"""Requests of one process that call an address of the client's choice at the same time; others wait their turn."""


class VideosQuery(Protocol):
    """The read model of videos. Tenant and project come first, so that nobody is shown another's.

    Errors: `ledger.errors.Unavailable` when the database does not answer.
    """

    def get(self, tenant: str, project: str | None, video_id: str, /) -> Video | None:
        """One video of a project, or of any of the tenant's (None); deleted ones too."""

    def some(self, tenant: str, project: str, video_ids: Sequence[str], /) -> Sequence[Video]:
        """Those of these videos that are known, in no order, deleted and denied ones too."""

    def page(
        self, tenant: str, project: str | None, after: str | None, limit: int, order: Literal["asc", "desc"], /
    ) -> Page:
        """Videos behind the id `after` by the time they were asked for, without deleted and denied ones.

        Of a project, or of all the tenant's (None).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Named limits of the HTTP surface; `bickford_sora.settings` documents the first three."""

    body_bytes_max: int
    source_bytes_max: int
    """Largest source video in bytes; a body that may hold one is allowed so much more than others."""
    projection_wait_s: float
    poll_after_ms: int
    body_silence_s: float = 30.0
    """Longest pause within a request body, in seconds."""
    requests_max: int = REQUESTS_MAX
    bodies_bytes_max: int = BODIES_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything the routes use."""

    intake: Intake
    quoting: Quoting
    observations: Observations
    receiving: Gathering[Webhook, Status]
    """Takes in renderers' webhooks."""
    deciding: Gathering[Asking, Answer]
    """Decides what can be decided quickly: requests that come while others are decided go together."""
    callers: Callers
    keys: Keys
    videos: VideosQuery
    wait_for_videos: Callable[[float], bool]
    """Whether `videos` had everything recorded before the call within so many seconds."""
    assets: AssetStore
    ready: Readiness
    """What keeps this process from serving."""
    new_id: NewId
    limits: Limits
    links: Links
    characters: Characters
    policies: Policies
    price_tables: PriceTables
    endpoints: WebhookEndpoints
    wait_for_endpoints: Callable[[float], bool]
    """As `wait_for_videos`, for the read model of webhook endpoints."""
    api_keys: ApiKeys
    wait_for_api_keys: Callable[[float], bool]
    """As `wait_for_videos`, for the read model of API keys."""
    reviews: Reviews
    approvals: Approvals
    unknown: Unknown
    wait_for_work: Callable[[float], bool]
    """As `wait_for_videos`, for the read model of work."""
    four_eyes: FourEyes
    erasing: Erasing
    legal_holds: LegalHolds
    batches: Batches
    budgets: Budgets
    spend_reports: SpendReports
    invoices: Invoices
    wait_for_spend: Callable[[float], int]
    """As `wait_for_audit`, for the read model of spend."""
    pasts: Pasts
    audits: Audits
    wait_for_audit: Callable[[float], int]
    """How many facts, recorded before the call, the read model of every fact lacks.

    Waits so many seconds for there to be none.
    """
    wait_for_questions: Callable[[float], int]
    """As `wait_for_audit`, for all read models that ready-made questions are answered from."""
    queueing: Queueing
    proofs: Proofs
    """What the kept tree can prove."""
    packs: Packing
    """Makes evidence packs."""
    audited: Callable[[], int]
    """The position the read model of every fact has come to."""
    tide: Tide
    """Wakes streams, and ends them."""
    crossing: Crossing = field(default_factory=Crossing)
    batching: Crossing = field(default_factory=lambda: Crossing(4))
    """Threads for batches alone: one keeps several lines busy for seconds."""
    listing: Crossing = field(default_factory=Crossing)
    """Threads for lists alone: they may wait for the read model, and nothing else shall wait with them."""
    queue_looks: Crossing = field(default_factory=lambda: Crossing(QUEUE_LOOKS_MAX))
    """Threads for looks at the queue alone: whoever asks often waits for themselves, and the database for nobody."""
    calling: Crossing = field(default_factory=lambda: Crossing(CALLS_MAX))
    """Threads for calls to clients' addresses, which may never answer."""
    making: Crossing = field(default_factory=lambda: Crossing(CALLS_MAX))
    """Threads for calls that wait until a renderer has made something."""
    packing: Crossing = field(default_factory=lambda: Crossing(PACKS_MAX))
    """Threads for evidence packs alone: each takes seconds."""
    metrics: Metrics = field(default_factory=Metrics)
    metric_looks: Looks[bytes] = field(default_factory=partial(Looks, wait_s=NUMBERS_WAIT_S, at_once=NUMBERS_AT_ONCE))
    tracing: Tracing = field(default_factory=Tracing)
    rate_limit: RateLimit = field(default_factory=lambda: RateLimit(None, time.monotonic))
    underway: Underway = field(default_factory=Underway)


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
    return house_of(request)


async def _undertaking(request: Request) -> Undertaking:
    return undertaking_of(request)


# Called and not depended on where that is possible: the framework spends on a dependency more than most of them do.


def house_of(request: Request) -> House:
    """What the application was made to serve."""
    return cast("House", request.app.state.house)


def undertaking_of(request: Request) -> Undertaking:
    """The request as it is marked."""
    return cast("Undertaking", request.state.undertaking)


def _links_of(request: Request) -> Links:
    return house_of(request).links.reached_at(str(request.base_url))


bearer = HTTPBearer(auto_error=False, description="An API key of this server. `api-key: KEY` is understood as well.")


async def authenticated(request: Request, _: Annotated[object, Depends(bearer)]) -> Caller:
    """The caller of a request, as whoever it says it asks for.

    Raises Unauthorized, TooManyRequests when it has made too many, RequesterNotAllowed when it may not say for whom,
    and InvalidRequest for what is no name.
    """
    house = house_of(request)
    caller = house.callers.configured(request.headers)
    if caller is None:
        caller = await house.crossing.run(house.callers.authenticate, request.headers)
    structlog.contextvars.bind_contextvars(actor=caller.key_id)  # a read is no fact: the log says who made it
    house.rate_limit.count(caller)
    named = request.headers.getlist(requesters.HEADER)
    if not named:
        return caller
    name = _text(named[0]) if len(named) == 1 else None
    return requesters.on_behalf_of(caller, name, house.keys.digest, param=requesters.HEADER)


async def links(request: Request) -> Links:
    """What makes the links in an answer: to where the server is configured to be, else to where it was reached."""
    return _links_of(request)


def _text(header: str) -> str | None:
    """A header's text, as UTF-8 (what clients send beyond ASCII, where they send it); None for anything else."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return None


TheHouse = Annotated[House, Depends(_house)]
TheUndertaking = Annotated[Undertaking, Depends(_undertaking)]
TheCaller = Annotated[Caller, Depends(authenticated)]
TheLinks = Annotated[Links, Depends(links)]


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks for something to be done, where it began, and the Idempotency-Key it came with."""

    house: House
    caller: Caller
    links: Callable[[], Links]
    """What makes links. Asked where there is a file to link to: to find out takes longer than to authenticate."""
    origin: Origin
    key: str | None
    retry_count: int = 0
    """How often the client says it sent this before; 0 when it does not say."""
    requests_left: RequestsLeft | None = None
    """Of its API key's rate limit; None where there is none."""

    def terms(self, route: str, request: ParsedRequest | None) -> Terms:
        """The terms it comes with; `route` and `request` as in `Intake.terms`."""
        return self.house.intake.terms(
            self.origin, route, request, key=self.key, retry_count=self.retry_count, named=self.caller.named
        )

    def on_behalf_of(self, name: object) -> Self:
        """The order of whoever the body names, which goes before the header. Raises as `authenticated`."""
        if name is None:
            return self
        digest = self.house.keys.digest
        return replace(self, caller=requesters.on_behalf_of(self.caller, name, digest, param=requesters.PARAM))


async def order_of(request: Request, may: Callable[[Caller], Awaitable[None]]) -> Order:
    """The order in a request of somebody who may give it.

    Raises as `authenticated` and `may`, and InvalidRequest for more than one Idempotency-Key.
    """
    caller = await authenticated(request, None)
    await may(caller)
    return await _order(request, caller)


async def _order(request: Request, caller: TheCaller) -> Order:
    house = house_of(request)
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise InvalidRequest("Send one Idempotency-Key.", code="invalid_idempotency_key", param="Idempotency-Key")
    said = request.headers.get(RETRY_COUNT, "")
    retries = int(said) if said.isascii() and said.isdecimal() and len(said) <= RETRY_COUNT_DIGITS_MAX else 0
    key, left = keys[0] if keys else None, house.rate_limit.left(caller)
    origin = undertaking_of(request).origin(caller)
    return Order(house, caller, partial(_links_of, request), origin, key, retries, left)


TheOrder = Annotated[Order, Depends(_order)]

"""What the HTTP routes work with, built from a gateway."""

import secrets
import time
from collections.abc import Callable, Sequence

from pydantic import SecretStr

from bickford_sora.api_keys import ApiKeys
from bickford_sora.approvals import Approvals
from bickford_sora.batches import Batches
from bickford_sora.budgets import Budgets
from bickford_sora.callers import PURPOSE, Callers, configured_projects
from bickford_sora.composition.books import TENANT, Books, audits, lags, problems
from bickford_sora.composition.gateway import Gateway
from bickford_sora.composition.packing import packing
from bickford_sora.endpoints import WebhookEndpoints
from bickford_sora.http.crossing import in_thread
from bickford_sora.http.gathering import Gathering
from bickford_sora.http.house import House
from bickford_sora.http.house import Limits as HttpLimits
from bickford_sora.http.rate_limits import RateLimit
from bickford_sora.http.readiness import Readiness
from bickford_sora.http.tide import Tide
from bickford_sora.invoices import Invoices
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.legal_holds import LegalHolds
from bickford_sora.metrics import Metrics, Refused, Whose
from bickford_sora.pasts import AS_OF_FACTS_MAX, Pasts
from bickford_sora.queueing import Queueing
from bickford_sora.reviews import Reviews
from bickford_sora.settings import Settings
from bickford_sora.spend_reports import SpendReports
from bickford_sora.unknown import Unknown
from bickford_sora.webhook_intake import WebhookIntake, WebhookSource
from ledger.events import ReviewWeights
from projections.api_keys import API_KEYS, ApiKeyTable
from projections.audit import AUDIT, Audit
from projections.backlog import backlog
from projections.endpoints import ENDPOINTS, Endpoints
from projections.queue import Queue
from projections.spend import SPEND, Span, SpendTable, Total
from projections.videos import VIDEOS, Videos
from projections.work import WORK, Work

QUESTIONED = (AUDIT.name, VIDEOS.name, SPEND.name, API_KEYS.name)
"""Read models that ready-made questions are answered from."""
DECIDING_PACE_S = 0.02
"""Least time between two batches of requests that are decided, in seconds, while they come by several."""


def house(gateway: Gateway, api_key: SecretStr, background: Callable[[], bytes] | None = None) -> House:
    """What the HTTP routes work with. `background` gives the metrics of the process behind this one."""
    books, settings = gateway.books, gateway.books.settings

    def source(name: str) -> WebhookSource | None:
        each = gateway.configuring.renderer(name)
        secrets = () if each is None else tuple(secret.get_secret_value() for secret in each.webhook_secrets)
        return None if each is None else WebhookSource(each.credential, secrets)

    tolerance_s = settings.webhook_tolerance_s
    webhooks = WebhookIntake(gateway.recording, source, tenant=TENANT, webhook_tolerance_s=tolerance_s)
    return House(
        intake=gateway.intake,
        quoting=gateway.quoting,
        observations=gateway.observations,
        receiving=Gathering(webhooks.receive),
        deciding=Gathering(in_thread(gateway.intake.ask_all), pace_s=DECIDING_PACE_S),
        callers=_callers(books, api_key),
        budgets=Budgets(gateway.recording, gateway.four_eyes),
        four_eyes=gateway.four_eyes,
        erasing=gateway.erasing,
        legal_holds=LegalHolds(recording=gateway.recording, keys=books.keys, four_eyes=gateway.four_eyes),
        spend_reports=SpendReports(gateway.recording, SpendTable(books.pool)),
        invoices=_invoices(gateway),
        wait_for_spend=lambda timeout_s: _lacking(books, [SPEND.name], timeout_s),
        api_keys=_api_keys(gateway),
        reviews=Reviews(gateway.recording, books.keys, _review_weights(settings)),
        approvals=Approvals(recording=gateway.recording, keys=books.keys, query=Videos(books.pool)),
        unknown=_unknown(gateway),
        wait_for_work=lambda timeout_s: books.projector.wait_for(WORK.name, books.ledger.head(), timeout_s),
        wait_for_api_keys=lambda timeout_s: books.projector.wait_for(API_KEYS.name, books.ledger.head(), timeout_s),
        keys=books.keys,
        metrics=metrics(gateway, background, spend=lambda whose: _spent_today(gateway, *whose)),
        tracing=books.tracing,
        videos=Videos(books.pool),
        wait_for_videos=lambda timeout_s: books.projector.wait_for(VIDEOS.name, books.ledger.head(), timeout_s),
        links=gateway.links,
        characters=gateway.characters,
        policies=gateway.policies,
        price_tables=gateway.price_tables,
        rate_limit=RateLimit(settings.requests_per_minute_max, time.monotonic),
        endpoints=_endpoints(gateway),
        wait_for_endpoints=lambda timeout_s: books.projector.wait_for(ENDPOINTS.name, books.ledger.head(), timeout_s),
        assets=gateway.assets,
        batches=Batches(gateway.recording, books.keys, gateway.intake),
        pasts=Pasts(books.ledger, books.clock, AS_OF_FACTS_MAX),
        audits=audits(books),
        wait_for_audit=lambda timeout_s: _lacking(books, [AUDIT.name], timeout_s),
        wait_for_questions=lambda timeout_s: _lacking(books, QUESTIONED, timeout_s),
        queueing=Queueing(Queue(books.pool), gateway.configuring.weights, books.clock),
        proofs=books.proving.proofs,
        packs=packing(books),
        audited=lambda: books.projector.reached(AUDIT.name),
        tide=Tide(lambda: books.projector.reached(AUDIT.name)),
        ready=Readiness(lambda: [*problems(books), *filter(None, [gateway.configuring.problem])]),
        new_id=gateway.recording.new_id,
        limits=HttpLimits(
            body_bytes_max=settings.body_bytes_max,
            source_bytes_max=settings.source_bytes_max,
            projection_wait_s=settings.projection_wait_s,
            poll_after_ms=settings.poll_after_ms,
            requests_max=settings.requests_max,
            bodies_bytes_max=settings.bodies_bytes_max,
        ),
    )


def _callers(books: Books, api_key: SecretStr) -> Callers:
    return Callers(
        configured_projects(api_key, books.settings),
        digest=books.keys.digest,
        tenant=TENANT,
        spanning=[api_key.get_secret_value()],
        issued=IssuedKeys(books.ledger, books.clock),
    )


def _api_keys(gateway: Gateway) -> ApiKeys:
    return ApiKeys(
        recording=gateway.recording,
        keys=gateway.books.keys,
        digest=lambda secret: gateway.books.keys.digest(PURPOSE, secret.encode()),
        query=ApiKeyTable(gateway.books.pool),
        four_eyes=gateway.four_eyes,
        new_secret=secrets.token_bytes,
    )


def _unknown(gateway: Gateway) -> Unknown:
    return Unknown(
        recording=gateway.recording,
        keys=gateway.books.keys,
        query=Work(gateway.books.pool),
        renderer=gateway.fleet.at,
        catalogue=gateway.configuring.catalogue,
    )


def metrics(
    gateway: Gateway,
    background: Callable[[], bytes] | None = None,
    *,
    spend: Callable[[Whose], Sequence[Total]] | None = None,
) -> Metrics:
    """The numbers of this process and of the database; those of the spend only where `spend` looks them up."""
    books = gateway.books
    return Metrics(
        lambda: lags(books),
        books.proving.sequencer.standing,
        backlog=lambda: backlog(books.pool, books.clock()),
        stopped=lambda: _stopped(gateway),
        spend=spend,
        counts=books.counts,
        background=background,
        public=books.settings.metrics_public,
    )


def _stopped(gateway: Gateway) -> Sequence[Refused]:
    """What configured renderers are stopped for."""
    names = [each.name for each in gateway.configuring.renderers]
    return sorted((name, model) for name in names for _, model in gateway.stops.record(name).stopped)


def _spent_today(gateway: Gateway, tenant: str, project: str | None) -> Sequence[Total]:
    """By project and currency."""
    today = gateway.recording.periods().day
    return SpendTable(gateway.books.pool).totals(Span(tenant, project, today, today), "project")


def _lacking(books: Books, names: Sequence[str], timeout_s: float) -> int:
    """How many facts, recorded before the call, are lacking in any of these read models; waits for none to."""
    head, ends_at = books.ledger.head(), time.monotonic() + timeout_s
    if all(books.projector.wait_for(name, head, max(0.0, ends_at - time.monotonic())) for name in names):
        return 0
    return max(0, head - min(map(books.projector.reached, names)))


def _endpoints(gateway: Gateway) -> WebhookEndpoints:
    return WebhookEndpoints(
        recording=gateway.recording,
        keys=gateway.books.keys,
        dispatch=gateway.dispatch,
        query=Endpoints(gateway.books.pool),
        new_secret=secrets.token_bytes,
    )


def _review_weights(settings: Settings) -> ReviewWeights:
    return ReviewWeights(
        clarity=settings.review_weight_clarity,
        continuity=settings.review_weight_continuity,
        brand_fit=settings.review_weight_brand_fit,
        minute=settings.review_weight_minute,
    )


def _invoices(gateway: Gateway) -> Invoices:
    books = gateway.books

    def is_current() -> bool:
        head, timeout_s = books.ledger.head(), books.settings.projection_wait_s
        return all(books.projector.wait_for(each.name, head, timeout_s) for each in (SPEND, AUDIT))

    return Invoices(gateway.recording, books.keys, SpendTable(books.pool), Audit(books.pool), is_current)

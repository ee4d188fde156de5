"""The composition root: builds everything once, from settings, and takes it down again."""

import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from pydantic import SecretStr

from bickford_sora.api_keys import ApiKeys
from bickford_sora.approvals import Approvals
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.local import LocalAssetStore
from bickford_sora.assets.port import AssetStore
from bickford_sora.audits import Audits
from bickford_sora.batches import Batches
from bickford_sora.budgets import Budgets
from bickford_sora.callers import PURPOSE, Callers, configured_projects, load_or_make_master_key
from bickford_sora.characters import Characters
from bickford_sora.configuration import Configuration, ConfiguredRenderer, of_file, of_settings
from bickford_sora.configuring import Configuring
from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.errors import DatabaseSetupError
from bickford_sora.database.migrations import migrate, pending
from bickford_sora.database.pool import open_pool
from bickford_sora.decisions.policy import built_in
from bickford_sora.dispatch import DELIVERY_TIMEOUT_S, Dispatch
from bickford_sora.egress import Egress
from bickford_sora.endpoints import WebhookEndpoints
from bickford_sora.erasing import Erasing
from bickford_sora.erasure_list import ErasureList
from bickford_sora.erasures import Erasures
from bickford_sora.four_eyes import FourEyes
from bickford_sora.http.house import House
from bickford_sora.http.house import Limits as HttpLimits
from bickford_sora.http.links import Links
from bickford_sora.http.rate_limits import RateLimit
from bickford_sora.http.tide import Tide
from bickford_sora.intake import Intake
from bickford_sora.invoices import Invoices
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.legal_holds import LegalHolds
from bickford_sora.log_signing import LogSigning
from bickford_sora.metrics import Metrics
from bickford_sora.moderation import Moderation
from bickford_sora.observations import Observations
from bickford_sora.pasts import Pasts
from bickford_sora.policies import Policies
from bickford_sora.preparing import Desk
from bickford_sora.price_tables import PriceTables
from bickford_sora.proving import Proving
from bickford_sora.quoting import Quoting
from bickford_sora.recording import Recording
from bickford_sora.references import References
from bickford_sora.renderer_file import read_renderer_file
from bickford_sora.renderers.dialects import open_renderer, open_transport
from bickford_sora.renderers.fleet import Fleet
from bickford_sora.renderers.port import Renderer
from bickford_sora.renderers.transport import TransportLimits
from bickford_sora.reviews import Reviews
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.spend_reports import SpendReports
from bickford_sora.stops import Stops
from bickford_sora.webhook_intake import WebhookIntake, WebhookSource
from bickford_sora.workers.announce import Announce
from bickford_sora.workers.deliver import Deliver
from bickford_sora.workers.erase import Erase
from bickford_sora.workers.expire import Expire
from bickford_sora.workers.follow import Follow
from bickford_sora.workers.lapse import Lapse
from bickford_sora.workers.loop import Crew
from bickford_sora.workers.purge import Purge
from bickford_sora.workers.reconcile import Reconcile
from bickford_sora.workers.retain import Retain
from bickford_sora.workers.spool import spool_folder
from bickford_sora.workers.store import Store
from bickford_sora.workers.submit import CALL_TIMEOUTS, Submit
from bickford_sora.workers.watch import Watch
from bickford_sora.workers.workshop import Limits, Workshop
from ledger.application import Ledger
from ledger.clock import Clock, system_clock
from ledger.errors import LedgerError
from ledger.events import ReviewWeights
from ledger.identifiers import id_maker
from ledger.keys import Keys
from ledger.keystore import PostgresKeyStore
from ledger.recorder import PostgresRecorder
from ledger.segments.reading import SegmentPayloads
from ledger.sending import Pool
from projections.announced import Announced
from projections.api_keys import API_KEYS, ApiKeyTable
from projections.audit import AUDIT, Audit
from projections.endpoints import ENDPOINTS, Endpoints
from projections.leases import Leases
from projections.lineage import LINEAGE
from projections.port import Projection
from projections.projector import Projector
from projections.questions import Questions
from projections.search import Search
from projections.spend import SPEND, SpendTable
from projections.videos import VIDEOS, Videos
from projections.work import WORK, Work

TENANT = "main"
"""The tenant of every key until tenants are configured."""
MIGRATIONS = files("ledger.migrations")
log = structlog.get_logger(__name__)

LAG_READY_S = 30.0
"""How far a read model may be behind in a process that is ready, in seconds."""
COURIERS = 4
"""Deliveries one process makes at a time."""
PROJECTIONS: Sequence[Projection] = (VIDEOS, LINEAGE, AUDIT, WORK, ENDPOINTS, API_KEYS, SPEND)


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger and what is read from it: enough for commands that only look, replay or migrate."""

    settings: Settings
    url: str
    pool: Pool
    ledger: Ledger
    keys: Keys
    search: Search | None
    """The index of words; None where it is switched off."""
    projector: Projector
    clock: Clock
    watch: Watch
    """What failed of the work in the background."""
    proving: Proving
    """What proves the ledger."""


@contextmanager
def open_books(settings: Settings, *, clock: Clock = system_clock) -> Iterator[Books]:
    """Opens the database, embedded or given, brings its schema up to date, and closes everything afterwards.

    Raises bickford_sora.database.errors.DatabaseSetupError when there is no usable database.
    """
    with ExitStack() as stack:
        url = stack.enter_context(database(settings))
        pool = stack.enter_context(open_pool(url, size_max=settings.database_pool_max))
        migrate(pool, MIGRATIONS, schema="ledger")
        recorder = PostgresRecorder(pool)
        stack.callback(recorder.close)
        payloads = SegmentPayloads(pool, segments_folder(settings))
        ledger = Ledger(recorder, payloads)
        keys = Keys(load_or_make_master_key(keys_folder(settings) / "master.key", settings), PostgresKeyStore(recorder))
        projector = Projector(ledger, pool, PROJECTIONS)
        for name in projector.ensure():
            log.warning("read_model_of_another_version", read_model=name, run=f"bickford-sora replay {name}")
        Leases(pool).ensure()
        Announced(pool).ensure(ledger.head())
        search = Search(ledger, keys, pool) if settings.full_text_search else None
        if search is not None:
            search.ensure()
        signing = LogSigning(
            Recording(ledger, clock=clock, new_id=id_maker(clock)), keys_folder(settings), tenant=TENANT
        )
        proving = Proving.over(recorder, signing, clock=clock, interval_s=settings.checkpoint_interval_s)
        yield Books(settings, url, pool, ledger, keys, search, projector, clock, Watch(), proving)


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The database's address, for as long as it is used."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with EmbeddedPostgres.acquire(settings.data_dir) as server:
        yield server.url


def keys_folder(settings: Settings) -> Path:
    """Where the keys of this installation lie."""
    return settings.data_dir / "keys"


def segments_folder(settings: Settings) -> Path:
    """Where the files of closed segments lie."""
    return settings.segments_folder or settings.data_dir / "segments"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that takes requests and works on them."""

    books: Books
    assets: LocalAssetStore
    recording: Recording
    intake: Intake
    quoting: Quoting
    observations: Observations
    crew: Crew
    couriers: Crew
    """Who makes deliveries: a crew of their own, since an endpoint that never answers must not hold up renders."""
    announce: Announce
    dispatch: Dispatch
    links: Links
    configuring: Configuring
    fleet: Fleet[ConfiguredRenderer]
    stops: Stops
    characters: Characters
    policies: Policies
    price_tables: PriceTables
    four_eyes: FourEyes
    erasures: Erasures
    erasing: Erasing
    retain: Retain | None
    """Who ends the retention of prompts; None: they are kept for good."""


def compose(books: Books, renderers: Sequence[RendererSettings], stack: ExitStack) -> Gateway:
    """Builds the gateway over open books; `stack` closes what it opens. New renders go to the first renderer."""
    settings = books.settings
    owner = f"worker-{secrets.token_hex(6)}"
    assets = _assets(books)
    inspector = MediaInspector(limits=MediaLimits(source_bytes_max=settings.asset_bytes_max))
    recording = _recording(books)
    stops = Stops(recording, tenant=TENANT)
    price_tables = PriceTables(recording)
    fleet = Fleet(_opening(settings, books.clock, stack), in_flight=Work(books.pool).in_flight)
    configuring = _configuring(books, renderers, stops, price_tables, fleet)
    egress = Egress(allow_private=settings.allow_private_addresses)
    references = _references(books, assets, inspector, egress)
    four_eyes = FourEyes(recording=recording, keys=books.keys, kinds=settings.four_eyes, approval_s=settings.approval_s)
    policies = Policies(
        recording,
        built_in=built_in(settings.render_cost_max_micro),
        models=lambda: configuring.catalogue().routes,
        four_eyes=four_eyes,
    )
    desk = Desk(
        recording=recording,
        keys=books.keys,
        references=references,
        policies=policies,
        moderation=Moderation(egress, settings.environment()),
        catalogue=configuring.catalogue,
        is_stopped=stops.is_stopped,
        approval_s=settings.approval_s,
        repeats_answers=settings.repeats_answers,
    )
    shop = Workshop(
        recording=recording,
        keys=books.keys,
        assets=assets,
        inspector=inspector,
        fleet=fleet,
        catalogue=configuring.catalogue,
        stops=stops,
        limits=_limits(settings),
        spool=stack.enter_context(spool_folder(settings.data_dir / "spool", owner)),
    )
    erasures = _erasures(books, recording, assets)
    erasing = Erasing(erasures=erasures, four_eyes=four_eyes)
    dispatch = Dispatch(egress, books.keys)
    links = _links(books)
    return Gateway(
        books=books,
        assets=assets,
        recording=recording,
        intake=Intake(desk),
        quoting=Quoting(desk),
        observations=Observations(recording, books.keys),
        crew=_crew(books, shop, erasures, owner),
        couriers=_couriers(books, recording, dispatch, links, owner),
        announce=_announce(books, recording),
        dispatch=dispatch,
        links=links,
        configuring=configuring,
        fleet=fleet,
        stops=stops,
        characters=Characters(
            recording=recording,
            keys=books.keys,
            references=references,
            catalogue=configuring.catalogue,
            renderer=fleet.first,
            call_s=settings.submit_timeout_s * CALL_TIMEOUTS,
        ),
        policies=policies,
        price_tables=price_tables,
        four_eyes=four_eyes,
        erasures=erasures,
        erasing=erasing,
        retain=_retain(books, erasing),
    )


def erasures_of(books: Books) -> Erasures:
    """The erasures of this installation alone: no renderer has to be configured for them."""
    return _erasures(books, _recording(books), _assets(books))


def _erasures(books: Books, recording: Recording, assets: AssetStore) -> Erasures:
    kept = ErasureList(books.settings.erasures_file or books.settings.data_dir / "erasures.jsonl")
    return Erasures(recording=recording, keys=books.keys, assets=assets, kept=kept)


def _recording(books: Books) -> Recording:
    return Recording(books.ledger, clock=books.clock, new_id=id_maker(books.clock), zone=books.settings.time_zone)


def _assets(books: Books) -> LocalAssetStore:
    return LocalAssetStore(books.settings.data_dir / "assets", clock=books.clock)


def _retain(books: Books, erasing: Erasing) -> Retain | None:
    prompt_retention_s = books.settings.prompt_retention_s
    if prompt_retention_s is None:
        return None
    return Retain(
        query=Videos(books.pool),
        end_retention=erasing.end_retention,
        clock=books.clock,
        tenant=TENANT,
        prompt_retention_s=prompt_retention_s,
    )


def audits(books: Books) -> Audits:
    """What auditors are answered by."""
    return Audits(
        ledger=books.ledger,
        keys=books.keys,
        query=Audit(books.pool),
        questions=Questions(books.pool),
        clock=books.clock,
        wait_for_words=books.search.wait_for if books.search else None,
    )


def _wait_for_audit(books: Books, timeout_s: float) -> bool:
    """Whether all that an auditor is answered from had everything recorded before the call."""
    head, ends_at = books.ledger.head(), time.monotonic() + timeout_s
    names = (AUDIT.name, VIDEOS.name, SPEND.name, API_KEYS.name)
    return all(books.projector.wait_for(name, head, max(0.0, ends_at - time.monotonic())) for name in names)


def _configuring(
    books: Books,
    renderers: Sequence[RendererSettings],
    stops: Stops,
    price_tables: PriceTables,
    fleet: Fleet[ConfiguredRenderer],
) -> Configuring:
    return Configuring(
        _configured(books.settings, renderers),
        stops=stops,
        publish=lambda found: price_tables.publish(TENANT, found),
        keys=books.keys,
        apply=lambda found: fleet.configure(found.renderers),
    )


def _references(books: Books, assets: LocalAssetStore, inspector: MediaInspector, egress: Egress) -> References:
    return References(
        assets=assets,
        inspector=inspector,
        keys=books.keys,
        egress=egress,
        reference_bytes_max=books.settings.reference_bytes_max,
        source_bytes_max=books.settings.source_bytes_max,
    )


def _review_weights(settings: Settings) -> ReviewWeights:
    return ReviewWeights(
        clarity=settings.review_weight_clarity,
        continuity=settings.review_weight_continuity,
        brand_fit=settings.review_weight_brand_fit,
        minute=settings.review_weight_minute,
    )


def _links(books: Books) -> Links:
    return Links(
        ledger=books.ledger,
        keys=books.keys,
        clock=books.clock,
        tenant=TENANT,
        link_s=books.settings.link_s,
        base_url=books.settings.public_url,
    )


def _announce(books: Books, recording: Recording) -> Announce:
    return Announce(
        recording,
        Announced(books.pool),
        Endpoints(books.pool),
        lambda position, timeout_s: books.projector.wait_for(ENDPOINTS.name, position, timeout_s),
    )


def house(gateway: Gateway, api_key: SecretStr) -> House:
    """What the HTTP routes work with."""
    books, settings = gateway.books, gateway.books.settings

    def source(name: str) -> WebhookSource | None:
        each = gateway.configuring.renderer(name)
        secrets = () if each is None else tuple(secret.get_secret_value() for secret in each.webhook_secrets)
        return None if each is None else WebhookSource(each.credential, secrets)

    return House(
        intake=gateway.intake,
        quoting=gateway.quoting,
        observations=gateway.observations,
        webhooks=WebhookIntake(
            gateway.recording, source, tenant=TENANT, webhook_tolerance_s=settings.webhook_tolerance_s
        ),
        callers=Callers(
            configured_projects(api_key, settings),
            digest=books.keys.digest,
            tenant=TENANT,
            spanning=[api_key.get_secret_value()],
            issued=IssuedKeys(books.ledger, books.clock),
        ),
        budgets=Budgets(gateway.recording, gateway.four_eyes),
        four_eyes=gateway.four_eyes,
        erasing=gateway.erasing,
        legal_holds=LegalHolds(recording=gateway.recording, keys=books.keys, four_eyes=gateway.four_eyes),
        spend_reports=SpendReports(gateway.recording, SpendTable(books.pool)),
        invoices=_invoices(gateway),
        wait_for_spend=lambda timeout_s: books.projector.wait_for(SPEND.name, books.ledger.head(), timeout_s),
        api_keys=ApiKeys(
            recording=gateway.recording,
            keys=books.keys,
            digest=lambda secret: books.keys.digest(PURPOSE, secret.encode()),
            query=ApiKeyTable(books.pool),
            four_eyes=gateway.four_eyes,
            new_secret=secrets.token_bytes,
        ),
        reviews=Reviews(gateway.recording, books.keys, _review_weights(settings)),
        approvals=Approvals(recording=gateway.recording, keys=books.keys, query=Videos(books.pool)),
        wait_for_api_keys=lambda timeout_s: books.projector.wait_for(API_KEYS.name, books.ledger.head(), timeout_s),
        keys=books.keys,
        metrics=Metrics(books.projector.lag, books.proving.sequencer.standing, public=settings.metrics_public),
        videos=Videos(books.pool),
        wait_for_videos=lambda timeout_s: books.projector.wait_for(VIDEOS.name, books.ledger.head(), timeout_s),
        links=gateway.links,
        characters=gateway.characters,
        policies=gateway.policies,
        price_tables=gateway.price_tables,
        rate_limit=RateLimit(settings.requests_per_minute_max, time.monotonic),
        endpoints=WebhookEndpoints(
            recording=gateway.recording,
            keys=books.keys,
            dispatch=gateway.dispatch,
            query=Endpoints(books.pool),
            new_secret=secrets.token_bytes,
        ),
        wait_for_endpoints=lambda timeout_s: books.projector.wait_for(ENDPOINTS.name, books.ledger.head(), timeout_s),
        assets=gateway.assets,
        batches=Batches(gateway.recording, books.keys, gateway.intake),
        pasts=Pasts(books.ledger, books.clock),
        audits=audits(books),
        wait_for_audit=lambda timeout_s: _wait_for_audit(books, timeout_s),
        proofs=books.proving.proofs,
        audited=lambda: books.projector.reached(AUDIT.name),
        tide=Tide(lambda: books.projector.reached(AUDIT.name)),
        ready=lambda: [*problems(books), *filter(None, [gateway.configuring.problem])],
        new_id=gateway.recording.new_id,
        limits=HttpLimits(
            body_bytes_max=settings.body_bytes_max,
            source_bytes_max=settings.source_bytes_max,
            projection_wait_s=settings.projection_wait_s,
            poll_after_ms=settings.poll_after_ms,
        ),
    )


def problems(books: Books) -> list[str]:
    """What keeps this installation from serving, in words for an operator."""
    try:
        found = [f"migration {each} is not applied" for each in pending(books.pool, MIGRATIONS, schema="ledger")]
        behind = [each for each in books.projector.lag() if each.lag_s > LAG_READY_S]
    except (DatabaseSetupError, LedgerError, PoolTimeout, psycopg.Error) as error:
        return [*books.watch.problems(), f"the database does not answer: {type(error).__name__}"]
    return [
        *books.watch.problems(),
        *found,
        *(f"projection {each.name} is {each.lag_s:.0f} s behind" for each in behind),
    ]


def _crew(books: Books, shop: Workshop, erasures: Erasures, owner: str) -> Crew:
    return Crew(
        leases=Leases(books.pool),
        workers={
            "submit": Submit(shop),
            "reconcile": Reconcile(shop),
            "follow": Follow(shop),
            "store": Store(shop),
            "purge": Purge(shop),
            "expire": Expire(shop),
            "lapse": Lapse(shop),
            "erase": Erase(shop, erasures),
        },
        owner=owner,
        lease_s=books.settings.lease_s,
        size=books.settings.workers,
        clock=books.clock,
        # No submission is broken off: its outcome would have to be looked for.
        drain_s=books.settings.submit_timeout_s * CALL_TIMEOUTS,
    )


def _couriers(books: Books, recording: Recording, dispatch: Dispatch, links: Links, owner: str) -> Crew:
    deliver = Deliver(recording, dispatch, link=links.video, jitter=random.SystemRandom().random)
    return Crew(
        leases=Leases(books.pool),
        workers={"deliver": deliver},
        owner=owner,
        lease_s=books.settings.lease_s,
        size=COURIERS,
        clock=books.clock,
        drain_s=DELIVERY_TIMEOUT_S,
    )


def _configured(settings: Settings, renderers: Sequence[RendererSettings]) -> Configuration:
    """What `renderers` say, and the renderer file where there is one. Raises RendererFileInvalid."""
    if settings.renderers_file is None:
        return of_settings(settings, renderers)
    return of_file(read_renderer_file(settings.renderers_file), settings.environment())


def _opening(settings: Settings, clock: Clock, stack: ExitStack) -> Callable[[ConfiguredRenderer, str], Renderer]:
    """How a renderer is opened at one address."""
    limits = TransportLimits(
        pool_timeout_s=settings.submit_timeout_s / 4,
        connect_timeout_s=settings.submit_timeout_s / 4,
        silence_timeout_s=settings.download_timeout_s,
        download_bytes_max=settings.asset_bytes_max,
        answer_timeout_s=settings.submit_timeout_s,
    )

    def opened(each: ConfiguredRenderer, replica: str) -> Renderer:
        secret = each.api_key if each.api_key.get_secret_value() else None
        transport = open_transport(each.dialect, replica, secret, limits=limits)
        stack.callback(transport.close)
        return open_renderer(
            each.dialect,
            name=each.name,
            credential=each.credential,
            transport=transport,
            clock=clock,
            fields=each.fields,
            submit_timeout_s=settings.submit_timeout_s,
            reference_bytes_max=settings.reference_bytes_max,
            source_bytes_max=settings.source_bytes_max,
        )

    return opened


def _limits(settings: Settings) -> Limits:
    return Limits(
        submit_timeout_s=settings.submit_timeout_s,
        reconcile_grace_s=settings.reconcile_grace_s,
        submission_attempts_max=settings.submission_attempts_max,
        poll_interval_s=settings.poll_interval_s,
        retry_after_max_s=settings.retry_after_max_s,
        render_deadline_s=settings.render_deadline_s,
        store_attempts_max=settings.store_attempts_max,
        asset_bytes_max=settings.asset_bytes_max,
        asset_retention_s=settings.asset_retention_s,
    )


def _invoices(gateway: Gateway) -> Invoices:
    books = gateway.books

    def is_current() -> bool:
        head, timeout_s = books.ledger.head(), books.settings.projection_wait_s
        return all(books.projector.wait_for(each.name, head, timeout_s) for each in (SPEND, AUDIT))

    return Invoices(gateway.recording, books.keys, SpendTable(books.pool), Audit(books.pool), is_current)

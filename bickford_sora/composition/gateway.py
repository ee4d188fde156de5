"""Everything that takes requests and works on them, built once over open books."""

import random
import secrets
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.opening import open_assets
from bickford_sora.assets.port import AssetStore
from bickford_sora.characters import Characters
from bickford_sora.composition.books import TENANT, Books
from bickford_sora.configuration import Configuration, ConfiguredRenderer, of_file, of_settings
from bickford_sora.configuring import Configuring
from bickford_sora.counts import Counts
from bickford_sora.decisions.policy import built_in
from bickford_sora.dispatch import DELIVERY_TIMEOUT_S, Dispatch
from bickford_sora.egress import Egress
from bickford_sora.erasing import Erasing
from bickford_sora.erasure_list import ErasureList
from bickford_sora.erasures import Erasures
from bickford_sora.four_eyes import FourEyes
from bickford_sora.http.links import Links
from bickford_sora.intake import Intake
from bickford_sora.moderation import Moderation
from bickford_sora.observations import Observations
from bickford_sora.policies import Policies
from bickford_sora.preparing import Desk
from bickford_sora.price_tables import PriceTables
from bickford_sora.queue_room import QueueRoom
from bickford_sora.quoting import Quoting
from bickford_sora.recording import Recording
from bickford_sora.references import References
from bickford_sora.renderer_file import read_renderer_file
from bickford_sora.renderers.dialects import open_renderer, open_transport
from bickford_sora.renderers.fleet import Fleet
from bickford_sora.renderers.port import Renderer
from bickford_sora.renderers.transport import Traced, TransportLimits
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.stops import Stops
from bickford_sora.tracing import Tracing
from bickford_sora.vacancies import rooms_of
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
from bickford_sora.workers.workshop import Limits, Workshop
from ledger.clock import Clock
from ledger.identifiers import id_maker
from projections.announced import Announced
from projections.endpoints import ENDPOINTS, Endpoints
from projections.leases import Leases, Rooms
from projections.queue import Queue
from projections.videos import Videos

COURIERS = 4
"""Deliveries to one project's endpoints that one process makes at a time."""
COURIERS_TIMES = 4
"""How many times as many it makes at a time altogether: a tenant has half of them at most, a project half of those."""
WORKERS_TIMES = 2
"""How many times the workers of one renderer there are altogether: it has half of all at most."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that takes requests and works on them."""

    books: Books
    assets: AssetStore
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


def new_owner() -> str:
    """A name for whoever leases work; nobody else ever has it."""
    return f"worker-{secrets.token_hex(6)}"


def compose(
    books: Books, renderers: Sequence[RendererSettings], stack: ExitStack, *, owner: str | None = None
) -> Gateway:
    """Builds the gateway over open books; `stack` closes what it opens. New renders go to the first renderer.

    Its crews lease work as `owner`; None: under a new name.
    """
    settings = books.settings
    owner = owner or new_owner()
    assets = open_assets(settings, clock=books.clock)
    inspector = stack.enter_context(MediaInspector(limits=MediaLimits(source_bytes_max=settings.asset_bytes_max)))
    recording = _recording(books)
    stops = Stops(recording, tenant=TENANT)
    price_tables = PriceTables(recording, tenant=TENANT)
    # Renderers are opened when they are first called. Closed with the rest, their calls would be cut off before whoever
    # works was let finish.
    calls = stack.enter_context(ExitStack())
    fleet = Fleet(opening(settings, books.clock, calls, books.counts, books.tracing))
    configuring = _configuring(books, renderers, stops, price_tables, fleet)
    egress = Egress(allow_private=settings.allow_private_addresses)
    references = _references(books, assets, inspector, egress)
    four_eyes = FourEyes(recording=recording, keys=books.keys, kinds=settings.four_eyes, approval_s=settings.approval_s)
    policies = _policies(books, recording, configuring, four_eyes)
    desk = _desk(books, recording, configuring, references=references, policies=policies, egress=egress, stops=stops)
    shop = Workshop(
        recording=recording,
        keys=books.keys,
        assets=assets,
        inspector=inspector,
        fleet=fleet,
        catalogue=configuring.catalogue,
        stops=stops,
        limits=_work_limits(settings),
        spool=stack.enter_context(spool_folder(settings.data_dir / "spool", owner)),
        tracing=books.tracing,
    )
    rooms = rooms_of(configuring, fleet, stops, clock=books.clock, render_deadline_s=settings.render_deadline_s)
    erasures = _erasures(books, recording, assets)
    erasing = Erasing(erasures=erasures, four_eyes=four_eyes)
    dispatch = Dispatch(egress, books.keys, observe=books.counts.delivered, tracing=books.tracing)
    links = _links(books)
    return Gateway(
        books=books,
        assets=assets,
        recording=recording,
        intake=Intake(desk),
        quoting=Quoting(desk),
        observations=Observations(recording, books.keys),
        crew=_crew(books, shop, erasures, owner, rooms),
        couriers=_couriers(books, recording, dispatch, links, owner),
        announce=_announce(books, recording),
        dispatch=dispatch,
        links=links,
        configuring=configuring,
        fleet=fleet,
        stops=stops,
        characters=_characters(books, recording, references, configuring, fleet),
        policies=policies,
        price_tables=price_tables,
        four_eyes=four_eyes,
        erasures=erasures,
        erasing=erasing,
        retain=_retain(books, erasing),
    )


def _desk(
    books: Books,
    recording: Recording,
    configuring: Configuring,
    *,
    references: References,
    policies: Policies,
    egress: Egress,
    stops: Stops,
) -> Desk:
    return Desk(
        recording=recording,
        keys=books.keys,
        references=references,
        policies=policies,
        moderation=Moderation(egress, books.settings.environment()),
        catalogue=configuring.catalogue,
        is_stopped=stops.is_stopped,
        approval_s=books.settings.approval_s,
        repeats_answers=books.settings.repeats_answers,
        check_time=books.check_time,
        take_place=_queue_room(books).take,
    )


def _policies(books: Books, recording: Recording, configuring: Configuring, four_eyes: FourEyes) -> Policies:
    return Policies(
        recording,
        built_in=built_in(books.settings.render_cost_max_micro),
        models=lambda: configuring.catalogue().routes,
        four_eyes=four_eyes,
    )


def erasures_of(books: Books) -> Erasures:
    """The erasures of this installation alone: no renderer has to be configured for them."""
    return _erasures(books, _recording(books), open_assets(books.settings, clock=books.clock))


def _erasures(books: Books, recording: Recording, assets: AssetStore) -> Erasures:
    kept = ErasureList(books.settings.erasures_file or books.settings.data_dir / "erasures.jsonl")
    return Erasures(recording=recording, keys=books.keys, assets=assets, kept=kept)


def _recording(books: Books) -> Recording:
    return Recording(books.ledger, clock=books.clock, new_id=id_maker(books.clock), zone=books.settings.time_zone)


def _retain(books: Books, erasing: Erasing) -> Retain | None:
    prompt_retention_s = books.settings.prompt_retention_s
    if prompt_retention_s is None:
        return None
    return Retain(
        query=Videos(books.pool),
        end_retention=erasing.end_retention,
        clock=books.clock,
        prompt_retention_s=prompt_retention_s,
        check_time=books.check_time,
    )


def _configuring(
    books: Books,
    renderers: Sequence[RendererSettings],
    stops: Stops,
    price_tables: PriceTables,
    fleet: Fleet[ConfiguredRenderer],
) -> Configuring:
    return Configuring(
        configured(books.settings, renderers),
        stops=stops,
        publish=price_tables.publish,
        keys=books.keys,
        apply=lambda found: fleet.configure(found.renderers),
    )


def _queue_room(books: Books) -> QueueRoom:
    queue, settings = Queue(books.pool), books.settings
    return QueueRoom(
        lambda: queue.lengths(settings.queue_renders_max),
        project_renders_max=settings.queue_project_renders_max,
        tenant_renders_max=settings.queue_tenant_renders_max,
        renders_max=settings.queue_renders_max,
    )


def _characters(
    books: Books,
    recording: Recording,
    references: References,
    configuring: Configuring,
    fleet: Fleet[ConfiguredRenderer],
) -> Characters:
    return Characters(
        recording=recording,
        keys=books.keys,
        references=references,
        catalogue=configuring.catalogue,
        renderer=fleet.first,
        call_s=books.settings.submit_timeout_s * CALL_TIMEOUTS,
        check_time=books.check_time,
    )


def _references(books: Books, assets: AssetStore, inspector: MediaInspector, egress: Egress) -> References:
    return References(
        assets=assets,
        inspector=inspector,
        keys=books.keys,
        egress=egress,
        reference_bytes_max=books.settings.reference_bytes_max,
        source_bytes_max=books.settings.source_bytes_max,
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


def _crew(books: Books, shop: Workshop, erasures: Erasures, owner: str, rooms: Callable[[], Rooms]) -> Crew:
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
        size=books.settings.workers * WORKERS_TIMES,
        callee_max=books.settings.workers,
        clock=books.clock,
        check_time=books.check_time,
        # No submission is broken off: its outcome would have to be looked for.
        drain_s=books.settings.submit_timeout_s * CALL_TIMEOUTS,
        observe=books.counts.worked,
        tracing=books.tracing,
        rooms=rooms,
    )


def _couriers(books: Books, recording: Recording, dispatch: Dispatch, links: Links, owner: str) -> Crew:
    jitter = random.SystemRandom().random
    deliver = Deliver(recording, dispatch, link=links.video, jitter=jitter, tracing=books.tracing)
    return Crew(
        leases=Leases(books.pool),
        workers={"deliver": deliver},
        owner=owner,
        lease_s=books.settings.lease_s,
        size=COURIERS * COURIERS_TIMES,
        callee_max=COURIERS,
        clock=books.clock,
        check_time=books.check_time,
        drain_s=DELIVERY_TIMEOUT_S,
        observe=books.counts.worked,
        tracing=books.tracing,
    )


def configured(settings: Settings, renderers: Sequence[RendererSettings]) -> Configuration:
    """What `renderers` say, and the renderer file where there is one. Raises RendererFileInvalid."""
    if settings.renderers_file is None:
        return of_settings(settings, renderers)
    return of_file(read_renderer_file(settings.renderers_file), settings.environment())


def opening(
    settings: Settings, clock: Clock, stack: ExitStack, counts: Counts | None = None, tracing: Tracing | None = None
) -> Callable[[ConfiguredRenderer, str], Renderer]:
    """How a renderer is opened at one address, and its calls are counted."""
    limits = TransportLimits(
        pool_timeout_s=settings.submit_timeout_s / 4,
        connect_timeout_s=settings.submit_timeout_s / 4,
        silence_timeout_s=settings.download_timeout_s,
        download_bytes_max=settings.asset_bytes_max,
        answer_timeout_s=settings.submit_timeout_s,
    )

    def opened(each: ConfiguredRenderer, replica: str) -> Renderer:
        secret = each.api_key if each.api_key.get_secret_value() else None
        traced = Traced(each.name, tracing or Tracing(), sends_on=settings.traceparent_to_renderers)
        observe = None if counts is None else partial(counts.called, each.name)
        transport = open_transport(each.dialect, replica, secret, limits=limits, observe=observe, traced=traced)
        renderer = open_renderer(
            each.dialect,
            name=each.name,
            credential=each.credential,
            transport=transport,
            clock=clock,
            fields=each.fields,
            keeps_idempotency_keys=each.keeps_idempotency_keys,
            submit_timeout_s=settings.submit_timeout_s,
            reference_bytes_max=settings.reference_bytes_max,
            source_bytes_max=settings.source_bytes_max,
        )
        # At the end, or when nobody calls it any more: after each change of the configuration others are opened.
        stack.callback(weakref.finalize(renderer, transport.close))
        return renderer

    return opened


def _work_limits(settings: Settings) -> Limits:
    return Limits(
        submit_timeout_s=settings.submit_timeout_s,
        reconcile_grace_s=settings.reconcile_grace_s,
        submission_attempts_max=settings.submission_attempts_max,
        poll_interval_s=settings.poll_interval_s,
        poll_fallback_s=settings.poll_fallback_s,
        retry_after_max_s=settings.retry_after_max_s,
        render_deadline_s=settings.render_deadline_s,
        store_attempts_max=settings.store_attempts_max,
        asset_bytes_max=settings.asset_bytes_max,
        asset_retention_s=settings.asset_retention_s,
        spool_free_bytes_min=settings.spool_free_bytes_min,
        settlement_factor_max=settings.settlement_factor_max,
    )

"""Whether this process is like the others on its database: the same renderers, prices and files."""

from collections.abc import Iterator, Sequence

from bickford_sora.assets.errors import AssetError, AssetNotFound
from bickford_sora.assets.opening import open_assets
from bickford_sora.buckets import BucketUnusable
from bickford_sora.callers import KeyInvalid, kept_master_key
from bickford_sora.composition.books import TENANT, keys_folder, segments_folder
from bickford_sora.composition.gateway import configured
from bickford_sora.configuration import Configuration
from bickford_sora.configuring import said_of
from bickford_sora.database.pool import open_pool
from bickford_sora.doctor.finding import Finding, ok, problem, skipped, warning
from bickford_sora.renderer_file import RendererFileInvalid
from bickford_sora.settings import Settings
from ledger import renderers, streams
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.errors import LedgerError
from ledger.events import PricesPublished, RenderStored
from ledger.keys import Keys, MemoryKeyStore
from ledger.recorder import PostgresRecorder
from ledger.render import Phase
from ledger.segments.reading import SegmentPayloads

CONFIGURATION = "configuration"
FILES = "files"
FACTS_LOOKED_AT = 2_000
"""How many of the newest facts are looked through for videos that were stored."""
VIDEOS_LOOKED_AT = 5


def check_likeness(url: str, settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Compares with what other processes put on record, and looks for the files that they stored."""
    with open_pool(url, size_max=2) as pool:
        recorder = PostgresRecorder(pool)
        ledger = Ledger(recorder, SegmentPayloads(pool, segments_folder(settings)))
        try:
            yield _configuration(ledger, settings)
            yield _files(ledger, settings, clock)
        except LedgerError as error:
            yield skipped(CONFIGURATION, f"what is on record of it cannot be read: {error.code}")
        finally:
            recorder.close()


def _configuration(ledger: Ledger, settings: Settings) -> Finding:
    """Each process puts its own on record when it starts, and when its renderer file changes."""
    try:
        found = configured(settings, settings.renderers())
        master = kept_master_key(keys_folder(settings) / "master.key", settings)
    except (RendererFileInvalid, KeyInvalid, OSError):
        return skipped(CONFIGURATION, "it cannot be read, as is said elsewhere")
    if master is None or not found.renderers:
        return skipped(CONFIGURATION, "no renderer is configured" if master else "there is no master key")
    others = _others(found, ledger, Keys(master, MemoryKeyStore()))
    if not others:
        return ok(CONFIGURATION, "no process put another one on record after it")
    return warning(
        CONFIGURATION,
        f"another process put something else on record: {', '.join(others)}",
        "Give all processes one renderer file, the same credentials and settings, and restart those that have older "
        "ones: each takes, prices and submits renders by its own, and each start resumes renderers that were stopped.",
    )


def _others(found: Configuration, ledger: Ledger, keys: Keys) -> Sequence[str]:
    """What is on record otherwise, in words."""
    others = []
    for each in found.renderers:
        record = ledger.fold(streams.renderer(each.name), renderers.fold)
        last = record and record.configured
        if last is not None and last != said_of(each, found.catalogue, keys):
            others.append(f"renderer {each.name}")
    tables = ledger.history(streams.prices(TENANT))
    fact = tables[-1].fact if tables else None
    if isinstance(fact, PricesPublished) and fact.prices_hash != found.catalogue.prices_hash:
        others.append("prices")
    return others


def _files(ledger: Ledger, settings: Settings, clock: Clock) -> Finding:
    """A process with storage of its own tells clients that the others' videos are gone."""
    newest, _ = ledger.pick(max(ledger.head() - FACTS_LOOKED_AT, 0), [RenderStored.TYPE], limit=FACTS_LOOKED_AT)
    if not newest:
        return ok(FILES, "no video was stored lately")
    if not settings.data_dir.exists():  # it is made by who serves
        return skipped(FILES, "there is no data folder to look at")
    looked_at = 0
    try:
        store = open_assets(settings, clock=clock)
        for event in newest[-VIDEOS_LOOKED_AT:]:
            render = ledger.render(event.stream)
            if render is None or render.phase is not Phase.STORED or render.goes:
                continue
            if render.expires_at is not None and render.expires_at <= clock():
                continue
            looked_at += 1
            for asset in render.assets:
                store.open(asset.storage_uri, stop=1).close()
    except AssetNotFound:
        return problem(
            FILES,
            f"files of a video that was stored at {event.context.occurred_at:%Y-%m-%d %H:%M:%S} are not there",
            "Give all processes one BICKFORD_DATA_DIR or one BICKFORD_ASSETS_URL, and move the files there that lie "
            "elsewhere: clients are told that they are gone. 'bickford-sora verify --assets' names all of them.",
        )
    except (AssetError, BucketUnusable, OSError):
        return skipped(FILES, "the asset storage cannot be used")
    return ok(FILES, f"the newest {looked_at} videos are in the asset storage")

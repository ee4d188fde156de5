"""The ledger, its keys and its read models, opened from settings: enough for commands that only look."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from bickford_sora.audits import Audits
from bickford_sora.callers import KeyInvalid, kept_master_key, load_or_make_master_key
from bickford_sora.clocks import CheckTime, ClocksApart, beside_database
from bickford_sora.counts import Counts
from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.errors import DatabaseNewerError, MigrationError
from bickford_sora.database.migrations import migrate, pending
from bickford_sora.database.pool import open_pool
from bickford_sora.decisions.caller import MAIN
from bickford_sora.log_signing import LogSigning
from bickford_sora.proving import Proving
from bickford_sora.recording import Recording
from bickford_sora.settings import Settings
from bickford_sora.traced_recorder import TracedRecorder
from bickford_sora.tracing import Tracing
from bickford_sora.workers.watch import Watch
from ledger.application import Ledger
from ledger.clock import Clock, system_clock
from ledger.continuity import Continuity
from ledger.errors import LedgerError
from ledger.identifiers import id_maker
from ledger.keys import Keys
from ledger.keystore import PostgresKeyStore, any_sealed, opens
from ledger.segments.reading import SegmentPayloads
from ledger.sending import Pool
from projections.announced import Announced
from projections.api_keys import API_KEYS
from projections.audit import AUDIT, Audit
from projections.endpoints import ENDPOINTS
from projections.errors import OtherVersion
from projections.leases import Leases
from projections.lineage import LINEAGE
from projections.port import Projection
from projections.positions import Lag
from projections.projector import Projector
from projections.questions import Questions
from projections.search import Search
from projections.spend import SPEND
from projections.videos import VIDEOS
from projections.work import WORK

TENANT = MAIN
"""The tenant of every key until tenants are configured."""

MIGRATIONS = files("ledger.migrations")

log = structlog.get_logger(__name__)

LAG_READY_S = 30.0
"""How far a read model may be behind in a process that is ready, in seconds."""
ANSWER_READY_S = 2.0
"""How long the database may take to be connected to in a process that is ready, in seconds."""

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
    check_time: CheckTime
    """Whether the clock can be gone by."""
    watch: Watch
    """What failed of the work in the background."""
    proving: Proving
    """What proves the ledger."""
    counts: Counts
    """What this process counts."""
    tracing: Tracing
    """What tells of the spans of this process."""


@contextmanager
def open_books(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    watch: Watch | None = None,
    counts: Counts | None = None,
    tracing: Tracing | None = None,
    silence_s_max: float | None = None,
    on_lost: Callable[[], None] = lambda: None,
) -> Iterator[Books]:
    """Opens the database, embedded or given, brings its schema up to date, and closes everything afterwards.

    `watch` is told of what fails in the background, `counts` of what is counted, `tracing` of spans; None: one of its
    own. `silence_s_max`: how long a statement is waited for without a sign of the database, as in `open_pool`.
    `on_lost`: what is done when the database, reached again, lacks facts that this process knows.

    Raises bickford_sora.database.errors.DatabaseSetupError when there is no usable database.
    """
    with ExitStack() as stack:
        url = stack.enter_context(database(settings))
        continuity = Continuity(on_lost)
        pool = stack.enter_context(
            open_pool(url, size_max=settings.database_pool_max, silence_s_max=silence_s_max, look=continuity.check)
        )
        migrate(pool, MIGRATIONS, schema="ledger")
        counts = counts or Counts()
        counts.watch_pool(pool.get_stats)
        tracing = tracing or _tracing(settings, counts.process)
        stack.callback(tracing.close)
        recorder = TracedRecorder(pool, continuity, tracing, observe=counts.appended)
        stack.callback(recorder.close)
        ledger = Ledger(recorder, SegmentPayloads(pool, segments_folder(settings)))
        keys = Keys(_master_key(pool, settings), PostgresKeyStore(recorder))
        projector = Projector(ledger, pool, PROJECTIONS)
        for name in projector.ensure():
            log.warning("read_model_to_be_rebuilt", read_model=name, run=f"bickford-sora replay {name}")
        Leases(pool).ensure()
        Announced(pool).ensure(ledger.head())
        search = Search(ledger, keys, pool) if settings.full_text_search else None
        if search is not None:
            search.ensure()
        signing = LogSigning(
            Recording(ledger, clock=clock, new_id=id_maker(clock)), keys_folder(settings), tenant=TENANT
        )
        proving = Proving.over(recorder, signing, clock=clock, interval_s=settings.checkpoint_interval_s)
        check_time, watch = beside_database(pool, clock), watch or Watch()
        yield Books(
            settings, url, pool, ledger, keys, search, projector, clock, check_time, watch, proving, counts, tracing
        )


def _tracing(settings: Settings, process: str) -> Tracing:
    """Spans told to the collector that is configured; to nobody without one. Raises ModuleNotFoundError."""
    if settings.otlp_url is None:
        return Tracing()
    from bickford_sora.open_telemetry import exported  # noqa: PLC0415 - an extra, and slow to load

    return exported(settings.otlp_url, process)


def _master_key(pool: Pool, settings: Settings) -> bytes:
    """The master key, made when nothing is sealed yet. Raises KeyInvalid when it is missing or another ledger's."""
    path = keys_folder(settings) / "master.key"
    with pool.connection() as connection:
        kept = kept_master_key(path, settings)
        if kept is None and any_sealed(connection):
            raise KeyInvalid(f"{path} is missing, and this ledger was sealed with it; restore it from a backup")
        if kept is not None and not opens(connection, kept):
            raise KeyInvalid("the master key is not the one that this ledger was sealed with; restore that one")
    return kept or load_or_make_master_key(path, settings)


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


def lags(books: Books) -> list[Lag]:
    """How far each read model is, and the index of words where there is one."""
    found = books.projector.lag()
    if books.search is not None:
        with suppress(OtherVersion):  # a process where it is switched off took it away: of the others it is still told
            found.append(books.search.lag())
    return found


def problems(books: Books) -> list[str]:
    """What keeps this installation from serving, in words for an operator."""
    found = books.watch.problems()
    try:
        with books.pool.connection(timeout=ANSWER_READY_S):  # those who ask are impatient; requests wait for longer
            pass
        found += _unmigrated(books.pool)
        if not books.keys.fits():
            found.append("the master key is not the one that this ledger was sealed with")
        found += _time(books.check_time)
        behind = [each for each in books.projector.lag() if each.lag_s > LAG_READY_S]
    except (LedgerError, PoolTimeout, psycopg.Error) as error:
        return [*found, f"the database does not answer: {type(error).__name__}"]
    except OtherVersion:
        return [*found, "the read models' own tables are not there, or of another version"]
    return [*found, *(f"projection {each.name} is {each.lag_s:.0f} s behind" for each in behind)]


def _time(check: CheckTime) -> list[str]:
    try:
        check()
    except ClocksApart as error:
        return [f"this machine's clock and the database's differ by {error.apart_s:.0f} s"]
    return []


def _unmigrated(pool: Pool) -> list[str]:
    """What of the schema this process cannot work with, in words for an operator."""
    try:
        return [f"migration {each} is not applied" for each in pending(pool, MIGRATIONS, schema="ledger")]
    except DatabaseNewerError:
        # An upgrade: what runs goes on beside the newer version. A probe would take all out before that one is in.
        return []
    except MigrationError as error:
        return [f"the database's schema is not this program's: {type(error).__name__}"]


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

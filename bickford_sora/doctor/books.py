"""Checks of what the database holds: master key, erasures, read models, tree."""

from collections.abc import Iterator
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from bickford_sora.callers import KeyInvalid, kept_master_key
from bickford_sora.composition.books import LAG_READY_S, PROJECTIONS, keys_folder, segments_folder
from bickford_sora.database.pool import open_pool
from bickford_sora.doctor.finding import Finding, ok, problem, skipped, warning
from bickford_sora.erasure_list import ErasureList, ErasureListDamaged
from bickford_sora.settings import Settings
from ledger import log_keys, streams
from ledger.bounds import VERSION_MAX
from ledger.clock import Clock
from ledger.errors import LedgerError
from ledger.keystore import any_sealed, opens
from ledger.lifecycle import ImpossibleStep
from ledger.mapper import FactMapper
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.errors import ProofError
from ledger.proof.notes import Note
from ledger.segments.reading import SegmentPayloads
from ledger.sql import query
from projections import positions
from projections.positions import Lag

TREE_LAG_EVENTS_MAX = 100_000
"""Facts that are not in the tree yet from which on an operator is told."""
CHECKPOINT_INTERVALS_MAX = 5
"""How many intervals late a checkpoint may be before an operator is told."""
NO_LEDGER = "there is no ledger to look at"
"""Why what is in one is not looked at."""


def check_books(connection: Connection[TupleRow], url: str, settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Everything about the ledger that is open on `connection` and lies at `url`."""
    yield check_master_key(connection, settings)
    yield _erasures(connection, settings)
    yield from _read_models(connection)
    yield from _tree(connection, url, settings, clock)


def check_master_key(connection: Connection[TupleRow] | None, settings: Settings) -> Finding:
    """Whether it is a key, and opens what the ledger holds that is open on `connection`, if there is one."""
    kept = keys_folder(settings) / "master.key"
    try:
        master = kept_master_key(kept, settings)
    except (KeyInvalid, OSError) as error:
        restore = "Restore it from a backup: every sealed text depends on it."
        return problem(
            "master_key", str(error), f"{restore} Before the first start: 'openssl rand -base64 32' makes one."
        )
    if connection is None:
        return skipped("master_key", NO_LEDGER)
    if not any_sealed(connection):
        return ok("master_key", "nothing is sealed yet")
    if master is None:
        return problem(
            "master_key",
            f"{kept} is not there, and the ledger holds texts that are sealed with it",
            "Restore the file, or set BICKFORD_MASTER_KEY; without it they are lost.",
        )
    if not opens(connection, master):
        return problem(
            "master_key",
            "it is not the one that the ledger's texts are sealed with",
            "Use the key that belongs to this database, or the database that belongs to this key.",
        )
    return ok("master_key", "it opens what the ledger holds")


def _erasures(connection: Connection[TupleRow], settings: Settings) -> Finding:
    """How many of the listed erasures this database has not carried out, as after a backup was restored."""
    path = settings.erasures_file or settings.data_dir / "erasures.jsonl"
    try:
        listed = {
            entry.requester if entry.subject is None else f"{entry.requester}/{entry.subject}"
            for entry in ErasureList(path)
        }
    except (ErasureListDamaged, OSError):
        return skipped("erasures", "the list of erasures cannot be read")
    destroyed = {name for (name,) in connection.execute(query("all_keys_destroyed")).fetchall()}
    if alive := len(listed - destroyed):
        return warning(
            "erasures",
            f"{alive} of {len(listed)} listed erasures are not carried out in this database",
            "It was restored from a backup: 'bickford-sora erasures reapply', or the next 'serve', erases them again.",
        )
    # What is below a requester goes with its key, and is not listed one by one.
    if unlisted := sum(name.partition("/")[0] not in listed for name in destroyed - listed):
        return warning(
            "erasures",
            f"{unlisted} destroyed keys are not on the list of erasures",
            "Put a newer copy of the list there: with this one a restored backup would revive what was erased.",
        )
    return ok("erasures", f"all {len(listed)} listed are carried out")


def _read_models(connection: Connection[TupleRow]) -> Iterator[Finding]:
    if connection.execute("select to_regclass('projections.positions')").fetchone() == (None,):
        yield skipped("read_models", "they are made at the first start")
        return
    lags = {each.name: each for each in positions.lag(connection)}
    stored = positions.read(connection)
    found = [*_versions(stored), *(finding for lag in lags.values() for finding in _behind(lag))]
    head = max((each.head for each in lags.values()), default=0)
    yield from found or [ok("read_models", f"{len(lags)} hold everything up to position {head}")]


def _versions(stored: dict[str, positions.Stored]) -> Iterator[Finding]:
    for each in PROJECTIONS:
        known = stored.get(each.name)
        if known is not None and known.version != each.version:
            yield problem(
                "read_models",
                f"{each.name} is of version {known.version}, and this program makes version {each.version}",
                f"Rebuild it beside the live one: bickford-sora replay {each.name}",
            )


def _behind(lag: Lag) -> Iterator[Finding]:
    if lag.position > lag.head:
        yield problem(
            "read_models",
            f"{lag.name} is ahead of the ledger: a backup of the ledger was restored",
            f"Rebuild it: bickford-sora replay {lag.name}",
        )
    if lag.lag_s > LAG_READY_S:
        yield warning(
            "read_models",
            f"{lag.name} is {lag.lag_events} facts and {lag.lag_s:.0f} s behind",
            "Is a 'serve' or 'worker' running? If it is, its log says what keeps it.",
        )
    if lag.parked:
        yield warning(
            "read_models",
            f"{lag.name} could not read {lag.parked} streams",
            "See 'bickford-sora projections parked list', and after the cause is mended 'projections parked retry'.",
        )


def _tree(connection: Connection[TupleRow], url: str, settings: Settings, clock: Clock) -> Iterator[Finding]:
    row = connection.execute(query("tree_standing")).fetchone()
    assert row is not None  # noqa: S101 - it selects one row whatever there is
    head, sequenced, covered, taken_at = row
    if sequenced > head:
        yield problem(
            "tree",
            f"the tree has {sequenced} facts and the ledger {head}: it was cut, or an older copy was restored",
            "Find out which: 'bickford-sora verify --against CHECKPOINT' with a checkpoint that others hold.",
        )
        return
    if unknown := _signed_and_gone(connection, url, settings):
        yield problem(
            "tree",
            f"{unknown} was signed here, and is not of this ledger: facts were lost, or an older copy was restored",
            "'bickford-sora verify --against' that file; to go on without them, 'checkpoint rotate-key --reason lost'.",
        )
        return
    if head - sequenced > TREE_LAG_EVENTS_MAX:
        yield warning(
            "tree", f"it is {head - sequenced} facts behind", "Is a 'serve' or 'worker' running? Its log says why."
        )
    late_s = CHECKPOINT_INTERVALS_MAX * settings.checkpoint_interval_s
    age_s = (clock() - taken_at).total_seconds() if taken_at else None
    if covered < head and (age_s is None or age_s > late_s):
        said = "there is no checkpoint" if age_s is None else f"the newest checkpoint is {age_s:.0f} s old"
        yield warning(
            "tree",
            f"{said}, and {head - covered} facts are under none",
            "Run a 'serve' or 'worker' where the checkpoint key lies, or take one: bickford-sora checkpoint take",
        )
        return
    yield ok("tree", f"{sequenced} of {head} facts are in it, {covered} under a checkpoint")


def _signed_and_gone(connection: Connection[TupleRow], url: str, settings: Settings) -> Path | None:
    """The file of a checkpoint that was signed on this machine and is not in the database; None: there is none."""
    paths = sorted(keys_folder(settings).glob("checkpoint-*.signed"))
    if gone := [path for path in paths if not _is_kept(connection, path)]:
        # Where a key was rotated its file goes with it. On other machines it lies on, and says nothing any more.
        retired = {f"checkpoint-{key_id}" for key_id in _retired_keys(connection, url, settings)}
        return next((path for path in gone if path.stem not in retired), None)
    return None


def _is_kept(connection: Connection[TupleRow], path: Path) -> bool:
    try:
        last = Checkpoint.parse(Note.parse(path.read_bytes()))
    except (ProofError, OSError):
        return False
    row = connection.execute(query("checkpoint_root"), (last.size,)).fetchone()
    return row is not None and bytes(row[0]) == last.root


def _retired_keys(connection: Connection[TupleRow], url: str, settings: Settings) -> set[str]:
    """Ids of checkpoint keys that sign no more; none where the ledger does not say so."""
    every = {"stream": streams.log_key(), "gt": 0, "lte": VERSION_MAX, "limit": None}
    rows = connection.execute(query("stream_events"), every)
    with open_pool(url, size_max=1) as pool:
        mapper = FactMapper(payloads=SegmentPayloads(pool, segments_folder(settings)))
        try:
            found = log_keys.fold(None, [mapper.event(row) for row in rows])
        except (LedgerError, ImpossibleStep):
            return set()
    return {each.key_id for each in found.keys if each.retired_at is not None} if found else set()

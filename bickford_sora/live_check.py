"""The check of a live system: its ledger, its stored files, and what its renderers say they have."""

from collections.abc import Iterable
from dataclasses import dataclass

from bickford_sora.assets.port import AssetStore
from bickford_sora.checking.check import Report, check
from bickford_sora.checking.jobs import Counted, CountedJob
from bickford_sora.checking.patience import Patience
from bickford_sora.checking.reading import OnProgress, contents, history, records, sizes
from bickford_sora.configuration import ConfiguredRenderer
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.renderers.fleet import Fleet
from bickford_sora.renderers.port import Renderer
from bickford_sora.settings import Settings
from ledger.application import Ledger
from ledger.clock import Clock


@dataclass(frozen=True, slots=True)
class Count:
    """What renderers were asked before the ledger was read."""

    counted: tuple[Counted, ...] = ()
    unasked: tuple[str, ...] = ()
    """Renderers that could not be counted, each with why not."""


def patience_of(settings: Settings) -> Patience:
    """How long each step may take under these settings."""
    return Patience(render_s=settings.render_deadline_s, reconcile_s=settings.reconcile_grace_s)


def count(configured: Iterable[ConfiguredRenderer], fleet: Fleet[ConfiguredRenderer], clock: Clock) -> Count:
    """Asks every replica for its whole list. One that has none, or does not answer, leaves its renderer uncounted."""
    counted: list[Counted] = []
    unasked: list[str] = []
    for each in configured:
        began = clock()
        jobs: dict[str, CountedJob] = {}
        try:
            for url in each.replicas:
                replica = fleet.at(each.name, each.credential, url)
                assert replica is not None, each.name  # noqa: S101 - it is configured
                jobs.update(_jobs(replica))
        except ReadFailed as error:
            unasked.append(f"{each.name}: {error.code}")
        else:
            counted.append(Counted(each.name, each.credential, jobs, began))
    return Count(tuple(counted), tuple(unasked))


def _jobs(replica: Renderer) -> dict[str, CountedJob]:
    return {job.job_id: CountedJob(job.created_at) for job in replica.jobs()}


def check_live(
    ledger: Ledger,
    assets: AssetStore,
    *,
    clock: Clock,
    patience: Patience,
    counted: tuple[Counted, ...] = (),
    reads_files: bool = False,
    on_progress: OnProgress,
) -> Report:
    """Reads the ledger from its first fact. Files are looked for, or, with `reads_files`, read whole.

    Raises `ledger.errors.Unavailable`, AssetStoreUnavailable, SegmentUnreadable and ValueError for what cannot be read:
    then nothing is known.
    """
    return check(
        records(ledger, on_progress),
        history=history(ledger),
        look_at=contents(assets) if reads_files else sizes(assets),
        now=clock(),
        patience=patience,
        counted=counted,
    )

"""Many renders at once: a file is sent, each of its lines is decided by itself, and a page says what became of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from bickford_sora.batches import BATCH_LINES_MAX
from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.batch_files import lines_of
from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.routing import Pages
from bickford_sora.decisions.media import File
from bickford_sora.errors import InvalidRequest
from bickford_sora.http.batches import FILE, BatchCounts, VideoBatch, counts_of, told_batch
from bickford_sora.http.lacking import facts_lacking
from bickford_sora.http.roles import ASKS, READS
from ledger import streams
from ledger.batches import Batch
from ledger.events import BatchOpened
from ledger.port import POSITION_MAX
from projections.audit import Filters

PAGE_BATCHES = 20

pages = Pages()


class NewBatch(BaseModel):
    """The form."""

    lines_max: int = BATCH_LINES_MAX
    models: Sequence[str]


class BatchPage(BaseModel):
    """A batch, and how each of its lines stands."""

    batch: VideoBatch
    created_at: datetime
    done: int
    """Lines that will not change any more."""


class SentBatch(BaseModel):
    """One batch of the list."""

    batch_id: str
    project: str
    requester: str
    created_at: datetime
    counts: BatchCounts
    done: int
    """Lines that will not change any more."""


class SentBatches(BaseModel):
    """A page of batches, the last sent first."""

    batches: Sequence[SentBatch]
    after: int | None
    """Where the next page begins; None: this is the last."""
    behind: int
    """The ledger's last facts that may be missing, since the audit has not come to them."""


@pages.page("/new/batch", "new_batch.html", takes=ASKS)
async def form(visit: TheVisit) -> NewBatch:
    """The empty form."""
    return NewBatch(models=[*visit.console.catalogue().routes])


@pages.action("/new/batch", takes=ASKS)
async def send(act: TheAct) -> str:
    """Decides each line on its own: as `POST /v1/videos/batches`."""
    batch = await act.order.house.batching.run(_taken, act)
    return f"/batches/{batch.opened.batch_id}"


@pages.page("/batches/{batch_id}", "batch.html", takes=READS)
async def one(batch_id: str, visit: TheVisit) -> BatchPage:
    """How a batch stands."""
    house, caller = visit.house, visit.caller
    found = await house.batching.run(lambda: told_batch(house, caller.tenant, house.batches.find(caller, batch_id)))
    return BatchPage(batch=found, created_at=datetime.fromtimestamp(found.created_at, UTC), done=_done(found.counts))


@pages.page("/batches", "batches.html", takes=READS)
async def sent(visit: TheVisit, after: Annotated[int, Query(ge=0, le=POSITION_MAX)] = 0) -> SentBatches:
    """The batches that were sent."""
    return await visit.read(lambda visit: _sent(visit, after or POSITION_MAX))


def _done(counts: BatchCounts) -> int:
    return counts.refused + counts.completed + counts.failed


# What follows runs in the synchronous world, behind the crossing.


def _sent(visit: Visit, before: int) -> SentBatches:
    house, caller = visit.house, visit.caller
    behind = facts_lacking(house)
    house.wait_for_videos(house.limits.projection_wait_s)
    filters = Filters(type=BatchOpened.TYPE, project=caller.readable)
    found = house.audits.query.events(
        caller.tenant, filters, after=0, before=before, limit=PAGE_BATCHES + 1, order="desc"
    )
    shown = found[:PAGE_BATCHES]
    after = shown[-1].position if len(found) > PAGE_BATCHES else None
    return SentBatches(batches=[_one(visit, each.stream) for each in shown], after=after, behind=behind)


def _one(visit: Visit, stream: str) -> SentBatch:
    batch = visit.house.batches.find(visit.caller, streams.batch_id(stream.rpartition(":")[2]))
    counts = counts_of(visit.house, visit.caller.tenant, batch)
    return SentBatch(
        batch_id=batch.opened.batch_id,
        project=batch.opened.project,
        requester=batch.opened.requester,
        created_at=batch.created_at,
        counts=counts,
        done=_done(counts),
    )


def _taken(act: Act) -> Batch:
    order = act.order
    return order.house.batches.take(order.caller, lines_of(_file(act)), key=order.key, origin=order.origin)


def _file(act: Act) -> File:
    """What was chosen, or else what was written into the form."""
    if FILE in act.files:
        return act.files[FILE]
    text = act.fields.get("text")
    if isinstance(text, str):
        return File(text.encode())
    raise InvalidRequest(
        "Choose a file, or write its lines into the form.", code="missing_required_parameter", param=FILE
    )

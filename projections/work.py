"""What is to do next?

One row a render that needs something or a delivery that is to be made, and one nudge a webhook, found by its job
whether the job was claimed before the webhook came or after. Leases and due times are not history: they are kept in
`projections.leases`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from ledger import deliveries, erasures, lifecycle, streams
from ledger.events import DeliveryScheduled, ErasureDecided, Step, WebhookReceived
from ledger.render import Phase, Render
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection, TableRow
from projections.story import Story


def rows(story: Story) -> Iterator[TableRow]:
    """The next step of a render, a delivery or a requester's erasure, or the nudge of a webhook.

    Raises lifecycle.ImpossibleStep for facts in an order that cannot be.
    """
    event = story.events[0]
    first = event.fact
    if type(first) is WebhookReceived:
        yield "nudges", (story.stream, first.job_stream, event.position, event.recorded_at)
        return
    if type(first) is DeliveryScheduled:
        yield from _delivery(story)
        return
    if isinstance(first, ErasureDecided) and streams.category(story.stream) == "requester":
        yield from _erasure(story)
        return
    render = story.folded(lifecycle.fold)
    step = next_step(render)
    if step is not None:
        yield "items", _item(render, step, _position(story))


def next_step(render: Render) -> Step | None:
    """What a worker does about this render, None when there is nothing to do."""
    if render.erasure is not None:
        return "erase"
    # An open submission comes first, deleted or not: until its outcome is known there may be a job that costs money.
    if render.submission_open:
        return "reconcile"
    if not render.ended:
        return _STEPS.get(render.phase)
    if render.goes:
        return None if render.purged else "purge"
    return "expire" if render.expires_at is not None and not render.expired else None


_STEPS: Mapping[Phase, Step] = {
    Phase.HELD: "lapse",
    Phase.ALLOWED: "submit",
    Phase.QUEUED: "follow",
    Phase.IN_PROGRESS: "follow",
    Phase.LOST: "reconcile",
    Phase.COMPLETED: "store",
}
"""What is done about a render that goes on."""


def _delivery(story: Story) -> Iterator[TableRow]:
    delivery = story.folded(deliveries.fold)
    if delivery.ended:
        return
    scheduled = delivery.scheduled
    due_at = delivery.retry_at or delivery.scheduled_at
    place = (story.stream, delivery.tenant, scheduled.project, scheduled.video_id)
    made = (delivery.scheduled_at, delivery.version, _position(story))
    yield "items", (*place, "deliver", due_at, None, None, 0, *made)


def _erasure(story: Story) -> Iterator[TableRow]:
    erasure = story.folded(erasures.fold)
    if not erasure.is_done:
        place = (story.stream, erasure.tenant, erasure.decided.project, None)
        made = (erasure.decided_at, erasure.version, _position(story))
        yield "items", (*place, "erase", None, None, None, 0, *made)


def _position(story: Story) -> int:
    """Where in the ledger the item was made: who looks for new ones looks behind the last it saw."""
    position = story.events[-1].position
    assert position is not None, story.stream  # noqa: S101 - what is projected was recorded
    return position


def rank(render: Render) -> int:
    """In which order a project's own renders are submitted: interactive before batch, final before draft."""
    purposes = {"final": 0, None: 1, "draft": 2}
    return purposes[render.intent.purpose] + (len(purposes) if render.intent.batch_id else 0)


def _item(render: Render, step: Step, position: int) -> tuple[object, ...]:
    intent, job = render.intent, render.job
    job_stream = streams.job(job.renderer, job.credential, job.job_id) if job else None
    return (
        render.stream,
        render.tenant,
        intent.project,
        intent.video_id,
        step,
        _due_at(render, step),
        _renderer(render),
        job_stream,
        rank(render),
        render.resumed_at or render.created_at,  # as the watchdog counts: who is late needs no place to be failed
        render.version,
        position,
    )


def _due_at(render: Render, step: Step) -> datetime | None:
    """The earliest time that makes sense, as far as the facts know; None: now."""
    if step == "reconcile":
        return render.submission.deadline_at if render.submission_open and render.submission else None
    if step == "expire":
        return render.expires_at
    if step == "lapse":
        return render.approval.requested.expires_at if render.approval else None
    if step == "submit" and render.retry_at is not None:
        return render.retry_at
    trouble = render.trouble
    return trouble.retry_at if trouble is not None and trouble.step == step else None


def _renderer(render: Render) -> str | None:
    known = render.job or render.submission or render.allowed
    return known.renderer if known else None


WORK = Projection(
    name="work",
    version=7,
    tables={
        "items": (
            "stream",
            "tenant",
            "project",
            "video_id",
            "step",
            "due_at",
            "renderer",
            "job_stream",
            "rank",
            "created_at",
            "version",
            "position",
        ),
        "nudges": ("stream", "job_stream", "position", "received_at"),
    },
    rows=rows,
    categories=frozenset({"render", "webhook", "delivery", "requester"}),
)


class Work:
    """Answers from the work table. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def in_flight(self, renderer: str) -> int:
        """How many jobs a renderer has, those included of which it is not known whether it took them."""
        with reading(self._pool) as connection:
            found = connection.execute(query("in_flight", WORK.package), {"renderer": renderer}).fetchone()
        assert found is not None  # noqa: S101 - a count is always there
        return int(found[0])

    def reconciling(self, tenant: str, project: str | None, after: str | None, limit: int) -> list[str]:
        """Ids of renders of which something is to be found out, behind the video id `after`, the oldest first.

        Of a project, or of all the tenant's (None). Those are among them that are being submitted just now.
        """
        bounds = {"tenant": tenant, "project": project, "after": after, "limit": limit}
        with reading(self._pool) as connection:
            return [each for (each,) in connection.execute(query("reconciling", WORK.package), bounds).fetchall()]

"""What a renderer is asked for, from a render's facts: its texts opened, its files ready to be read."""

from datetime import datetime

from bickford_sora.renderers.port import Order, Renderer, Source, Upload
from bickford_sora.workers.workshop import Workshop
from ledger import streams
from ledger.render import Phase, Render


class SourceGone(Exception):  # noqa: N818 - the name states the cause
    """The video this one is made from is no longer there: deleted, or its retention ended."""


def order(shop: Workshop, render: Render, renderer: Renderer, *, attempt: int, sent_by: datetime) -> Order:
    """The order for `renderer`. Its idempotency key is the attempt's: the same again makes the same job at most.

    It is sent by the moment `sent_by`, or not at all.

    Raises ledger.errors.Erased when a text was erased, SourceGone when the source cannot be had.
    """
    intent = render.intent
    served = render.allowed.served_model if render.allowed else None
    return Order(
        operation=intent.operation,
        model=served or intent.model,
        prompt=shop.keys.open(intent.prompt),
        seconds=intent.seconds,
        size=intent.size,
        reference=_reference(shop, render),
        source=_source(shop, render, renderer),
        fields={**intent.fields, **{name: shop.keys.open(text) for name, text in intent.text_fields.items()}},
        idempotency_key=f"{intent.video_id}-{attempt}",
        sent_by=sent_by,
    )


def _reference(shop: Workshop, render: Render) -> Upload | None:
    known = render.intent.input_reference
    if known is None:
        return None
    filename = shop.keys.open(known.filename) if known.filename else "reference"
    return Upload(filename, known.media_type, lambda: shop.assets.open(known.storage_uri))


def _source(shop: Workshop, render: Render, renderer: Renderer) -> Source | None:
    """The video it starts from: the uploaded one, or another render's job and stored file."""
    uploaded = render.intent.source_video
    if uploaded is not None:
        filename = shop.keys.open(uploaded.filename) if uploaded.filename else "source.mp4"
        return Source(None, Upload(filename, uploaded.media_type, lambda: shop.assets.open(uploaded.storage_uri)))
    source_id = render.intent.remix_video_id
    if source_id is None:
        return None
    source = shop.recording.render(streams.render(render.tenant, source_id))
    job = source.job
    if job is None or source.goes or source.phase is not Phase.STORED:
        raise SourceGone
    made_there = (job.renderer, job.credential, job.replica) == (renderer.name, renderer.credential, renderer.replica)
    video = next((each for each in source.assets if each.variant == "video"), None)
    if video is None:
        raise SourceGone
    stored = Upload("source.mp4", video.media_type, lambda: shop.assets.open(video.storage_uri))
    return Source(job.job_id if made_there else None, stored)

"""The protocol as OpenAI specified it (videos-api.md sections 1 and 3); all other dialects differ from this one.

Written against the OpenAPI description of 2026-08-21 and the requests that openai 3.52.0 really sends. OpenAI's own
servers were switched off on 2026-09-24, so nothing was tried on them: the simulator speaks this dialect, and so do
servers of other makers, which often take fields beyond the protocol. Which ones is said in a renderer's configuration.

Not specified, and so not relied on: what a list shows of an edit or an extension.
"""

from collections.abc import Mapping

from bickford_sora.renderers.dialect import Dialect, ReadUpload, Request, form_text, job_path, renamed_fields
from bickford_sora.renderers.port import Capabilities, Order, Source, Variant
from bickford_sora.renderers.transport import FilePart

CAPABILITIES = Capabilities(
    remix="route",
    edits=True,
    extensions=True,
    characters=True,
    lists=True,
    cancels=True,
    deletes=True,
    variants=frozenset({"video", "thumbnail", "spritesheet"}),
    keeps_idempotency_keys=False,
    calls_back=True,
    fields=frozenset(),
)
FIELD_NAMES: Mapping[str, str] = {}
"""Servers of this dialect that take more than the protocol call it as clients do."""
FIELDS = frozenset(
    {"seed", "negative_prompt", "steps", "fps", "num_frames", "n", "lora", "style", "generate_audio"},
)
"""All of decisions/fields.py."""


def request(order: Order, read: ReadUpload) -> Request:
    """The request for an order, always multipart except a remix, as the protocol's own clients send it."""
    if order.operation == "create" or order.source is None:
        return create(order, read)
    if order.operation == "remix":
        return remix(order.source, order)
    return _change(order.source, order, read)


def create(order: Order, read: ReadUpload, names: Mapping[str, str] = FIELD_NAMES) -> Request:
    """A create. Multipart also without a file: it is what the protocol's own clients send."""
    files = () if order.reference is None else (read("input_reference", order.reference),)
    return Request("/videos", form=create_form(order, names), files=files)


def create_form(order: Order, names: Mapping[str, str] = FIELD_NAMES) -> dict[str, str]:
    """The plain fields of a create."""
    plain = {"model": order.model, "prompt": order.prompt, "seconds": order.seconds, "size": order.size}
    return plain | {name: form_text(value) for name, value in renamed_fields(order, names).items()}


def remix(source: Source, order: Order) -> Request:
    """A remix by the protocol's route, of a job the renderer still knows."""
    body = {"prompt": order.prompt, **renamed_fields(order, FIELD_NAMES)}
    return Request(job_path(source.job_id or "", "/remix"), json=body, names_job=True)


def _change(source: Source, order: Order, read: ReadUpload) -> Request:
    """An edit or an extension: of a job where the renderer still knows it, else of the file."""
    form = {"prompt": order.prompt}
    if order.operation == "extend":
        form["seconds"] = order.seconds
    form |= {name: form_text(value) for name, value in renamed_fields(order, FIELD_NAMES).items()}
    files: tuple[FilePart, ...] = ()
    if source.job_id is not None:
        form["video[id]"] = source.job_id
    elif source.video is not None:
        # The protocol names no model here. Of a job it is the job's; of a file only we can say which one was priced.
        form["model"] = order.model
        files = (read("video", source.video),)
    path = "/videos/edits" if order.operation == "edit" else "/videos/extensions"
    return Request(path, form=form, files=files, names_job=source.job_id is not None)


def content_params(variant: Variant, output: int) -> Mapping[str, str]:
    """A job has one video, and pictures made from it; servers that make several take the number of one."""
    return {"variant": variant if output == 0 else str(output)}


DIALECT = Dialect(
    name="openai",
    experimental=False,
    capabilities=CAPABILITIES,
    request=request,
    content_params=content_params,
    extra_fields=FIELDS,
)

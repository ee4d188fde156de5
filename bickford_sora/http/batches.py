"""Many requests in one: `POST /v1/videos/batches`, and how they stand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import islice
from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from bickford_sora.batches import BATCH_LINES_MAX, CUSTOM_ID_CHARS_MAX, Line
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.declared import declared_by
from bickford_sora.errors import InvalidRequest, OutcomeUnknown
from bickford_sora.http import documentation
from bickford_sora.http.bodies import read_body
from bickford_sora.http.documentation import ErrorObject
from bickford_sora.http.forms import json_object, parse
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import ASKS, READS
from ledger.batches import Batch
from ledger.errors import Erased, Unavailable
from ledger.events import BatchLine
from ledger.render import STATUSES, Phase, Status
from projections.videos import Video as Row

JSON_LINES = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")
FILE = "file"

router = APIRouter(
    prefix="/v1/videos/batches",
    tags=["batches"],
    dependencies=[Depends(authenticated)],
    responses=documentation.REFUSALS,
)


class BatchedVideo(BaseModel):
    """What became of one line: a video, or the error a single request would have been answered with."""

    line: int
    custom_id: str | None
    video_id: str | None
    status: Status | None
    progress: int | None
    error: ErrorObject | None


class BatchCounts(BaseModel):
    """How many lines there are, and how they stand."""

    total: int
    accepted: int
    refused: int
    queued: int
    in_progress: int
    completed: int
    failed: int


class VideoBatch(BaseModel):
    """Many requests sent together."""

    id: str
    object: Literal["video.batch"] = "video.batch"
    created_at: int
    """Unix seconds."""
    counts: BatchCounts
    data: list[BatchedVideo]


@router.post("", summary="Ask for many", dependencies=[ASKS], openapi_extra=documentation.BATCH)
async def create(request: Request, order: TheOrder) -> VideoBatch:
    """Decides each line on its own. Sent again with its Idempotency-Key, a batch goes on where it broke off."""
    house = order.house
    body = await read_body(request, bytes_max=house.limits.body_bytes_max, silence_s=house.limits.body_silence_s)
    return await house.batching.run(_taken, order, request.headers, body)


@router.get("/{batch_id}", summary="See how a batch stands", dependencies=[READS])
async def retrieve(batch_id: str, house: TheHouse, caller: TheCaller) -> VideoBatch:
    """Progress and result of every line."""
    return await house.batching.run(_found, house, caller, batch_id)


# What follows runs in the synchronous world, behind the crossing.


def _taken(order: Order, headers: Mapping[str, str], body: bytes) -> VideoBatch:
    declared = declared_by(headers)
    given = islice(_lines(headers.get("content-type"), body), BATCH_LINES_MAX + 1)  # one more is refused as too many
    lines = [replace(line, fields={**declared, **line.fields}) for line in given]
    try:
        batch = order.house.batches.take(order.caller, lines, key=order.key, origin=order.origin)
    except Unavailable as error:
        if order.key is not None:
            raise
        raise OutcomeUnknown(
            "It is not known how many lines were recorded. Look at the list before you send the batch again; "
            "one with an Idempotency-Key can always be sent again.",
            code=error.code,
        ) from error
    return told_batch(order.house, order.caller.tenant, batch)


def _found(house: House, caller: Caller, batch_id: str) -> VideoBatch:
    return told_batch(house, caller.tenant, house.batches.find(caller, batch_id))


def _lines(content_type: str | None, body: bytes) -> Iterator[Line]:
    """The requests in a body: JSON Lines, plain or as a file, or a JSON object with `requests`."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type in JSON_LINES:
        return of_json_lines(body)
    form = parse(content_type, body)
    if FILE in form.files:
        return of_json_lines(form.files[FILE].content)
    given = form.fields.get("requests")
    if not isinstance(given, list) or set(form.fields) != {"requests"}:
        raise InvalidRequest(
            "Send JSON Lines, or a JSON object with nothing but a list of 'requests'.",
            code="invalid_batch",
            param="requests",
        )
    return (line_of(number, each) for number, each in enumerate(given, start=1))


def of_json_lines(body: bytes) -> Iterator[Line]:
    """One request a line; empty lines count, but ask for nothing."""
    for number, line in enumerate(BytesIO(body), start=1):
        if line.strip():
            try:
                yield line_of(number, json_object(line))
            except InvalidRequest as error:
                raise InvalidRequest(f"Line {number}: {error.message}", code=error.code, param=error.param) from None


def line_of(number: int, given: object) -> Line:
    """One request of a batch. Raises InvalidRequest."""
    if not isinstance(given, dict):
        raise InvalidRequest(f"Line {number} is no object.", code="invalid_batch", param="requests")
    fields = dict(given)
    custom_id = fields.pop("custom_id", None)
    if custom_id is not None and (not isinstance(custom_id, str) or not _is_plain(custom_id)):
        raise InvalidRequest(
            f"Line {number}: a custom_id has 1 to {CUSTOM_ID_CHARS_MAX} visible ASCII characters.",
            code="invalid_value",
            param="custom_id",
        )
    return Line(number, fields, custom_id)


def _is_plain(custom_id: str) -> bool:
    return 0 < len(custom_id) <= CUSTOM_ID_CHARS_MAX and all("!" <= each <= "~" for each in custom_id)


def told_batch(house: House, tenant: str, batch: Batch) -> VideoBatch:
    """The batch as it is answered."""
    house.wait_for_videos(house.limits.projection_wait_s)
    known = _videos_of(house, tenant, batch)
    data = []
    for number in sorted(batch.decided):
        each = batch.decided[number]
        row = known.get(each.video_id or "")
        data.append(
            BatchedVideo(
                line=each.line,
                custom_id=each.custom_id,
                video_id=each.video_id,
                status=_status(each, row),
                progress=row.progress if row else None,
                error=_error(house, each) if each.video_id is None else None,
            )
        )
    return VideoBatch(
        id=batch.opened.batch_id,
        created_at=int(batch.created_at.timestamp()),
        counts=_counts(batch, [each.status for each in data]),
        data=data,
    )


def counts_of(house: House, tenant: str, batch: Batch) -> BatchCounts:
    """How its lines stand, by the read model as it is: nothing is opened, and nothing waited for."""
    known = _videos_of(house, tenant, batch)
    return _counts(batch, [_status(each, known.get(each.video_id or "")) for each in batch.decided.values()])


def _videos_of(house: House, tenant: str, batch: Batch) -> Mapping[str, Row]:
    ids = [each.video_id for _, each in sorted(batch.decided.items()) if each.video_id is not None]
    return {row.video_id: row for row in house.videos.some(tenant, batch.opened.project, ids)}


def _status(line: BatchLine, row: Row | None) -> Status | None:
    """None for a line that was refused."""
    if row is not None:
        return STATUSES[Phase(row.phase)]
    return "queued" if line.video_id else None


def _counts(batch: Batch, statuses: Sequence[Status | None]) -> BatchCounts:
    by_status = {status: statuses.count(status) for status in STATUSES.values()}
    accepted = sum(each.video_id is not None for each in batch.decided.values())
    return BatchCounts(total=batch.opened.lines, accepted=accepted, refused=len(statuses) - accepted, **by_status)


def _error(house: House, line: BatchLine) -> ErrorObject:
    try:
        message = house.keys.open(line.message) if line.message else ""
    except Erased:
        message = "What was said was erased."
    return ErrorObject(message=message, type=_type(line.status), param=line.param, code=line.code or "")


def _type(status: int | None) -> str:
    return "permission_error" if status == 403 else "invalid_request_error"  # noqa: PLR2004 - Forbidden

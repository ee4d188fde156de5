"""`bickford-sora render --batch`: many requests from a file, followed to their end where that is wanted."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bickford_sora.cli.batch_files import Request, key_of, read_batch, write_results
from bickford_sora.cli.output import note, print_json, print_table, progress_shown
from bickford_sora.client.models import SoraVideoBatch, SoraVideoBatchLine
from bickford_sora.client.synchronous import BickfordClient

LINES_AT_ONCE = 1_000
"""Requests of one batch; a longer file becomes several."""
LOOK_S = 1.0
"""Pause between two looks at a batch, in seconds."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What is wanted of a batch file."""

    path: Path
    key: str | None
    wait: bool
    results: Path | None
    """Where the outcome of every line is written, as JSON Lines."""
    folder: Path | None
    """Where the finished videos are saved."""


def run_batch(client: BickfordClient, job: BatchJob, *, as_json: bool) -> bool:
    """Sends a file, and follows it as far as is wanted. Returns whether every line came to what was asked for.

    Run again, it goes on: every line has a key made of the file's content and its place.
    """
    requests = read_batch(job.path)
    batches = list(_sent(client, requests, job.key or key_of(job.path), str(job.path)))
    if job.wait or job.folder is not None:
        batches = _followed(client, batches, str(job.path))
    lines = [
        each.model_copy(update={"line": each.line + LINES_AT_ONCE * number})
        for number, batch in enumerate(batches)
        for each in batch.data
    ]
    if job.folder is not None:
        _save(client, lines, job.folder)
    if job.results is not None:
        write_results(job.results, lines)
    _show(lines, as_json=as_json)
    failed = sum(each.video_id is None or each.status == "failed" for each in lines)
    if failed:
        note(f"{failed} of {len(lines)} were refused or failed.")
    return failed == 0


def _sent(client: BickfordClient, requests: list[Request], key: str, name: str) -> Iterator[SoraVideoBatch]:
    with progress_shown(f"sending {name}", unit="requests") as progress:
        for begin in range(0, len(requests), LINES_AT_ONCE):
            part = requests[begin : begin + LINES_AT_ONCE]
            yield client.create_sora_video_batch(part, idempotency_key=f"{key}-{begin // LINES_AT_ONCE + 1}")
            progress(begin + len(part), len(requests))


def _followed(client: BickfordClient, batches: list[SoraVideoBatch], name: str) -> list[SoraVideoBatch]:
    total = sum(batch.counts["accepted"] for batch in batches)
    with progress_shown(f"rendering {name}", unit="videos") as progress:
        while unfinished := sum(batch.unfinished for batch in batches):
            progress(total - unfinished, total)
            time.sleep(LOOK_S)
            batches = [client.retrieve_sora_video_batch(each.id) if each.unfinished else each for each in batches]
        progress(total, total)
    return batches


def _save(client: BickfordClient, lines: list[SoraVideoBatchLine], folder: Path) -> None:
    """Saves what is finished and not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in lines:
        target = folder / f"{each.video_id}.mp4"
        if each.video_id is not None and each.status == "completed" and not target.exists():
            client.download_sora_content(each.video_id, to=target)


def _show(lines: list[SoraVideoBatchLine], *, as_json: bool) -> None:
    if as_json:
        print_json([each.model_dump(mode="json") for each in lines])
        return
    print_table(("line", "custom id", "video", "status", "%", "error"), [_row(each) for each in lines])


def _row(line: SoraVideoBatchLine) -> tuple[object, ...]:
    error = str(line.error.get("message")) if line.error else ""
    return (line.line, line.custom_id or "", line.video_id or "", line.status or "refused", line.progress or 0, error)

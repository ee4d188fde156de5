"""Files of many requests: JSON Lines or CSV in, JSON Lines out."""

import csv
import hashlib
import json
from pathlib import Path

from pydantic import JsonValue

from bickford_sora.cli.problems import CommandRefused
from bickford_sora.client.models import SoraVideoBatchLine

Request = dict[str, JsonValue]


def read_batch(path: Path) -> list[Request]:
    """The requests in a file: CSV by its suffix, else JSON Lines. Empty cells are not given.

    Raises CommandRefused naming the line that cannot be read, OSError as files do.
    """
    text = path.read_text("utf-8-sig")
    requests = _of_csv(text) if path.suffix.lower() == ".csv" else _of_json_lines(path, text)
    if not requests:
        raise CommandRefused(f"{path} holds no requests.", code="batch_empty")
    return requests


def key_of(path: Path) -> str:
    """An Idempotency-Key made of a file's content: the same file sent again goes on where it broke off."""
    return f"file-{hashlib.sha256(path.read_bytes()).hexdigest()}"


def write_results(path: Path, lines: list[SoraVideoBatchLine]) -> None:
    """One JSON object a line, whole or not at all."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_text("".join(f"{line.model_dump_json()}\n" for line in lines), "utf-8")
    partial.replace(path)


def _of_csv(text: str) -> list[Request]:
    rows = csv.DictReader(text.splitlines())
    return [{name: value for name, value in row.items() if name and value} for row in rows]


def _of_json_lines(path: Path, text: str) -> list[Request]:
    requests = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            raise CommandRefused(f"{path}, line {number}: not a JSON object.", code="batch_unreadable")
        requests.append(request)
    return requests

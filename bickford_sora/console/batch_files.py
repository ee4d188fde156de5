"""The file of a batch as people have it: JSON Lines, or a table with commas below the names of the fields. Pure."""

import csv
import io
from collections.abc import Iterator
from itertools import islice

from bickford_sora.batches import BATCH_LINES_MAX, Line
from bickford_sora.decisions.media import File
from bickford_sora.errors import InvalidRequest
from bickford_sora.http.batches import line_of, of_json_lines


def lines_of(file: File) -> list[Line]:
    """The requests in a file, at most one more than a batch may have; a line's number is that of the file.

    Raises InvalidRequest naming the line.
    """
    is_json = file.content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return [*islice(of_json_lines(file.content) if is_json else _of_table(file.content), BATCH_LINES_MAX + 1)]


def _of_table(content: bytes) -> Iterator[Line]:
    """One request a row. What is empty was not given."""
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        for row in rows:
            if None in row:
                raise _malformed(f"Line {rows.line_num} has more columns than the first line.")
            given = {name: value for name, value in row.items() if value}
            if any("\0" in text for text in given.values()):
                raise _malformed(f"Line {rows.line_num} holds a NUL character.")
            if given:
                yield line_of(rows.line_num, given)
    except (UnicodeDecodeError, csv.Error):
        raise _malformed("Send UTF-8: JSON Lines, or a table with commas whose first line names the fields.") from None


def _malformed(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_batch", param="file")

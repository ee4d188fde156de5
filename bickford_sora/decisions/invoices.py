"""An invoice as a renderer's vendor sends it: a CSV file, read line by line, wholly or not at all. Pure.

Columns are found by their names in the first line, whatever their order; those not named here are ignored. Names of the
FinOps Open Cost and Usage Specification are understood beside plain ones.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from bickford_sora.decisions.amounts import MICRO
from bickford_sora.errors import InvalidRequest

INVOICE_BYTES_MAX = 32 * 1024 * 1024
"""Largest file in bytes."""
INVOICE_LINES_MAX = 100_000
"""Most lines of a file, without its first."""
WRONG_LINES_SHOWN_MAX = 20
ID_CHARS_MAX = 256
"""Longest id of a job, and longest number of an invoice, in characters."""
AMOUNT_MICRO_MAX = 2**53 - 1
"""Largest amount of one line, in millionths."""

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("job_id", "video_id", "id", "resourceid"),
        "amount": ("amount", "billedcost"),
        "currency": ("currency", "billingcurrency"),
        "date": ("date", "chargeperiodstart"),
        "invoice": ("invoice", "invoice_number", "invoiceid"),
    }
)
"""What a column means, by the names it may have; the last two need not be there."""
_NEEDED = ("id", "amount", "currency")
_DAY_CHARS = len("2026-11-20")


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What somebody bills for one job."""

    number: int
    """In the file, from 1; the first line names the columns."""
    id: str
    """The renderer's name of the job, or our id of the video."""
    amount_micro: int
    """Less than 0 for what is given back."""
    currency: str
    day: str | None
    invoice: str | None


class _Wrong(Exception):  # noqa: N818 - what is wrong with a line
    """The message says what."""


def read_invoice(text: str) -> list[InvoiceLine]:
    """The lines of a file. Raises InvalidRequest naming every line that is wrong, up to `WRONG_LINES_SHOWN_MAX`."""
    if len(text.encode("utf-8", "surrogatepass")) > INVOICE_BYTES_MAX:
        raise _invalid(f"The file has more than {INVOICE_BYTES_MAX} bytes.")
    delimiter = _delimiter(text)
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    try:
        columns = _columns(next(rows, []))
        found = [*_lines(rows, columns, has_decimal_comma=delimiter == ";")]
    except csv.Error as error:
        raise _invalid(f"Line {rows.line_num}: {error}.") from None
    wrong = [f"Line {number}: {each}." for number, each in found if isinstance(each, str)]
    if wrong:
        more = [f"And {len(wrong) - WRONG_LINES_SHOWN_MAX} more."] if len(wrong) > WRONG_LINES_SHOWN_MAX else []
        raise _invalid(" ".join([*wrong[:WRONG_LINES_SHOWN_MAX], *more]))
    return [each for _, each in found if isinstance(each, InvoiceLine)]


def _delimiter(text: str) -> str:
    """Told from the names of the columns, which have neither."""
    first = text.partition("\n")[0]
    return ";" if first.count(";") > first.count(",") else ","


def _columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Where each meaning stands. Several columns of ids are looked at in the order of `COLUMNS`."""
    plain = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in names]
    places = {meaning: [plain.index(name) for name in known if name in plain] for meaning, known in COLUMNS.items()}
    for meaning in _NEEDED:
        if not places[meaning]:
            names_known = " or ".join(repr(name) for name in COLUMNS[meaning])
            raise _invalid(f"Line 1: no column is named {names_known}.")
    for name in {name for known in COLUMNS.values() for name in known}:
        if plain.count(name) > 1:
            raise _invalid(f"Line 1: two columns are named {name!r}.")
    return places


def _lines(
    rows: Iterator[list[str]], columns: Mapping[str, Sequence[int]], *, has_decimal_comma: bool
) -> Iterator[tuple[int, InvoiceLine | str]]:
    """Each line by its number, or what is wrong with it; empty lines are none."""
    lines = 0
    for row in rows:
        number = rows.line_num  # type: ignore[attr-defined] # the reader's own count
        if not any(cell.strip() for cell in row):
            continue
        lines += 1
        if lines > INVOICE_LINES_MAX:
            raise _invalid(f"The file has more than {INVOICE_LINES_MAX} lines.")
        cells = {meaning: _cell(row, places) for meaning, places in columns.items()}
        try:
            yield number, _line(number, cells, has_decimal_comma=has_decimal_comma)
        except _Wrong as wrong:
            yield number, str(wrong)


def _cell(row: Sequence[str], places: Sequence[int]) -> str:
    return next((row[place].strip() for place in places if place < len(row) and row[place].strip()), "")


def _line(number: int, cells: Mapping[str, str], *, has_decimal_comma: bool) -> InvoiceLine:
    if not cells["id"]:
        raise _Wrong("it names no job")
    if len(cells["id"]) > ID_CHARS_MAX or len(cells["invoice"]) > ID_CHARS_MAX:
        raise _Wrong(f"a job and an invoice are named by at most {ID_CHARS_MAX} characters")
    currency = cells["currency"].upper()
    if len(currency) != len("USD") or not (currency.isascii() and currency.isalpha()):
        raise _Wrong("a currency is three letters, such as USD")
    return InvoiceLine(
        number,
        cells["id"],
        _micro(cells["amount"].replace(",", ".") if has_decimal_comma else cells["amount"]),
        currency,
        _day(cells["date"]),
        cells["invoice"] or None,
    )


def _micro(text: str) -> int:
    try:
        micro = Decimal(text) * MICRO
        amount = int(micro)
    except (InvalidOperation, ValueError, OverflowError):
        raise _Wrong("an amount is a number such as 0.40") from None
    if amount != micro:
        raise _Wrong("an amount has at most six decimals")
    if abs(amount) > AMOUNT_MICRO_MAX:
        raise _Wrong("the amount is too large")
    return amount


def _day(text: str) -> str | None:
    """The day of a date or a moment."""
    try:
        return date.fromisoformat(text[:_DAY_CHARS]).isoformat() if text else None
    except ValueError:
        raise _Wrong("a date is written as 2026-11-20") from None


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(f"{message} Nothing was compared.", code="invoice_invalid", param="invoice")

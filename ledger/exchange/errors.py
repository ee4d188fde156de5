"""What exports and imports raise.

LedgerError
├── ExportDamaged    a file is not what the export wrote; the message names the line or row
│   └── ExportCut    its end is missing
├── ExportRefused    nothing can be exported as it was asked for
└── ImportRefused    this export cannot go into this ledger
"""

from pydantic import ValidationError

from ledger.errors import LedgerError


class ExportDamaged(LedgerError):  # noqa: N818 - it says what happened
    """Get another copy of the export; nothing was taken from this one."""

    code = "export_damaged"

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")
        self.place = place
        self.what = what


class ExportCut(ExportDamaged):
    """Get another copy of the export; its last facts are missing in this one."""


class ExportRefused(LedgerError):  # noqa: N818
    """Nothing was written."""

    code = "export_refused"


class ImportRefused(LedgerError):  # noqa: N818
    """Nothing was imported."""

    code = "import_refused"


def in_words(error: ValidationError) -> str:
    """Which fields of a manifest or of a key are wrong."""
    wrong = [f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors() if each["loc"]]
    return "; ".join(wrong) or "it is not a JSON object"

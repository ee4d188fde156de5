"""What the ledger raises, by cause.

LedgerError
├── Conflict            a stream moved on since it was read: reload and decide again
├── Refused             the database cannot take this decision; its neighbours were not harmed
├── Unavailable         no answer from the database; nothing is known to be written
│   └── SegmentUnreadable   a payload is in the file of a closed segment, and that cannot be read
├── Corrupt             stored bytes are not what was written
│   ├── UnknownEventType
│   └── InvalidEvent
├── InvalidStream       a stream id that `ledger.streams` did not make
└── Erased              the key of this text was destroyed
"""

from collections.abc import Mapping


class LedgerError(Exception):
    """Something went wrong in the ledger."""

    code = "ledger_error"


class Conflict(LedgerError):  # noqa: N818 - the field's own word
    """A stream moved on since it was read. Reload it and decide again."""

    code = "conflict"

    def __init__(self, heads: Mapping[str, int]) -> None:
        super().__init__(f"decided on heads that are no longer current: {dict(heads)}")
        self.heads = dict(heads)


class Refused(LedgerError):  # noqa: N818
    """The database cannot take this decision. Neighbours in the same batch were not harmed."""

    code = "refused"


class Unavailable(LedgerError):  # noqa: N818
    """The ledger did not answer. Retry the same events: the first result is given again if they were written."""

    code = "ledger_unavailable"


class SegmentUnreadable(Unavailable):
    """Put the segment's file back into the folder of segments, from where it was copied to."""

    code = "segment_unreadable"


class Corrupt(LedgerError):  # noqa: N818
    """Stored bytes are not what was written. Stop and run `bickford-sora verify`."""

    code = "corrupt"


class UnknownEventType(Corrupt):
    """An event of a type this version does not know. A newer version wrote it: upgrade before reading."""

    code = "unknown_event_type"


class InvalidEvent(Corrupt):
    """An event that does not validate as its type."""

    code = "invalid_event"


class InvalidStream(LedgerError, ValueError):  # noqa: N818
    """A part of a stream id is not in its fixed format."""

    code = "invalid_stream"


class Erased(LedgerError):  # noqa: N818
    """The key of this text was destroyed, so nobody can read it any more."""

    code = "erased"

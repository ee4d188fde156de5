"""What the database knows of closed segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.sql import query

SQL = "ledger.segments.sql"


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of positions, closed, and its file."""

    first: int
    last: int
    file: str
    """Its name in the folder of segments."""
    sha256: bytes
    bytes: int
    """The file's length."""
    checkpoint_size: int
    """Facts under the checkpoint that lies beside the file."""
    closed_at: datetime

    @property
    def title(self) -> str:
        """The segment in words."""
        return f"the closed segment of positions {self.first} to {self.last}"


def read_segments(connection: Connection[TupleRow]) -> Sequence[Segment]:
    """All closed segments, in order."""
    return [Segment(*row) for row in connection.execute(query("segments", SQL), binary=True)]

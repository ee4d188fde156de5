"""Questions that an auditor asks again and again, each answered by one query over the read models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from psycopg.rows import dict_row

from ledger.sql import query
from projections.connections import reading
from projections.port import Pool

ANSWERS_MAX = 1_000
"""Most rows of one answer."""
UNUSED_DAYS = 90
"""Days after which a key counts as one that nobody uses."""

QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "unused_keys": f"API keys that are accepted and recorded nothing in the last {UNUSED_DAYS} days.",
        "expired_approvals": "Renders that still wait for an approver although their time is over.",
        "spend_without_video": "Renders that cost something and have no stored video.",
        "videos_without_decision": "Renders that were asked for and neither allowed, denied nor held.",
    }
)
"""What each question finds. Its SQL is `sql/questions/<name>.sql`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found: at most `ANSWERS_MAX` rows, named by their columns."""

    name: str
    rows: list[dict[str, Any]]
    has_more: bool


class Questions:
    """Asks them. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ask(self, tenant: str, project: str | None, name: str, at: datetime) -> Answer:
        """The answer for one project, or (None) for all the tenant's, as of the moment `at`.

        Raises KeyError for a name that is none of `QUESTIONS`.
        """
        if name not in QUESTIONS:
            raise KeyError(name)
        asked = {"tenant": tenant, "project": project, "at": at, "days": UNUSED_DAYS, "limit": ANSWERS_MAX + 1}
        with reading(self._pool) as connection, connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(query(name, "projections.sql.questions"), asked, prepare=False).fetchall()
        return Answer(name, found[:ANSWERS_MAX], has_more=len(found) > ANSWERS_MAX)

from typing import cast
from uuid import UUID

import pytest

from ledger.application import Ledger
from ledger.memory import MemoryRecorder
from ledger.proof.memory import MemoryTree
from ledger.proof.postgres import PostgresTree
from ledger.recorder import PostgresRecorder

from .trees import Proven

LEDGER_ID = UUID("0190a0b0-0000-7000-8000-000000000001")


@pytest.fixture
def proven(ledger: Ledger, recorder: PostgresRecorder) -> Proven:
    """A ledger in PostgreSQL with its tree."""
    return Proven(ledger, PostgresTree(recorder))


@pytest.fixture(params=["postgres", "memory"])
def any_proven(request: pytest.FixtureRequest) -> Proven:
    """A ledger and its tree on each store: what is asked of one is asked of all."""
    if request.param == "postgres":
        return cast("Proven", request.getfixturevalue("proven"))
    recorder = MemoryRecorder()
    return Proven(Ledger(recorder), MemoryTree(recorder, LEDGER_ID))

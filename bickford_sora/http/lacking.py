"""What read models lack: the ledger's last facts, while they have not come to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from bickford_sora.audits import FACT_NOT_FOUND
from bickford_sora.errors import NotFound, TryLater
from bickford_sora.http.house import House


def facts_lacking(house: House) -> int:
    """How many facts, recorded before the call, the audit lacks, once it was waited for."""
    return house.wait_for_audit(house.limits.projection_wait_s)


def read_models_behind() -> TryLater:
    """The refusal of what has to be whole."""
    return TryLater("The read models are behind the ledger. Ask again in a while.", code="projection_behind")


@contextmanager
def one_may_be(lacking: int) -> Iterator[None]:
    """Inside, a fact is not said to be unknown while some are lacking: it may be one of them.

    Raises TryLater in place of that NotFound, whoever's fact it is, so that nobody learns of another's.
    """
    try:
        yield
    except NotFound as error:
        if lacking and error.code == FACT_NOT_FOUND:
            raise read_models_behind() from None
        raise

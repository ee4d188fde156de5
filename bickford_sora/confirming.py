"""Deciding as a caller whose API key may be rotated or revoked meanwhile, like whatever else the decision relies on."""

from collections.abc import Callable
from typing import TypeVar

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import TryLater
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Recording
from ledger.errors import Conflict

Answer = TypeVar("Answer")


def decided_as(caller: Caller, recording: Recording, attempt: Callable[[Caller], Answer], *, when_busy: str) -> Answer:
    """What `attempt` returns: it looks, decides as this caller and appends; again when a head moved on.

    Raises Unauthorized when the API key is not accepted any more, and TryLater, which says `when_busy`, when what it is
    about never stood still. Whatever else `attempt` raises is passed on.
    """
    for _ in range(DECIDE_ATTEMPTS_MAX):
        try:
            return attempt(caller)
        except Conflict:
            caller = IssuedKeys(recording.ledger, recording.clock).confirmed(caller)
    raise TryLater(when_busy, code="conflict")

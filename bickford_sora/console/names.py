"""What API keys are called, for pages that tell who did something. Runs in the synchronous world."""

from collections.abc import Iterable
from contextlib import suppress

from bickford_sora.console.console import Visit
from bickford_sora.errors import NotFound
from ledger import streams
from ledger.envelope import Sealed


def names_of(visit: Visit, actors: Iterable[str]) -> dict[str, str]:
    """The names of those that are keys which the visitor may read; of the operator's own there are none."""
    if not visit.may("auditor", "admin"):
        return {}
    sealed: dict[str, Sealed] = {}
    for actor in {each for each in actors if streams.is_key_id(each)}:
        with suppress(NotFound):
            key = visit.house.api_keys.find(visit.caller, actor)
            if key.name is not None:
                sealed[actor] = Sealed(key.name)
    opened = visit.house.keys.open_all(sealed.values())
    return {actor: name for actor, each in sealed.items() if (name := opened[each]) is not None}

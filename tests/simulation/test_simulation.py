"""Hundreds of seeds: whatever dies, repeats, lies or comes late, every promise holds; and a seed can be told again.

`python -m tests.simulation --seeds 10000` tells as many as one likes.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from bickford_sora.workers.reconcile import Reconcile
from ledger import streams
from tests.simulation.world import Broken, simulate
from tests.workers.harness import Harness

SEEDS = 200
EACH = 25
FOUND_SEEDS_MAX = 150
"""A mistake that is planted is found by then."""


@pytest.mark.parametrize("first", range(0, SEEDS, EACH))
def test_no_seed_loses_a_render_or_pays_twice(first: int) -> None:
    tell(EACH, first=first)


def test_a_seed_tells_the_same_story_again() -> None:
    assert [simulate(seed) for seed in range(3)] == [simulate(seed) for seed in range(3)]
    assert simulate(1) != simulate(2)


def tell(seeds: int, *, first: int = 0) -> None:
    for seed in range(first, first + seeds):
        simulate(seed)


def believe_everything(patch: pytest.MonkeyPatch) -> None:
    def submit_again(self: Reconcile, task: Any, _render: Any, opened: Any, _renderer: Any) -> Any:
        self._record_absence(task, opened, 0)
        return self.shop.again()

    patch.setattr(Reconcile, "_search", submit_again)


def forget_webhooks(patch: pytest.MonkeyPatch) -> None:
    numbers, stream = count(), streams.webhook
    patch.setattr(streams, "webhook", lambda a, b, webhook_id: stream(a, b, f"{webhook_id}{next(numbers)}"))


def forget_keys(patch: pytest.MonkeyPatch) -> None:
    ask = Harness.ask
    patch.setattr(Harness, "ask", lambda self, prompt, *, key: ask(self, prompt) if key else None)


@pytest.mark.parametrize("mistake", [believe_everything, forget_webhooks, forget_keys])
def test_a_planted_mistake_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    with pytest.raises(Broken) as found:
        tell(FOUND_SEEDS_MAX)
    with pytest.raises(Broken, match=f"seed {found.value.seed}:"):
        simulate(found.value.seed)

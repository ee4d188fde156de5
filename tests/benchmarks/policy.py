"""How many recorded intents a second a backtest asks a policy about, on one core, beside the same rules in CEL.

All in one run, on the same intents in memory; short rounds alternate, so that a neighbour on the machine slows all
alike, and medians are compared. Reading the ledger is not part of it (`bickford-sora bench replay` measures reading).

- `plain`: eight rules with the conditions of a policy file, tallied by rule, requester and model.
- `with_cel`: the same, and a ninth rule in CEL.
- `cel`: the eight rules in CEL alone: what a policy engine that evaluates expressions would do for each of them.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bickford_sora.decisions.rules.backtest import Recorded, compare
from bickford_sora.decisions.rules.evaluation import CompiledPolicy
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.decisions.rules.seen import Seen
from tests.benchmarks.figures import ratio

ROUNDS = 5
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
REQUESTERS = 50
RULES: Sequence[tuple[str, str, str]] = (
    ("deny", "{models: [sora-2-pro], projects: [trial]}", "model == 'sora-2-pro' && project == 'trial'"),
    ("require_approval", "{cost_micro_min: 2000000}", "cost_micro >= 2000000"),
    ("deny", "{seconds_min: 20}", "seconds >= 20"),
    ("warn", "{tags: [spring], sizes: [1280x720]}", "'spring' in tags && size == '1280x720'"),
    ("deny", "{requesters: [r7], purposes: [final]}", "requester == 'r7' && purpose == 'final'"),
    ("warn", "{operations: [remix], hours: 22-6}", "operation == 'remix' && (hour >= 22 || hour < 6)"),
    ("deny", "{remix_depth_min: 5}", "remix_depth >= 5"),
    ("deny", "{fields: {n: [4]}}", "'n' in fields && fields.n == 4"),
)
"""Effect, plain conditions, and the same in CEL."""


def run(*, intents: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Backtests `intents` intents with each policy; intents a second by name, ready for JSON."""
    asked = [recorded(number) for number in range(intents)]
    rates: dict[str, list[float]] = defaultdict(list)
    for turn in range(1, ROUNDS + 1):
        for name, policy in policies().items():
            begun = time.perf_counter()
            report = compare(policy, asked)
            rates[name].append(intents / (time.perf_counter() - begun))
            assert report.total.intents == intents
            on_progress(f"round {turn}/{ROUNDS}: {name}: {rates[name][-1]:,.0f} intents/s")
    medians = {name: round(statistics.median(measured)) for name, measured in rates.items()}
    return {
        "unit": "intents/s",
        "intents": intents,
        "rounds": ROUNDS,
        "rules": len(RULES),
        **medians,
        "ratio_cel": ratio(medians["plain"], medians["cel"]),
    }


def policies() -> dict[str, CompiledPolicy]:
    """The policies that are measured, by name."""
    plain = [f"- {{id: r{number}, effect: {effect}, when: {when}}}" for number, (effect, when, _) in enumerate(RULES)]
    cel = [
        f'- {{id: r{number}, effect: {effect}, when: {{cel: "{said}"}}}}'
        for number, (effect, _, said) in enumerate(RULES)
    ]
    return {"plain": _policy(plain), "with_cel": _policy([*plain, cel[0].replace("r0", "r8")]), "cel": _policy(cel)}


def _policy(rules: Sequence[str]) -> CompiledPolicy:
    return read_policy("\n".join(("version: 1", "default: allow", "rules:", *rules)).encode())


def recorded(number: int) -> Recorded:
    """One of many that differ in what rules look at."""
    seen = Seen(
        operation="remix" if number % 5 == 0 else "create",
        model="sora-2-pro" if number % 3 == 0 else "sora-2",
        size="1280x720" if number % 2 else "720x1280",
        seconds=(4, 8, 12, 20)[number % 4],
        cost_micro=100_000 * (number % 30),
        project="trial" if number % 11 == 0 else "default",
        requester=f"r{number % REQUESTERS}",
        key_id="key_1",
        at=BEGAN + timedelta(minutes=number),
        prompt="Wide shot of a child flying a red kite in a grassy park, golden hour sunlight.",
        purpose=("draft", "final", None)[number % 3],
        tags=frozenset({"spring"} if number % 7 == 0 else ()),
        fields={"n": number % 6} if number % 6 else {},
        remix_depth=number % 9 if number % 5 == 0 else 0,
    )
    return Recorded(f"video_{number:032x}", seen, "allowed", "allow-offered", seen.cost_micro, "USD", "USD")

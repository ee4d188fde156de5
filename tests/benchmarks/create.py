"""How many creates a second the gateway answers, beside a LiteLLM proxy over the same stub renderer, in the same run.

Both are whole servers in processes of their own, as their users start them, asked by the same load: so many requests in
flight over kept connections, each a multipart create with a prompt of its own. LiteLLM answers when the renderer has
answered and keeps nothing; ours answers when the intent and the decision are on disk, and submits from there. Its
workers run in its own rounds, in a process that yields to the one that answers, and have the work of all rounds to do;
how many renders they have not submitted at the end is told. In the other's rounds all of it stands still, and takes
nothing from it. Short rounds alternate, so that a neighbour on the machine slows both alike.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.database import temporary_database
from tests.benchmarks.figures import ratio
from tests.benchmarks.load import Measured, measure
from tests.benchmarks.servers import (
    Server,
    free_port,
    our_server,
    processor_s,
    resident_bytes,
    standing_still,
    started,
    stub_renderer,
    wait_until_up,
)

ROUNDS = 3
THEIR_KEY = "sk-benchmark-only"
LITELLM_CONFIG = """\
model_list:
  - model_name: sora-2
    litellm_params: {{model: openai/sora-2, api_base: "{stub}", api_key: sk-stub}}
general_settings: {{master_key: {key}}}
litellm_settings: {{drop_params: true, telemetry: false}}
"""


def run(
    url: str, *, in_flight: int, seconds: float, litellm: str | None, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Measures for `seconds` in each round; requests a second, milliseconds and MiB by name, ready for JSON.

    `litellm` is the proxy's program; without it ours is measured alone. `url` is the database server.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bickford-bench-create-")))
        folder.chmod(0o711)
        stub = stack.enter_context(stub_renderer(folder))
        database = stack.enter_context(temporary_database(url))
        servers = [stack.enter_context(our_server(folder, stub, database))]
        if litellm is not None:
            servers.append(stack.enter_context(_litellm(folder, stub, litellm)))
        rounds: dict[str, list[Measured]] = {server.name: [] for server in servers}
        spent_s = dict.fromkeys(rounds, 0.0)
        for turn in range(1, ROUNDS + 1):
            for server in servers:
                pid = server.process.pid
                with standing_still([each for each in servers if each is not server]):
                    before_s = processor_s(pid)
                    round_ = measure(server.port, server.path, server.key, in_flight=in_flight, seconds=seconds)
                    spent_s[server.name] += processor_s(pid) - before_s
                rounds[server.name].append(round_)
                on_progress(f"round {turn}/{ROUNDS}: {server.name}: {round_.rate:,.0f} requests/s")
        unsubmitted = _unsubmitted(database)
        memory = {f"{server.name}_mib": round(resident_bytes(server.process.pid) / 2**20) for server in servers}
    answered = {name: sum(len(each.latencies_ms) for each in measured) for name, measured in rounds.items()}
    processor = {f"{name}_cpu_ms": round(1000 * spent_s[name] / max(answered[name], 1), 1) for name in rounds}
    return _summary(rounds, in_flight, seconds) | processor | memory | {"ours_unsubmitted": unsubmitted}


def _summary(rounds: dict[str, list[Measured]], in_flight: int, seconds: float) -> dict[str, Any]:
    told: dict[str, Any] = {"unit": "requests/s", "in_flight": in_flight, "seconds": seconds, "rounds": ROUNDS}
    for name, measured in rounds.items():
        told[f"{name}_rate"] = round(statistics.median(each.rate for each in measured))
        told[f"{name}_p50_ms"] = round(statistics.median(each.percentile_ms(50) for each in measured), 1)
        told[f"{name}_p99_ms"] = round(statistics.median(each.percentile_ms(99) for each in measured), 1)
        told[f"{name}_failed"] = sum(each.failed for each in measured)
    if "litellm" in rounds:
        told["ratio_litellm"] = ratio(told["ours_rate"], max(told["litellm_rate"], 1))
    return told


@contextmanager
def _litellm(folder: Path, stub: str, program: str) -> Iterator[Server]:
    port = free_port()
    config = folder / "litellm.yaml"
    config.write_text(LITELLM_CONFIG.format(stub=stub, key=THEIR_KEY))
    command = [program, "--config", str(config), "--port", str(port), "--num_workers", "1"]
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR"}
    with started(folder, "litellm", command, offline) as process:
        wait_until_up(port, "/health/liveliness", "litellm", folder)
        yield Server("litellm", port, "/v1/videos", THEIR_KEY, process)


def _unsubmitted(database_url: str) -> int:
    """Renders that were accepted and are yet to be submitted."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "select count(*) filter (where type = 'render.allowed')"
            " - count(*) filter (where type = 'render.submission_started') from ledger.events"
        ).fetchone()
    return int(row[0]) if row else 0

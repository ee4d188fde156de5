"""`bickford-sora bench`: the benchmarks of a checkout, each beside its baseline in the same run."""

import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console

from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging

CHECKOUT = Path(__file__).resolve().parents[2]
"""The benchmarks are part of a checkout, not of the installed program."""

bench = typer.Typer(no_args_is_help=True, help="Measure this machine: ours beside a baseline, as ratios.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line and nothing else.")]


@bench.command()
def append(
    *,
    writers: Annotated[int, typer.Option(min=1, max=256, help="Threads that append at once.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds of each round.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Events a second appended, beside the library's stock `Application.save`."""
    _measure("append", as_json=as_json, writers=writers, seconds=seconds)


@bench.command()
def replay(
    *,
    events: Annotated[int, typer.Option(min=1_000, max=100_000_000, help="Events to replay.")] = 200_000,
    as_json: AsJson = False,
) -> None:
    """Events a second replayed, beside the library's stock `ProjectionRunner` and raw COPY."""
    _measure("replay", as_json=as_json, events=events)


@bench.command()
def audit(
    *,
    events: Annotated[int, typer.Option(min=10, max=100_000_000, help="Events to ask among.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Milliseconds of an audit's first page by what is asked for, beside the same page from the ledger alone."""
    _measure("audit", as_json=as_json, events=events)


@bench.command()
def verify(
    *,
    events: Annotated[int, typer.Option(min=1_000, max=100_000_000, help="Facts to verify.")] = 200_000,
    as_json: AsJson = False,
) -> None:
    """Facts a second verified, beside raw COPY, and the tree alone beside a plain loop of hashes."""
    _measure("verify", as_json=as_json, events=events)


@bench.command()
def create(
    *,
    in_flight: Annotated[int, typer.Option(min=1, max=1_000, help="Requests at a time.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, max=300, help="Seconds of each round.")] = 5.0,
    litellm: Annotated[
        str | None, typer.Option(help="The program `litellm` of an installed LiteLLM proxy, the baseline.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Creates a second answered, beside a LiteLLM proxy over the same stub renderer."""
    _measure("create", as_json=as_json, in_flight=in_flight, seconds=seconds, litellm=litellm)


@bench.command()
def accept(
    *,
    rate: Annotated[float, typer.Option(min=1, max=10_000, help="Requests a second that are offered.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds of load.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Milliseconds of a create at an offered load, beside a FastAPI route with one INSERT."""
    _measure("accept", as_json=as_json, rate=rate, seconds=seconds)


@bench.command()
def intake(
    *,
    rate: Annotated[float, typer.Option(min=1, max=100_000, help="Webhooks a second that are offered.")] = 2_000.0,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds of load.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Webhooks a second taken in, each on disk before its answer, beside a FastAPI route with one INSERT."""
    _measure("intake", as_json=as_json, rate=rate, seconds=seconds)


@bench.command()
def spend(
    *,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that decide at once.")] = 4,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads in each of them.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, max=300, help="Seconds of each round.")] = 3.0,
    as_json: AsJson = False,
) -> None:
    """Spending decisions a second on one cap, beside a counter row in plain SQL."""
    _measure("spend", as_json=as_json, processes=processes, threads=threads, seconds=seconds)


@bench.command()
def poll(
    *,
    few: Annotated[int, typer.Option(min=100, max=1_000_000, help="Jobs in flight, once.")] = 10_000,
    many: Annotated[int, typer.Option(min=100, max=1_000_000, help="Jobs in flight, the other time.")] = 100_000,
    as_json: AsJson = False,
) -> None:
    """Milliseconds that claiming and giving back one poll takes, with few and with many jobs in flight."""
    _measure("poll", as_json=as_json, few=few, many=many)


@bench.command()
def policy(
    *,
    intents: Annotated[int, typer.Option(min=1_000, max=10_000_000, help="Recorded intents.")] = 50_000,
    as_json: AsJson = False,
) -> None:
    """Intents a second that a backtest asks a policy about, beside the same rules in CEL."""
    measured: dict[str, Any] = _benchmark("policy").run(intents=intents, on_progress=Console(stderr=True).print)
    _print(measured, as_json=as_json)


def _measure(name: str, *, as_json: bool, **arguments: Any) -> None:
    configure_logging(None, "error")
    console = Console(stderr=True)
    say: Callable[[str], None] = console.print
    measure = _benchmark(name)
    with _server() as url:
        measured: dict[str, Any] = measure.run(url, **arguments, on_progress=say)
    _print(measured, as_json=as_json)


def _print(measured: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(measured) + "\n")
        return
    for key, value in measured.items():
        shown = f"{value:,}" if isinstance(value, int | float) else value
        sys.stdout.write(f"{key:<24} {shown}\n")


def _benchmark(name: str) -> ModuleType:
    if not (CHECKOUT / "tests" / "benchmarks" / f"{name}.py").is_file():
        raise typer.BadParameter(f"the benchmarks come with a checkout of the project; {CHECKOUT} is none")
    sys.path.insert(0, str(CHECKOUT))  # the installed program does not know the tests
    return importlib.import_module(f"tests.benchmarks.{name}")


@contextmanager
def _server() -> Iterator[str]:
    """A server on which databases may be made: the one that is configured, else one that is made for the run."""
    configured = Settings().database_url
    if configured is not None:
        yield configured.get_secret_value()
        return
    with tempfile.TemporaryDirectory(prefix="bickford-bench-") as folder:
        Path(folder).chmod(0o711)  # run by root, the server has a user of its own, who must get through
        with EmbeddedPostgres.acquire(Path(folder, "server")) as server:
            yield server.url

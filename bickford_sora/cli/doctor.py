"""`bickford-sora doctor`, and what `serve --check` shares with it."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from bickford_sora.cli.options import Json
from bickford_sora.cli.output import print_json, printable
from bickford_sora.doctor.examination import examine, settings_or_problems
from bickford_sora.doctor.finding import Finding
from bickford_sora.telemetry import configure_logging
from ledger.clock import system_clock


def doctor(
    *,
    host: Annotated[str, typer.Option(help="Address that shall be free to listen on, with --port.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port that shall be free. Else no port is looked at.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with this installation and what to do. Exit status 1 when it will not serve as it should."""
    report(None if port is None else (host, port), as_json=as_json)


def report(listen: tuple[str, int] | None, *, as_json: bool = False, stand_in: bool = False) -> None:
    """Looks at everything and prints what was found. Raises typer.Exit with status 1 when there is a problem."""
    settings, findings = settings_or_problems()
    if settings is not None:
        configure_logging(settings.log_json, "critical")  # what is found is said once, as an answer
        findings = [*findings, *examine(settings, clock=system_clock, listen=listen, stand_in=stand_in)]
    healthy = all(each.state != "problem" for each in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [asdict(each) for each in findings]})
    else:
        _print(findings)
    if not healthy:
        raise typer.Exit(1)


def _print(findings: Iterable[Finding]) -> None:
    for each in findings:
        print(printable(f"{each.state:<8} {each.check:<21} {each.found}"))
        if each.advice is not None:
            print(printable(f"{'':<30} -> {each.advice}"))

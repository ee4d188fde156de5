"""`bickford-sora renderers`: who renders, and what keeps them from it."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from bickford_sora.cli.options import Json
from bickford_sora.cli.output import note, print_json, print_table
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import Gateway, compose
from bickford_sora.configuration import of_file
from bickford_sora.renderer_file import RendererFile, RendererFileInvalid, read_renderer_file
from bickford_sora.renderers.dialects import DIALECTS
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging
from projections.work import Work

renderers = typer.Typer(help="Look after the renderers.", no_args_is_help=True)


@renderers.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the renderers, their replicas, and what they refuse."""
    with ExitStack() as stack:
        gateway = _gateway(stack)
        told = _told(gateway)
    if as_json:
        print_json(told)
        return
    columns = ("renderer", "dialect", "replica", "drained", "in flight", "at most", "stopped")
    print_table(
        columns,
        (
            (
                each["renderer"],
                each["dialect"],
                replica["url"],
                "yes" if replica["drained"] else "",
                each["in_flight"],
                each["in_flight_max"] or "",
                " ".join(each["stopped"]),
            )
            for each in told
            for replica in each["replicas"]
        ),
    )


@renderers.command()
def check(
    *,
    file: Annotated[
        Path | None, typer.Option(help="Check this renderer file, and ask nobody.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Check the configuration, and ask every replica whether it is there. Exit status 1 when something is wrong."""
    if file is not None:
        _checked(file)
        print(f"{file}: in order")
        return
    with ExitStack() as stack:
        gateway = _gateway(stack)
        wrong = [line for line in _probed(gateway) if line is not None]
    for line in wrong:
        note(line)
    if wrong:
        raise typer.Exit(1)
    print("every replica answers")


@renderers.command()
def schema() -> None:
    """Print the JSON Schema of the renderer file."""
    print(json.dumps(RendererFile.model_json_schema(), indent=2))


@renderers.command()
def resume(name: Annotated[str, typer.Argument(help="Name of the renderer.", metavar="NAME")]) -> None:
    """Ask a stopped renderer again."""
    with ExitStack() as stack:
        gateway = _gateway(stack)
        found = gateway.configuring.renderer(name)
        if found is None:
            raise CommandRefused(f"No renderer is named {name!r}.", code="renderer_not_found")
        gateway.stops.resume(found.name, found.credential)
    print(f"{name} is asked again")


def _gateway(stack: ExitStack) -> Gateway:
    settings = Settings()
    configure_logging(settings.log_json, "error")
    books = stack.enter_context(open_books(settings))
    return compose(books, settings.renderers(), stack)


def _told(gateway: Gateway) -> list[dict[str, Any]]:
    work = Work(gateway.books.pool)
    return [
        {
            "renderer": each.name,
            "dialect": each.dialect,
            "experimental": DIALECTS[each.dialect].experimental,
            "credential": each.credential,
            "replicas": [{"url": url, "drained": url in each.drained} for url in each.replicas],
            "in_flight": work.in_flight(each.name),
            "in_flight_max": each.in_flight_max,
            "requests_per_minute_max": each.requests_per_minute_max,
            "stopped": sorted(model for _, model in gateway.stops.record(each.name).stopped),
        }
        for each in gateway.configuring.renderers
    ]


def _probed(gateway: Gateway) -> list[str | None]:
    found: list[str | None] = []
    for each in gateway.configuring.renderers:
        for url in each.replicas:
            renderer = gateway.fleet.at(each.name, each.credential, url)
            assert renderer is not None, each.name  # noqa: S101 - it is configured
            try:
                renderer.probe()
            except ReadFailed as error:
                found.append(f"{each.name}, {url}: {error.code}")
    return found


def _checked(file: Path) -> None:
    """Raises CommandRefused for a file that cannot be used; secrets that are not set here are told of only."""
    try:
        read = read_renderer_file(file)
    except RendererFileInvalid as error:
        raise CommandRefused(f"{error}.", code=error.code) from None
    try:
        of_file(read, Settings.environment())
    except RendererFileInvalid as error:
        note(f"Not to be used here yet: {error}.")

"""`bickford-sora policy`: what a policy file says, before anybody relies on it."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from bickford_sora.cli.deciding import backtest, explain
from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import moment, print_json, print_table
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.talking import server
from bickford_sora.decisions.rules.document import PolicyDocument
from bickford_sora.decisions.rules.reading import PolicyInvalid
from bickford_sora.policy_file import read_policy_file
from bickford_sora.renderer_file import RendererFileInvalid, read_renderer_file

_PLACE = "/policy"

policy = typer.Typer(help="Look after the policy.", no_args_is_help=True)


@policy.callback()
def _group() -> None:
    """Makes a group of it, however many commands there are."""


@policy.command()
def lint(
    file: Annotated[Path, typer.Argument(help="The policy file.", metavar="FILE")],
    *,
    renderers: Annotated[
        Path | None, typer.Option(help="Refuse models that this renderer file does not offer.", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a policy file. Exit status 1 when it cannot be used."""
    try:
        read = read_policy_file(file, models=None if renderers is None else _offered(renderers))
    except PolicyInvalid as error:
        if not as_json:
            raise CommandRefused(f"{file}: {error}. Put that right and check again.", code=error.code) from None
        problems = [{"line": each.line, "place": each.place, "reason": each.reason} for each in error.problems]
        print_json({"file": str(file), "policy_hash": None, "problems": problems})
        raise typer.Exit(1) from None
    if as_json:
        print_json({"file": str(file), "policy_hash": read.hash, "problems": []})
        return
    print(f"{file}: in order, {len(read.document.rules)} rules, policy hash {read.hash}")


@policy.command()
def schema() -> None:
    """Print the JSON Schema of the policy file."""
    print(json.dumps(PolicyDocument.model_json_schema(), indent=2))


@policy.command()
def publish(
    file: Annotated[Path, typer.Argument(help="The policy file.", metavar="FILE")],
    *,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Put a policy file in force on a running server. A wrong one is refused, and what is in force stays so."""
    try:
        content = read_policy_file(file).text.encode()
    except PolicyInvalid as error:
        raise CommandRefused(f"{file}: {error}. Put that right and publish again.", code=error.code) from None
    with server(url) as client:
        made: dict[str, Any] = client.ask("POST", _PLACE, content=content)
    if as_json:
        print_json(made)
        return
    print(f"version {made['version']} is in force, policy hash {made['policy_hash']}")


@policy.command()
def show(
    *,
    versions: Annotated[bool, typer.Option("--versions", help="List what was in force, newest first.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show the policy in force on a running server."""
    with server(url) as client:
        found: dict[str, Any] = client.ask("GET", f"{_PLACE}/versions" if versions else _PLACE)
    if as_json:
        print_json(found)
    elif versions:
        names = ("version", "policy_hash", "published_by")
        rows = ((*(each[name] for name in names), moment(each["published_at"])) for each in found["data"])
        print_table(("version", "policy hash", "by", "at"), rows)
    else:
        print(found["text"], end="")


policy.command()(explain)
policy.command()(backtest)


def _offered(renderers: Path) -> Collection[str]:
    try:
        return {model.name for each in read_renderer_file(renderers).renderers for model in each.models}
    except RendererFileInvalid as error:
        raise CommandRefused(f"{error}.", code=error.code) from None

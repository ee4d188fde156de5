from collections.abc import Iterator
from dataclasses import fields

import pytest
import typer
from click import Command

from bickford_sora.cli.application import COMMANDS, application
from bickford_sora.http.audit import Asked
from tests.docs.pages import REFERENCE, codes, rows, sections

PAGE = sections((REFERENCE / "cli.md").read_text("utf-8"), 2)


def commands() -> dict[str, Command]:
    """Every command by its full name."""
    found: dict[str, Command] = {}
    for name in COMMANDS:
        app = typer.main.get_command(application(name))
        assert hasattr(app, "commands")
        found |= dict(_below(name, app.commands[name]))
    return found


def _below(name: str, command: Command) -> Iterator[tuple[str, Command]]:
    inner: dict[str, Command] = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        yield name, command
    for each, below in inner.items():
        yield from _below(f"{name} {each}", below)


ALL = commands()


def test_every_command_is_described_and_no_other() -> None:
    assert set(PAGE) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_option_is_described_with_its_default(name: str) -> None:
    described = {tuple(codes(row[0])): row[1] for row in rows(PAGE[name])}
    assert described == {
        (*each.opts, *each.secondary_opts): _default(each.default)
        for each in ALL[name].params
        if each.param_type_name == "option" and each.name != "help"
    }


def test_whatever_http_finds_facts_by_the_command_does_too() -> None:
    shorter = {"video_id": "render", "job_id": "job", "type": "type_"}
    options = {each.name for each in ALL["audit"].params}
    assert {shorter.get(each.name, each.name) for each in fields(Asked)} <= options


@pytest.mark.parametrize("name", ALL)
def test_the_variables_that_an_option_reads_are_named(name: str) -> None:
    read = {str(each.envvar) for each in ALL[name].params if each.envvar}
    assert {word for word in codes(PAGE[name]) if word.startswith("OPENAI_")} == read


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else f"`{value}`"

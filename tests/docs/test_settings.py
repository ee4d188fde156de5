import re
from functools import cache
from typing import Any

import pytest
from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from bickford_sora.settings import ClientSettings, Settings
from tests.docs.pages import REFERENCE, ROOT, codes, rows, sections

PAGE = sections((REFERENCE / "settings.md").read_text("utf-8"), 2)
SERVER = {codes(row[0])[0]: row for heading, text in PAGE.items() if heading != "Clients" for row in rows(text)}
CLIENT = {codes(row[0])[0]: row for row in rows(PAGE["Clients"])}
UNITS = {"_s": "seconds", "_ms": "milliseconds", "_bytes_max": "bytes", "_chars_max": "characters"}


def variable(settings: type[BaseSettings], name: str) -> str:
    alias = settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{settings.model_config['env_prefix']}{name}".upper()


def default(field: FieldInfo) -> str:
    """A default as the page writes it."""
    if field.default_factory is not None:
        return "see meaning"
    return "unset" if field.default is None else f"`{_written(field.default)}`"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("settings", "described"), [(Settings, SERVER), (ClientSettings, CLIENT)])
def test_every_setting_is_described_and_no_other(settings: type[BaseSettings], described: dict[str, Any]) -> None:
    assert set(described) == {variable(settings, name) for name in settings.model_fields}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_of_the_server_is_described_with_its_default_and_unit(name: str) -> None:
    _check(Settings, name, SERVER)


@pytest.mark.parametrize("name", ClientSettings.model_fields)
def test_a_setting_of_clients_is_described_with_its_default_and_unit(name: str) -> None:
    _check(ClientSettings, name, CLIENT)


@cache
def read_somewhere() -> set[str]:
    """What the program reads of settings. To look for each setting through all modules takes seconds."""
    read = re.compile(r"(?:(?<=\bsettings\.)|(?<=\bself\.))\w+")  # of `self.settings.name` both
    modules = (ROOT / "bickford_sora").rglob("*.py")
    return {name for module in modules for name in read.findall(module.read_text("utf-8"))}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_that_nothing_reads_says_so(name: str) -> None:
    assert ("Nothing reads it yet." in SERVER[variable(Settings, name)][3]) == (name not in read_somewhere())


def _check(settings: type[BaseSettings], name: str, described: dict[str, list[str]]) -> None:
    _, written_default, unit, meaning = described[variable(settings, name)]
    assert written_default == default(settings.model_fields[name])
    assert meaning.endswith(".")
    expected = next((word for ending, word in UNITS.items() if name.endswith(ending)), unit)
    assert unit == expected

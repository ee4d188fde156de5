import pydoc
from importlib import import_module
from typing import Any

import pytest

from bickford_sora.settings import Settings
from tests.docs.pages import ROOT, codes, rows, sections

PAGE = sections((ROOT / "docs" / "limits.md").read_text("utf-8"), 2)
LIMITS = {codes(row[0])[0]: row[1] for text in PAGE.values() for row in rows(text)}
PREFIX = "BICKFORD_"


def in_code(name: str) -> Any:
    if name.startswith(PREFIX):
        return Settings.model_fields[name.removeprefix(PREFIX).lower()].default
    module, _, constant = name.rpartition(".")
    owner = pydoc.locate(module) or import_module(module)
    fields = getattr(owner, "__dataclass_fields__", {})
    return fields[constant].default if constant in fields else getattr(owner, constant)


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_as_it_is_described(name: str) -> None:
    assert LIMITS[name] == str(in_code(name))

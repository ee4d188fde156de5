import inspect

import pytest

from bickford_sora.client import aio, functions
from tests.tools.generate_synchronous_client import CLIENT, GENERATED, generated


@pytest.mark.parametrize("name", GENERATED)
def test_the_generated_client_is_current(name: str) -> None:
    assert (CLIENT / GENERATED[name]).read_text("utf-8") == generated(name), (
        "run tests/tools/generate_synchronous_client.py"
    )


def test_nothing_of_an_event_loop_is_left_in_the_generated_files() -> None:
    for twin in GENERATED.values():
        text = (CLIENT / twin).read_text("utf-8").partition("\n")[2]
        assert not [word for word in ("async", "await", "Async", "event loop") if word in text]


def test_both_worlds_have_the_same_functions_with_the_same_parameters() -> None:
    def helpers(module: object) -> dict[str, list[str]]:
        found = inspect.getmembers(module, inspect.isfunction)
        return {name: [*inspect.signature(each).parameters] for name, each in found if "sora" in name}

    assert helpers(aio) == helpers(functions)
    assert len(helpers(functions)) == 9

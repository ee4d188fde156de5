"""What the published OpenAPI promises is what is answered: schemathesis asks everything it can think of.

It takes seconds to import, so that only the process that runs these tests does.
"""

from typing import Any

import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests.http.houses import KEY, make_kit
from tests.http.test_every_route import served

EXAMPLES = 5
"""Requests made up for each route and mode: hundreds for each kind of parameter, since routes share them."""
ENDLESS = "/stream"
"""End of the paths that answer for as long as the client listens."""
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")

pytestmark = pytest.mark.xdist_group("openapi")

LABELS = sorted(
    f"{method} {route.path_format}"
    for (method, path), route in served(make_kit().app.routes)
    if isinstance(route, APIRoute) and route.include_in_schema and not path.endswith(ENDLESS)
)
"""Every operation of the published description, as schemathesis calls it."""


@pytest.fixture(scope="module")
def operations() -> dict[str, Any]:
    import schemathesis  # noqa: PLC0415 - see above

    found = schemathesis.openapi.from_asgi("/openapi.json", make_kit().app).get_all_operations()
    return {each.ok().label: each.ok() for each in found}


def test_every_operation_is_asked(operations: dict[str, Any]) -> None:
    assert {label for label in operations if not label.endswith(ENDLESS)} == set(LABELS)


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("label", LABELS)
def test_every_answer_is_as_the_openapi_says(operations: dict[str, Any], label: str, mode: str) -> None:
    from schemathesis.checks import CHECKS, load_all_checks  # noqa: PLC0415 - see above
    from schemathesis.generation import GenerationMode  # noqa: PLC0415 - see above

    load_all_checks()
    checks = CHECKS.get_by_names(list(CHECKED))

    @given(data=st.data())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(data: st.DataObject) -> None:
        case = data.draw(operations[label].as_strategy(generation_mode=GenerationMode(mode)))
        case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, checks=checks)

    try:
        ask()
    except Unsatisfiable:
        assert mode == "negative", "a valid request can always be made up"
        pytest.skip("nothing about this operation can be wrong")

"""What the published OpenAPI promises is what is answered: schemathesis asks everything it can think of."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from tests.http.houses import KEY, make_kit

EXAMPLES = 25
"""Requests made up for each route and mode."""
ENDLESS = "/stream"
"""End of the paths that answer for as long as the client listens."""

load_all_checks()
CHECKED = CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)


def _operations() -> Iterator[schemathesis.schemas.APIOperation]:
    """Every operation of the published description."""
    for found in schemathesis.openapi.from_asgi("/openapi.json", make_kit().app).get_all_operations():
        operation = found.ok()
        if not operation.path.endswith(ENDLESS):
            yield operation


OPERATIONS = {operation.label: operation for operation in _operations()}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_the_openapi_says(label: str, mode: GenerationMode) -> None:
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
        case = data.draw(OPERATIONS[label].as_strategy(generation_mode=mode))
        case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, checks=CHECKED)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "a valid request can always be made up"
        pytest.skip("nothing about this operation can be wrong")

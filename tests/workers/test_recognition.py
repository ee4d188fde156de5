"""A renderer whose list does not show what a job was asked with: nothing is adopted there, and nothing paid twice."""

from dataclasses import replace

import pytest

from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Capabilities
from tests.workers.harness import Harness, harness

BLIND = replace(CAPABILITIES, recognisable=frozenset())
HOUR_S = 3600.0


def lost(hub: Harness, how: str) -> str:
    """A render whose submission was not answered."""
    hub.mischief.scripts["submit"].append(how)
    video_id = hub.ask()
    hub.run(run_s_max=HOUR_S)
    return video_id


def test_a_job_that_cannot_be_told_from_others_is_held_and_not_paid_twice() -> None:
    with harness() as hub:
        hub.renderer.capabilities = BLIND
        video_id = lost(hub, "lose answer")
        assert len(hub.renderer.billed(video_id)) == 1
        assert "render.queued" not in hub.types(video_id)
        assert "render.submission_absent" not in hub.types(video_id)


def test_an_empty_list_proves_absence_also_where_no_job_could_be_recognised() -> None:
    with harness() as hub:
        hub.renderer.capabilities = BLIND
        video_id = lost(hub, "lose request")
        assert "render.submission_absent" in hub.types(video_id)
        assert hub.types(video_id)[-1] == "render.stored"
        assert len(hub.renderer.billed(video_id)) == 1


@pytest.mark.parametrize(
    ("capabilities", "operation", "fields", "expected"),
    [
        (CAPABILITIES, "create", {"seed"}, True),
        (CAPABILITIES, "remix", {}, True),
        (CAPABILITIES, "create", {"num_frames"}, False),
        (CAPABILITIES, "edit", {}, False),
        (CAPABILITIES, "extend", {}, False),
        (replace(CAPABILITIES, lists=False), "create", {}, False),
        (replace(CAPABILITIES, obscuring=frozenset()), "create", {"num_frames"}, True),
    ],
)
def test_a_job_is_recognised_only_where_the_list_shows_what_was_asked(
    capabilities: Capabilities, operation: str, fields: set[str], expected: bool
) -> None:
    assert capabilities.recognises(operation, fields) is expected

"""A LiteLLM proxy: its ids, and what it lacks."""

from dataclasses import replace

import pytest

from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.renderers.port import Source
from tests.renderers.conftest import VIDEO, Scripted
from tests.renderers.fake_server import answering
from tests.renderers.sent import target_of
from tests.renderers.stages import ORDER

LITELLM_ID = "video_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDpzb3JhLTI7dmlkZW9faWQ6dmlkZW9fYWJj"
"""`litellm:custom_llm_provider:openai;model_id:sora-2;video_id:video_abc`"""
WITHOUT_MODEL = "video_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDo7dmlkZW9faWQ6dmlkZW9fYWJj"
"""The same job with an empty `model_id`, as a question about it was answered before 1.109."""
OF_ANOTHER = "video_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDpzb3JhLTI7dmlkZW9faWQ6dmlkZW9feHl6"
"""`…;video_id:video_xyz`"""


def test_another_id_of_the_same_job_is_the_same_job(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(200, {**VIDEO, "id": WITHOUT_MODEL}), dialect="litellm")
    assert renderer.status(LITELLM_ID).job_id == LITELLM_ID


@pytest.mark.parametrize("answered", [OF_ANOTHER, "video_abc", "video_!!", ""])
def test_an_id_of_another_job_is_not(scripted: Scripted, answered: str) -> None:
    renderer, _ = scripted(answering(200, {**VIDEO, "id": answered}), dialect="litellm")
    with pytest.raises(ReadFailed):
        renderer.status(LITELLM_ID)


def test_a_remix_answered_without_its_model_is_asked_after_with_that_of_its_source(scripted: Scripted) -> None:
    renderer, _ = scripted(answering(200, {**VIDEO, "id": WITHOUT_MODEL}), dialect="litellm")
    remix = replace(ORDER, operation="remix", source=Source(OF_ANOTHER, None))
    assert renderer.submit(remix).job_id == LITELLM_ID


def test_it_is_probed_by_its_models(scripted: Scripted) -> None:
    renderer, server = scripted(answering(200, {"data": []}), dialect="litellm")
    renderer.probe()
    assert target_of(server.requests[0]) == "GET /v1/models"

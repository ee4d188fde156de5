"""A capability that a dialect says it has works; one that it denies is refused, and the renderer takes nothing.

Each test fills a cell of the table of renderers and features.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from bickford_sora.renderers.errors import ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.port import Operation, Order, Source, Upload, Variant
from bickford_sora.simulator import FaultKind
from tests.compatibility import record
from tests.renderers.stages import ORDER, Stage

GIVEN: dict[str, Any] = {
    "seed": 7,
    "negative_prompt": "rain",
    "steps": 8,
    "fps": 8,
    "num_frames": 8,
    "n": 2,
    "lora": "noir",
    "style": "noir",
    "generate_audio": True,
}


ARRIVES: dict[tuple[str, str], Any] = {("vllm_omni", "lora"): {"name": "noir"}}
"""By dialect and field, what does not arrive as it was given."""


@contextmanager
def cell(stage: Stage, feature: str, *, has: bool) -> Iterator[None]:
    """A cell of the table."""
    with record("renderers", stage.renderer.dialect.name, feature, result="works" if has else "refused"):
        yield


def refused(stage: Stage, order: Order) -> None:
    """Asks for what the renderer cannot do."""
    taken = stage.jobs_taken()
    with pytest.raises(Refused) as raised:
        stage.renderer.submit(order)
    assert (raised.value.code, raised.value.terminal, raised.value.http_status) == (
        "unsupported_by_renderer",
        True,
        None,
    )
    assert stage.jobs_taken() == taken


def image(size: tuple[int, int] = (128, 96)) -> Upload:
    picture = BytesIO()
    Image.new("RGB", size, "red").save(picture, "PNG")
    return Upload("boat.png", "image/png", picture.getvalue)


def test_create(stage: Stage) -> None:
    with cell(stage, "create", has=True):
        assert stage.ended(stage.submitted()).status == "completed"


def test_a_reference_image_reaches_the_renderer(stage: Stage) -> None:
    with cell(stage, "reference image", has=True):
        with_one = stage.ended(stage.submitted(replace(ORDER, reference=image())))
        without = stage.ended(stage.submitted())
        assert stage.download(with_one.job_id) != stage.download(without.job_id)


def test_a_remix_starts_from_its_source(stage: Stage) -> None:
    remix = stage.renderer.capabilities.remix
    order = replace(ORDER, prompt="Now at night", operation="remix")
    with cell(stage, "remix", has=remix != "none"):
        source = stage.source(stage.ended(stage.submitted()).job_id)
        if remix == "route":
            made = stage.renderer.submit(replace(order, source=replace(source, video=None)))
            assert made.job_id != source.job_id
            refused(stage, replace(order, source=replace(source, job_id=None)))
        elif remix == "video_reference":
            made = stage.renderer.submit(replace(order, source=replace(source, job_id=None)))
            plain = stage.ended(stage.submitted(replace(order, operation="create")))
            assert stage.download(stage.ended(made.job_id).job_id) != stage.download(plain.job_id)
            refused(stage, replace(order, source=replace(source, video=None)))
        else:
            refused(stage, replace(order, source=source))


@pytest.mark.parametrize(("operation", "feature"), [("edit", "edits"), ("extend", "extensions")])
def test_a_change_starts_from_a_job_or_a_file(stage: Stage, operation: Operation, feature: str) -> None:
    has = getattr(stage.renderer.capabilities, feature)
    order = replace(ORDER, prompt="With a dog", operation=operation)
    with cell(stage, feature, has=has):
        source = stage.source(stage.ended(stage.submitted()).job_id)
        for given in (replace(source, video=None), Source(None, source.video)):
            if has:
                assert stage.ended(stage.submitted(replace(order, source=given))).status == "completed"
            else:
                refused(stage, replace(order, source=given))


def test_a_character_is_made_from_a_video(stage: Stage) -> None:
    has = stage.renderer.capabilities.characters
    with cell(stage, "characters", has=has):
        video = stage.source(stage.ended(stage.submitted()).job_id).video
        assert video
        if has:
            assert stage.renderer.create_character("Ada", video, idempotency_key="key-2").name == "Ada"
        else:
            with pytest.raises(Refused) as raised:
                stage.renderer.create_character("Ada", video, idempotency_key="key-2")
            assert raised.value.code == "unsupported_by_renderer"


@pytest.mark.parametrize("name", GIVEN)
def test_a_field_beyond_the_protocol_arrives(stage: Stage, name: str) -> None:
    has = name in stage.renderer.capabilities.fields
    order = replace(ORDER, fields={name: GIVEN[name]})
    with cell(stage, name, has=has):
        if has:
            stage.renderer.submit(order)
            expected = ARRIVES.get((stage.renderer.dialect.name, name), GIVEN[name])
            assert list(stage.server.simulator.registry.billed()[-1].extras.values()) == [expected]
        else:
            refused(stage, order)


def test_each_output_is_a_file_of_its_own(stage: Stage) -> None:
    has = "n" in stage.renderer.capabilities.fields
    job_id = stage.ended(stage.submitted(replace(ORDER, fields={"n": 2} if has else {}))).job_id
    with cell(stage, "several outputs", has=has):
        if has:
            assert stage.download(job_id, output=0) != stage.download(job_id, output=1)
        else:
            with pytest.raises(ReadFailed, match="unsupported_by_renderer"):
                stage.download(job_id, output=1)


@pytest.mark.parametrize(("variant", "mark"), [("thumbnail", b"WEBP"), ("spritesheet", b"\xff\xd8")])
def test_pictures_are_had_or_made_here(stage: Stage, variant: Variant, mark: bytes) -> None:
    has = variant in stage.renderer.capabilities.variants
    job_id = stage.ended(stage.submitted()).job_id
    with cell(stage, variant, has=has):
        if has:
            assert mark in stage.download(job_id, variant)[:12]
        else:
            with pytest.raises(ReadFailed, match="unsupported_by_renderer"):
                stage.download(job_id, variant)


def test_the_whole_list_is_read_through_all_pages(stage: Stage) -> None:
    has = stage.renderer.capabilities.lists
    with cell(stage, "list", has=has):
        if not has:
            with pytest.raises(ReadFailed, match="renderer_list_unsupported"):
                list(stage.renderer.jobs())
            return
        stage.strikes(FaultKind.JOB_FAILS, times=None)  # nothing is drawn: only the list matters
        made = [stage.submitted() for _ in range(105)]
        assert sorted(job.job_id for job in stage.renderer.jobs()) == sorted(made)
        stage.strikes(FaultKind.READ_STATUS, status=500)
        with pytest.raises(ReadFailed):
            list(stage.renderer.jobs())


def test_a_job_is_recognised_by_what_the_list_shows(stage: Stage) -> None:
    has = stage.renderer.capabilities.recognises("create", ())
    with cell(stage, "finds lost jobs", has=has):
        if not has:
            assert not stage.renderer.capabilities.recognises("remix", ())
            return
        stage.strikes(FaultKind.RESET_AFTER_ACCEPT)
        with pytest.raises(UnknownOutcome):
            stage.renderer.submit(ORDER)
        (job,) = stage.renderer.jobs()
        assert (job.model, job.prompt, job.seconds, job.size) == (ORDER.model, ORDER.prompt, ORDER.seconds, ORDER.size)
        assert job.created_at


def test_a_finished_job_is_deleted_and_that_may_be_repeated(stage: Stage) -> None:
    has = stage.renderer.capabilities.deletes
    job_id = stage.ended(stage.submitted()).job_id
    with cell(stage, "delete", has=has):
        expected = ("deleted", "gone") if has else ("unsupported", "unsupported")
        assert (stage.renderer.delete(job_id), stage.renderer.delete(job_id)) == expected


def test_an_unfinished_job_is_stopped_or_at_least_forgotten(stage: Stage) -> None:
    can = stage.renderer.capabilities
    with cell(stage, "cancel", has=can.cancels):
        job_id = stage.submitted()
        assert stage.renderer.delete(job_id) == ("deleted" if can.deletes else "unsupported")

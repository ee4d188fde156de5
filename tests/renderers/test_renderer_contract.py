"""The duties of `port.Renderer`, kept by every dialect against a renderer that speaks it, over a real socket.

A new dialect is one more entry in DIALECTS; nothing else here knows one from another.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO

import pytest
from PIL import Image
from pydantic import SecretStr

from bickford_sora.renderers.errors import AssetExpired, JobGone, NotReady, ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.openai import OpenAIRenderer
from bickford_sora.renderers.port import JobNews, Order, Renderer, Source, Upload, Variant
from bickford_sora.renderers.transport import Transport, TransportLimits
from bickford_sora.simulator import Fault, FaultKind, SimulatorServer, SimulatorSettings
from ledger.clock import system_clock

WAIT_S = 10.0
LIMITS = TransportLimits(connect_timeout_s=1, answer_timeout_s=2, silence_timeout_s=2)
SETTINGS = SimulatorSettings(
    sizes=("128x96",), seconds=("1",), render_time_s=0.05, frame_rate=8, api_key="sk-planted-contract"
)
ORDER = Order("sora-2", "A paper boat in the rain", "1", "128x96", "key-1")
SUBMIT_TIMEOUT_S = 1.0


def openai(transport: Transport) -> Renderer:
    return OpenAIRenderer(
        name="simulated",
        credential="contract",
        transport=transport,
        clock=system_clock,
        submit_timeout_s=SUBMIT_TIMEOUT_S,
    )


DIALECTS: dict[str, Callable[[Transport], Renderer]] = {"openai": openai}


@dataclass
class Stage:
    """A renderer of some dialect and the server it calls."""

    renderer: Renderer
    server: SimulatorServer
    make: Callable[..., Renderer]

    def strikes(self, kind: FaultKind, **given: object) -> None:
        self.server.simulator.faults.add(Fault(kind=kind, **given))

    def ended(self, job_id: str) -> JobNews:
        deadline = time.monotonic() + WAIT_S
        while (news := self.renderer.status(job_id)).status not in {"completed", "failed"}:
            assert time.monotonic() < deadline, "the job did not end"
            time.sleep(0.02)
        return news

    def jobs_taken(self) -> int:
        return len(list(self.renderer.jobs()))


SetStage = Callable[[SimulatorSettings], Stage]


@pytest.fixture(params=sorted(DIALECTS))
def set_stage(request: pytest.FixtureRequest, tls: ssl.SSLContext) -> Iterator[SetStage]:
    with ExitStack() as opened:

        def set_one(settings: SimulatorSettings) -> Stage:
            server = opened.enter_context(SimulatorServer(settings))

            def make(credential: str = settings.api_key) -> Renderer:
                transport = Transport(server.url, SecretStr(credential), limits=LIMITS, tls=tls)
                return DIALECTS[request.param](opened.enter_context(transport))

            return Stage(make(), server, make)

        yield set_one


@pytest.fixture
def stage(set_stage: SetStage) -> Stage:
    return set_stage(SETTINGS)


def download(renderer: Renderer, job_id: str, variant: Variant = "video") -> bytes:
    with renderer.content(job_id, variant) as content:
        return b"".join(content.chunks)


def test_a_renderer_says_who_it_is_without_a_secret(stage: Stage) -> None:
    assert (stage.renderer.name, stage.renderer.credential) == ("simulated", "contract")
    assert stage.renderer.replica == stage.server.url
    assert SETTINGS.api_key not in repr(vars(stage.renderer))


def test_a_job_is_followed_from_submit_to_its_files(stage: Stage) -> None:
    taken = stage.renderer.submit(ORDER)
    assert (taken.status, taken.model, taken.seconds, taken.size) == ("queued", "sora-2", "1", "128x96")
    assert taken.prompt == ORDER.prompt
    completed = stage.ended(taken.job_id)
    assert (completed.job_id, completed.status, completed.progress) == (taken.job_id, "completed", 100)
    assert completed.expires_at
    assert completed.completed_at
    assert completed.expires_at > completed.completed_at
    with stage.renderer.content(taken.job_id, "video") as content:
        video = b"".join(content.chunks)
        assert (content.media_type, content.length) == ("video/mp4", len(video))
    assert video[4:8] == b"ftyp"
    assert download(stage.renderer, taken.job_id, "thumbnail")[8:12] == b"WEBP"
    assert download(stage.renderer, taken.job_id, "spritesheet")[:2] == b"\xff\xd8"


def test_a_reference_image_reaches_the_renderer(stage: Stage) -> None:
    picture = BytesIO()
    Image.new("RGB", (128, 96), "red").save(picture, "PNG")
    reference = Upload("boat.png", "image/png", picture.getvalue)
    with_one = stage.renderer.submit(replace(ORDER, reference=reference))
    without = stage.renderer.submit(ORDER)
    stage.ended(with_one.job_id)
    stage.ended(without.job_id)
    assert download(stage.renderer, with_one.job_id) != download(stage.renderer, without.job_id)


def test_a_reference_of_the_wrong_size_is_refused(stage: Stage) -> None:
    picture = BytesIO()
    Image.new("RGB", (10, 10), "red").save(picture, "PNG")
    with pytest.raises(Refused) as raised:
        stage.renderer.submit(replace(ORDER, reference=Upload("a.png", "image/png", picture.getvalue)))
    assert raised.value.terminal
    assert stage.jobs_taken() == 0


def test_a_remix_names_its_source(stage: Stage) -> None:
    source = stage.ended(stage.renderer.submit(ORDER).job_id)
    remix = stage.renderer.submit(
        replace(ORDER, prompt="Now at night", operation="remix", source=Source(source.job_id, None))
    )
    assert remix.job_id != source.job_id
    assert (remix.remixed_from_job_id, remix.prompt, remix.size) == (source.job_id, "Now at night", "128x96")


def test_the_reason_of_a_failed_job_is_told(stage: Stage) -> None:
    stage.strikes(FaultKind.JOB_FAILS, code="moderation_blocked", message="Blocked.")
    failed = stage.ended(stage.renderer.submit(ORDER).job_id)
    assert (failed.status, failed.error_code, failed.error_message) == ("failed", "moderation_blocked", "Blocked.")


REFUSALS = [
    (Fault(kind=FaultKind.CREATE_STATUS, status=status), terminal)
    for status, terminal in [
        (400, True),
        (401, True),
        (403, True),
        (404, True),
        (422, True),
        (429, False),
        (503, False),
    ]
]


@pytest.mark.parametrize(("fault", "terminal"), REFUSALS, ids=lambda given: str(getattr(given, "status", given)))
def test_refused_means_that_nothing_was_taken(stage: Stage, fault: Fault, terminal: bool) -> None:
    stage.server.simulator.faults.add(fault)
    with pytest.raises(Refused) as raised:
        stage.renderer.submit(ORDER)
    assert raised.value.terminal is terminal
    assert stage.jobs_taken() == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.RESET_AFTER_ACCEPT),
        Fault(kind=FaultKind.LATENCY_AFTER_ACCEPT, delay_s=SUBMIT_TIMEOUT_S + 0.5),
        Fault(kind=FaultKind.NONSENSE_JSON),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_job_taken_without_an_answer_is_unknown_and_found_in_the_list(stage: Stage, fault: Fault) -> None:
    stage.server.simulator.faults.add(fault)
    with pytest.raises(UnknownOutcome):
        stage.renderer.submit(ORDER)
    assert [job.prompt for job in stage.renderer.jobs()] == [ORDER.prompt]


@pytest.mark.parametrize(
    "fault",
    [Fault(kind=FaultKind.RESET_BEFORE_ACCEPT), Fault(kind=FaultKind.CREATE_STATUS, status=500)],
    ids=lambda fault: fault.kind,
)
def test_a_job_that_may_have_been_taken_is_unknown_although_it_was_not(stage: Stage, fault: Fault) -> None:
    stage.server.simulator.faults.add(fault)
    with pytest.raises(UnknownOutcome):
        stage.renderer.submit(ORDER)
    assert stage.renderer.absence_proves
    assert stage.jobs_taken() == 0


def test_a_renderer_that_is_down_takes_nothing_and_loses_nothing(stage: Stage) -> None:
    job_id = stage.renderer.submit(ORDER).job_id
    stage.server.stop()
    try:
        with pytest.raises(Refused) as refused:
            stage.renderer.submit(ORDER)
        with pytest.raises(ReadFailed):
            stage.renderer.status(job_id)
    finally:
        stage.server.start()
    assert not refused.value.terminal
    assert [job.job_id for job in stage.renderer.jobs()] == [job_id]


def test_a_wrong_credential_is_refused_and_reads_nothing(stage: Stage) -> None:
    job_id = stage.renderer.submit(ORDER).job_id
    stranger = stage.make("sk-wrong-credential")
    with pytest.raises(Refused) as refused:
        stranger.submit(ORDER)
    with pytest.raises(ReadFailed) as failed:
        stranger.status(job_id)
    assert (refused.value.code, failed.value.code) == ("renderer_unauthorized", "renderer_unauthorized")


def test_the_whole_list_is_read_newest_first_through_all_pages(stage: Stage) -> None:
    stage.strikes(FaultKind.JOB_FAILS, times=None)  # nothing is drawn: only the list matters
    made = [stage.renderer.submit(ORDER).job_id for _ in range(105)]
    assert [job.job_id for job in stage.renderer.jobs()] == made[::-1]


def test_a_list_with_a_page_missing_is_no_list(stage: Stage) -> None:
    stage.strikes(FaultKind.READ_STATUS, status=500)
    with pytest.raises(ReadFailed):
        list(stage.renderer.jobs())
    assert list(stage.renderer.jobs()) == []


def test_a_job_the_renderer_forgot_is_gone(stage: Stage) -> None:
    job_id = stage.renderer.submit(ORDER).job_id
    stage.server.simulator.restart()
    with pytest.raises(JobGone):
        stage.renderer.status(job_id)


def test_a_read_may_be_repeated_after_any_error(stage: Stage) -> None:
    job_id = stage.renderer.submit(ORDER).job_id
    for status in (401, 429, 500, 503):
        stage.strikes(FaultKind.READ_STATUS, status=status)
        with pytest.raises(ReadFailed):
            stage.renderer.status(job_id)
    for kind in (FaultKind.NONSENSE_JSON, FaultKind.RESET_BEFORE_ACCEPT):
        stage.strikes(kind)
        with pytest.raises(ReadFailed):
            stage.renderer.status(job_id)
    assert stage.renderer.status(job_id).job_id == job_id


def test_a_file_that_is_not_made_yet_is_not_ready(set_stage: SetStage) -> None:
    stage = set_stage(SETTINGS.model_copy(update={"render_time_s": 60}))
    job_id = stage.renderer.submit(ORDER).job_id
    with pytest.raises(NotReady):
        download(stage.renderer, job_id)


def test_a_file_whose_time_is_over_has_expired(stage: Stage) -> None:
    job_id = stage.ended(stage.renderer.submit(ORDER).job_id).job_id
    for status in (400, 404, 410):
        stage.strikes(FaultKind.ASSET_EXPIRED, status=status)
        with pytest.raises(AssetExpired):
            download(stage.renderer, job_id)


def test_a_download_that_breaks_off_is_never_taken_for_the_file(stage: Stage) -> None:
    job_id = stage.ended(stage.renderer.submit(ORDER).job_id).job_id
    stage.strikes(FaultKind.DOWNLOAD_TRUNCATED)
    with pytest.raises(ReadFailed):
        download(stage.renderer, job_id)
    assert download(stage.renderer, job_id)[4:8] == b"ftyp"


def test_a_delete_may_be_repeated(stage: Stage) -> None:
    job_id = stage.renderer.submit(ORDER).job_id
    assert stage.renderer.delete(job_id) == "deleted"
    assert stage.renderer.delete(job_id) == "gone"
    assert stage.jobs_taken() == 0


def test_many_threads_share_a_renderer(stage: Stage) -> None:
    stage.strikes(FaultKind.JOB_FAILS, times=None)
    orders = [replace(ORDER, prompt=f"Boat {number}") for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(stage.renderer.submit, orders))
    assert [news.prompt for news in taken] == [order.prompt for order in orders]
    assert len({news.job_id for news in taken}) == len(orders) == stage.jobs_taken()

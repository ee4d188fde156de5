"""A render from intent to its end, with the renderer misbehaving in every way it can."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from PIL import Image as Picture

from bickford_sora.background import Background
from bickford_sora.clocks import ClocksApart
from bickford_sora.composition.books import open_books, problems
from bickford_sora.composition.gateway import Gateway
from bickford_sora.decisions.media import File
from bickford_sora.decisions.request import create_request, remix_request
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer
from bickford_sora.simulator.faults import Fault, FaultKind, Operation
from ledger.clock import system_clock
from ledger.render import Phase
from tests.benchmarks.database import temporary_database
from tests.inspecting import compose
from tests.workers.conftest import (
    CALLER,
    ORIGIN,
    SIMULATED,
    ask,
    quick_settings,
    renderer_at,
    types,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("pipeline")  # they share a running gateway

Billed = Callable[[], int]


@contextmanager
def begun(settings: Settings) -> Iterator[tuple[Gateway, SimulatorServer]]:
    """A gateway that works, and its renderer."""
    with ExitStack() as stack:
        server = stack.enter_context(SimulatorServer(SIMULATED))
        books = stack.enter_context(open_books(settings))
        gateway = compose(books, [renderer_at(server)], stack)
        stack.enter_context(Background(books, gateway))
        yield gateway, server


@pytest.fixture(scope="module")
def started(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, SimulatorServer]]:
    """One for all. A test begins when the renders of the one before have ended."""
    with (
        temporary_database(server_url) as database,
        begun(quick_settings(tmp_path_factory.mktemp("data"), database)) as both,
    ):
        yield both


@pytest.fixture
def working(started: tuple[Gateway, SimulatorServer]) -> Gateway:
    return started[0]


@pytest.fixture
def simulator(started: tuple[Gateway, SimulatorServer]) -> SimulatorServer:
    """The renderer, which does all well."""
    started[1].simulator.faults.clear()
    return started[1]


@pytest.fixture
def billed(simulator: SimulatorServer) -> Billed:
    """How many jobs were billed since the test began."""
    before = len(simulator.simulator.registry.billed())
    return lambda: len(simulator.simulator.registry.billed()) - before


def strike(server: SimulatorServer, kind: FaultKind, **change: object) -> None:
    server.simulator.faults.add(Fault.model_validate({"kind": kind, **change}))


def test_an_intent_becomes_a_stored_file(working: Gateway, simulator: SimulatorServer, billed: Billed) -> None:
    video_id = ask(working).intent.video_id
    render = wait_until(working, video_id, lambda r: r.ended)
    assert render.phase is Phase.STORED
    told = types(working, video_id)
    assert told[:4] == ["render.intent", "render.allowed", "render.submission_started", "render.queued"]
    assert told[-2:] == ["render.completed", "render.stored"]
    video, thumbnail, spritesheet = render.assets
    assert (video.media_type, thumbnail.media_type, spritesheet.media_type) == ("video/mp4", "image/webp", "image/jpeg")
    assert (video.video_codec, video.audio_codec, video.has_audio) == ("h264", "aac", True)
    assert video.duration_ms == 1000
    assert len(b"".join(working.assets.open(video.storage_uri))) == video.bytes
    assert billed() == 1


def test_the_reference_image_reaches_the_renderer(working: Gateway, simulator: SimulatorServer) -> None:
    file = io.BytesIO()
    Picture.new("RGB", (128, 96), "teal").save(file, "PNG")
    asked_for = create_request({"prompt": "from a picture"}, {"input_reference": File(file.getvalue(), "teal.png")})
    asked = working.intake.ask(CALLER, asked_for, working.intake.terms(ORIGIN, "create", asked_for)).render
    reference = asked.intent.input_reference
    assert reference is not None
    assert b"".join(working.assets.open(reference.storage_uri)) == file.getvalue()
    assert wait_until(working, asked.intent.video_id, lambda r: r.ended).phase is Phase.STORED


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "renderer_rate_limited"), (503, "renderer_unavailable")],
)
def test_a_renderer_that_is_busy_is_asked_again(
    working: Gateway, simulator: SimulatorServer, billed: Billed, status: int, code: str
) -> None:
    strike(simulator, FaultKind.CREATE_STATUS, status=status, retry_after_s=0)
    video_id = ask(working).intent.video_id
    assert wait_until(working, video_id, lambda r: r.ended).phase is Phase.STORED
    assert types(working, video_id).count("render.submission_refused") == 1
    assert billed() == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "renderer_unauthorized"), (403, "renderer_not_enabled"), (404, "renderer_not_enabled")],
)
def test_a_renderer_that_refuses_for_good_ends_the_render(settings: Settings, status: int, code: str) -> None:
    with begun(settings) as (working, simulator):  # it is stopped then
        strike(simulator, FaultKind.CREATE_STATUS, status=status)
        render = wait_until(working, ask(working).intent.video_id, lambda r: r.ended)
        assert render.phase is Phase.FAILED
        assert render.failure is not None
        assert render.failure.code == code
        assert simulator.simulator.registry.billed() == []


def test_a_renderer_that_stays_busy_ends_the_render_after_a_limit(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.CREATE_STATUS, status=429, times=None)
    video_id = ask(working).intent.video_id
    assert wait_until(working, video_id, lambda r: r.ended).phase is Phase.FAILED
    assert types(working, video_id).count("render.submission_started") == 3


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER_ACCEPT, FaultKind.NONSENSE_JSON])
def test_a_job_whose_answer_was_lost_is_found_and_not_paid_twice(
    working: Gateway, simulator: SimulatorServer, billed: Billed, kind: FaultKind
) -> None:
    strike(simulator, kind, operation="create")
    video_id = ask(working).intent.video_id
    assert wait_until(working, video_id, lambda r: r.ended).phase is Phase.STORED
    assert "render.submission_unknown" in types(working, video_id)
    assert types(working, video_id).count("render.submission_started") == 1
    assert billed() == 1


@pytest.mark.parametrize(
    ("kind", "change"), [(FaultKind.RESET_BEFORE_ACCEPT, {}), (FaultKind.CREATE_STATUS, {"status": 500})]
)
def test_a_job_that_never_came_is_submitted_again_once_the_list_proves_it(
    working: Gateway, simulator: SimulatorServer, billed: Billed, kind: FaultKind, change: dict[str, object]
) -> None:
    strike(simulator, kind, operation="create", **change)
    video_id = ask(working).intent.video_id
    assert wait_until(working, video_id, lambda r: r.ended).phase is Phase.STORED
    told = types(working, video_id)
    assert told.index("render.submission_unknown") < told.index("render.submission_absent")
    assert billed() == 1


def test_equal_requests_in_flight_never_adopt_each_others_job(
    working: Gateway, simulator: SimulatorServer, billed: Billed
) -> None:
    strike(simulator, FaultKind.RESET_AFTER_ACCEPT, operation="create", times=3)
    ids = [ask(working, "the same prompt").intent.video_id for _ in range(3)]
    renders = [wait_until(working, video_id, lambda r: r.ended) for video_id in ids]
    assert {render.phase for render in renders} == {Phase.STORED}
    assert len({render.job.job_id for render in renders if render.job}) == 3
    assert billed() == 3


def test_a_failed_job_is_a_clear_end_with_the_renderers_reason(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.JOB_FAILS, code="moderation_blocked", message="Blocked by moderation.")
    render = wait_until(working, ask(working).intent.video_id, lambda r: r.ended)
    assert render.failure is not None
    assert render.failure.message is not None
    assert (render.phase, render.failure.code) == (Phase.FAILED, "moderation_blocked")
    assert working.books.keys.open(render.failure.message) == "Blocked by moderation."


def test_a_truncated_download_is_fetched_again(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.DOWNLOAD_TRUNCATED)
    video_id = ask(working).intent.video_id
    assert wait_until(working, video_id, lambda r: r.ended).phase is Phase.STORED
    assert "render.attempt_failed" in types(working, video_id)


def test_a_file_that_never_comes_whole_is_recorded_as_lost(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.DOWNLOAD_TRUNCATED, times=None)
    render = wait_until(working, ask(working).intent.video_id, lambda r: r.ended)
    assert render.phase is Phase.ASSET_LOST


def test_an_expired_file_is_recorded_as_lost(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.ASSET_EXPIRED)
    render = wait_until(working, ask(working).intent.video_id, lambda r: r.ended)
    assert render.failure is not None
    assert (render.phase, render.failure.code) == (Phase.ASSET_LOST, "renderer_asset_expired")


def test_trouble_while_following_is_recorded_and_overcome(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.READ_STATUS, status=503, operation=Operation.RETRIEVE)
    strike(simulator, FaultKind.NONSENSE_JSON, operation=Operation.RETRIEVE)
    video_id = ask(working).intent.video_id
    assert wait_until(working, video_id, lambda r: r.ended).phase is Phase.STORED
    assert "render.attempt_failed" in types(working, video_id)


def test_a_retry_asks_again_for_what_failed_under_a_new_decision(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.JOB_FAILS)
    failed = wait_until(working, ask(working).intent.video_id, lambda r: r.ended)
    retried = working.intake.retry(CALLER, failed.intent.video_id, working.intake.terms(ORIGIN, "retry", None)).render
    assert retried.intent.retry_of_video_id == failed.intent.video_id
    assert working.books.ledger.history(retried.stream)[0].context.causation == failed.last_event_id
    assert wait_until(working, retried.intent.video_id, lambda r: r.ended).phase is Phase.STORED


def test_a_remix_is_made_from_its_source_and_recorded_on_both(
    working: Gateway, simulator: SimulatorServer, billed: Billed
) -> None:
    source = wait_until(working, ask(working).intent.video_id, lambda r: r.ended)
    asked_for = remix_request(source.intent.video_id, {"prompt": "the same at night"}, {})
    remix = working.intake.ask(CALLER, asked_for, working.intake.terms(ORIGIN, "remix", asked_for)).render
    assert wait_until(working, remix.intent.video_id, lambda r: r.ended).phase is Phase.STORED
    after = working.books.ledger.render(source.stream)
    assert after is not None
    assert after.remixes == (remix.intent.video_id,)
    assert simulator.simulator.registry.billed()[-1].operation == "remix"


def test_a_copy_goes_when_its_retention_ends(settings: Settings) -> None:
    with begun(settings.model_copy(update={"asset_retention_s": 1.0})) as (gateway, _):
        stored = wait_until(gateway, ask(gateway).intent.video_id, lambda r: r.ended)
        assert stored.expires_at is not None
        assert all(gateway.assets.exists(asset.storage_uri) for asset in stored.assets)
        expired = wait_until(gateway, stored.intent.video_id, lambda r: r.expired)
        assert expired.last_event_at is not None
        assert expired.last_event_at >= stored.expires_at
        assert not any(gateway.assets.exists(asset.storage_uri) for asset in stored.assets)


def test_deleting_an_unfinished_render_stops_its_job(working: Gateway, simulator: SimulatorServer) -> None:
    strike(simulator, FaultKind.LATENCY_AFTER_ACCEPT, delay_s=1.5)
    video_id = ask(working).intent.video_id
    wait_until(working, video_id, lambda r: r.phase is Phase.SUBMITTING)
    working.intake.delete(CALLER, video_id, origin=ORIGIN)
    render = wait_until(working, video_id, lambda r: r.purged)
    assert render.phase is Phase.CANCELLED
    assert render.job is not None
    assert simulator.simulator.registry.get(render.job.job_id) is None


def test_deleting_a_stored_video_removes_both_copies_and_keeps_the_facts(
    working: Gateway, simulator: SimulatorServer
) -> None:
    stored = wait_until(working, ask(working).intent.video_id, lambda r: r.phase is Phase.STORED)
    working.intake.delete(CALLER, stored.intent.video_id, origin=ORIGIN)
    purged = wait_until(working, stored.intent.video_id, lambda r: r.purged)
    assert not any(working.assets.exists(asset.storage_uri) for asset in stored.assets)
    assert purged.job is not None
    assert simulator.simulator.registry.get(purged.job.job_id) is None
    assert types(working, stored.intent.video_id)[-2:] == ["render.deleted", "render.purged"]


def test_a_server_and_a_worker_whose_clock_is_wrong_begin_nothing_and_are_not_ready(gateway: Gateway) -> None:
    assert gateway.crew.check_time == gateway.characters.check_time == gateway.books.check_time
    witness = gateway.books.check_time.__self__  # type: ignore[attr-defined]
    assert not any("clock" in each for each in problems(gateway.books))
    witness._clock = lambda: system_clock() + timedelta(days=1)
    assert "this machine's clock and the database's differ by 86400 s" in problems(gateway.books)
    with pytest.raises(ClocksApart):
        ask(gateway)
    witness._clock = system_clock
    assert ask(gateway).phase is Phase.ALLOWED

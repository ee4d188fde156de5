"""What Prometheus is told, and who may ask."""

import re
import threading
from dataclasses import replace

import anyio
import httpx
import pytest

from bickford_sora.http.readiness import Looks
from bickford_sora.http.worker_routes import create_worker_app
from bickford_sora.metrics import OTHER_PROJECTS, PROJECTS_MAX, Metrics, Refused, Whose
from ledger.errors import Unavailable
from ledger.proof.sequencer import Standing
from projections.positions import Lag
from projections.spend import Total
from tests.http.houses import FOREIGN_ROOT_KEY, KEY, ROOT_KEY, Kit, error_of

LAG = Lag("videos", 4, 40, 42, 2, 1.5, parked=1, skipped=0, gaps=3, rebuilding=True)


@pytest.fixture
def measured(kit: Kit) -> Kit:
    kit.app.state.house = kit.house = replace(kit.house, metrics=Metrics(lambda: [LAG], public=True))
    return kit


def test_how_the_read_models_stand_is_told(measured: Kit) -> None:
    answer = measured.request("GET", "/metrics", key=None)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    told = answer.text.splitlines()
    assert "bickford_database_up 1.0" in told
    assert "bickford_ledger_position 42.0" in told
    for name, number in (
        ("position", "40.0"),
        ("lag_events", "2.0"),
        ("lag_seconds", "1.5"),
        ("parked_streams", "1.0"),
        ("skipped_streams", "0.0"),
        ("gap_events", "3.0"),
        ("rebuilding", "1.0"),
    ):
        assert f'bickford_projection_{name}{{projection="videos"}} {number}' in told


def test_requests_are_counted_by_route_and_status_and_never_by_path(kit: Kit) -> None:
    assert kit.request("GET", "/v1/videos/video_unknown").status_code == 404
    assert kit.request("GET", "/nowhere/at/all").status_code == 404
    text = kit.house.metrics.text().decode()
    count = "bickford_http_request_duration_seconds_count"
    assert f'{count}{{method="GET",route="/v1/videos/{{video_id}}",status="404"}} 1.0' in text
    assert f'{count}{{method="GET",route="none",status="404"}} 1.0' in text
    assert "video_unknown" not in text
    assert "nowhere" not in text


def test_without_a_database_the_rest_is_told(kit: Kit) -> None:
    def away() -> list[Lag]:
        raise Unavailable("gone")

    text = Metrics(away).text().decode()
    assert "bickford_database_up 0.0" in text
    assert "bickford_projection" not in text


def test_how_far_the_tree_is_behind_is_told() -> None:
    text = Metrics(standing=lambda: Standing(42, 40, 30, 1.5)).text().decode()
    for name, number in (("tree_size", 40), ("tree_lag_events", 2), ("checkpoint_size", 30)):
        assert f"bickford_{name} {number}.0" in text
    assert "bickford_checkpoint_age_seconds 1.5" in text
    assert "checkpoint_age" not in Metrics(standing=lambda: Standing(0, 0, 0, None)).text().decode()


def test_a_renderer_that_waits_for_an_operator_is_told() -> None:
    text = Metrics(stopped=lambda: [("fal", "sora-2"), ("openai", "*")]).text().decode()
    assert 'bickford_renderer_stopped{model="sora-2",renderer="fal"} 1.0' in text
    assert 'bickford_renderer_stopped{model="*",renderer="openai"} 1.0' in text

    def away() -> list[Refused]:
        raise Unavailable("gone")

    assert "stopped" not in Metrics(stopped=away).text().decode()


def test_numbers_are_for_who_oversees_unless_they_are_public(kit: Kit) -> None:
    assert kit.request("GET", "/metrics", key=KEY).status_code == 200
    assert error_of(kit.request("GET", "/metrics", key=None))[0] == 401


def test_spend_is_told_by_project_and_never_by_more_than_there_is_room_for() -> None:
    def totals(project: str, reserved_micro: int, currency: str | None = "USD") -> Total:
        return Total(project, currency, 1, 4, reserved_micro, 300_000, 0, reserved_micro - 300_000, 0)

    many = [totals(f"p{number:03}", 1_000_000 + number) for number in range(PROJECTS_MAX + 2)]
    asked = [totals("films", 2_500_000), totals("films", 9_000_000, "EUR"), totals("free", 0, None), *many]
    text = Metrics(spend=lambda _: asked).text(("main", None)).decode()
    told = [line for line in text.splitlines() if "spend_today{" in line]
    for state, amount in (("reserved", 2.5), ("settled", 0.3), ("open", 2.2)):
        assert f'bickford_spend_today{{currency="USD",project="films",state="{state}"}} {amount}' in told
    assert 'bickford_spend_today{currency="EUR",project="films",state="reserved"} 9.0' in told
    assert not [line for line in told if "free" in line or "p000" in line]
    (others,) = [line for line in told if f'project="{OTHER_PROJECTS}",state="reserved"' in line]
    assert float(others.split()[-1]) == pytest.approx(3.000003), "of the three that spend least"
    assert len(told) == 3 * (PROJECTS_MAX + 2)


def test_without_a_database_no_spend_is_told() -> None:
    def away(_: Whose) -> list[Total]:
        raise Unavailable("gone")

    assert "spend" not in Metrics(spend=away).text(("main", None)).decode()


def test_a_key_is_told_of_the_spend_that_it_oversees_and_of_no_other(kit: Kit) -> None:
    def totals(whose: Whose) -> list[Total]:
        return [Total(f"{whose[0]}-{whose[1]}", "USD", 1, 4, 2_000_000, 0, 0, 2_000_000, 0)]

    kit.app.state.house = kit.house = replace(kit.house, metrics=Metrics(spend=totals))
    for key, project in ((ROOT_KEY, "main-None"), (KEY, "main-alpha"), (FOREIGN_ROOT_KEY, "acme-None")):
        told = kit.request("GET", "/metrics", key=key).text
        assert re.findall(r'spend_today{currency="USD",project="([^"]+)",state="open"}', told) == [project]
    kit.app.state.house = kit.house = replace(kit.house, metrics=Metrics(spend=totals, public=True))
    assert "spend_today" not in kit.request("GET", "/metrics", key=None).text


def test_a_database_that_hangs_is_told_of_in_time_beside_what_the_process_counted(kit: Kit) -> None:
    released = threading.Event()

    def hanging() -> list[Lag]:
        released.wait()
        return [LAG]

    looks = Looks[bytes](wait_s=0.05)
    kit.app.state.house = kit.house = replace(kit.house, metrics=Metrics(hanging, public=True), metric_looks=looks)
    try:
        answer = kit.request("GET", "/metrics", key=None)
        assert answer.status_code == 200
        assert "bickford_database_up 0.0" in answer.text
        assert "bickford_deliveries_total" in answer.text
        assert "bickford_projection_position" not in answer.text
    finally:
        released.set()


def test_a_worker_tells_its_numbers_while_the_database_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hanging() -> list[Lag]:
        released.wait()
        return [LAG]

    monkeypatch.setattr("bickford_sora.http.worker_routes.NUMBERS_WAIT_S", 0.05)
    app = create_worker_app(Metrics(hanging), list)

    async def scraped() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as client:
            answer = await client.get("/metrics")
            released.set()
            return answer

    answer = anyio.run(scraped)
    assert answer.status_code == 200
    assert "bickford_database_up 0.0" in answer.text

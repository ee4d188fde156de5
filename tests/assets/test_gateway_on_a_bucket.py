"""A whole gateway whose files lie in a bucket: made, served in parts, held to their hashes, and removed."""

import io
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from PIL import Image

from bickford_sora.doctor.machine import check_assets
from bickford_sora.live_check import check_live, patience_of
from bickford_sora.simulator import SimulatorSettings
from bickford_sora.verifying import Asked, verify_live
from ledger.clock import system_clock
from tests.buckets import Bucket
from tests.gateways import KEY, RunningGateway, running_gateway

pytestmark = pytest.mark.xdist_group("asset_store")  # they share a server

SIZE = "128x96"
WAIT_S = 60.0


@pytest.fixture(scope="module")
def place(s3: Bucket) -> str:
    """A name in the bucket that is empty at first."""
    return "gateway"


@pytest.fixture(scope="module")
def running(server_url: str, s3: Bucket, place: str) -> Iterator[RunningGateway]:
    simulated = SimulatorSettings(render_time_s=0.1, frame_rate=4, seconds=("1",), sizes=(SIZE,))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in s3.environment().items():
            environment.setenv(name, value)
        with running_gateway(
            server_url, simulated, assets_url=s3.url(place), seconds=("1",), sizes=(SIZE,), poll_interval_s=0.1
        ) as found:
            yield found


@pytest.fixture
def client(running: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.api_url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client:
        yield client


def until(reached: Callable[[], bool]) -> None:
    gives_up_at = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < gives_up_at
        time.sleep(0.05)


def completed(client: httpx.Client) -> str:
    picture = io.BytesIO()
    Image.new("RGB", (128, 96), "teal").save(picture, "PNG")
    asked = client.post("/videos", data={"prompt": "A kite"}, files={"input_reference": ("a.png", picture.getvalue())})
    video_id: str = asked.json()["id"]
    until(lambda: client.get(f"/videos/{video_id}").json()["status"] == "completed")
    return video_id


def keys(bucket: Bucket, place: str, video_id: str) -> list[str]:
    prefix = f"{place}/{video_id.replace('_', '-')}/"
    listed = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix)
    return [each["Key"] for each in listed.get("Contents", [])]


def wrong_files(running: RunningGateway) -> list[str]:
    """What `audit check --assets` and `verify --assets` find."""
    books = running.gateway.books
    until(lambda: books.proving.tree.size() == books.ledger.head())
    report = check_live(
        books.ledger,
        running.gateway.assets,
        clock=books.clock,
        patience=patience_of(books.settings),
        reads_files=True,
        on_progress=lambda *_: None,
    )
    verified = verify_live(books, Asked(assets=True), lambda *_: None)
    return [*report.counts, *(each.kind for each in verified.findings)]


def test_a_video_is_made_served_checked_and_deleted(
    running: RunningGateway, client: httpx.Client, s3: Bucket, place: str
) -> None:
    assert check_assets(running.gateway.books.settings, system_clock).state == "ok"
    video_id = completed(client)
    assert len(keys(s3, place, video_id)) == 4, "the reference, the video and two pictures"
    assert [*running.gateway.books.settings.data_dir.glob("assets/*")] == []

    whole = client.get(f"/videos/{video_id}/content")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    part = client.get(f"/videos/{video_id}/content", headers={"range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, whole.content[100:300])
    link = httpx.get(client.get(f"/videos/{video_id}").json()["url"], headers={"range": "bytes=-7"})
    assert (link.status_code, link.content) == (206, whole.content[-7:])
    assert client.head(f"/videos/{video_id}/content").headers["content-length"] == str(len(whole.content))

    assert wrong_files(running) == []
    s3.put(keys(s3, place, video_id)[0], b"planted by somebody")
    assert wrong_files(running) == ["asset_changed", "asset_changed"]

    assert client.delete(f"/videos/{video_id}").json()["deleted"]
    until(lambda: keys(s3, place, video_id) == [])


def test_an_erased_video_leaves_nothing_in_the_bucket(client: httpx.Client, s3: Bucket, place: str) -> None:
    video_id = completed(client)
    s3.put(f"{place}/{video_id.replace('_', '-')}/ab/{'ab' * 32}", b"of a download that died")
    assert client.post("/erasures", json={"render": video_id, "reason": "asked by Mia"}).is_success
    until(lambda: keys(s3, place, video_id) == [])

"""Both clients against a real server with the simulator behind it."""

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from bickford_sora import (
    AsyncBickfordClient,
    BickfordClient,
    SoraVideo,
    SoraVideoError,
    SoraVideoNotFound,
    SoraVideoUnauthorized,
    aio,
    create_sora_video_job,
    create_sora_video_job_and_poll,
    delete_sora_video,
    download_sora_content,
    list_sora_videos,
    record_sora_video_event,
    remix_sora_video,
    retrieve_sora_video_job,
    retry_sora_video,
)
from bickford_sora.client.connection import default_connection
from tests.cli.commands import Served

pytestmark = pytest.mark.xdist_group("shared_server")


@pytest.fixture
def server(shared_server: Served) -> Served:
    return shared_server


@pytest.fixture(autouse=True)
def local_server(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BICKFORD_BASE_URL", "BICKFORD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BICKFORD_DATA_DIR", str(server.data_dir))


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_render_from_a_reference_image_to_a_file_a_remix_and_deletion(tmp_path: Path) -> None:
    seen: list[SoraVideo] = []
    with BickfordClient.of() as client:
        video = client.create_sora_video_job_and_poll(
            "A kite", size="160x96", seconds=1, input_reference=png(160, 96), on_progress=seen.append
        )
        assert video.status == "completed"
        assert seen[-1] == video
        film = client.download_sora_content(video.id)
        assert client.download_sora_content(video.id, to=tmp_path / "kite.mp4").read_bytes() == film
        remix = client.remix_sora_video(video.id, "At night")
        assert remix.remixed_from_video_id == video.id
        assert client.poll_sora_video_job(remix.id).finished
        assert {video.id, remix.id} <= {each.id for each in client.list_sora_videos(limit=100).data}
        client.delete_sora_video(video.id)
        with pytest.raises(SoraVideoNotFound):
            client.retrieve_sora_video_job(video.id)


def test_many_tasks_share_one_asynchronous_client() -> None:
    async def many() -> list[SoraVideo]:
        async with AsyncBickfordClient.of() as client:
            return await asyncio.gather(*(client.create_sora_video_job_and_poll(f"Kite {n}") for n in range(4)))

    done = asyncio.run(many())
    assert [video.prompt for video in done] == [f"Kite {n}" for n in range(4)]
    assert {video.status for video in done} == {"completed"}


def test_the_helper_functions_follow_the_guides_example() -> None:
    job = create_sora_video_job("Wide tracking shot of a teal coupe", model="sora-2", size="160x96", seconds="1")
    record_sora_video_event("media-renders", video_id=job.id, status=job.status, model=job.model, size=job.size)
    assert asyncio.run(aio.retrieve_sora_video_job(job.id)).id == job.id
    assert retrieve_sora_video_job(job.id).prompt == "Wide tracking shot of a teal coupe"


def test_every_helper_function_in_both_worlds(tmp_path: Path) -> None:
    async def asynchronously() -> str:
        video = await aio.create_sora_video_job_and_poll("A kite", seconds=1)
        await aio.record_sora_video_event("media-renders", video_id=video.id, status=video.status)
        assert await aio.download_sora_content(video.id, to=tmp_path / "a.mp4") == tmp_path / "a.mp4"
        assert await aio.download_sora_content(video.id) == (tmp_path / "a.mp4").read_bytes()
        with pytest.raises(SoraVideoError):
            await aio.retry_sora_video(video.id)
        return (await aio.remix_sora_video(video.id, "At night")).id

    remix = asyncio.run(asynchronously())
    assert list_sora_videos(limit=1).data[0].id == remix
    source = retrieve_sora_video_job(remix).remixed_from_video_id or ""
    assert download_sora_content(source, to=tmp_path / "b.mp4").read_bytes() == download_sora_content(source)
    again = remix_sora_video(source, "At dawn", idempotency_key="dawn")
    assert remix_sora_video(source, "At dawn", idempotency_key="dawn").id == again.id
    with pytest.raises(SoraVideoError):
        retry_sora_video(source)
    assert create_sora_video_job_and_poll("A gate", seconds=1).finished
    delete_sora_video(source)
    asyncio.run(aio.delete_sora_video(remix))


def test_what_the_server_refuses_is_named(server: Served) -> None:
    with BickfordClient.of() as client, pytest.raises(SoraVideoError) as caught:
        client.create_sora_video_job("A kite", size="1x1")
    assert (caught.value.status_code, caught.value.param) == (400, "size")
    assert caught.value.request_id is not None
    stranger = BickfordClient(base_url=default_connection().base_url, api_key="bk_live_of_nobody")
    with stranger, pytest.raises(SoraVideoUnauthorized):
        stranger.list_sora_videos()

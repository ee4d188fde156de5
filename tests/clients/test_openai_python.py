"""The real `openai` package drives the running gateway over a socket, from create to delete."""

import asyncio
import base64
import io
from collections.abc import Iterator
from functools import partial
from typing import Final

import av
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from PIL import Image

from bickford_sora.simulator import SimulatorSettings
from tests.compatibility import record
from tests.gateways import KEY, running_gateway

pytestmark = pytest.mark.xdist_group("openai")  # they share a running server

SIZE: Final = "720x1280"
cell = partial(record, "clients", "openai (Python)")
"""A cell of the table of clients and routes."""
JPEG = b"\xff\xd8"


@pytest.fixture(scope="module")
def gateway_url(server_url: str) -> Iterator[str]:
    """A whole gateway for the tests of this file."""
    simulated = SimulatorSettings(render_time_s=0.2, frame_rate=1)
    with running_gateway(server_url, simulated, poll_interval_s=0.2, poll_after_ms=50) as running:
        yield running.api_url


@pytest.fixture(params=[False, True], ids=["loose", "strict"])
def client(gateway_url: str, request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway_url, api_key=KEY, _strict_response_validation=request.param, max_retries=0) as client:
        yield client


def picture(size: tuple[int, int] = (720, 1280)) -> tuple[str, bytes, str]:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, "PNG")
    return "first.png", file.getvalue(), "image/png"


def test_create_poll_download_remix_delete(client: OpenAI) -> None:
    with cell("create"):
        video = client.videos.create(prompt="A teal coupe in the desert", model="sora-2", seconds="4", size=SIZE)
        assert (video.status, video.progress, video.object) == ("queued", 0, "video")
    with cell("retrieve"):
        done = client.videos.poll(video.id, poll_interval_ms=100)
        assert (done.id, done.status, done.progress, done.error) == (video.id, "completed", 100, None)
        assert done.prompt == "A teal coupe in the desert"
    files = {"content": ("video", b"ftyp"), "thumbnail": ("thumbnail", b"WEBP"), "spritesheet": ("spritesheet", JPEG)}
    for route, (variant, begins) in files.items():
        with cell(route):
            assert begins in client.videos.download_content(video.id, variant=variant).read()[:16]  # type: ignore[arg-type]
    with cell("remix"):
        remix = client.videos.remix(video.id, prompt="The same coupe at night")
        assert remix.remixed_from_video_id == video.id
        assert client.videos.poll(remix.id, poll_interval_ms=100).status == "completed"
    with cell("delete"):
        deleted = client.videos.delete(video.id)
        assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
        with pytest.raises(openai.NotFoundError):
            client.videos.retrieve(video.id)


@cell("create with a file")
def test_create_and_poll_with_a_reference_image(client: OpenAI) -> None:
    video = client.videos.create_and_poll(
        prompt="She turns around", seconds="4", size=SIZE, input_reference=picture(), poll_interval_ms=100
    )
    assert video.status == "completed"
    content = client.videos.download_content(video.id)
    with av.open(io.BytesIO(content.read())) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (720, 1280)
        assert sum(1 for _ in film.decode(stream)) == 4


def test_the_server_says_how_long_to_wait_between_polls(gateway_url: str) -> None:
    with OpenAI(base_url=gateway_url, api_key=KEY) as client:
        raw = client.videos.with_raw_response.create(prompt="Waves crashing on a beach")
        assert raw.headers["openai-poll-after-ms"] == "50"
        assert client.videos.poll(raw.parse().id).status == "completed"


@cell("list")
def test_list_pages_by_itself(client: OpenAI) -> None:
    made = [client.videos.create(prompt=f"page {number}").id for number in range(3)]
    listed = [video.id for video in client.videos.list(limit=2, order="desc")]
    assert listed[:3] == made[::-1]
    oldest_first = [video.id for video in client.videos.list(limit=2, order="asc")]
    assert oldest_first == listed[::-1]


def test_asynchronously(gateway_url: str) -> None:
    async def story() -> None:
        async with AsyncOpenAI(base_url=gateway_url, api_key=KEY, _strict_response_validation=True) as client:
            video = await client.videos.create_and_poll(prompt="A futuristic city", poll_interval_ms=100)
            assert video.status == "completed"
            content = await client.videos.download_content(video.id, variant="thumbnail")
            assert (await content.aread())[8:12] == b"WEBP"
            assert video.id in [each.id async for each in client.videos.list(limit=1)]
            assert (await client.videos.delete(video.id)).deleted

    asyncio.run(story())


@cell("Idempotency-Key")
def test_a_key_that_is_sent_again_makes_no_second_render(client: OpenAI) -> None:
    headers = {"Idempotency-Key": f"openai-{id(client)}"}
    first = client.videos.create(prompt="Once only", extra_headers=headers)
    again = client.videos.create(prompt="Once only", extra_headers=headers)
    assert again == first
    with pytest.raises(openai.UnprocessableEntityError):
        client.videos.create(prompt="Something else", extra_headers=headers)


@pytest.fixture(scope="module")
def film(gateway_url: str) -> tuple[str, bytes]:
    """The id and the file of a finished video."""
    with OpenAI(base_url=gateway_url, api_key=KEY) as client:
        video = client.videos.create_and_poll(prompt="A source", seconds="4", size=SIZE, poll_interval_ms=100)
        return video.id, client.videos.download_content(video.id).read()


@cell("create with a URL")
def test_a_reference_image_by_its_url_goes_in_the_extra_body(client: OpenAI) -> None:
    url = "data:image/png;base64," + base64.b64encode(picture()[1]).decode()
    reference = {"input_reference": {"image_url": url}}
    assert client.videos.create(prompt="She nods", size=SIZE, extra_body=reference).status == "queued"
    wrong = {"input_reference": {"image_url": "data:image/png;base64,bm8="}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(prompt="She nods", size=SIZE, extra_body=wrong)
    assert str(caught.value.param).startswith("input_reference")


@cell("edit")
def test_an_edit_of_a_video_and_of_a_file(client: OpenAI, film: tuple[str, bytes]) -> None:
    video_id, content = film
    # The package puts `video` among the files: an object can only go beside it.
    made = client.videos.edit(prompt="In winter", video=openai.omit, extra_body={"video": {"id": video_id}})  # type: ignore[arg-type]
    assert (made.remixed_from_video_id, made.seconds, made.size) == (video_id, "4", SIZE)
    uploaded = client.videos.edit(prompt="In spring", video=("source.mp4", content, "video/mp4"))
    assert (uploaded.remixed_from_video_id, uploaded.seconds, uploaded.size) == (None, "4", SIZE)
    assert client.videos.poll(uploaded.id, poll_interval_ms=100).status == "completed"


@cell("extend")
def test_an_extension_of_a_video_and_of_a_file(client: OpenAI, film: tuple[str, bytes]) -> None:
    video_id, content = film
    by_id = {"video": {"id": video_id}}
    made = client.videos.extend(prompt="It drives on", seconds="8", video=openai.omit, extra_body=by_id)  # type: ignore[arg-type]
    assert made.remixed_from_video_id == video_id
    uploaded = client.videos.extend(prompt="On", seconds="4", video=("source.mp4", content, "video/mp4"))
    assert client.videos.poll(uploaded.id, poll_interval_ms=100).status == "completed"


@cell("characters")
def test_a_character_is_made_and_found_again(client: OpenAI, film: tuple[str, bytes]) -> None:
    made = client.videos.create_character(name="Ada", video=("ada.mp4", film[1], "video/mp4"))
    assert made.name == "Ada"
    assert client.videos.get_character(str(made.id)).to_dict() == made.to_dict()


@pytest.mark.parametrize("name", ["seed", "colour"])
def test_a_field_no_renderer_takes_is_refused_by_its_name(client: OpenAI, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(prompt="x", extra_body={name: 7})
    assert caught.value.param == name


def test_a_create_may_be_json(client: OpenAI) -> None:
    as_json = {"Content-Type": "application/json"}
    video = client.videos.create(prompt="As JSON", seconds="8", size=SIZE, extra_headers=as_json)
    assert (video.prompt, video.seconds, video.size) == ("As JSON", "8", SIZE)
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(prompt="As JSON", seconds="5", extra_headers=as_json)  # type: ignore[arg-type]
    assert caught.value.param == "seconds"


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x", "model": "video-gen-1"}, "model"),
        ({"prompt": "x", "seconds": "5"}, "seconds"),
        ({"prompt": "x", "size": "1x1"}, "size"),
        ({"prompt": "x", "input_reference": picture((64, 64))}, "input_reference"),
        ({"prompt": "x", "input_reference": ("a.png", b"not a picture", "image/png")}, "input_reference"),
    ],
)
@cell("errors")
def test_a_bad_request_names_what_is_wrong(client: OpenAI, arguments: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(**arguments)  # type: ignore[arg-type]
    assert caught.value.param == param
    assert caught.value.code is not None


def test_a_wrong_key_is_an_authentication_error(gateway_url: str) -> None:
    with (
        OpenAI(base_url=gateway_url, api_key="bk_live_another", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.videos.list()


def test_content_before_completion_is_a_bad_request(client: OpenAI) -> None:
    video = client.videos.create(prompt="Not yet")
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.download_content(video.id)
    assert caught.value.code == "video_not_completed"
    with pytest.raises(openai.BadRequestError):
        client.videos.remix(video.id, prompt="Not yet either")

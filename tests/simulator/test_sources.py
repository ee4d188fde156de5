"""Edits, extensions, characters and fields beyond the protocol, in every way a client can send them."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from bickford_sora.simulator import SimulatorServer

from .decoding import decode, psnr_db

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Sora API is scheduled to permanently shut down:DeprecationWarning",
)

SMALL: dict[str, Any] = {"seconds": "1", "size": "128x96"}
AUTHORIZED = {"authorization": "Bearer sk-simulator"}
Way = Callable[[dict[str, str], str, bytes], dict[str, Any]]

WAYS: dict[str, Way] = {
    "file": lambda fields, _id, film: {"data": fields, "files": {"video": ("a.mp4", film, "video/mp4")}},
    "brackets": lambda fields, id_, _film: {"data": {**fields, "video[id]": id_}},
    "json string": lambda fields, id_, _film: {"data": {**fields, "video": json.dumps({"id": id_})}},
    "json": lambda fields, id_, _film: {"json": {**fields, "video": {"id": id_}}},
}


@pytest.fixture
def source(server: SimulatorServer, client: OpenAI) -> tuple[str, bytes]:
    video = client.videos.create_and_poll(prompt="A kite", **SMALL)
    return video.id, client.videos.download_content(video.id).content


@pytest.mark.parametrize("way", WAYS)
def test_an_extension_begins_as_its_source_and_is_longer(
    source: tuple[str, bytes], client: OpenAI, server: SimulatorServer, http: httpx.Client, way: str
) -> None:
    asked = WAYS[way]({"prompt": "It flies on", "seconds": "4"}, *source)
    answer = http.post(f"{server.url}/videos/extensions", headers=AUTHORIZED, **asked)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["seconds"], answer.json()["size"]) == ("5", "128x96"), "the stitched total"
    extended = client.videos.poll(answer.json()["id"])
    clip = decode(client.videos.download_content(extended.id).content)
    assert clip.duration_s == pytest.approx(5, abs=0.1)
    assert psnr_db(clip.frames[0], decode(source[1]).frames[0]) >= 25


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_keeps_length_and_size(
    source: tuple[str, bytes], client: OpenAI, server: SimulatorServer, http: httpx.Client, way: str
) -> None:
    asked = WAYS[way]({"prompt": "At night"}, *source)
    answer = http.post(f"{server.url}/videos/edits", headers=AUTHORIZED, **asked)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["seconds"], answer.json()["size"], answer.json()["prompt"]) == ("1", "128x96", "At night")
    assert client.videos.poll(answer.json()["id"]).status == "completed"


def test_a_source_that_is_no_film_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.videos.edit(prompt="At night", video=("a.mp4", b"no film", "video/mp4"))
    assert raised.value.param == "video"


def test_a_character_is_made_and_found(source: tuple[str, bytes], client: OpenAI) -> None:
    made = client.videos.create_character(name="Ada", video=("a.mp4", source[1], "video/mp4"))
    assert made.id is not None
    assert made.id.startswith("char_")
    assert client.videos.get_character(made.id).name == "Ada"
    with pytest.raises(openai.NotFoundError):
        client.videos.get_character("char_other")


def test_fields_beyond_the_protocol_change_the_film_where_they_are_accepted(
    start: Callable[..., SimulatorServer],
) -> None:
    server = start(extra_fields=("seed", "fps", "num_frames", "n", "generate_audio", "negative_prompt"))
    asked = {"seed": 7, "fps": 10, "num_frames": 15, "n": 2, "generate_audio": False, "negative_prompt": "rain"}
    with OpenAI(api_key="sk-simulator", base_url=server.url, max_retries=0) as client:
        video = client.videos.create(prompt="A kite", extra_body=asked, **SMALL)
        assert client.videos.poll(video.id).status == "completed"
        first = client.videos.download_content(video.id).content
        second = client.videos.download_content(video.id, variant="1").content  # type: ignore[arg-type]
    clip = decode(first)
    assert (len(clip.frames), clip.audio_codec) == (15, None)
    assert first != second
    assert server.simulator.registry.billed()[0].extras == asked


def test_fields_beyond_the_protocol_are_refused_by_their_name(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.videos.create(prompt="A kite", extra_body={"seed": 7}, **SMALL)
    assert (raised.value.param, raised.value.code) == ("seed", "unknown_parameter")


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"fps": 61}, {"num_frames": 0}, {"n": 11}, {"seed": "x"}])
def test_fields_beyond_what_can_be_drawn_are_refused(
    start: Callable[..., SimulatorServer], http: httpx.Client, wrong: dict[str, Any]
) -> None:
    server = start(extra_fields=("seed", "fps", "num_frames", "n"))
    answer = http.post(f"{server.url}/videos", json={"prompt": "A kite", **SMALL, **wrong}, headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(wrong)))
    assert server.simulator.registry.billed() == []

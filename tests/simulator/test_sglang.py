"""What SGLang does otherwise."""

import base64
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from bickford_sora.simulator import FaultKind, SimulatorServer

from .decoding import decode, photograph, psnr_db
from .peer import SMALL, Peer


@pytest.fixture
def peer(peer_of: Callable[[str], Peer]) -> Peer:
    return peer_of("sglang")


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize("extra_body", [{"seed": 7}, '{"seed": 7}'])
def test_json_is_taken_and_its_extra_body_spread(peer: Peer, extra_body: Any) -> None:
    taken = peer.json(prompt="A kite", seconds=1, size="128x96", extra_body=extra_body)
    assert taken.status_code == 200
    assert peer.job(taken.json()["id"])["extras"] == {"seed": 7}


def test_a_form_of_wrong_types_is_refused_in_fastapis_shape(peer: Peer) -> None:
    answer = peer.form(**{"prompt": "A kite", **SMALL, "seconds": "4.5"})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "seconds"])
    assert peer.json(prompt="A kite", seconds="x").status_code == 400
    assert peer.form(**SMALL).json() == {"detail": "prompt is required"}


def test_answers_leak_paths_and_show_no_prompt(peer: Peer) -> None:
    made = peer.made()
    assert "prompt" not in made
    assert made["file_path"].startswith("/")
    assert made["file_paths"] == [made["file_path"]]


def test_seconds_and_size_are_shown_as_they_were_rounded(peer: Peer) -> None:
    taken = peer.create(num_frames="15", fps="10")
    assert taken["seconds"] == "2"
    assert peer.create(seconds="2")["seconds"] == "2"
    assert peer.made(num_frames="3")["seconds"] == "0"


def test_outputs_are_files_of_their_own_by_number(peer: Peer) -> None:
    made = peer.made(n="2")
    assert (made["num_outputs"], len(made["file_paths"])) == (2, 2)
    assert peer.film(made["id"], variant="0") == peer.film(made["id"])
    assert peer.film(made["id"], variant="1") != peer.film(made["id"])
    for variant in ("2", "video", "thumbnail"):
        answer = peer.get(f"/videos/{made['id']}/content", params={"variant": variant})
        assert (answer.status_code, answer.json()) == (404, {"detail": f"Video variant {variant} not found"})


def test_the_number_of_outputs_is_cut(peer: Peer) -> None:
    assert peer.job(peer.create(n="99")["id"])["outputs"] == 10


def test_a_delete_answers_with_the_job_that_is_deleted(peer: Peer) -> None:
    made = peer.made()
    answer = peer.call("DELETE", f"/videos/{made['id']}")
    assert answer.json() == made | {"status": "deleted"}
    assert peer.call("DELETE", f"/videos/{made['id']}").json() == {"detail": "Video not found"}


def test_a_page_has_twenty_jobs_unless_asked_otherwise(peer: Peer) -> None:
    peer.strikes(FaultKind.JOB_FAILS, times=None)  # nothing is drawn
    for _ in range(22):
        peer.create()
    page = peer.get("/videos").json()
    assert (len(page["data"]), page["has_more"], page["last_id"]) == (20, True, page["data"][-1]["id"])
    rest = peer.get("/videos", params={"after": page["last_id"]}).json()
    assert (len(rest["data"]), rest["has_more"]) == (2, False)
    assert peer.get("/videos", params={"limit": 0}).status_code == 422


@pytest.mark.parametrize("ask", ["video_reference", "video_url", "reference_url", "input_reference"])
def test_references_are_files_or_urls_in_fields_of_their_own(peer: Peer, ask: str) -> None:
    picture = photograph(128, 96)
    film = peer.film(peer.made(prompt="A whale")["id"])
    given: dict[str, Any] = {
        "video_reference": ("a.mp4", film, "video/mp4"),
        "video_url": data_url("video/mp4", film),
        "reference_url": data_url("image/png", picture),
        "input_reference": ("a.png", picture, "image/png"),
    }
    shows = decode(film).frames[0] if ask.startswith("video") else Image.open(BytesIO(picture))
    first = decode(peer.film(peer.made(**{ask: given[ask]})["id"])).frames[0]
    assert psnr_db(first, shows) >= 25


def test_an_image_that_is_named_like_a_video_is_taken_for_one(peer: Peer) -> None:
    answer = peer.form(prompt="A kite", input_reference=("a.mp4", photograph(128, 96), "image/png"), **SMALL)
    assert (answer.status_code, "MP4" in answer.json()["detail"]) == (400, True)


def test_a_job_that_is_not_ready_has_no_file(start: Callable[..., SimulatorServer], http: httpx.Client) -> None:
    peer = Peer(start(flavour="sglang", render_time_s=30), http)
    answer = peer.get(f"/videos/{peer.create()['id']}/content")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Generation is still in-progress"})


def test_a_file_in_an_object_store_is_named_in_the_refusal(
    start: Callable[..., SimulatorServer], http: httpx.Client
) -> None:
    peer = Peer(start(flavour="sglang", cloud_url="https://bucket.example/videos"), http)
    made = peer.made()
    assert made["url"] == f"https://bucket.example/videos/{made['id']}.mp4"
    assert (made["file_path"], made["file_paths"], made["urls"]) == (None, [None], [made["url"]])
    answer = peer.get(f"/videos/{made['id']}/content")
    assert (answer.status_code, answer.json()["detail"].split()[-1]) == (400, made["url"])


def test_a_failed_job_says_so_and_has_no_file(peer: Peer) -> None:
    failed = peer.failed(message="CUDA out of memory")
    assert (failed.status_code, failed.json()["error"]) == (200, {"message": "CUDA out of memory"})
    assert json.loads(peer.get(f"/videos/{failed.json()['id']}/content").text) == {
        "detail": "Video variant None not found"
    }

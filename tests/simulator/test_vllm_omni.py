"""What vLLM-Omni does otherwise."""

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
from .peer import SMALL, Peer, wait_until


@pytest.fixture
def peer(peer_of: Callable[[str], Peer]) -> Peer:
    return peer_of("vllm_omni")


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def test_json_is_not_taken(peer: Peer) -> None:
    answer = peer.json(prompt="A kite", **SMALL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
    assert "prompt" in answer.json()["error"]["message"]


def test_a_model_that_is_not_the_served_one_is_refused(peer: Peer) -> None:
    answer = peer.form(prompt="A kite", model="sora-2-pro")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("Model mismatch: request specifies 'sora-2-pro'")


def test_any_size_and_length_is_made_and_unknown_fields_are_ignored(peer: Peer) -> None:
    made = peer.made(size="96x64", seconds="2", colour="red", seed="")
    assert (made["size"], made["seconds"], made["duration_s"]) == ("96x64", "2", 2.0)
    assert decode(peer.film(made["id"])).size == (96, 64)
    assert "colour" not in peer.job(made["id"])["extras"]


@pytest.mark.parametrize("field", [{"seconds": "0"}, {"seconds": "4.5"}, {"size": "big"}, {"seed": "x"}, {"lora": "x"}])
def test_a_field_of_another_type_is_refused(peer: Peer, field: dict[str, str]) -> None:
    assert peer.form(**{"prompt": "A kite", **SMALL, **field}).status_code == 400
    assert peer.bill()["billed"] == 0


def test_a_question_about_a_failed_job_is_answered_with_an_error_status_and_the_job(peer: Peer) -> None:
    for code, status in (("moderation_blocked", 500), ("422", 422)):
        answer = peer.failed(code=code, message="CUDA out of memory")
        assert answer.status_code == status
        assert answer.json()["status"] == "failed"
        assert answer.json()["error"] == {"code": status, "message": "CUDA out of memory"}
        content = peer.get(f"/videos/{answer.json()['id']}/content")
        assert (content.status_code, content.json()["error"]["message"].split(".")[0]) == (
            422,
            "Video generation failed",
        )


@pytest.mark.parametrize("ask", ["image_reference", "video_reference", "input_reference", "input_references"])
def test_references_are_files_or_objects_in_a_string(peer: Peer, ask: str) -> None:
    picture = photograph(128, 96)
    film = peer.film(peer.made(prompt="A whale")["id"])
    given: dict[str, Any] = {
        "image_reference": json.dumps({"image_url": data_url("image/png", picture)}),
        "video_reference": json.dumps({"video_url": data_url("video/mp4", film)}),
        "input_reference": ("a.png", picture, "image/png"),
        "input_references": ("a.mp4", film, "video/mp4"),
    }
    shows = Image.open(BytesIO(picture)) if ask in {"image_reference", "input_reference"} else decode(film).frames[0]
    first = decode(peer.film(peer.made(**{ask: given[ask]})["id"])).frames[0]
    assert psnr_db(first, shows) >= 25


def test_a_reference_in_brackets_is_silently_ignored_and_the_job_billed(peer: Peer) -> None:
    made = peer.made(**{"input_reference[image_url]": data_url("image/png", photograph(128, 96))})
    assert peer.film(made["id"]) == peer.film(peer.made()["id"])


def test_a_reference_that_lies_elsewhere_is_refused_with_the_reason(peer: Peer) -> None:
    answer = peer.form(prompt="A kite", image_reference=json.dumps({"image_url": "https://a.example/b.png"}))
    assert (answer.status_code, "fetches nothing" in answer.text) == (400, True)


def test_two_kinds_of_reference_are_refused(peer: Peer) -> None:
    picture = ("a.png", photograph(128, 96), "image/png")
    assert peer.form(prompt="A kite", input_reference=picture, input_references=picture).status_code == 400


def test_the_film_has_sound_only_when_it_is_asked_for(peer: Peer) -> None:
    silent, loud = peer.made(), peer.made(generate_sound="true")
    assert decode(peer.film(silent["id"])).audio_codec is None
    assert decode(peer.film(loud["id"])).audio_codec == "aac"


def test_frames_and_their_rate_override_the_length(peer: Peer) -> None:
    made = peer.made(fps="10", num_frames="15", num_inference_steps="8", lora='{"name":"noir"}')
    assert (made["fps"], made["num_frames"], made["seconds"]) == (10.0, 15, "1")
    assert len(decode(peer.film(made["id"])).frames) == 15
    assert peer.job(made["id"])["extras"] == {
        "fps": 10.0,
        "num_frames": 15,
        "num_inference_steps": 8,
        "lora": {"name": "noir"},
    }


def test_there_is_one_file_whatever_variant_is_asked_for(peer: Peer) -> None:
    job_id = peer.made()["id"]
    assert peer.film(job_id, variant="thumbnail") == peer.film(job_id)


def test_the_list_is_whole_without_a_limit_and_sorted_by_whole_seconds(peer: Peer) -> None:
    peer.strikes(FaultKind.JOB_FAILS, times=None)  # nothing is drawn
    made = [peer.create()["id"] for _ in range(25)]
    page = peer.get("/videos").json()
    assert (len(page["data"]), page["has_more"]) == (25, False)
    by_second = sorted(page["data"], key=lambda job: job["created_at"], reverse=True)
    assert page["data"] == by_second
    first_of_all = [job["id"] for job in page["data"] if job["created_at"] == page["data"][-1]["created_at"]]
    assert first_of_all == made[: len(first_of_all)], "within one second in the order of acceptance"
    assert peer.get("/videos", params={"after": "unknown"}).json()["data"] == []


def test_a_job_that_is_finishing_cannot_be_deleted(start: Callable[..., SimulatorServer], http: httpx.Client) -> None:
    peer = Peer(start(flavour="vllm_omni", render_time_s=0, finishing_s=1), http)
    job_id = peer.create()["id"]
    wait_until(lambda: is_finishing(peer, job_id))
    assert peer.get(f"/videos/{job_id}").json()["status"] == "in_progress"
    answer = peer.call("DELETE", f"/videos/{job_id}")
    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "Conflict")
    peer.ended(job_id)
    deleted = {"id": job_id, "object": "video.deleted", "deleted": True}
    assert peer.call("DELETE", f"/videos/{job_id}").json() == deleted


def is_finishing(peer: Peer, job_id: str) -> bool:
    job = peer.server.simulator.registry.get(job_id)
    return job is not None and job.is_finishing

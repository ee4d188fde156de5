"""What LiteLLM, Azure, FastVideo, TensorRT-LLM and OpenRouter do otherwise."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from bickford_sora.simulator import SimulatorServer

from .decoding import decode, photograph, psnr_db
from .peer import SMALL, Peer, wait_until
from .receiver import WebhookReceiver

PeerOf = Callable[[str], Peer]
OPENROUTER_SMALL: dict[str, Any] = {"prompt": "A kite", "model": "sora-2", "duration": 1, "size": "128x96"}


def test_litellm_lists_nothing_deletes_nothing_and_drops_the_variant(peer_of: PeerOf) -> None:
    peer = peer_of("litellm")
    job_id = peer.made()["id"]
    refused = peer.get("/videos")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "400")
    assert peer.get("/videos", params={"custom_llm_provider": "openai"}).status_code == 500
    assert peer.call("DELETE", f"/videos/{job_id}").status_code == 405
    assert peer.film(job_id, variant="thumbnail") == peer.film(job_id)
    assert peer.get("/models").json()["data"][0]["id"] == "sora-2"


def test_litellm_books_the_seconds_when_the_job_is_taken(peer_of: PeerOf) -> None:
    peer = peer_of("litellm")
    taken = peer.create()
    assert taken["usage"] == {"duration_seconds": 1.0}
    assert peer.ended(taken["id"]).json()["usage"] is None


def test_litellm_looks_elsewhere_for_an_id_that_is_not_its_own(peer_of: PeerOf) -> None:
    peer = peer_of("litellm")
    assert peer.get("/videos/video_abc").status_code == 500
    job_id = peer.create()["id"]
    peer.server.simulator.restart()
    refused = peer.get(f"/videos/{job_id}")
    assert (refused.status_code, "video_not_found" in refused.json()["error"]["message"]) == (404, True)


def test_litellm_remixes_and_edits_what_json_names_but_nothing_in_brackets(peer_of: PeerOf) -> None:
    peer = peer_of("litellm")
    job_id = peer.made()["id"]
    source = peer.json(f"/videos/{job_id}/remix", prompt="At night").json()["remixed_from_video_id"]
    assert f"video_id:{source};" in base64.b64decode(job_id.removeprefix("video_")).decode()
    assert peer.json("/videos/edits", prompt="At night", video={"id": job_id}).json()["usage"] is None
    assert peer.form("/videos/edits", **{"prompt": "At night", "video[id]": job_id}).status_code == 500
    assert peer.form("/videos/characters", name="Ada", video=("a.mp4", b"film", "video/mp4")).status_code == 500


def test_azure_has_its_own_path_and_header(peer_of: PeerOf) -> None:
    peer = peer_of("azure")
    assert peer.server.url.endswith("/openai/v1")
    assert peer.made()["status"] == "completed"
    with_bearer = peer.http.get(f"{peer.server.url}/videos", headers={"authorization": "Bearer sk-simulator"})
    assert with_bearer.status_code == 401
    assert peer.get("/videos/x").json()["error"]["type"] == "video_generation_user_error"


def test_fastvideo_makes_up_a_seed_for_forms_alone(peer_of: PeerOf) -> None:
    peer = peer_of("fastvideo")
    by_form, by_json = peer.create()["id"], peer.json(prompt="A kite", seconds=1, size="128x96").json()["id"]
    assert peer.job(by_form)["extras"] == {"seed": 1024}
    assert peer.job(by_json)["extras"] == {}
    peer.ended(by_form)
    peer.ended(by_json)
    assert peer.film(by_form) != peer.film(by_json)


def test_fastvideo_shows_no_length_where_nobody_said_one(peer_of: PeerOf) -> None:
    peer = peer_of("fastvideo")
    taken = peer.json(prompt="A kite", size="128x96").json()
    assert taken["seconds"] == "0"
    peer.ended(taken["id"])
    assert decode(peer.film(taken["id"])).duration_s == pytest.approx(4, abs=0.1)


def test_fastvideo_goes_from_queued_to_the_end(start: Callable[..., SimulatorServer], http: httpx.Client) -> None:
    peer = Peer(start(flavour="fastvideo", render_time_s=0.3), http)
    job_id = peer.create()["id"]
    seen: list[str] = []

    def is_completed() -> bool:
        seen.append(peer.get(f"/videos/{job_id}").json()["status"])
        return seen[-1] == "completed"

    wait_until(is_completed)
    assert set(seen) == {"queued", "completed"}


def test_fastvideo_cuts_its_list_without_saying_so(peer_of: PeerOf) -> None:
    peer = peer_of("fastvideo")
    for _ in range(3):
        peer.create()
    page = peer.get("/videos", params={"limit": 2}).json()
    assert (page.keys(), len(page["data"])) == ({"object", "data"}, 2)
    assert len(peer.get("/videos").json()["data"]) == 3
    job_id = page["data"][0]["id"]
    assert peer.call("DELETE", f"/videos/{job_id}").json()["status"] == "deleted"


def test_fastvideo_tells_a_missing_file_by_why_it_is_missing(
    start: Callable[..., SimulatorServer], http: httpx.Client
) -> None:
    peer = Peer(start(flavour="fastvideo", render_time_s=0.3), http)
    early = peer.get(f"/videos/{peer.create()['id']}/content")
    assert (early.status_code, early.json()["detail"]) == (404, "Video still being generated")
    failed = peer.failed().json()["id"]
    assert peer.get(f"/videos/{failed}/content").status_code == 500


def test_tensorrt_llm_answers_202_and_tells_errors_as_a_text(peer_of: PeerOf) -> None:
    peer = peer_of("trtllm")
    answer = peer.form(prompt="A kite", **{**SMALL, "seconds": "1.5"})
    assert (answer.status_code, answer.json()["duration"], answer.json()["progress"]) == (202, 1.5, None)
    early = peer.get(f"/videos/{answer.json()['id']}/content")
    assert (early.status_code, early.json()["message"]) == (
        400,
        f"Video {answer.json()['id']} is not ready (status: queued)",
    )
    peer.ended(answer.json()["id"])
    assert decode(peer.film(answer.json()["id"])).duration_s == pytest.approx(1.5, abs=0.1)
    assert peer.failed(message="out of memory").json()["error"] == "out of memory"


def test_tensorrt_llm_lists_everything_and_deletes_with_one_word(peer_of: PeerOf) -> None:
    peer = peer_of("trtllm")
    made = [peer.create()["id"] for _ in range(3)]
    listed = peer.get("/videos", params={"limit": 1}).json()
    assert [job["id"] for job in listed["data"]] == made
    assert peer.call("DELETE", f"/videos/{made[0]}").json() == {"deleted": True}
    assert peer.json(prompt="A kite", colour="red").status_code == 400
    assert peer.get(f"/videos/{made[0]}").json()["object"] == "error"


def test_openrouter_takes_json_alone_and_says_what_it_cost(peer_of: PeerOf) -> None:
    peer = peer_of("openrouter")
    assert peer.server.url.endswith("/api/v1")
    assert peer.form(prompt="A kite", model="sora-2").status_code == 400
    taken = peer.json(**OPENROUTER_SMALL)
    assert (taken.status_code, taken.json()["status"]) == (202, "pending")
    assert taken.json()["polling_url"] == f"/api/v1/videos/{taken.json()['id']}"
    completed = peer.ended(taken.json()["id"]).json()
    assert completed["usage"] == {"cost": 0.1, "is_byok": False}
    assert decode(peer.film(taken.json()["id"], index="0")).size == (128, 96)
    assert peer.get(completed["unsigned_urls"][0].removeprefix("/api/v1")).status_code == 200
    assert peer.get(f"/videos/{taken.json()['id']}/content", params={"index": "1"}).status_code == 404
    assert peer.get("/videos/models").json()["data"][0]["id"] == "sora-2"


def test_openrouter_starts_from_its_first_frame(peer_of: PeerOf) -> None:
    peer = peer_of("openrouter")
    picture = photograph(128, 96)
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    image = {"type": "image_url", "image_url": {"url": url}, "frame_type": "first_frame"}
    made = peer.made(frame_images=[image])
    assert psnr_db(decode(peer.film(made["id"])).frames[0], Image.open(BytesIO(picture))) >= 25
    assert peer.json(**OPENROUTER_SMALL, frame_images=["x"]).status_code == 400


@pytest.mark.parametrize(("code", "status"), [("cancelled", "cancelled"), ("expired", "expired"), ("other", "failed")])
def test_openrouter_has_other_ends(peer_of: PeerOf, code: str, status: str) -> None:
    failed = peer_of("openrouter").failed(code=code, message="No.").json()
    assert (failed["status"], failed["error"]) == (status, "No.")


def test_openrouter_calls_back_where_the_job_says_and_signs_it(
    start: Callable[..., SimulatorServer], http: httpx.Client, receiver: WebhookReceiver
) -> None:
    peer = Peer(start(flavour="openrouter", webhook_secret="planted"), http)
    receiver.answers = [500]
    job_id = peer.create(callback_url=receiver.url)["id"]
    first, second = receiver.wait_for(2)
    assert first.headers["x-openrouter-idempotency-key"] == second.headers["x-openrouter-idempotency-key"]
    stamp, _, signature = second.headers["x-openrouter-signature"].removeprefix("t=").partition(",v1=")
    signed = stamp.encode() + b"," + second.body
    assert hmac.new(b"planted", signed, hashlib.sha256).hexdigest() == signature
    event = json.loads(second.body)
    assert (event["type"], event["data"]["id"]) == ("video.generation.completed", job_id)
    assert event["data"]["usage"]["cost"] == 0.1


def test_openrouter_refuses_to_call_back_in_the_clear(peer_of: PeerOf) -> None:
    answer = peer_of("openrouter").json(**OPENROUTER_SMALL, callback_url="http://a.example/hook")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)

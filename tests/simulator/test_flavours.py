"""What every flavour has in common, and the models that each is held to."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bickford_sora.simulator import FaultKind, Operation
from bickford_sora.simulator.flavours import FLAVOURS, fastvideo, openrouter, sglang, trtllm, vllm_omni

from .decoding import decode
from .peer import Peer
from .peer_models import ANSWERS, REQUIRED, TAKEN

READ = {
    "vllm_omni": vllm_omni.TAKEN,
    "sglang": sglang.TAKEN,
    "fastvideo": fastvideo.TAKEN,
    "trtllm": trtllm.TAKEN,
    "openrouter": openrouter.TAKEN,
}
PeerOf = Callable[[str], Peer]


@pytest.fixture(params=FLAVOURS)
def peer(request: pytest.FixtureRequest, peer_of: PeerOf) -> Peer:
    return peer_of(request.param)


def assert_fits(answer: dict[str, Any], flavour: str) -> None:
    """Whether an answer has the names and types of the server's model."""
    model = ANSWERS[flavour]
    assert answer.keys() <= model.keys()
    assert answer.keys() >= REQUIRED.get(flavour, model.keys())
    wrong = {name: value for name, value in answer.items() if not isinstance(value, model[name])}
    assert wrong == {}


def test_every_flavour_makes_a_film_that_can_be_played(peer: Peer) -> None:
    job_id = peer.create()["id"]
    peer.ended(job_id)
    clip = decode(peer.film(job_id))
    assert (clip.video_codec, clip.size) == ("h264", (128, 96))
    assert clip.duration_s == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("flavour", ANSWERS)
def test_answers_fit_the_models_of_the_named_version(flavour: str, peer_of: PeerOf) -> None:
    peer = peer_of(flavour)
    taken = peer.create()
    assert_fits(taken, flavour)
    assert_fits(peer.ended(taken["id"]).json(), flavour)
    assert_fits(peer.failed().json(), flavour)


@pytest.mark.parametrize("flavour", TAKEN)
def test_only_names_of_the_named_version_are_read(flavour: str) -> None:
    assert READ[flavour].keys() == set(TAKEN[flavour].split())


def test_ids_look_as_they_do_there(peer_of: PeerOf) -> None:
    ids = {flavour: peer_of(flavour).create()["id"] for flavour in FLAVOURS}
    assert uuid.UUID(ids["sglang"]).version == 4
    assert ids["sglang"] == str(uuid.UUID(ids["sglang"]))
    assert ids["fastvideo"] == uuid.UUID(ids["fastvideo"]).hex
    assert len(ids["vllm_omni"].removeprefix("video_gen_")) == len(ids["trtllm"].removeprefix("video_")) == 32
    prefix, stamp, rest = ids["openrouter"].rsplit("-", 2)
    assert (prefix, stamp.isdigit(), len(rest)) == ("gen-vid", True, 20)
    packed = base64.b64decode(ids["litellm"].removeprefix("video_"), validate=True).decode()
    assert packed.startswith("litellm:custom_llm_provider:openai;model_id:sora-2;video_id:video_")


@pytest.mark.parametrize(
    ("flavour", "missing"),
    [
        ("vllm_omni", {"remix", "edits", "characters"}),
        ("sglang", {"remix", "edits", "characters"}),
        ("fastvideo", {"remix", "edits", "characters"}),
        ("trtllm", {"remix", "edits", "characters"}),
        ("litellm", {"delete"}),
        ("azure", {"edits", "characters"}),
        ("openrouter", {"list", "delete", "remix", "edits", "characters"}),
    ],
)
def test_routes_it_does_not_have_are_not_served(flavour: str, missing: set[str], peer_of: PeerOf) -> None:
    peer = peer_of(flavour)
    calls = {
        "list": ("GET", "/videos"),
        "delete": ("DELETE", "/videos/x"),
        "remix": ("POST", "/videos/x/remix"),
        "edits": ("POST", "/videos/edits"),
        "characters": ("POST", "/videos/characters"),
    }
    served = {name: peer.call(*call).status_code for name, call in calls.items() if name in missing}
    assert set(served.values()) <= {404, 405}
    assert peer.bill()["billed"] == 0


def test_a_wrong_key_is_refused_everywhere(peer: Peer) -> None:
    wrong = {"authorization": "Bearer wrong", "api-key": "wrong"}
    assert peer.get("/videos/x", headers=wrong).status_code == 401


def test_what_arrived_is_told_by_the_control_route(peer: Peer) -> None:
    told = peer.job(peer.create()["id"])
    assert (told["operation"], told["arrived"]["prompt"], told["arrived"]["size"]) == ("create", "A kite", "128x96")
    assert (told["idempotency_key"], told["outputs"]) == (None, 1)


def test_a_restart_forgets_the_jobs_and_keeps_the_bill(peer: Peer) -> None:
    job_id = peer.create()["id"]
    assert peer.http.post(f"{peer.server.control_url}/restart").status_code == 204
    assert peer.get(f"/videos/{job_id}").status_code == 404
    assert peer.http.get(f"{peer.server.control_url}/jobs/{job_id}").status_code == 404
    assert (peer.bill()["billed"], peer.bill()["in_flight"]) == (1, 0)


def test_a_refusal_keeps_its_status_in_every_shape(peer: Peer) -> None:
    for status in (400, 403, 404, 409, 422, 429, 500, 503):
        peer.strikes(FaultKind.READ_STATUS, status=status, operation=Operation.RETRIEVE)
        answer = peer.get("/videos/x")
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"


def test_only_two_of_them_call_back() -> None:
    assert {name for name, flavour in FLAVOURS.items() if flavour.calls_back} == {"openai", "openrouter"}

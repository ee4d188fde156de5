"""The clients of npm drive the running gateway: `openai`, TanStack AI, and the Vercel AI SDK by our adapter."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bickford_sora.simulator import SimulatorSettings
from tests.clients.node_packages import run_script
from tests.compatibility import has_no_call, record
from tests.gateways import KEY, RunningGateway, running_gateway

pytestmark = [pytest.mark.xdist_group("node"), pytest.mark.slow]
FILE_BYTES_MIN = 1_000
openai_cell = partial(record, "clients", "openai (Node)")
"""A cell of the table of clients and routes, and so of the next two."""
tanstack_cell = partial(record, "clients", "TanStack AI")
vercel_cell = partial(record, "clients", "Vercel AI SDK")


@pytest.fixture(scope="module")
def gateway(server_url: str) -> Iterator[RunningGateway]:
    simulated = SimulatorSettings(render_time_s=0.2, frame_rate=2)
    private = ("127.0.0.1/32",)  # where the script of the Vercel AI SDK has its picture
    given: dict[str, Any] = {"poll_interval_s": 0.5, "poll_after_ms": 50, "allow_private_addresses": private}
    with running_gateway(server_url, simulated, **given) as running:
        yield running


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("node") / "first.png"
    Image.linear_gradient("L").resize((720, 1280)).convert("RGB").save(path)
    return path


@pytest.fixture(scope="module")
def openai(gateway: RunningGateway, picture: Path) -> dict[str, Any]:
    return _told(gateway, "openai.mjs", picture)


@pytest.fixture(scope="module")
def tanstack(gateway: RunningGateway, picture: Path) -> dict[str, Any]:
    return _told(gateway, "tanstack.mjs", picture)


@pytest.fixture(scope="module")
def vercel(gateway: RunningGateway, picture: Path) -> dict[str, Any]:
    return _told(gateway, "vercel.mjs", picture)


def _told(gateway: RunningGateway, script: str, picture: Path) -> dict[str, Any]:
    return run_script(script, BASE_URL=gateway.api_url, API_KEY=KEY, PICTURE=str(picture))


@pytest.mark.parametrize(
    ("call", "route"),
    [
        ("create", "create"),
        ("create with a file", "create with a file"),
        ("create with a data URL", "create with a URL"),
        ("remix", "remix"),
        ("edit by id", "edit"),
        ("edit a file", "edit"),
        ("extend by id", "extend"),
    ],
)
def test_openai_for_node_makes_a_video(openai: dict[str, Any], call: str, route: str) -> None:
    video = openai[call]
    with openai_cell(route):
        assert "raised" not in video, video
        assert (video["object"], video["status"], video["size"]) == ("video", "queued", "720x1280")


def test_openai_for_node_follows_a_video_to_its_files(openai: dict[str, Any]) -> None:
    done = openai["retrieve"]
    with openai_cell("retrieve"):
        assert (done["status"], done["progress"], done["error"]) == ("completed", 100, None)
    types = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
    for variant, media_type in types.items():
        with openai_cell("content" if variant == "video" else variant):
            file = openai[f"content {variant}"]
            assert file["type"] == media_type
            assert file["bytes"] > FILE_BYTES_MIN


def test_openai_for_node_remixes_name_their_source(openai: dict[str, Any]) -> None:
    source = openai["create"]["id"]
    for call in ("remix", "edit by id", "extend by id"):
        assert openai[call]["remixed_from_video_id"] == source


@openai_cell("characters")
def test_openai_for_node_makes_a_character(openai: dict[str, Any]) -> None:
    made, found = openai["create character"], openai["get character"]
    assert "raised" not in made, made
    assert (found["id"], found["name"]) == (made["id"], "Ada")


@openai_cell("webhook endpoints")
def test_openai_for_node_keeps_webhook_endpoints(openai: dict[str, Any]) -> None:
    told = openai["webhook endpoints"]
    assert "raised" not in told, told
    made = told["made"]
    assert told["listed"] == [made["id"]]
    assert (told["changed"]["name"], told["found"]["name"]) == ("Theirs", "Theirs")
    assert len({made["signing_secret"], told["rotated"]["signing_secret"]}) == 2
    assert "video.completed" in told["types"]
    assert told["deleted"]["deleted"] is True


@openai_cell("list")
def test_openai_for_node_pages_through_the_list(openai: dict[str, Any]) -> None:
    ids = openai["list"]["ids"]
    assert openai["create"]["id"] in ids
    assert len(ids) == len(set(ids)) > 2


@openai_cell("Idempotency-Key")
def test_openai_for_node_with_one_key_makes_one_video(openai: dict[str, Any]) -> None:
    first, second = openai["same key"]
    assert first == second


@pytest.mark.parametrize(
    ("call", "raised", "status", "code"),
    [
        ("bad request", "BadRequestError", 400, "invalid_value"),
        ("unknown video", "NotFoundError", 404, "video_not_found"),
        ("wrong key", "AuthenticationError", 401, "invalid_api_key"),
        ("deleted", "NotFoundError", 404, "video_not_found"),
    ],
)
@openai_cell("errors")
def test_openai_for_node_raises_its_own_errors(
    openai: dict[str, Any], call: str, raised: str, status: int, code: str
) -> None:
    error = openai[call]
    assert (error["raised"], error["status"], error["code"]) == (raised, status, code)
    assert error["requestID"].startswith("req_")


@openai_cell("delete")
def test_openai_for_node_deletes(openai: dict[str, Any]) -> None:
    assert openai["delete"] == {"id": openai["create"]["id"], "object": "video.deleted", "deleted": True}


def test_tanstack_follows_a_video_to_a_url_that_plays(tanstack: dict[str, Any], gateway: RunningGateway) -> None:
    ended = tanstack["ended"]
    with tanstack_cell("create"):
        assert tanstack["created"]["jobId"].startswith("video_")
    with tanstack_cell("retrieve"):
        assert set(tanstack["seen"]) <= {"pending", "processing", "completed"}
        assert ended["status"] == "completed"
    with tanstack_cell("content"):
        assert ended["url"].startswith(gateway.url), "a signed link; without one it holds the whole file in memory"
        assert tanstack["file"]["status"] == 200
        assert tanstack["file"]["bytes"] > FILE_BYTES_MIN


def test_tanstack_takes_seconds_for_milliseconds_so_no_expiry_is_1970(tanstack: dict[str, Any]) -> None:
    assert tanstack["ended"]["expiresAt"].startswith("1970-01-01")  # docs/adr: what it makes of null, and of any second


@tanstack_cell("create with a file")
def test_tanstack_sends_a_picture_as_a_file(tanstack: dict[str, Any]) -> None:
    assert tanstack["pictured"].get("jobId", "").startswith("video_"), tanstack["pictured"]


@tanstack_cell("Idempotency-Key")
def test_tanstack_sends_a_key_that_is_configured(tanstack: dict[str, Any]) -> None:
    first, second = tanstack["keyed"]
    assert first == second


@has_no_call(
    "TanStack AI",
    *("create with a URL", "list", "delete", "thumbnail", "spritesheet"),
    *("remix", "edit", "extend", "characters", "webhook endpoints"),
)
def test_tanstack_asks_for_nothing_else(tanstack: dict[str, Any]) -> None:
    assert set(tanstack["calls"]) == {
        "generateVideo",
        "getVideoJobStatus",
        "createVideoOptions",
        "generateLiveVideo",
        "createLiveVideoOptions",
    }
    assert set(tanstack["asks"]) == {"createVideoJob", "getVideosClient", "getVideoStatus", "getVideoUrl"}


@tanstack_cell("errors")
def test_tanstack_tells_what_was_wrong_in_our_words(tanstack: dict[str, Any]) -> None:
    assert tanstack["unknown"] == {"jobId": "video_unknown", "status": "failed", "error": "Job not found"}
    assert "The prompt is empty" in tanstack["refused"]["raised"]


@vercel_cell("Idempotency-Key")
def test_the_vercel_sdk_pays_once_for_a_start_whose_answer_was_lost(
    vercel: dict[str, Any], gateway: RunningGateway
) -> None:
    first, second = vercel["keys"]
    assert first == second
    assert first.startswith("aisdk_vid_")
    billed = [line for line in gateway.simulator.simulator.registry.billed() if line.prompt == "A paper boat"]
    assert len(billed) == 2, "two starts, one of which was sent twice"


def test_the_vercel_sdk_gets_its_file(vercel: dict[str, Any]) -> None:
    with vercel_cell("create"):
        assert vercel["operation"]["videoId"].startswith("video_")
    with vercel_cell("retrieve"):
        assert vercel["ended"] == {"status": "completed", "types": ["binary"]}
    with vercel_cell("content"):
        assert vercel["file"]["mediaType"] == "video/mp4"
        assert vercel["file"]["bytes"] > FILE_BYTES_MIN


@vercel_cell("create with a file")
def test_the_vercel_sdk_sends_a_picture(vercel: dict[str, Any]) -> None:
    assert vercel["pictured"].get("videoId", "").startswith("video_"), vercel["pictured"]


@vercel_cell("create with a URL")
def test_the_vercel_sdk_sends_a_link_to_a_picture_which_the_gateway_fetches(vercel: dict[str, Any]) -> None:
    assert vercel["linked"].get("videoId", "").startswith("video_"), vercel["linked"]
    assert vercel["fetched"] == 1


@has_no_call(
    "Vercel AI SDK",
    *("list", "delete", "thumbnail", "spritesheet"),
    *("remix", "edit", "extend", "characters", "webhook endpoints"),
)
def test_the_vercel_sdk_asks_for_nothing_else(vercel: dict[str, Any]) -> None:
    assert set(vercel["calls"]) == {
        "NoVideoGeneratedError",
        "experimental_generateVideo",
        "experimental_getVideoStatus",
        "experimental_startVideo",
    }


@vercel_cell("errors")
def test_the_vercel_sdk_tells_what_was_wrong_in_our_words(vercel: dict[str, Any]) -> None:
    assert "Supported values are" in vercel["refused"]["raised"]

"""The protocol as the openai package and plain HTTP see it, over a real socket."""

import base64
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image

from bickford_sora.simulator import SimulatorServer

from .decoding import decode, photograph, psnr_db

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Sora API is scheduled to permanently shut down:DeprecationWarning",
)

VIDEO_KEYS = {
    "id",
    "object",
    "model",
    "status",
    "progress",
    "created_at",
    "completed_at",
    "expires_at",
    "prompt",
    "size",
    "seconds",
    "remixed_from_video_id",
    "error",
}
SMALL: dict[str, Any] = {"seconds": "1", "size": "128x96"}
AUTHORIZED = {"authorization": "Bearer sk-simulator"}


def make(client: OpenAI, prompt: str = "A kite", **fields: Any) -> Any:
    video = client.videos.create_and_poll(prompt=prompt, **(SMALL | fields))
    assert video.status == "completed"
    return video


def test_a_video_is_created_followed_and_downloaded(client: OpenAI) -> None:
    created = client.videos.create(prompt="A kite", **SMALL)
    assert (created.status, created.progress, created.model) == ("queued", 0, "sora-2")
    assert created.id.startswith("video_")
    finished = client.videos.poll(created.id)
    assert (finished.status, finished.progress, finished.error) == ("completed", 100, None)
    assert finished.completed_at is not None
    assert finished.expires_at == finished.completed_at + 3600
    clip = decode(client.videos.download_content(created.id).content)
    assert (clip.video_codec, clip.audio_codec, clip.size) == ("h264", "aac", (128, 96))
    assert clip.duration_s == pytest.approx(1, abs=0.05)


def test_the_defaults_are_those_of_the_hosted_api(client: OpenAI) -> None:
    video = client.videos.create(prompt="A kite")
    assert (video.model, video.seconds, video.size) == ("sora-2", "4", "720x1280")


def test_the_three_variants_have_their_own_media_types(client: OpenAI) -> None:
    video = make(client)
    types = {}
    for variant in ("video", "thumbnail", "spritesheet"):
        answer = client.videos.with_raw_response.download_content(video.id, variant=variant)
        types[variant] = answer.headers["content-type"]
        assert int(answer.headers["content-length"]) == len(answer.content)
    assert types == {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}


def test_an_uploaded_reference_is_the_first_frame(client: OpenAI) -> None:
    reference = photograph(128, 96)
    video = make(client, input_reference=("first.png", reference, "image/png"))
    first = decode(client.videos.download_content(video.id).content).frames[0]
    assert psnr_db(first, Image.open(BytesIO(reference))) >= 30


@pytest.mark.parametrize("as_json", [True, False])
def test_a_reference_may_be_a_data_url_in_brackets_or_json(client: OpenAI, *, as_json: bool) -> None:
    reference = photograph(128, 96, "JPEG")
    url = "data:image/jpeg;base64," + base64.b64encode(reference).decode()
    headers = {"content-type": "application/json"} if as_json else {}
    video = make(client, extra_body={"input_reference": {"image_url": url}}, extra_headers=headers)
    first = decode(client.videos.download_content(video.id).content).frames[0]
    assert psnr_db(first, Image.open(BytesIO(reference))) >= 30


def test_a_remix_keeps_the_source_s_settings_and_derives_from_it(client: OpenAI) -> None:
    source = make(client, model="sora-2-pro")
    remix = client.videos.poll(client.videos.remix(source.id, prompt="At night").id)
    assert (remix.status, remix.remixed_from_video_id, remix.prompt) == ("completed", source.id, "At night")
    assert (remix.model, remix.seconds, remix.size) == ("sora-2-pro", "1", "128x96")
    stranger = make(client, prompt="At night")
    films = [decode(client.videos.download_content(video.id).content).frames for video in (source, remix, stranger)]
    likeness = [psnr_db(films[0][4], films[other][4]) for other in (1, 2)]
    assert likeness[1] < likeness[0] < 30


def test_a_remix_may_be_asked_for_by_multipart(client: OpenAI, server: SimulatorServer, http: httpx.Client) -> None:
    source = make(client)
    answer = http.post(
        f"{server.url}/videos/{source.id}/remix", headers=AUTHORIZED, files={"prompt": (None, "At night")}
    )
    assert answer.json()["remixed_from_video_id"] == source.id


def test_an_unfinished_video_cannot_be_remixed_or_downloaded(start: Callable[..., SimulatorServer]) -> None:
    with OpenAI(api_key="sk-simulator", base_url=start(render_time_s=30).url, max_retries=0) as client:
        video = client.videos.create(prompt="A kite", **SMALL)
        with pytest.raises(openai.BadRequestError, match="completed"):
            client.videos.remix(video.id, prompt="At night")
        with pytest.raises(openai.BadRequestError, match="not ready"):
            client.videos.download_content(video.id)


def test_a_video_rendering_shows_progress_and_the_interval_to_poll_at(start: Callable[..., SimulatorServer]) -> None:
    server = start(render_time_s=0.6)
    with httpx.Client(headers=AUTHORIZED, base_url=server.url) as http:
        video = http.post("/videos", json={"prompt": "A kite", **SMALL}).json()
        seen: list[tuple[str, int]] = [(video["status"], video["progress"])]
        while video["status"] not in {"completed", "failed"}:
            answer = http.get(f"/videos/{video['id']}")
            video = answer.json()
            seen.append((video["status"], video["progress"]))
            assert ("openai-poll-after-ms" in answer.headers) == (video["status"] != "completed")
            time.sleep(0.02)
    assert seen[0] == ("queued", 0)
    assert seen[-1] == ("completed", 100)
    assert seen == sorted(seen, key=lambda step: step[1])
    assert len({step for step in seen if step[0] == "in_progress"}) > 3


def test_the_list_pages_through_everything_in_both_orders(client: OpenAI) -> None:
    made = [client.videos.create(prompt=f"Kite {number}", **SMALL).id for number in range(5)]
    assert [video.id for video in client.videos.list(limit=2)] == made[::-1]
    assert [video.id for video in client.videos.list(limit=2, order="asc")] == made


def test_a_page_always_has_its_five_keys(server: SimulatorServer, client: OpenAI) -> None:
    with httpx.Client(headers=AUTHORIZED, base_url=server.url) as http:
        empty = http.get("/videos").json()
        assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
        made = [client.videos.create(prompt="A kite", **SMALL).id for _ in range(3)]
        page = http.get("/videos", params={"limit": 2, "order": "asc"}).json()
        assert (page["first_id"], page["last_id"], page["has_more"]) == (made[0], made[1], True)
        last = http.get("/videos", params={"limit": 2, "order": "asc", "after": made[1]}).json()
        assert (last["first_id"], last["last_id"], last["has_more"]) == (made[2], made[2], False)
        assert http.get("/videos", params={"limit": 0}).json()["data"] == []


@pytest.mark.parametrize("query", [{"limit": "101"}, {"limit": "-1"}, {"limit": "x"}, {"order": "up"}, {"after": "?"}])
def test_a_senseless_list_query_is_refused(
    untouched: SimulatorServer, query: dict[str, str], http: httpx.Client
) -> None:
    answer = http.get(f"{untouched.url}/videos", params=query, headers=AUTHORIZED)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in query


def test_a_deleted_video_is_gone_and_stays_on_the_bill(server: SimulatorServer, client: OpenAI) -> None:
    video = make(client)
    deleted = client.videos.delete(video.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
    for call in (client.videos.retrieve, client.videos.delete, client.videos.download_content):
        with pytest.raises(openai.NotFoundError):
            call(video.id)
    assert [line.id for line in server.simulator.registry.billed()] == [video.id]


def test_all_thirteen_keys_are_there_at_every_moment(server: SimulatorServer) -> None:
    with httpx.Client(headers=AUTHORIZED, base_url=server.url) as http:
        video = http.post("/videos", json={"prompt": "A kite", **SMALL}).json()
        assert set(video) == VIDEO_KEYS
        while video["status"] != "completed":
            video = http.get(f"/videos/{video['id']}").json()
            assert set(video) == VIDEO_KEYS


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x", "model": "sora-9"}, "model"),
        ({"prompt": "x", "seconds": "5"}, "seconds"),
        ({"prompt": "x", "seconds": 4}, "seconds"),
        ({"prompt": "x", "size": "720x720"}, "size"),
        ({"prompt": "x", "fps": 30}, "fps"),
        ({"prompt": "x", "input_reference": {"file_id": "file_1"}}, "input_reference"),
        ({"prompt": "x", "input_reference": {"image_url": "https://a.example/b.png"}}, "input_reference"),
        ({"prompt": "x", "input_reference": {"image_url": "data:image/png;base64,!!"}}, "input_reference"),
        ({"prompt": "x", "input_reference": "abc"}, "input_reference"),
    ],
)
def test_a_bad_create_is_refused_naming_the_field_and_not_billed(
    untouched: SimulatorServer, body: dict[str, Any], param: str, http: httpx.Client
) -> None:
    answer = http.post(f"{untouched.url}/videos", json=body, headers=AUTHORIZED)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert untouched.simulator.registry.billed() == []


def test_a_reference_that_lies_elsewhere_is_refused_with_the_reason(client: OpenAI) -> None:
    elsewhere = {"input_reference": {"image_url": "https://a.example/b.png"}}
    with pytest.raises(openai.BadRequestError, match="fetches nothing"):
        client.videos.create(prompt="A kite", extra_body=elsewhere, **SMALL)


@pytest.mark.parametrize(
    "reference",
    [photograph(96, 128), photograph(128, 96, "GIF"), photograph(128, 96)[:900], b"", b"<svg/>"],
    ids=["other size", "gif", "cut off", "empty", "no image"],
)
def test_a_reference_that_cannot_be_a_first_frame_is_refused(
    untouched: SimulatorServer, reference: bytes, http: httpx.Client
) -> None:
    answer = http.post(
        f"{untouched.url}/videos",
        data={"prompt": "x", **SMALL},
        files={"input_reference": ("a.png", reference, "image/png")},
        headers=AUTHORIZED,
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input_reference")
    assert untouched.simulator.registry.billed() == []


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(untouched: SimulatorServer, body: bytes, http: httpx.Client) -> None:
    answer = http.post(
        f"{untouched.url}/videos", content=body, headers=AUTHORIZED | {"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic sk-simulator"}])
def test_without_the_key_nothing_is_served(
    untouched: SimulatorServer, header: dict[str, str], http: httpx.Client
) -> None:
    answer = http.post(f"{untouched.url}/videos", json={"prompt": "x"}, headers=header)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert untouched.simulator.registry.billed() == []


def test_every_answer_has_a_request_id_of_its_own(untouched: SimulatorServer, http: httpx.Client) -> None:
    ids = {http.get(f"{untouched.url}/{path}", headers=AUTHORIZED).headers["x-request-id"] for path in ("videos", "x")}
    assert len(ids) == 2


def test_an_unknown_path_is_refused_in_the_protocol_s_shape(untouched: SimulatorServer) -> None:
    with httpx.Client(headers=AUTHORIZED, base_url=untouched.url) as http:
        assert set(http.get("/nothing").json()["error"]) == {"message", "type", "param", "code"}
        assert http.put("/videos").json()["error"]["message"] == "Method Not Allowed"


def test_an_unknown_variant_is_refused(client: OpenAI, server: SimulatorServer, http: httpx.Client) -> None:
    answer = http.get(f"{server.url}/videos/{make(client).id}/content?variant=gif", headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "variant")


def test_a_part_of_the_file_can_be_asked_for(client: OpenAI, server: SimulatorServer) -> None:
    with httpx.Client(headers=AUTHORIZED, base_url=server.url) as http:
        path = f"/videos/{make(client).id}/content"
        whole = http.get(path).content
        size = len(whole)
        for asked, first, last in (("0-99", 0, 99), ("100-", 100, size - 1), ("-50", size - 50, size - 1)):
            part = http.get(path, headers={"range": f"bytes={asked}"})
            assert (part.status_code, part.content) == (206, whole[first : last + 1])
            assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        beyond = http.get(path, headers={"range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        assert http.get(path, headers={"range": "lines=1-2"}).content == whole


def test_files_can_be_had_for_their_lifetime_only(start: Callable[..., SimulatorServer]) -> None:
    with OpenAI(api_key="sk-simulator", base_url=start(asset_lifetime_s=0).url, max_retries=0) as client:
        video = make(client)
        with pytest.raises(openai.NotFoundError, match="Downloads expire after 1 hours"):
            client.videos.download_content(video.id)


def test_more_jobs_than_the_limit_are_refused_and_not_billed(start: Callable[..., SimulatorServer]) -> None:
    server = start(jobs_max=1)
    with OpenAI(api_key="sk-simulator", base_url=server.url, max_retries=0) as client:
        client.videos.create(prompt="A kite", **SMALL)
        with pytest.raises(openai.RateLimitError):
            client.videos.create(prompt="A kite", **SMALL)
    assert len(server.simulator.registry.billed()) == 1


def test_the_bill_counts_accepted_jobs_and_remixes_with_what_was_asked(
    server: SimulatorServer, client: OpenAI, http: httpx.Client
) -> None:
    source = make(client, extra_headers={"Idempotency-Key": "key-1"})
    remix = client.videos.remix(source.id, prompt="At night")
    bill = http.get(f"{server.control_url}/billing").json()
    assert bill["billed"] == 2
    assert bill["jobs"][0] == {
        "id": source.id,
        "operation": "create",
        "model": "sora-2",
        "size": "128x96",
        "seconds": "1",
        "prompt": "A kite",
        "idempotency_key": "key-1",
        "extras": {},
    }
    assert (bill["jobs"][1]["id"], bill["jobs"][1]["operation"]) == (remix.id, "remix")


@pytest.mark.parametrize(("keeps", "jobs"), [(True, 1), (False, 2)], ids=["keeps keys", "ignores keys"])
def test_a_second_call_with_the_same_key_makes_one_job_where_keys_are_kept(
    start: Callable[..., SimulatorServer], keeps: bool, jobs: int
) -> None:
    server = start(idempotency_keys=keeps)
    with OpenAI(api_key="sk-simulator", base_url=server.url, max_retries=0) as client:
        key = {"Idempotency-Key": "key-1"}
        made = {client.videos.create(prompt="A kite", extra_headers=key, **SMALL).id for _ in range(2)}
        client.videos.create(prompt="A kite", **SMALL)
    assert len(made) == jobs
    assert len(server.simulator.registry.billed()) == jobs + 1


def test_an_outage_keeps_the_jobs_and_finishes_what_was_begun(start: Callable[..., SimulatorServer]) -> None:
    server = start(render_time_s=0.5)
    with OpenAI(api_key="sk-simulator", base_url=server.url, max_retries=0) as client:
        video = client.videos.create(prompt="A kite", **SMALL)
        server.stop()
        with pytest.raises(openai.APIConnectionError):
            client.videos.retrieve(video.id)
        server.start()
        assert client.videos.poll(video.id).status == "completed"

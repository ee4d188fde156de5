"""curl calls every route of the running gateway; the commands of the samples are in test_seeds.py."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bickford_sora.simulator import SimulatorSettings
from tests.compatibility import record
from tests.gateways import KEY, running_gateway

RUN_TIMEOUT_S = 120.0
RENDER_S_MAX = 20.0
cell = partial(record, "clients", "curl")
"""A cell of the table of clients and routes."""
SMALL = ("-F", "seconds=4", "-F", "size=720x1280")

pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
    pytest.mark.xdist_group("curl"),
]


class Curl:
    """curl with the key and the address of a gateway."""

    def __init__(self, api_url: str, folder: Path) -> None:
        self._api_url, self.folder = api_url, folder
        self._numbers = itertools.count()

    def told(self, path: str, *arguments: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        file = self.folder / f"answer-{next(self._numbers)}"
        command = ["curl", "-sS", "-o", str(file), "-w", "%{http_code}", "-H", f"Authorization: Bearer {KEY}"]
        ran = subprocess.run(
            [*command, *arguments, f"{self._api_url}{path}"],
            cwd=self.folder,
            capture_output=True,
            timeout=RUN_TIMEOUT_S,
            check=True,
        )
        return int(ran.stdout), file.read_bytes()

    def json(self, path: str, *arguments: str) -> Any:
        """The body of an answer with status 200."""
        status, body = self.told(path, *arguments)
        assert status == 200, body
        return json.loads(body)

    def ended(self, video_id: str) -> Any:
        """A video that is finished."""
        gives_up_at = time.monotonic() + RENDER_S_MAX
        while (video := self.json(f"/videos/{video_id}"))["status"] in {"queued", "in_progress"}:
            assert time.monotonic() < gives_up_at
            time.sleep(0.1)
        return video


@pytest.fixture(scope="module")
def curl(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Curl]:
    folder = tmp_path_factory.mktemp("curl")
    Image.linear_gradient("L").resize((720, 1280)).convert("RGB").save(folder / "first.png")
    simulated = SimulatorSettings(render_time_s=0.1, frame_rate=2)
    with running_gateway(server_url, simulated, poll_interval_s=0.3, poll_after_ms=50) as running:
        yield Curl(running.api_url, folder)


@pytest.fixture(scope="module")
def source(curl: Curl) -> str:
    """The id of a finished video, whose file is source.mp4."""
    with cell("create"):
        video = curl.json("/videos", "-F", "prompt=A red kite", *SMALL)
        assert (video["object"], video["status"]) == ("video", "queued")
    with cell("retrieve"):
        assert curl.ended(video["id"])["status"] == "completed"
    with cell("content"):
        status, film = curl.told(f"/videos/{video['id']}/content")
        assert (status, film[4:8]) == (200, b"ftyp")
        (curl.folder / "source.mp4").write_bytes(film)
    return str(video["id"])


@pytest.mark.parametrize(("route", "begins"), [("thumbnail", b"WEBP"), ("spritesheet", b"\xff\xd8")])
def test_pictures(curl: Curl, source: str, route: str, begins: bytes) -> None:
    with cell(route):
        status, body = curl.told(f"/videos/{source}/content?variant={route}")
        assert status == 200
        assert begins in body[:16]


@cell("create with a file")
def test_create_with_a_file(curl: Curl) -> None:
    curl.json("/videos", "-F", "prompt=She turns", *SMALL, "-F", "input_reference=@first.png;type=image/png")


@cell("create with a URL")
def test_create_with_a_url_in_json_and_in_a_bracketed_field(curl: Curl, tmp_path: Path) -> None:
    picture = tmp_path / "first.png"
    Image.new("RGB", (720, 1280), "red").save(picture)
    url = f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    # A plain -F would read what follows the semicolon as its own.
    curl.json("/videos", "-F", "prompt=She nods", *SMALL, "--form-string", f"input_reference[image_url]={url}")
    asked = {"prompt": "She smiles", "size": "720x1280", "input_reference": {"image_url": url}}
    curl.json("/videos", "--json", json.dumps(asked))


@cell("remix")
def test_remix(curl: Curl, source: str) -> None:
    remix = curl.json(f"/videos/{source}/remix", "--json", '{"prompt": "At night"}')
    assert remix["remixed_from_video_id"] == source


@pytest.mark.parametrize(("route", "path", "more"), [("edit", "edits", ()), ("extend", "extensions", ("seconds=4",))])
def test_edits_and_extensions(curl: Curl, source: str, route: str, path: str, more: tuple[str, ...]) -> None:
    fields = [part for field in ("prompt=In winter", *more) for part in ("-F", field)]
    with cell(route):
        by_id = curl.json(f"/videos/{path}", *fields, "-F", f"video[id]={source}")
        assert by_id["remixed_from_video_id"] == source
        curl.json(f"/videos/{path}", *fields, "-F", "video=@source.mp4;type=video/mp4")


@cell("characters")
def test_characters(curl: Curl, source: str) -> None:
    made = curl.json("/videos/characters", "-F", "name=Ada", "-F", "video=@source.mp4;type=video/mp4")
    assert curl.json(f"/videos/characters/{made['id']}")["name"] == "Ada"


@cell("list")
def test_list(curl: Curl, source: str) -> None:
    assert source in [video["id"] for video in curl.json("/videos?limit=100")["data"]]


@cell("Idempotency-Key")
def test_one_key_makes_one_video_although_the_boundary_changes(curl: Curl) -> None:
    asked = ("-H", "Idempotency-Key: curl-1", "-F", "prompt=Once", *SMALL)
    assert curl.json("/videos", *asked)["id"] == curl.json("/videos", *asked)["id"]


@cell("errors")
def test_errors_are_told_in_the_protocols_shape(curl: Curl) -> None:
    status, body = curl.told("/videos", "-F", "prompt=A kite", "-F", "seconds=5")
    assert status == 400
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


@cell("webhook endpoints")
def test_webhook_endpoints(curl: Curl) -> None:
    asked = {"name": "Ours", "url": "https://hooks.example/tell", "event_types": ["video.completed"]}
    path = f"/webhook_endpoints/{curl.json('/webhook_endpoints', '--json', json.dumps(asked))['id']}"
    assert curl.json(path, "--json", '{"name": "Theirs"}')["name"] == "Theirs"
    assert "signing_secret" in curl.json(f"{path}/rotate_secret", "--json", "{}")
    assert curl.json(path)["name"] == "Theirs"
    assert curl.json("/webhook_event_types")["object"] == "list"
    assert curl.json(path, "-X", "DELETE")["deleted"] is True


@cell("delete")
def test_delete(curl: Curl) -> None:
    video = curl.json("/videos", "-F", "prompt=Gone soon")
    assert curl.json(f"/videos/{video['id']}", "-X", "DELETE")["deleted"] is True
    assert curl.told(f"/videos/{video['id']}")[0] == 404

"""Pictures of every page, light and dark: `python -m tests.console.screenshots` writes them to docs/console.

The house in memory and a busy day in it; the pages are those of `PAGES`, a new page is a line there.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import av
from PIL import Image, ImageDraw

from bickford_sora.http.serving import ServerThread
from bickford_sora.telemetry import configure_logging
from ledger.events.render import RenderStored
from tests.console.browsing import watched
from tests.console.chromium import chromium, found
from tests.console.visits import make_console_kit
from tests.http.houses import KEY, ROOT_KEY, Kit
from tests.http.test_approvals import held_by

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "console"
PICTURE_BYTES_MAX = 150_000
COLOURS = 192
WIDTH, HEIGHT = 1280, 860
SETTLED_MS = 400
"""How long a page is given to load its pictures and to say that it is live."""

Scheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A page that is shown."""

    name: str
    path: str
    """With `{video_id}` where a finished render's id belongs."""
    as_root: bool = False
    """By the operator's key, which spans the tenant and has every role."""


PAGES = (
    Shown("login", "/login"),
    Shown("renders", "/renders"),
    Shown("render", "/renders/{video_id}"),
    Shown("lineage", "/renders/{video_id}/lineage"),
    Shown("new", "/new"),
    Shown("batch", "/new/batch"),
    Shown("approvals", "/approvals", as_root=True),
    Shown("spend", "/spend", as_root=True),
    Shown("audit", "/audit", as_root=True),
    Shown("health", "/health", as_root=True),
    Shown("policy", "/policy", as_root=True),
    Shown("settings", "/settings", as_root=True),
)


def main() -> None:
    """Makes all of them. Needs the system's Chromium."""
    configure_logging(None, "error")
    path = found()
    assert path is not None, "install the package chromium"
    FOLDER.mkdir(exist_ok=True)
    kit = held_by(make_console_kit(), "wait")
    video_id = a_day(kit)
    with ServerThread(kit.app, on_stopping=kit.house.tide.closing.set) as server, chromium(path) as browser:
        for shown in PAGES:
            for scheme in get_args(Scheme):
                path = FOLDER / f"{shown.name}-{scheme}.png"
                path.write_bytes(_taken(browser, server.url, shown, scheme, video_id))
                sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")


def a_day(kit: Kit) -> str:
    """Renders of every kind, made in the house; the id of one that is finished."""
    finished = kit.create("Ferries leave the harbour at dawn, slow push in, gulls")
    kit.submit(finished, job_id="job_0")
    for percent in (20, 55, 90):
        kit.pass_time(21)
        kit.progress(finished, percent)
    kit.pass_time(12)
    kit.complete(finished)
    store(kit, finished)
    for prompt in ("The same at dusk, lamps lit", "The same in snow"):
        assert kit.request("POST", f"/v1/videos/{finished}/remix", json={"prompt": prompt}).status_code == 200, prompt
    failed = kit.create("A crowd in the stadium, handheld", model="sora-2-pro")
    kit.submit(failed, job_id="job_1")
    kit.fail(failed)
    kit.pass_time(600)
    for number, (prompt, percent) in enumerate(
        (("A paper boat in the gutter, rain, macro", 35), ("Red kite over dunes, first light", 80)), start=2
    ):
        running = kit.create(prompt, tags="launch", purpose="draft")
        kit.submit(running, job_id=f"job_{number}")
        kit.progress(running, percent)
    kit.create("The coupe turns into the tunnel, headlights flare", seconds="8")
    kit.create("Night market, steam, neon in the puddles")
    kit.pass_time(95)
    return finished


def store(kit: Kit, video_id: str) -> None:
    """A film and its thumbnail, kept."""
    picture = io.BytesIO()
    _scene(320, 180, 0.6).save(picture, "WEBP")
    video = kit.asset(video_id, film(640, 360, 48)).model_copy(update={"width": 640, "height": 360})
    thumbnail = kit.asset(video_id, picture.getvalue())
    of_picture = {"variant": "thumbnail", "media_type": "image/webp", "width": 320, "height": 180}
    kit.record(video_id, RenderStored(assets=(video, thumbnail.model_copy(update=of_picture))))


def film(width: int, height: int, frames: int) -> bytes:
    """A sun that rises over water, as an MP4."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_image(_scene(width, height, number / frames))
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return target.getvalue()


def _scene(width: int, height: int, at: float) -> Image.Image:
    scene = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(scene)
    horizon = height * 2 // 3
    for line in range(horizon):
        warm = line / horizon
        draw.line([(0, line), (width, line)], fill=(int(60 + 170 * warm), int(70 + 90 * warm), int(120 - 20 * warm)))
    middle, radius = width // 2, height // 9
    top = int(horizon - at * height / 3)
    draw.ellipse([middle - radius, top - radius, middle + radius, top + radius], fill=(255, 226, 170))
    draw.rectangle([0, horizon, width, height], fill=(28, 46, 74))
    return scene


def _taken(browser: "Browser", url: str, shown: Shown, scheme: Scheme, video_id: str) -> bytes:
    look = {"color_scheme": scheme, "viewport": {"width": WIDTH, "height": HEIGHT}}
    with watched(browser, url, **look) as visit:
        if shown.name != "login":
            visit.sign_in(ROOT_KEY if shown.as_root else KEY)
        page = visit.open(shown.path.format(video_id=video_id))
        page.wait_for_timeout(SETTLED_MS)
        taken = Image.open(io.BytesIO(page.screenshot()))
    return _small(taken)


def _small(picture: Image.Image) -> bytes:
    """The picture in few colours. Raises ValueError for one that is still too large."""
    target = io.BytesIO()
    picture.convert("RGB").quantize(COLOURS).save(target, "PNG", optimize=True)
    if target.tell() > PICTURE_BYTES_MAX:
        message = f"a picture of {target.tell():,} bytes: more than {PICTURE_BYTES_MAX:,}"
        raise ValueError(message)
    return target.getvalue()


if __name__ == "__main__":
    main()

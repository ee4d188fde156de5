"""A week in a studio: renders of every kind, and what governs them, made in the house in memory."""

import functools
import io
from dataclasses import dataclass
from datetime import timedelta

import av
from PIL import Image, ImageDraw

from ledger.events.render import RenderCompleted, RenderStored, RenderSubmissionStarted, RenderSubmissionUnknown
from tests.console.visits import make_console_kit, visitor
from tests.http.houses import NOW, ROOT_KEY, Kit

POLICY = """\
version: 1
default: allow
rules:
  - id: long
    effect: require_approval
    when: {seconds_min: 8}
    on_hold: wait
    message: A producer looks at long ones first.
"""
STRICTER = f"""{POLICY}\
  - id: stadium
    effect: warn
    when: {{prompt: "(?i)stadium|crowd"}}
    message: Crowds take a while. A draft first, perhaps?
"""
DAYS = (
    ("Fog over the harbour, a bell buoy", "A lighthouse keeper's stairs"),
    ("Two cyclists on a wet bridge", "Steam from a manhole, slow push in", "A heron takes off"),
    ("The bakery at five in the morning",),
    ("Snow on the tram wires", "A kite festival from above", "A ferry's wake, top down"),
)
BATCH = """\
prompt,model,seconds,custom_id
Harbour in rain,sora-2,4,shot-1
Harbour at night,sora-2,4,shot-2
Harbour,odd,4,shot-3
"""
DAY_S = 24 * 3600


@dataclass(frozen=True)
class Week:
    """What was made."""

    kit: Kit
    finished: str
    """Id of the render that has a family."""
    batch: str
    """Address of the batch's page."""
    approver: str
    """API key of somebody who approves, and asks for nothing."""


def a_busy_week() -> Week:
    """All of it. Its end is now."""
    kit = make_console_kit()
    kit.clock.now = NOW - timedelta(seconds=len(DAYS) * DAY_S)
    _govern(kit)
    team = kit.issue("requester", name="Film team")
    for prompts in DAYS:
        for prompt in prompts:
            _made(kit, team, prompt)
        kit.pass_time(DAY_S)
    approver = kit.issue("approver", name="Film lead")
    finished = _today(kit, team)
    batch = visitor(kit).post("/new/batch", page="/new/batch", text=BATCH).headers["location"]
    kit.checkpoint()
    _look_into_it(kit)
    return Week(kit, finished, batch, approver)


def _govern(kit: Kit) -> None:
    """Policies, budgets, keys and an endpoint."""
    for text in (POLICY, STRICTER):
        yaml = {"content-type": "application/yaml"}
        assert kit.request("POST", "/v1/policy", key=ROOT_KEY, content=text, headers=yaml).status_code == 200
    root = visitor(kit, ROOT_KEY)
    for budget_id, scope, window, amount in (
        ("company", "tenant", "month", "40"),
        ("film-today", "project:alpha", "day", "12"),
    ):
        fields = {"budget_id": budget_id, "scope": scope, "window": window, "unit": "money", "amount": amount}
        answer = root.post("/settings/budgets", currency="USD", thresholds="50, 80", hard="on", **fields)
        assert answer.status_code == 303, answer.text
    kit.issue("auditor", name="Finance")
    endpoint = {"name": "Editing suite", "url": "https://editing.example/hooks", "event_types": ["video.completed"]}
    assert kit.request("POST", "/v1/webhook_endpoints", json=endpoint).status_code == 200


def _made(kit: Kit, team: str, prompt: str) -> str:
    """The id of a new render that is stored."""
    video_id = kit.create(prompt, model="sora-2-pro" if len(prompt) % 3 == 0 else "sora-2", key=team)
    kit.pass_time(4)
    kit.submit(video_id, job_id=f"job_{video_id[-12:]}")
    kit.pass_time(70)
    _store(kit, video_id)
    return video_id


def _today(kit: Kit, team: str) -> str:
    """Renders in every state; the id of one that has a family."""
    finished = kit.create(
        "Ferries leave the harbour at dawn, slow push in, gulls", tags="launch", purpose="final", key=team
    )
    kit.submit(finished, job_id="job_0")
    for percent in (20, 55, 90):
        kit.pass_time(21)
        kit.progress(finished, percent)
    kit.pass_time(12)
    _store(kit, finished)
    for number, prompt in enumerate(("The same at dusk, lamps lit", "The same in snow")):
        answer = kit.request("POST", f"/v1/videos/{finished}/remix", json={"prompt": prompt})
        assert answer.status_code == 200, answer.text
        if number == 0:
            remix = str(answer.json()["id"])
            kit.submit(remix, job_id="job_remix")
            _store(kit, remix)
    failed = kit.create("A crowd in the stadium, handheld", model="sora-2-pro", key=team)
    kit.submit(failed, job_id="job_1")
    kit.fail(failed)
    _doubtful(kit)
    kit.pass_time(600)
    for number, (prompt, percent) in enumerate(
        (("A paper boat in the gutter, rain, macro", 35), ("Red kite over dunes, first light", 80)), start=2
    ):
        running = kit.create(prompt, tags="launch", purpose="draft", key=team)
        kit.submit(running, job_id=f"job_{number}")
        kit.progress(running, percent)
    kit.create("The coupe turns into the tunnel, headlights flare", seconds="8", key=team)
    kit.pass_time(40)
    kit.create("One long take through the fish market", seconds="12", model="sora-2-pro", key=team)
    kit.create("Night market, steam, neon in the puddles", key=team)
    kit.pass_time(95)
    return finished


def _doubtful(kit: Kit) -> None:
    """One of which nobody knows whether the renderer took it."""
    video_id = kit.create("Rain on a tin roof, close")
    place = {"renderer": "openai", "credential": "openai-default", "replica": "http://one"}
    deadline = kit.clock.now + timedelta(seconds=30)
    kit.record(
        video_id,
        RenderSubmissionStarted(attempt=1, fingerprint="0" * 64, deadline_at=deadline, **place),
        RenderSubmissionUnknown(attempt=1, code="renderer_no_answer"),
    )


def _look_into_it(kit: Kit) -> None:
    """The ledger was verified, and another policy tried on the past."""
    root = visitor(kit, ROOT_KEY)
    assert root.post("/audit/verify").status_code == 303
    stricter = STRICTER.replace("seconds_min: 8", "seconds_min: 4")
    assert root.post("/policy/backtest", text=stricter).status_code == 303


def _store(kit: Kit, video_id: str) -> None:
    """It is completed; a film and its thumbnail are kept."""
    kit.record(video_id, RenderCompleted(completed_at=kit.clock.now))
    kit.pass_time(3)
    kept = kit.asset(video_id, _film(640, 360, 24)).model_copy(update={"width": 640, "height": 360})
    thumbnail = kit.asset(video_id, _picture(320, 180, sum(video_id.encode()) % 7 / 7))
    of_picture = {"variant": "thumbnail", "media_type": "image/webp", "width": 320, "height": 180}
    kit.record(video_id, RenderStored(assets=(kept, thumbnail.model_copy(update=of_picture))))


@functools.cache
def _film(width: int, height: int, frames: int) -> bytes:
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


@functools.cache
def _picture(width: int, height: int, at: float) -> bytes:
    target = io.BytesIO()
    _scene(width, height, at).save(target, "WEBP")
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

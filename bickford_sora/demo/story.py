"""The story, and what must hold at its end, checked against the ledger and the renderer's own count."""

import io
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageDraw

from bickford_sora.client.models import SoraVideo
from bickford_sora.composition import PROJECTIONS
from bickford_sora.demo.stage import Stage
from bickford_sora.simulator.faults import Fault, FaultKind
from ledger import streams
from ledger.envelope import Event
from ledger.events import JobClaimed, RenderStored, WebhookReceived
from projections.comparison import contents
from projections.rebuild import Rebuild

SIZE = "1280x720"
WAIT_S = 60.0
"""Longest wait for any one thing to happen, in seconds."""
LOOK_S = 0.1
KILL_AT_PERCENT = 20
"""The worker is killed when every render has got this far."""
PROMPTS = (
    "Wide tracking shot of a teal coupe driving through a desert highway, heat ripples visible, hard sun overhead.",
    "Close-up of a steaming coffee cup on a wooden table, morning light through blinds, soft depth of field.",
    "She turns around and smiles, then slowly walks out of the frame.",
)
REMIX_PROMPT = "Shift the color palette to teal, sand, and rust, with a warm backlight."
BLOCKED_PROMPT = "A scene the renderer's moderation will not make"


class Narrator(Protocol):
    """Whoever tells the story to a person, or to nobody."""

    def say(self, text: str) -> None:
        """One step of the story."""

    def progress(self, name: str, video: SoraVideo) -> None:
        """How a render stands."""

    def replayed(self, done: int, total: int) -> None:
        """How far the replay is, in events."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and whether it was kept."""

    promise: str
    kept: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Report:
    """What happened."""

    checks: Sequence[Check]
    renders: int
    events: int
    stored: int
    failed: int
    duplicate_webhooks_ignored: int
    billed: int
    replay_equal: bool
    elapsed_s: float
    video_id: str
    video_path: Path
    history: Sequence[Event]

    @property
    def held(self) -> bool:
        """Whether all of it held."""
        return all(check.kept for check in self.checks)


class Story:
    """Plays once on a stage."""

    def __init__(self, stage: Stage, narrator: Narrator) -> None:
        self._stage = stage
        self._narrator = narrator
        self._first_position = stage.books.ledger.head()
        self._run = secrets.token_hex(4)
        """Makes this run's prompts and keys its own, when the ledger already holds an earlier one."""

    def play(self) -> Report:
        """Plays the story and reports."""
        began = time.monotonic()
        self._narrator.say("Three renders, side by side. The first is asked for three times with one Idempotency-Key.")
        self._misbehave()
        self._stage.workers.start()
        three, repeats = self._ask_for_three()
        self._kill_a_worker(three)
        self._wait(three, _finished, "stored")
        self._narrator.say("One render fails at the renderer; one stored video is remixed.")
        blocked = self._create("blocked", f"{BLOCKED_PROMPT} ({self._run})", None, None)
        remix = self._stage.client.remix_sora_video(three["coupe"], REMIX_PROMPT)
        others = {"blocked": blocked.id, "remix": remix.id}
        self._wait(others, _finished, "finished")
        self._settle_webhooks()
        equal = self._replay()
        video_path = self._download(three["coupe"])
        return self._report({**three, **others}, repeats, equal, video_path, began)

    def _misbehave(self) -> None:
        """Every webhook comes twice, one out of order; one job is blocked."""
        faults = self._stage.simulator.simulator.faults
        faults.add(Fault(kind=FaultKind.WEBHOOK_REORDERED, delay_s=5))
        faults.add(Fault(kind=FaultKind.WEBHOOK_DUPLICATED, times=None))
        faults.add(Fault(kind=FaultKind.JOB_FAILS, marker=BLOCKED_PROMPT))

    def _ask_for_three(self) -> tuple[dict[str, str], int]:
        """The three renders by name, and how many different ids the three equal requests were answered with."""
        key = f"demo-{self._run}"
        with ThreadPoolExecutor(3) as pool:
            same = [pool.submit(self._create, "coupe", self._prompt(0), None, key) for _ in range(3)]
            answers = {each.result().id for each in same}
        coffee = self._create("coffee", self._prompt(1), None, None)
        reference = self._create("reference", self._prompt(2), _first_frame(), None)
        first = min(answers)
        return {"coupe": first, "coffee": coffee.id, "reference": reference.id}, len(answers)

    def _prompt(self, number: int) -> str:
        return f"{PROMPTS[number]} ({self._run})"

    def _create(self, name: str, prompt: str, reference: bytes | None, key: str | None) -> SoraVideo:
        video = self._stage.client.create_sora_video_job(
            prompt, model="sora-2", seconds="4", size=SIZE, input_reference=reference, idempotency_key=key
        )
        self._narrator.progress(name, video)
        return video

    def _kill_a_worker(self, renders: dict[str, str]) -> None:
        self._wait(renders, lambda video: video.progress >= KILL_AT_PERCENT or _finished(video), "under way")
        self._narrator.say("kill -9 of the worker, in the middle of the three. Another one starts and goes on.")
        self._stage.workers.kill()
        self._stage.workers.start()

    def _wait(self, renders: dict[str, str], reached: Callable[[SoraVideo], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        left = dict(renders)
        while left:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not {what} after {WAIT_S:.0f} s: {', '.join(left)}")
            for name, video_id in [*left.items()]:
                video = self._stage.client.retrieve_sora_video_job(video_id)
                self._narrator.progress(name, video)
                if reached(video):
                    del left[name]
            time.sleep(LOOK_S)

    def _settle_webhooks(self) -> None:
        """Waits until every webhook that will come has come: two for each of five jobs."""
        deadline = time.monotonic() + WAIT_S
        while len(self._accepted_webhooks()) < 2 * self._billed() and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    def _accepted_webhooks(self) -> list[str]:
        """The webhook-id of every delivery that we acknowledged."""
        deliveries = self._stage.simulator.simulator.webhooks.deliveries()
        return [each.webhook_id for each in deliveries if each.status is not None and each.status // 100 == 2]  # noqa: PLR2004 - HTTP

    def _billed(self) -> int:
        return len(self._stage.simulator.simulator.registry.billed())

    def _replay(self) -> bool:
        """Whether the read models, thrown away and rebuilt from the ledger, hold the same rows."""
        self._narrator.say("Every read model is rebuilt from the ledger and compared with the live one, row by row.")
        self._stage.workers.stop()
        books = self._stage.books
        books.projector.catch_up()
        before = contents(books.pool, PROJECTIONS)
        Rebuild(books.ledger, books.pool, PROJECTIONS).rebuild(on_progress=self._narrator.replayed)
        return contents(books.pool, PROJECTIONS) == before

    def _download(self, video_id: str) -> Path:
        target = self._stage.folder / f"{video_id}.mp4"
        self._stage.client.download_sora_content(video_id, to=target)
        return target

    def _report(
        self, renders: dict[str, str], repeats: int, replay_equal: bool, video_path: Path, began: float
    ) -> Report:
        events = self._events()
        stored = sum(isinstance(event.fact, RenderStored) for event in events)
        received = [event.fact.webhook_event_id for event in events if isinstance(event.fact, WebhookReceived)]
        accepted = self._accepted_webhooks()
        videos = {name: self._stage.client.retrieve_sora_video_job(id_) for name, id_ in renders.items()}
        failed = [name for name, video in videos.items() if video.status == "failed"]
        claimed = sum(isinstance(event.fact, JobClaimed) for event in events)
        billed = self._billed()
        checks = [
            Check("three requests with one key made one render", repeats == 1, f"{repeats} id"),
            Check("the renderer billed one job for each render", billed == claimed == len(renders), f"{billed} billed"),
            Check(
                "each webhook is one fact, however often it came",
                sorted(set(accepted)) == sorted(received),
                f"{len(accepted)} came, {len(received)} recorded",
            ),
            Check("every render reached its end, through a killed worker", _all_ended(videos), f"{stored} stored"),
            Check("the one that was blocked failed, and no other", failed == ["blocked"], ", ".join(failed)),
            Check("the remix is recorded on both", self._remixed(renders), "lineage"),
            Check("the rebuilt read models equal the live ones", replay_equal, "row by row"),
        ]
        first = renders["coupe"]
        return Report(
            checks=checks,
            renders=len(renders),
            events=len(events),
            stored=stored,
            failed=len(failed),
            duplicate_webhooks_ignored=len(accepted) - len(received),
            billed=billed,
            replay_equal=replay_equal,
            elapsed_s=time.monotonic() - began,
            video_id=first,
            video_path=video_path,
            history=self._stage.books.ledger.history(streams.render("main", first)),
        )

    def _remixed(self, renders: dict[str, str]) -> bool:
        source = self._stage.books.ledger.render(streams.render("main", renders["coupe"]))
        remix = self._stage.client.retrieve_sora_video_job(renders["remix"])
        return (
            source is not None
            and renders["remix"] in source.remixes
            and remix.remixed_from_video_id == renders["coupe"]
        )

    def _events(self) -> list[Event]:
        """Every event of this run."""
        events: list[Event] = []
        after = self._first_position
        while batch := self._stage.books.ledger.read(after):
            events += batch
            after += len(batch)
        return events


def _finished(video: SoraVideo) -> bool:
    return video.status in {"completed", "failed"}


def _all_ended(videos: dict[str, SoraVideo]) -> bool:
    return all(_finished(video) for video in videos.values())


def _first_frame() -> bytes:
    """A picture to begin with: a face of light in a doorway, as large as the video."""
    picture = Image.linear_gradient("L").resize((1280, 720)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((520, 120, 760, 720), fill=(238, 221, 178))
    draw.ellipse((590, 200, 690, 320), fill=(52, 44, 60))
    draw.rectangle((575, 320, 705, 640), fill=(52, 44, 60))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()

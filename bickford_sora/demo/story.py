"""The story, from the first request to the replay."""

import io
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageDraw
from pydantic import JsonValue

from bickford_sora.client.errors import SoraVideoError
from bickford_sora.client.models import SoraVideo
from bickford_sora.client.synchronous import BickfordClient
from bickford_sora.composition.books import PROJECTIONS, TENANT
from bickford_sora.demo.report import BLOCKED, Evidence, Report, belongs, checked
from bickford_sora.demo.stage import MODEL, SECONDS, SIZE, TOO_LONG_SECONDS, Stage
from bickford_sora.demo.tampering import verified_after_change
from bickford_sora.demo.telling import Narrator
from bickford_sora.simulator.faults import Fault, FaultKind
from ledger import streams
from ledger.envelope import Event
from ledger.events import RenderStored
from projections.comparison import contents
from projections.rebuild import Rebuild

WAIT_S = 60.0
"""Longest wait for any one thing to happen, in seconds."""
LOOK_S = 0.1
KILL_AT_PERCENT = 20
"""The worker is killed when every render has got this far."""
DOLLAR_MICRO = 1_000_000
ANSWER_LATE_S_MAX = 30.0
"""Longest that the renderer's answer to the remix's request waits for the webhook that says it is done."""
WEBHOOKS = """each one twice, and the remix's even before the
renderer had answered that there is such a job. A webhook only says 'ask': it
is written down once, matched when its job is known, and what the renderer then
says is what counts. So their order can do no harm."""
PROMPTS = {
    "coupe": "Wide tracking shot of a teal coupe driving through a desert highway, heat ripples visible, hard sun.",
    "coffee": "Close-up of a steaming coffee cup on a wooden table, morning light through blinds, soft depth of field.",
    "reference": "She turns around and smiles, then slowly walks out of the frame.",
    "remix": "Shift the color palette to teal, sand, and rust, with a warm backlight.",
    "dear": "An aerial shot of an endless salt lake, slowly turning.",
    BLOCKED: "A scene the renderer's moderation will not make.",
}


class Story:
    """Plays once on a stage."""

    def __init__(self, stage: Stage, narrator: Narrator) -> None:
        self._stage = stage
        self._say = narrator.say
        self._narrator = narrator
        self._first_position = stage.books.ledger.head()
        self._run = secrets.token_hex(4)
        """Makes this run's prompts and keys its own, when the ledger already holds an earlier one."""

    def play(self) -> Report:
        """Plays the story and reports. Raises TimeoutError when something does not happen in time."""
        self._misbehave()
        renders, answers = self._ask_for_three()
        self._kill_a_worker(renders)
        self._wait(renders, _finished, "stored")
        renders |= self._fail_and_remix(renders["coupe"])
        self._settle_webhooks()
        refusal = self._spend_too_much()
        equal = self._replay()
        named = self._change_a_byte(renders["coupe"])
        video_path = self._download(renders["coupe"])
        return self._report(self._evidence(renders, answers, equal, refusal, named), video_path)

    def _misbehave(self) -> None:
        """Every webhook comes twice, the remix's before its time; one job is blocked."""
        faults = self._stage.simulator.simulator.faults
        faults.add(Fault(kind=FaultKind.WEBHOOK_DUPLICATED, times=None))
        faults.add(Fault(kind=FaultKind.JOB_FAILS, marker=self._prompt(BLOCKED)))
        marker = self._prompt("remix")
        late = FaultKind.LATENCY_AFTER_ACCEPT
        faults.add(Fault(kind=late, marker=marker, delay_s=ANSWER_LATE_S_MAX, until_told=True))

    def _ask_for_three(self) -> tuple[dict[str, str], int]:
        """The three renders by name, and how many different videos the three equal requests were answered with."""
        self._say("Three renders side by side, the third with a reference image.")
        self._stage.workers.start()
        key = f"demo-{self._run}"
        with ThreadPoolExecutor(3) as pool:
            same = [pool.submit(self._create, "coupe", key=key) for _ in range(3)]
            answers = {each.result().id for each in same}
        self._say(f"'coupe' was asked for three times with one Idempotency-Key: {len(answers)} video.")
        coffee, reference = self._create("coffee"), self._create("reference", image=_first_frame())
        return {"coupe": min(answers), "coffee": coffee.id, "reference": reference.id}, len(answers)

    def _prompt(self, name: str) -> str:
        return f"{PROMPTS[name]} ({self._run})"

    def _create(self, name: str, *, image: bytes | None = None, key: str | None = None) -> SoraVideo:
        return self._stage.client.create_sora_video_job(
            self._prompt(name), model=MODEL, seconds=SECONDS, size=SIZE, input_reference=image, idempotency_key=key
        )

    def _kill_a_worker(self, renders: dict[str, str]) -> None:
        self._wait(renders, lambda video: video.progress >= KILL_AT_PERCENT or _finished(video), "under way")
        self._stage.workers.kill()
        self._say("kill -9 of the worker, in the middle. Another one goes on from the ledger.")
        self._stage.workers.start()

    def _fail_and_remix(self, source: str) -> dict[str, str]:
        self._say("One more is blocked by the renderer's moderation, and 'coupe' is remixed.")
        blocked = self._create(BLOCKED)
        remix = self._stage.client.remix_sora_video(source, self._prompt("remix"))
        both = {BLOCKED: blocked.id, "remix": remix.id}
        self._wait(both, _finished, "finished")
        return both

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
        """Waits until every webhook that will come has come: two for each job."""
        deadline = time.monotonic() + WAIT_S
        while len(self._acknowledged()) < 2 * len(self._billed()) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        self._say(f"{len(self._acknowledged())} webhooks came for {len(self._billed())} jobs: {WEBHOOKS}")

    def _acknowledged(self) -> list[str]:
        deliveries = self._stage.simulator.simulator.webhooks.deliveries()
        ours = self._billed()
        return [each.webhook_id for each in deliveries if each.outcome == "delivered" and each.video_id in ours]

    def _billed(self) -> list[str]:
        bill = self._stage.simulator.simulator.registry.billed()
        return [each.id for each in bill if each.prompt.endswith(f"({self._run})")]

    def _spend_too_much(self) -> str:
        """The code with which a key of one dollar is refused a longer render; empty when it is not."""
        admin, name = self._stage.client, f"one-dollar-{self._run}"
        key = admin.ask("POST", "/api_keys", json={"name": name})
        cap: dict[str, JsonValue] = {"amount_micro": DOLLAR_MICRO, "currency": "USD"}
        asked: dict[str, JsonValue] = {"scope": f"key:{key['id']}", "window": "total", "cap": cap}
        admin.ask("PUT", f"/budgets/{name}", json=asked)
        self._say(f"A new API key may spend one dollar, and asks for {TOO_LONG_SECONDS} s at 0.10 USD each:")
        try:
            with BickfordClient(base_url=f"{self._stage.url}/v1", api_key=str(key["secret"])) as client:
                client.create_sora_video_job(self._prompt("dear"), model=MODEL, seconds=TOO_LONG_SECONDS, size=SIZE)
        except SoraVideoError as error:
            self._say(f"  {error.code}. {error.message}")
            return error.code
        finally:
            admin.ask("DELETE", f"/budgets/{name}")
            admin.ask("DELETE", f"/api_keys/{key['id']}")
        return ""

    def _replay(self) -> bool:
        """Whether the read models, thrown away and rebuilt from the ledger, hold the same rows."""
        self._stage.workers.stop()
        books = self._stage.books
        books.projector.catch_up()
        before = contents(books.pool, PROJECTIONS)
        Rebuild(books.ledger, books.pool, PROJECTIONS).rebuild()
        self._say(f"Replay: {books.ledger.head()} facts folded anew into {len(PROJECTIONS)} read models, and compared.")
        return contents(books.pool, PROJECTIONS) == before

    def _change_a_byte(self, video_id: str) -> bool:
        """Whether a byte that the database's owner changed in a copy was found, where it is and nowhere else."""
        books = self._stage.books
        position = books.ledger.history(streams.render(TENANT, video_id), until=1)[0].position or 0
        checkpoint, verified = verified_after_change(books, position)
        found = [(each.kind, each.first, each.last, each.exact) for each in verified.findings]
        places = ", ".join(f"{first}" for _, first, _, _ in found)
        self._say(
            f"A checkpoint of {checkpoint.size} facts was signed. In a copy of the ledger the database's owner makes 4 "
            f"seconds 8, past every trigger: verification says position {places}."
        )
        return found == [("facts_changed", position, position, True)]

    def _download(self, video_id: str) -> Path:
        target = self._stage.folder / f"{video_id}.mp4"
        return self._stage.client.download_sora_content(video_id, to=target)

    def _evidence(
        self, renders: dict[str, str], answers: int, replay_equal: bool, refusal: str, change_named: bool
    ) -> Evidence:
        source = self._stage.books.ledger.render(streams.render(TENANT, renders["coupe"]))
        videos, jobs = frozenset(renders.values()), frozenset(self._billed())
        return Evidence(
            renders={name: self._stage.client.retrieve_sora_video_job(id_) for name, id_ in renders.items()},
            repeated_answers=answers,
            billed_jobs=self._billed(),
            acknowledged_webhooks=self._acknowledged(),
            remixes_of_first=[*source.remixes] if source else [],
            events=[event for event in self._events() if belongs(event, videos=videos, jobs=jobs)],
            replay_equal=replay_equal,
            refusal=refusal,
            change_named=change_named,
        )

    def _report(self, evidence: Evidence, video_path: Path) -> Report:
        first = evidence.renders["coupe"].id
        return Report(
            checks=[*checked(evidence)],
            renders=len(evidence.renders),
            events=len(evidence.events),
            stored=sum(isinstance(event.fact, RenderStored) for event in evidence.events),
            failed=sum(video.status == "failed" for video in evidence.renders.values()),
            duplicate_webhooks_ignored=len(evidence.acknowledged_webhooks) - len(evidence.received),
            billed=len(evidence.billed_jobs),
            refused=int(bool(evidence.refusal)),
            replay_equal=evidence.replay_equal,
            elapsed_s=time.monotonic() - self._stage.began,
            video_id=first,
            video_path=video_path,
            history=self._stage.books.ledger.history(streams.render(TENANT, first)),
        )

    def _events(self) -> Sequence[Event]:
        """Every event since the story began."""
        events: list[Event] = []
        after = self._first_position
        while batch := self._stage.books.ledger.read(after):
            events += batch
            after += len(batch)
        return events


def _finished(video: SoraVideo) -> bool:
    return video.finished


def _first_frame() -> bytes:
    """A picture to begin with: a figure in a lit doorway, as large as the video."""
    width, height = map(int, SIZE.split("x"))
    picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((520, 120, 760, 720), fill=(238, 221, 178))
    draw.ellipse((590, 200, 690, 320), fill=(52, 44, 60))
    draw.rectangle((575, 320, 705, 640), fill=(52, 44, 60))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()

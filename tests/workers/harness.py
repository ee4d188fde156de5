"""The real workers over a ledger, a renderer and storage in memory, where any step can be killed or go wrong."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

from bickford_sora.approvals import Approvals
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.media import DerivedImage, ImageFacts, VideoFacts
from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.checking.check import check
from bickford_sora.checking.findings import Kind
from bickford_sora.checking.jobs import Counted, CountedJob
from bickford_sora.checking.patience import Patience
from bickford_sora.checking.reading import contents, history, records
from bickford_sora.decisions.approvals import Answer
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue, ModelOffer, Recovery, Route
from bickford_sora.decisions.deletion import Cancellation
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.policy import Policy, built_in
from bickford_sora.decisions.prices import LIST_PRICES
from bickford_sora.decisions.request import create_request
from bickford_sora.egress import Egress
from bickford_sora.erasing import Erasing
from bickford_sora.erasure_list import ErasureList, Listed
from bickford_sora.erasures import Erasures
from bickford_sora.four_eyes import FourEyes
from bickford_sora.intake import Intake
from bickford_sora.moderation import Moderation
from bickford_sora.policies import Policies
from bickford_sora.preparing import Desk
from bickford_sora.recording import Origin, Recording, Wanted
from bickford_sora.references import References
from bickford_sora.renderers.errors import AssetExpired, JobGone, ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.fleet import Wait
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Content, Deletion, JobNews, Order, Variant
from bickford_sora.stops import Stops
from bickford_sora.workers.erase import Erase
from bickford_sora.workers.expire import Expire
from bickford_sora.workers.follow import Follow
from bickford_sora.workers.lapse import Lapse
from bickford_sora.workers.purge import Purge
from bickford_sora.workers.reconcile import Reconcile
from bickford_sora.workers.store import Store
from bickford_sora.workers.submit import Submit
from bickford_sora.workers.workshop import Limits, Task, Worker, Workshop
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Event, Fact
from ledger.errors import LedgerError
from ledger.events import Step
from ledger.identifiers import id_maker
from ledger.keys import Keys, MemoryKeyStore
from ledger.memory import MemoryRecorder
from ledger.render import Render
from projections.videos import Page
from projections.work import next_step
from tests.ledger.spending import books_of, check_balanced

CALLER = Caller("main", "default", "req-" + "1" * 16, "key_1")
ORIGIN = Origin("main", "key_1")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = Limits(
    submit_timeout_s=10.0,
    reconcile_grace_s=30.0,
    submission_attempts_max=10,
    poll_interval_s=5.0,
    poll_fallback_s=30.0,
    retry_after_max_s=900.0,
    render_deadline_s=6 * 3600.0,
    store_attempts_max=8,
    asset_bytes_max=1_000_000,
)
APPROVAL_S = 3600.0
LIST_LATE_S = 50.0
"""Behind the deadline of a submission (35 s) and within its grace (30 s)."""
LOOKS_MAX = 20_000
"""Two that wait behind an equal one look each second, for a quarter of an hour after each unknown outcome."""
RUN_S_MAX = 48 * 3600.0
FAILED_PAUSE_S = 5.0

Moment = Literal["before", "after"]


class Killed(BaseException):
    """kill -9 at this very line."""


class SteppingClock:
    """Moves a millisecond at every look, and as far as it is told."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Mischief:
    """What goes wrong: where the process is killed, and what the renderer does at its next calls."""

    kill_at: tuple[str, Moment] | None = None
    kills: int = 0
    fail_at: tuple[str, Moment] | None = None
    """Where a peer fails, once: before it does what it is asked, or after it."""
    failure: Exception = field(default_factory=RuntimeError)
    failures: int = 0
    seen: set[str] = field(default_factory=set)
    """Every place that was passed."""
    scripts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By call, what the next ones do; all goes well once a script has run out."""
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What happens, once, before the next call of that name."""

    def passes(self, place: str, moment: Moment) -> None:
        hook = self.hooks.pop(place, None) if moment == "before" else None
        if hook is not None:
            hook()
        self.seen.add(place)
        if self.fail_at == (place, moment):
            self.fail_at = None
            self.failures += 1
            raise self.failure
        if self.kill_at == (place, moment):
            self.kill_at = None
            self.kills += 1
            raise Killed(place)

    @contextmanager
    def around(self, place: str) -> Iterator[None]:
        self.passes(place, "before")
        try:
            yield
        finally:
            self.passes(place, "after")

    def next(self, call: str) -> str:
        script = self.scripts[call]
        return script.pop(0) if script else "well"


@dataclass
class Job:
    """A job the renderer took, and billed."""

    news: JobNews
    order: Order
    listed_from: datetime
    polls: int = 0
    forgotten: bool = False
    deleted: bool = False

    @property
    def video_id(self) -> str:
        """The render it was made for."""
        return self.order.idempotency_key.rpartition("-")[0]


class MemoryRenderer:
    """Keeps the port's contract as far as its script lets it."""

    credential = "mem"
    absence_proves = True
    capabilities = CAPABILITIES

    def __init__(self, clock: SteppingClock, mischief: Mischief, name: str = "memory") -> None:
        self.name = name
        self.replica = f"http://{name}/v1"
        self.prices = (LIST_PRICES["sora-2"],)
        self.recovery = Recovery()
        self.served_model = "sora-2"
        """Its own name of the model, as the configuration has it."""
        self._clock = clock
        self._mischief = mischief
        self.jobs_taken: list[Job] = []
        self.files_asked_for: list[tuple[Variant, int]] = []
        self.never_ends = False
        self.reports: dict[str, Any] = {}
        """What it says of jobs it completed, beside the rest."""
        self.skew_s = 0.0
        """How far its clock is from ours."""

    def billed(self, video_id: str | None = None) -> list[Job]:
        """The jobs it took, of one render; not those it forgot, which nobody can find again."""
        return [job for job in self.jobs_taken if not job.forgotten and video_id in (None, job.video_id)]

    def counted(self) -> Counted:
        """Its own count, as on a bill: all it ever took, but not what it forgot before anybody heard of it."""
        jobs = {job.news.job_id: CountedJob(job.news.created_at, job.order.idempotency_key) for job in self.billed()}
        return Counted(self.name, self.credential, jobs, self._clock(), is_bill=True)

    def submit(self, order: Order) -> JobNews:
        with self._mischief.around("submit"):
            what = self._mischief.next("submit")
            if order.reference is not None:
                order.reference.open()
            self._send(order)
            if what == "refuse":
                raise Refused("renderer_request_invalid", terminal=True, http_status=400, message="No.")
            if what == "busy":
                raise Refused("renderer_rate_limited", terminal=False, http_status=429, retry_after_s=7.0)
            if what == "unreachable":
                raise Refused("renderer_unreachable", terminal=False)
            if what == "unauthorized":
                raise Refused("renderer_unauthorized", terminal=True, http_status=401)
            if what == "not enabled":
                raise Refused("renderer_not_enabled", terminal=True, http_status=403)
            if what == "lose request":
                raise UnknownOutcome("renderer_no_answer")
            job = self._take(order, listed_after_s=LIST_LATE_S if what == "list late" else 0.0)
            if what in {"lose answer", "list late"}:
                raise UnknownOutcome("renderer_no_answer")
            if what == "forget":
                job.forgotten = True
                raise UnknownOutcome("renderer_no_answer")
        return job.news

    def _send(self, order: Order) -> None:
        if order.sent_by is not None and self._clock() > order.sent_by:
            raise Refused("submission_too_late", terminal=False)
        # From here on the request is on its way, and something between us and the renderer may hold it for long.
        self._mischief.hooks.pop("on its way", lambda: None)()

    def status(self, job_id: str) -> JobNews:
        with self._mischief.around("status"):
            what = self._mischief.next("status")
            job = self._find(job_id)
            if what == "gone" or job is None:
                raise JobGone("renderer_job_gone", http_status=404)
            if what == "away":
                raise ReadFailed("renderer_unavailable", http_status=503, message="Back soon.", retry_after_s=11.0)
            if what == "fails":
                job.news = replace(job.news, status="failed", error_code="moderation_blocked", error_message="No.")
            job.polls += 1
            if job.news.status != "failed":
                done = job.polls > 1 and not self.never_ends
                job.news = replace(job.news, status="in_progress", progress=50)
                if done:
                    job.news = replace(job.news, status="completed", progress=100, **self.reports)
        return job.news

    def jobs(self) -> Iterator[JobNews]:
        with self._mischief.around("jobs"):
            if not self.capabilities.lists:
                raise ReadFailed("renderer_list_unsupported")
            if self._mischief.next("jobs") == "away":
                raise ReadFailed("renderer_no_answer")
            now = self._clock()
            for job in reversed(self.jobs_taken):
                if not job.forgotten and not job.deleted and job.listed_from <= now:
                    yield job.news

    @contextmanager
    def content(self, job_id: str, variant: Variant, output: int = 0) -> Iterator[Content]:
        self.files_asked_for.append((variant, output))
        with self._mischief.around("content"):
            what = self._mischief.next("content")
            if what == "away":
                raise ReadFailed("renderer_unavailable", http_status=503)
            if what == "broken":
                raise ReadFailed("renderer_no_answer")
            if what == "missing":
                raise ReadFailed("renderer_asset_missing", http_status=404)
            if what == "expired" or self._find(job_id) is None:
                raise AssetExpired("renderer_asset_expired", http_status=404)
            body = f"{variant} {output} of {job_id}".encode()
            yield Content("video/mp4", len(body), iter([body]))

    def delete(self, job_id: str) -> Deletion:
        with self._mischief.around("delete"):
            what = self._mischief.next("delete")
            if what == "away":
                raise ReadFailed("renderer_unavailable", http_status=503)
            if what == "conflict":
                raise ReadFailed("renderer_conflict", http_status=409)
            job = self._find(job_id)
            if job is not None:
                job.deleted = True
        return "gone" if job is None else "deleted"

    def restart(self) -> None:
        """Forgets every job, as engines do that keep them in memory. Those were billed all the same."""
        for job in self.jobs_taken:
            job.deleted = True

    def _take(self, order: Order, *, listed_after_s: float) -> Job:
        if self.capabilities.keeps_idempotency_keys:
            known = [job for job in self.jobs_taken if job.order.idempotency_key == order.idempotency_key]
            if known:
                return known[0]
        now = self._clock()
        news = JobNews(
            job_id=f"job-{len(self.jobs_taken) + 1}",
            status="queued",
            progress=0,
            model=order.model,
            seconds=order.seconds,
            size=order.size,
            prompt=order.prompt,
            created_at=(now + timedelta(seconds=self.skew_s)).replace(microsecond=0),
            outputs=cast("int", order.fields.get("n", 1)),
        )
        job = Job(news, order, now + timedelta(seconds=listed_after_s))
        self.jobs_taken.append(job)
        return job

    def _find(self, job_id: str) -> Job | None:
        found = [job for job in self.jobs_taken if job.news.job_id == job_id and not (job.deleted or job.forgotten)]
        return found[0] if found else None


class TrustingInspector:
    """Finds every file good."""

    def inspect_video(self, source: Path | bytes) -> VideoFacts:  # noqa: ARG002 - the inspector's signature
        return VideoFacts(
            media_type="video/mp4",
            container="mp4",
            video_codec="h264",
            audio_codec=None,
            has_audio=False,
            width=720,
            height=1280,
            frame_count=8,
            duration_ms=4000,
            has_c2pa=False,
        )

    def inspect_image(self, source: Path | bytes) -> ImageFacts:  # noqa: ARG002 - the inspector's signature
        return ImageFacts(media_type="image/png", width=720, height=1280, has_c2pa=False)

    def make_thumbnail(self, source: Path | bytes) -> DerivedImage:  # noqa: ARG002 - the inspector's signature
        return DerivedImage("image/webp", b"thumbnail")

    def make_spritesheet(self, source: Path | bytes) -> DerivedImage:  # noqa: ARG002 - the inspector's signature
        return DerivedImage("image/jpeg", b"spritesheet")


class FragileAssets(MemoryAssetStore):
    """Storage whose user can be killed around every write."""

    def __init__(self, mischief: Mischief) -> None:
        super().__init__()
        self._mischief = mischief

    def put(self, subject: str, chunks: Any, *, bytes_max: int) -> Any:
        with self._mischief.around("assets.put"):
            return super().put(subject, chunks, bytes_max=bytes_max)

    def delete(self, storage_uri: str) -> None:
        with self._mischief.around("assets.delete"):
            super().delete(storage_uri)

    def forget(self, subject: str) -> int:
        with self._mischief.around("assets.forget"):
            return super().forget(subject)

    @property
    def uris(self) -> set[str]:
        return {address.uri for address in self._contents}


class FragileKeys(Keys):
    """Keys whose user can be killed around their destruction."""

    mischief: Mischief

    def destroy(self, *, requester: str, subject: str | None = None) -> None:
        with self.mischief.around("keys.destroy"):
            super().destroy(requester=requester, subject=subject)


class FragileKeyStore(MemoryKeyStore):
    """Keys whose maker can be killed around every new one."""

    def __init__(self, mischief: Mischief) -> None:
        super().__init__()
        self._mischief = mischief

    def add_all(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        with self._mischief.around("keys.add"):
            return super().add_all(wrapped)


class FragileList(ErasureList):
    """A list of erasures whose writer can be killed around every line."""

    def __init__(self, path: Path, mischief: Mischief) -> None:
        super().__init__(path)
        self._mischief = mischief

    def append(self, entry: Listed) -> None:
        with self._mischief.around("list.append"):
            super().append(entry)


class FragileRecording(Recording):
    """A ledger whose user can be killed around every append: `append:render.queued` names one by its first fact."""

    mischief: Mischief

    def append(self, draft: Draft, origin: Origin, *, on: Render | None = None) -> tuple[Event, ...]:
        with self.mischief.around(f"append:{draft.facts[0][1].TYPE}"):
            return super().append(draft, origin, on=on)

    async def append_all(self, drafts: Sequence[tuple[Draft, Origin]]) -> list[LedgerError | None]:
        with self.mischief.around(f"append:{drafts[0][0].facts[0][1].TYPE}"):
            return await super().append_all(drafts)

    def on_spend_all(self, wanted: Sequence[Wanted]) -> list[tuple[Event, ...] | Exception]:
        with self.mischief.around("append:render.intent"):
            return super().on_spend_all(wanted)


def catalogue_of(*renderers: MemoryRenderer) -> Catalogue:
    """What is offered: one model, made by these renderers, in their order."""
    return Catalogue({"sora-2": Route(tuple(_offer(each) for each in renderers))}, "c" * 64)


def _offer(renderer: MemoryRenderer) -> ModelOffer:
    return ModelOffer(
        renderer=renderer.name,
        credential=renderer.credential,
        model="sora-2",
        served_model=renderer.served_model,
        capabilities=renderer.capabilities,
        sizes=("720x1280",),
        seconds=("4", "8"),
        fields=frozenset({"n"}),
        prices=renderer.prices,
        recovery=renderer.recovery,
    )


class MemoryFleet:
    """The renderers there are, each one process."""

    def __init__(self, renderers: dict[tuple[str, str], MemoryRenderer]) -> None:
        self._renderers = renderers
        self.away: set[str] = set()
        """Names of renderers none of whose replicas can be reached."""

    def at(self, renderer: str, credential: str, replica: str) -> MemoryRenderer | None:  # noqa: ARG002 - there is one
        return self._renderers.get((renderer, credential))

    def choose(
        self,
        renderer: str,
        credential: str,
        *,
        replica: str | None = None,  # noqa: ARG002 - there is one
    ) -> MemoryRenderer | Wait | None:
        if renderer in self.away:
            return Wait(5.0)
        return self._renderers.get((renderer, credential))

    def unreachable(self, renderer: MemoryRenderer) -> None:
        self.away.add(renderer.name)

    def reached(self, renderer: MemoryRenderer) -> None:
        self.away.discard(renderer.name)


class NothingHeld:
    """An inbox nobody looks into."""

    def held(self, *_: object) -> Page:
        return Page((), has_more=False)


class Harness:
    """A gateway in memory. `run` does what the work loop does, with a clock that need not be waited for."""

    def __init__(self, spool: Path, *, limits: Limits = LIMITS, policy: Policy | None = None) -> None:
        self.clock = SteppingClock()
        self.mischief = Mischief()
        self.ledger = Ledger(MemoryRecorder(self.clock))
        self.keys = FragileKeys(b"m" * 32, FragileKeyStore(self.mischief))
        self.keys.mischief = self.mischief
        self.assets = FragileAssets(self.mischief)
        self.renderer = MemoryRenderer(self.clock, self.mischief)
        self._spool, self._limits, self._policy = spool, limits, policy or built_in()
        self.renderers = {(self.renderer.name, self.renderer.credential): self.renderer}
        self.offering = [self.renderer]
        self.accepted: list[str] = []
        self._due: dict[tuple[str, Step], datetime] = {}
        self._next: dict[str, tuple[int, Step | None]] = {}
        """Of each render: how many facts it had when it was looked at, and what was next."""
        self._claims: Counter[tuple[str, Step]] = Counter()
        self.start()

    def start(self) -> None:
        """A new process: it knows what was stored, and nothing else."""
        self._due.clear()  # leases run out
        inspector = cast("MediaInspector", TrustingInspector())
        recording = FragileRecording(self.ledger, clock=self.clock, new_id=id_maker(self.clock))
        recording.mischief = self.mischief
        self.stops = Stops(recording, tenant="main", monotonic=lambda: self.clock().timestamp())
        taking = FragileRecording(self.ledger, clock=self.clock, new_id=id_maker(self.clock))
        taking.mischief = self.mischief
        self.intake = Intake(
            Desk(
                recording=taking,
                keys=self.keys,
                references=References(
                    assets=self.assets,
                    inspector=inspector,
                    keys=self.keys,
                    egress=Egress(allow_private=()),
                    reference_bytes_max=100_000,
                    source_bytes_max=100_000,
                ),
                policies=Policies(
                    taking,
                    built_in=self._policy,
                    models=list,
                    four_eyes=FourEyes(recording=taking, keys=self.keys),
                ),
                moderation=Moderation(Egress(allow_private=()), {}),
                approval_s=APPROVAL_S,
                catalogue=lambda: catalogue_of(*self.offering),
                is_stopped=self.stops.is_stopped,
            )
        )
        self.approvals = Approvals(recording=taking, keys=self.keys, query=NothingHeld())
        self.fleet = MemoryFleet(self.renderers)
        self.shop = Workshop(
            recording=recording,
            keys=self.keys,
            assets=self.assets,
            inspector=inspector,
            fleet=self.fleet,
            catalogue=lambda: catalogue_of(*self.offering),
            stops=self.stops,
            limits=self._limits,
            spool=self._spool,
        )
        self.erasures = Erasures(
            recording=recording,
            keys=self.keys,
            assets=self.assets,
            kept=FragileList(self._spool / "erasures", self.mischief),
        )
        self.erasing = Erasing(erasures=self.erasures, four_eyes=FourEyes(recording=taking, keys=self.keys))
        self.workers: dict[Step, Worker] = {
            "submit": Submit(self.shop),
            "reconcile": Reconcile(self.shop),
            "follow": Follow(self.shop),
            "store": Store(self.shop),
            "purge": Purge(self.shop),
            "expire": Expire(self.shop),
            "lapse": Lapse(self.shop),
            "erase": Erase(self.shop, self.erasures),
        }

    def another(self, name: str = "other") -> MemoryRenderer:
        """One more renderer, behind the others in the route. Its script is its own."""
        added = MemoryRenderer(self.clock, Mischief(), name)
        self.renderers[added.name, added.credential] = added
        self.offering.append(added)
        return added

    def ask(self, prompt: str = "a red kite", *, key: str | None = None, **more: Any) -> str:
        """The id of a new render, or of the one that was asked for with this key before."""
        request = create_request({"prompt": prompt, **more}, {})
        asked = self.intake.ask(CALLER, request, self.intake.terms(ORIGIN, "create", request, key=key))
        self.accepted.append(asked.render.intent.video_id)
        return asked.render.intent.video_id

    def delete(self, video_id: str) -> Cancellation | None:
        return self.intake.delete(CALLER, video_id, origin=ORIGIN)

    def answer(self, video_id: str, approver: Caller, answer: Answer) -> None:
        """An approver's answer to a held render."""
        self.approvals.answer(approver, streams.approval_id(video_id), answer, origin=ORIGIN)

    def render(self, video_id: str) -> Render:
        render = self.ledger.render(streams.render("main", video_id))
        assert render is not None
        return render

    def facts(self, video_id: str) -> list[Fact]:
        return [event.fact for event in self.ledger.history(streams.render("main", video_id))]

    def check(self, *, unclaimed: int = 0) -> None:
        """Asks the check of `bickford-sora audit check`, long after everything should have happened.

        `unclaimed`: how many jobs the renderers may have that nobody can know of, since their answer was lost for good.
        """
        report = check(
            records(self.ledger),
            history=history(self.ledger),
            look_at=contents(self.assets),
            now=self.clock.now + timedelta(days=30),
            patience=Patience(),
            counted=tuple(each.counted() for each in self.renderers.values()),
        )
        unknown = report.counts.get(Kind.JOB_UNCLAIMED, 0)
        others = [each for each in report.findings if each.kind is not Kind.JOB_UNCLAIMED]
        assert not others, others
        assert unknown <= unclaimed, report.findings
        books = books_of(event.fact for event in self.ledger.history(streams.spend("main")))
        check_balanced(books)  # the amounts, which the check does not judge
        assert not books.open

    def types(self, video_id: str) -> list[str]:
        return [fact.TYPE for fact in self.facts(video_id)]

    def work(self, video_id: str) -> None:
        """One step of one render, due or not."""
        stream = streams.render("main", video_id)
        step = next_step(self.render(video_id))
        assert step is not None, "nothing is left to do"
        self._claims[stream, step] += 1
        try:
            due = self.workers[step](Task(stream, self._claims[stream, step] - 1))
        except Killed:
            self.start()
        except Exception:  # noqa: BLE001 - as the work loop: one task must not stop the others
            self._due[stream, step] = self.clock() + timedelta(seconds=FAILED_PAUSE_S)
        else:
            self._due[stream, step] = due

    def run(self, until: Callable[[], bool] = lambda: False, *, run_s_max: float = RUN_S_MAX) -> None:
        """Works until nothing is left to do, `until` is true or the time is over."""
        ends_at = self.clock.now + timedelta(seconds=run_s_max)
        for _ in range(LOOKS_MAX):
            waiting = list(self.waiting())
            if not waiting or until():
                return
            due, video_id = min(waiting)
            if due > ends_at:
                return
            self.clock.now = max(self.clock.now, due)
            self.work(video_id)
        raise AssertionError(f"never quiet: { {each: self.types(each)[-6:] for each in self.accepted} }")

    def look_now(self, video_id: str) -> None:
        """What a webhook does: the job is asked about at once."""
        self._due.pop((streams.render("main", video_id), "follow"), None)

    def waiting(self) -> Iterator[tuple[datetime, str]]:
        """What is left to do: when it is due, and of which render."""
        for video_id in self.accepted:
            stream = streams.render("main", video_id)
            step = self._next_step(stream, video_id)
            if step is not None:
                yield self._due.get((stream, step), NOON), video_id

    def _next_step(self, stream: str, video_id: str) -> Step | None:
        """It depends on the facts alone, which are folded again when there are more of them."""
        facts = len(self.ledger.stored_history(stream))
        if self._next.get(stream, (0, None))[0] != facts:
            self._next[stream] = (facts, next_step(self.render(video_id)))
        return self._next[stream][1]


@contextmanager
def harness(policy: Policy | None = None, **change: Any) -> Iterator[Harness]:
    """A harness with a spool of its own. `policy` takes the built-in one's place."""
    with tempfile.TemporaryDirectory() as spool:
        yield Harness(Path(spool), limits=replace(LIMITS, **change), policy=policy)

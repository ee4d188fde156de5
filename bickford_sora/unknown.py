"""Unknown outcomes and lost jobs, as an operator sees and decides them (`/v1/unknown`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bickford_sora.confirming import decided_as
from bickford_sora.decisions import unknown as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue, Recovery
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.submission import CLOCK_DOUBT_S, Job, Turn
from bickford_sora.decisions.unknown import Decided
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import Conflicting, NotFound, TryLater
from bickford_sora.recording import Origin, Recording, after
from bickford_sora.renderers.errors import JobGone, ReadFailed
from bickford_sora.renderers.port import JobNews, Renderer
from ledger import streams
from ledger.envelope import Sealed
from ledger.errors import Erased
from ledger.keys import Keys
from ledger.render import Render, Submission

REASON_CHARS_MAX = 1_000
JOB_ID_CHARS_MAX = 1_000
_NONE_HERE = (
    "No render with this id has an unknown outcome or a lost job (GET /v1/unknown, 'bickford-sora unknown list')."
)


class Verdict(BaseModel):
    """What an operator says with a decision."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    reason: Annotated[str, Field(min_length=1, max_length=REASON_CHARS_MAX, pattern=r"\S")]
    """Why. It is kept with the render, and erased with it."""


class Adoption(Verdict):
    """Which job an operator found."""

    job_id: Annotated[str, Field(min_length=1, max_length=JOB_ID_CHARS_MAX)]
    """The renderer's own id."""


_Said = TypeVar("_Said", bound=Verdict)


class ReconcilingQuery(Protocol):
    """The read model of work. Errors: `ledger.errors.Unavailable` when the database does not answer."""

    def reconciling(self, tenant: str, project: str | None, after: str | None, limit: int, /) -> Sequence[str]:
        """Ids of renders that are reconciled, behind the video id `after`, the oldest first."""


@dataclass(frozen=True, slots=True)
class UnknownPage:
    """Some renders that wait for a decision, and where the next page begins."""

    renders: tuple[Render, ...]
    last_id: str | None
    """The last one that was looked at."""
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Shows what nobody could find out, and takes an operator's decision. Safe to use from several threads.

    Another project's render is NotFound like one that never was. Every method raises `ledger.errors.Unavailable` when
    the database does not answer; those that decide, Conflicting when there is nothing to decide (any more), and
    Unauthorized when the caller's key was revoked meanwhile. Whatever is learned at the same moment, by a late answer
    or another operator, one of the two is refused by the render's head and decides again.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    query: ReconcilingQuery
    renderer: Callable[[str, str, str], Renderer | None]
    """By name, credential and replica; None: not configured."""
    catalogue: Callable[[], Catalogue]

    def page(self, caller: Caller, after_id: str | None, limit: int) -> UnknownPage:
        """What waits for a decision, the oldest first; less than `limit` where some are being submitted just now."""
        found = self.query.reconciling(caller.tenant, caller.readable, after_id, limit + 1)
        shown = found[:limit]
        renders = [self.recording.render(streams.render(caller.tenant, each)) for each in shown]
        waiting = tuple(each for each in renders if decisions.doubt(each) is not None)
        return UnknownPage(waiting, shown[-1] if shown else None, has_more=len(found) > limit)

    def recovery(self, render: Render) -> Recovery:
        """What the configuration says about it."""
        place = render.job or render.submission
        offer = place and self.catalogue().offer(render.intent.model, place.renderer, place.credential)
        return offer.recovery if offer else Recovery()

    def adopt(self, caller: Caller, video_id: str, fields: Mapping[str, object], *, origin: Origin) -> Render:
        """Takes a job of the renderer as this render's.

        Raises NotFound for a job that the renderer does not know, Conflicting for one that another render has or that
        is not what was asked for, TryLater when the renderer does not answer, and InvalidRequest.
        """
        asked = _read(Adoption, fields)
        render = self._find(caller, video_id)
        opened = _opened(render)
        # Before the renderer is asked: what differs would tell of another project's, or tenant's, render.
        self._check_free(opened, asked.job_id)
        news = self._looked_up(opened, asked.job_id)
        self._check_match(render, opened, news)
        job = Job(asked.job_id, news.status, news.progress)

        def decision(who: Caller, render: Render) -> Draft:
            if _opened(render).attempt != opened.attempt:
                raise _nothing_unknown()
            self._check_free(opened, asked.job_id)
            reason = self._sealed(render, asked.reason)
            return decisions.adopted(render, self._turn(render), job, decided_by=who.requester, reason=reason)

        return self._decide(caller, video_id, decision, origin)

    def resubmit(self, caller: Caller, video_id: str, fields: Mapping[str, object], *, origin: Origin) -> Render:
        """Submits it again, at the risk of paying twice. Raises Conflicting for a render that ended meanwhile."""
        asked = _read(Verdict, fields)

        def decision(who: Caller, render: Render) -> Draft:
            if render.ended and decisions.doubt(render) is not None:
                raise Conflicting("This render has ended: abandon it, or adopt its job.", code="render_ended")
            return decisions.resubmitted(render, self._turn(render), self._decided(who, render, asked))

        return self._decide(caller, video_id, decision, origin)

    def abandon(self, caller: Caller, video_id: str, fields: Mapping[str, object], *, origin: Origin) -> Render:
        """Gives it up: the render fails, and what may have been billed is booked."""
        asked = _read(Verdict, fields)
        return self._decide(
            caller,
            video_id,
            lambda who, render: decisions.abandoned(render, self._turn(render), self._decided(who, render, asked)),
            origin,
        )

    def _decide(
        self, caller: Caller, video_id: str, decision: Callable[[Caller, Render], Draft], origin: Origin
    ) -> Render:
        def attempt(who: Caller) -> Render:
            render = self._find(who, video_id)
            draft = decision(who, render)
            if not draft:
                raise _nothing_unknown()
            draft = Draft(draft.facts, {**who.heads, **draft.heads})
            return after(render, self.recording.append(draft, origin, on=render))

        return decided_as(caller, self.recording, attempt, when_busy="The render is changing. Send the decision again.")

    def _find(self, caller: Caller, video_id: str) -> Render:
        """A render of a project the caller manages, also one that was deleted: its money is still open."""
        known = streams.is_video_id(video_id)
        render = self.recording.ledger.render(streams.render(caller.tenant, video_id)) if known else None
        if render is None or not caller.reads(render.intent.project):
            raise NotFound(_NONE_HERE, code="video_not_found", param="video_id")
        return render

    def _turn(self, render: Render) -> Turn:
        opened = render.submission
        if opened is None:
            return Turn("")
        stream = streams.submission(opened.renderer, opened.credential, opened.fingerprint)
        known: Turn | None = self.recording.ledger.fold(stream, Turn.fold)
        return known or Turn(stream)

    def _decided(self, caller: Caller, render: Render, said: Verdict) -> Decided:
        return Decided(decided_by=caller.requester, reason=self._sealed(render, said.reason))

    def _looked_up(self, opened: Submission, job_id: str) -> JobNews:
        renderer = self.renderer(opened.renderer, opened.credential, opened.replica)
        if renderer is None:
            raise Conflicting(f"The renderer {opened.renderer} is not configured.", code="renderer_not_configured")
        try:
            return renderer.status(job_id)
        except JobGone:
            raise NotFound("The renderer knows no job with this id.", code="job_not_found", param="job_id") from None
        except ReadFailed as error:
            raise TryLater(
                f"The renderer did not say what this job is: {error}. Look at the id, or send the decision again.",
                code="renderer_silent",
            ) from None

    def _check_free(self, opened: Submission, job_id: str) -> None:
        if self.recording.ledger.history(streams.job(opened.renderer, opened.credential, job_id)):
            raise Conflicting("This job belongs to a render already.", code="job_claimed", param="job_id")

    def _check_match(self, render: Render, opened: Submission, news: JobNews) -> None:
        """Raises Conflicting for a job that was made long before, or shows something else than was asked for."""
        wrong = []
        earliest = opened.started_at - timedelta(seconds=CLOCK_DOUBT_S)
        if news.created_at is not None and news.created_at < earliest:
            wrong.append("created_at")
        renderer = self.renderer(opened.renderer, opened.credential, opened.replica)
        if renderer is not None and renderer.capabilities.shows(render.intent.operation, _fields(render)):
            wrong += [name for name, asked in self._asked(render).items() if getattr(news, name) not in {None, asked}]
        if wrong:
            raise Conflicting(
                f"This job is not what was asked for: its {', '.join(wrong)} differ.",
                code="job_mismatch",
                param="job_id",
            )

    def _asked(self, render: Render) -> dict[str, str]:
        """What a renderer shows of a job, as it was asked for."""
        intent = render.intent
        served = render.allowed.served_model if render.allowed else None
        asked = {"model": served or intent.model, "seconds": intent.seconds, "size": intent.size}
        try:
            return {**asked, "prompt": self.keys.open(intent.prompt)}
        except Erased:
            return asked

    def _sealed(self, render: Render, reason: str) -> Sealed | None:
        """The reason under the render's own key; None where that was destroyed."""
        intent = render.intent
        try:
            return self.keys.seal(
                reason, requester=intent.requester, subject=intent.video_id, field="render.unknown.reason"
            )
        except Erased:
            return None


def _read(kind: type[_Said], fields: Mapping[str, object]) -> _Said:
    try:
        return kind.model_validate(dict(fields))
    except ValidationError as error:
        raise invalid(error) from None


def _fields(render: Render) -> set[str]:
    return {*render.intent.fields, *render.intent.text_fields}


def _opened(render: Render) -> Submission:
    """The submission whose outcome is unknown. Raises Conflicting when there is none."""
    if decisions.doubt(render) == "lost":
        raise Conflicting("Its job is lost, and none can be adopted: resubmit or abandon it.", code="nothing_unknown")
    if decisions.doubt(render) != "unknown" or render.submission is None:
        raise _nothing_unknown()
    return render.submission


def _nothing_unknown() -> Conflicting:
    return Conflicting("Nothing about this render is unknown, or not any more. Look at it.", code="nothing_unknown")

"""Deciding what nobody can find out: unknown outcomes that stay so, and jobs that their renderer forgot. Pure.

    unknown ─┬─ adopted      an operator names the job
             ├─ resubmitted  a rule or an operator takes the risk of a second job
             └─ abandoned    nothing more is done: the render fails
    lost ────┬─ resubmitted
             └─ abandoned

A job that may exist beside the render's own counts as billed (`Render.written_off`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bickford_sora.decisions import submission
from bickford_sora.decisions.catalogue import Recovery
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.submission import Job, Turn
from ledger.envelope import Fact, Sealed
from ledger.events import RenderAbandoned, RenderAdopted, RenderFailed, RenderJobLost, RenderResubmitted
from ledger.events.recovery import Doubt, RecoveryRule
from ledger.render import Phase, Render

ABANDONED = "submission_abandoned"
"""Code of a render that failed because what became of its submission was never found out."""
LOST = "job_lost"
"""Code of a render that failed because its renderer forgot the job."""
LOST_TOO_OFTEN = "lost_attempts_exceeded"
"""Code of a render whose jobs were lost more often than the limit allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Who, or which rule, decided, and why."""

    rule: RecoveryRule | None = None
    decided_by: str | None = None
    reason: Sealed | None = None


def doubt(render: Render) -> Doubt | None:
    """What is to be decided about a render; None: nothing is."""
    if render.phase is Phase.LOST:
        return "lost"
    is_unknown = render.submission_open and render.phase is not Phase.SUBMITTING
    return "unknown" if is_unknown else None


def resubmitted(render: Render, turn: Turn, decided: Decided) -> Draft:
    """Submits it again, whatever became of the job before. Nothing when there is no doubt, or the render ended."""
    about = doubt(render)
    if about is None or render.ended:
        return NOTHING
    fact = RenderResubmitted(
        attempt=render.attempts,
        doubt=about,
        rule=decided.rule,
        decided_by=decided.decided_by,
        reason=decided.reason,
    )
    return _decided(render, turn, [fact])


def abandoned(render: Render, turn: Turn, decided: Decided) -> Draft:
    """Gives it up: a render that has not ended fails, and what may have been billed is settled."""
    about = doubt(render)
    if about is None:
        return NOTHING
    facts: list[Fact] = [
        RenderAbandoned(
            attempt=render.attempts,
            doubt=about,
            rule=decided.rule,
            decided_by=decided.decided_by,
            reason=decided.reason,
        )
    ]
    if not render.ended:
        facts.append(RenderFailed(code=ABANDONED if about == "unknown" else LOST, failed_by="bickford"))
    return _decided(render, turn, facts)


def adopted(render: Render, turn: Turn, job: Job, *, decided_by: str, reason: Sealed | None) -> Draft:
    """The job an operator found: claimed, as if the renderer had answered. Nothing when no outcome is open."""
    if doubt(render) != "unknown":
        return NOTHING
    found = submission.queued(render, turn, job, attempt=render.attempts, found_by_list=True)
    fact = RenderAdopted(attempt=render.attempts, job_id=job.job_id, decided_by=decided_by, reason=reason)
    return Draft(((render.stream, fact), *found.facts), found.heads) if found else NOTHING


def unknown_by_rule(
    render: Render, turn: Turn, recovery: Recovery, now: datetime, *, settled_at: datetime, attempts_max: int
) -> Draft:
    """What `on_unknown` makes of a submission that was looked for in vain; nothing while it is held.

    `settled_at` is from when on the renderer must show the job. Not beyond `attempts_max`: then an operator decides. A
    render that ended meanwhile is never submitted again.
    """
    if recovery.on_unknown == "hold" or doubt(render) != "unknown":
        return NOTHING
    if now < settled_at + timedelta(seconds=recovery.unknown_after_s):
        return NOTHING
    decided = Decided(rule="on_unknown")
    if recovery.on_unknown == "fail" or render.ended:
        return abandoned(render, turn, decided)
    return resubmitted(render, turn, decided) if render.attempts < attempts_max else NOTHING


def lost(render: Render, http_status: int | None, recovery: Recovery) -> Draft:
    """The renderer forgot the job, and what `on_lost` makes of that."""
    assert render.job is not None, render.stream  # noqa: S101 - it was asked about
    fact = RenderJobLost(job_id=render.job.job_id, http_status=http_status, on_lost=recovery.on_lost)
    facts = [fact, *_after_loss(render, recovery, lost_jobs=render.lost_jobs + 1)]
    return Draft(tuple((render.stream, each) for each in facts), {render.stream: render.version})


def lost_by_rule(render: Render, recovery: Recovery) -> Draft:
    """What `on_lost` makes of a job that was held when it was lost: the rule may be another one by now."""
    if render.phase is not Phase.LOST:
        return NOTHING
    facts = _after_loss(render, recovery, lost_jobs=render.lost_jobs)
    return Draft(tuple((render.stream, each) for each in facts), {render.stream: render.version}) if facts else NOTHING


def _after_loss(render: Render, recovery: Recovery, *, lost_jobs: int) -> list[Fact]:
    if recovery.on_lost == "hold":
        return []
    if recovery.on_lost == "fail":
        return [RenderFailed(code=LOST, failed_by="bickford")]
    if lost_jobs > recovery.lost_attempts_max:
        return [RenderFailed(code=LOST_TOO_OFTEN, failed_by="bickford")]
    return [RenderResubmitted(attempt=render.attempts, doubt="lost", rule="on_lost")]


def _decided(render: Render, turn: Turn, facts: list[Fact]) -> Draft:
    placed = [(render.stream, fact) for fact in facts]
    if render.submission_open and render.submission is not None:
        return submission.closing(render, turn, render.submission, placed)
    return Draft(tuple(placed), {render.stream: render.version})

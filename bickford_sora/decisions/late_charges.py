"""What becomes known of a render's jobs once its reservation has ended: booked as corrections, each once. Pure.

settled at its completion ─ job lost ─ made again   booked as quoted, and put right when that job has ended
released, or settled      ─ a job turns up          booked as quoted
"""

from collections.abc import Sequence

from bickford_sora.decisions import settlement
from ledger.envelope import Fact
from ledger.events import Money, Quote, RenderCompleted, SpendAdjusted
from ledger.render import Render


def more_jobs(before: Render, after: Render) -> int:
    """How many jobs that may be billed, and that no reservation is for, became known between two states of a render.

    The job of an attempt that was given up was counted then, and is not when it turns up.
    """
    was_over = before.ended and not before.submission_open
    turned_up = was_over and before.job is None and after.job is not None
    return max(0, after.written_off - before.written_off + turned_up)


def booked(before: Render, after: Render, facts: Sequence[Fact], day: str) -> SpendAdjusted | None:
    """What facts that lead from one state to another cost beyond a reservation that has ended; None: nothing.

    It counts on `day`: the one on which it is known.
    """
    quote = after.quoted
    if quote is None or after.allowed is None:
        return None
    micro = more_jobs(before, after) * quote.cost.amount_micro + _beside_quote(before, after, facts, quote)
    if not micro:
        return None
    intent = after.intent
    return SpendAdjusted(
        video_id=intent.video_id,
        cost=Money(amount_micro=micro, currency=quote.cost.currency),
        project=intent.project,
        requester=intent.requester,
        key_id=after.asked_with,
        model=intent.model,
        renderer=after.allowed.renderer,
        purpose=intent.purpose,
        tags=intent.tags,
        day=day,
    )


def billed(render: Render) -> bool:
    """Whether the job of a render that ended is taken to be billed: one that its renderer called failed is not."""
    failed_there = render.failure is not None and render.failure.failed_by == "renderer"
    return render.job is not None and not failed_there


def _beside_quote(before: Render, after: Render, facts: Sequence[Fact], booked_as: Quote) -> int:
    """What a job that was made again came to, in millionths, beyond the quote it was booked at; 0 before its end.

    `completed_at` is known of a job that was settled, and not of one that is made again.
    """
    allowed = after.allowed.quote if after.allowed else None
    is_made_again = before.extra_jobs > 0 and before.completed_at is None
    if not is_made_again or allowed is None or allowed.cost.currency != booked_as.cost.currency:
        return 0
    completed = next((fact for fact in facts if isinstance(fact, RenderCompleted)), None)
    if completed is not None:
        return settlement.due(allowed, after.intent, completed.reported).amount_micro - booked_as.cost.amount_micro
    was_open = not before.ended or before.submission_open
    if not was_open or not after.ended or after.submission_open:
        return 0
    return (allowed.cost.amount_micro if billed(after) else 0) - booked_as.cost.amount_micro

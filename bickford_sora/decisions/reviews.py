"""What somebody who looked at a video says of it, checked, scored, and the fact it leads to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import Conflicting, NotReady
from ledger.envelope import Sealed
from ledger.events import RenderReviewed, ReviewWeights
from ledger.events.render import ReviewVerdict
from ledger.render import Phase, Render

REVIEW_MINUTES_MAX = 24 * 60
NOTES_CHARS_MAX = 8_000
REVIEWS_MAX = 100
"""Reviews of one video."""

_MINUTE_S = 60
_STEP = Decimal("0.001")
"""A score has three decimals."""

Grade = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""0 is the worst, 1 the best."""


class Judgement(BaseModel):
    """What is said of a video."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    verdict: ReviewVerdict
    clarity: Grade
    continuity: Grade
    brand_fit: Grade
    review_time_minutes: Annotated[float, Field(ge=0, le=REVIEW_MINUTES_MAX, allow_inf_nan=False)]
    """How long it took."""
    notes: Annotated[str, Field(min_length=1, max_length=NOTES_CHARS_MAX)] | None = Field(default=None, repr=False)

    @property
    def review_time_s(self) -> int:
        """How long it took, in whole seconds."""
        return round(self.review_time_minutes * _MINUTE_S)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who reviews, and the id of what they say."""

    caller: Caller
    review_id: str


def read(fields: Mapping[str, object]) -> Judgement:
    """What is said of a video. Raises InvalidRequest naming what is wrong or missing."""
    try:
        return Judgement.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def reviewed(
    render: Render, reviewer: Reviewer, said: Judgement, weights: ReviewWeights, *, notes: Sealed | None
) -> Draft:
    """The review. Raises NotReady while there is no video, Conflicting when there never will be, or there are many."""
    _check_reviewable(render)
    fact = RenderReviewed(
        review_id=reviewer.review_id,
        reviewer=reviewer.caller.requester,
        verdict=said.verdict,
        clarity=said.clarity,
        continuity=said.continuity,
        brand_fit=said.brand_fit,
        review_time_s=said.review_time_s,
        score=score(said, weights),
        weights=weights,
        notes=notes,
    )
    return Draft(((render.stream, fact),), {**reviewer.caller.heads, render.stream: render.version})


def score(said: Judgement, weights: ReviewWeights) -> float:
    """The weighted sum of the grades and of the minutes it took: never below 0, half a thousandth rounded up.

    Reckoned in decimals from what is recorded, so that anybody finds the same.
    """
    parts = (
        (weights.clarity, said.clarity),
        (weights.continuity, said.continuity),
        (weights.brand_fit, said.brand_fit),
    )
    graded = sum((Decimal(str(weight)) * Decimal(str(grade)) for weight, grade in parts), Decimal(0))
    total = graded + Decimal(str(weights.minute)) * said.review_time_s / _MINUTE_S
    return float(max(total, Decimal(0)).quantize(_STEP, ROUND_HALF_UP))


def _check_reviewable(render: Render) -> None:
    if render.phase is not Phase.STORED:
        if render.ended:
            raise Conflicting("The render failed; there is nothing to review.", code="video_failed", param="video_id")
        raise NotReady(
            "The video is not ready yet. Review it when its status is completed.",
            code="video_not_completed",
            param="video_id",
        )
    if len(render.reviews) >= REVIEWS_MAX:
        raise Conflicting(f"A video has at most {REVIEWS_MAX} reviews.", code="too_many_reviews", param="video_id")

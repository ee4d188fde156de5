"""Reviews: what people who looked at a video said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bickford_sora import finding
from bickford_sora.confirming import decided_as
from bickford_sora.decisions import reviews as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.reviews import Judgement, Reviewer
from bickford_sora.errors import Gone
from bickford_sora.recording import Origin, Recording, after
from ledger import streams
from ledger.envelope import Sealed
from ledger.errors import Erased
from ledger.events import ReviewWeights
from ledger.keys import Keys
from ledger.render import Render, Review


@dataclass(frozen=True, slots=True)
class Reviews:
    """Takes reviews and shows them. Safe to use from several threads.

    Another project's video is NotFound like one that never was. Raises `ledger.errors.Unavailable` when the database
    does not answer.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    weights: ReviewWeights = field(default_factory=ReviewWeights)
    """What the grades count; recorded with each review, so that a change of them changes no score."""

    def take(self, caller: Caller, video_id: str, fields: Mapping[str, object], *, origin: Origin) -> Review:
        """Records what is said of a video of the caller's own project.

        Raises InvalidRequest, NotFound, NotReady, Conflicting, Unauthorized when the API key was revoked meanwhile, and
        Gone when notes can not be kept, since the requester was erased.
        """
        said = decisions.read(fields)
        review_id = streams.review_id(self.recording.new_id())

        def attempt(who: Caller) -> Review:
            render = finding.find(self.recording.ledger, who, video_id, param="video_id")
            notes = self._sealed(render, said)
            draft = decisions.reviewed(render, Reviewer(who, review_id), said, self.weights, notes=notes)
            return after(render, self.recording.append(draft, origin, on=render)).reviews[-1]

        return decided_as(caller, self.recording, attempt, when_busy="The video is changing. Send the review again.")

    def of(self, caller: Caller, video_id: str) -> tuple[Review, ...]:
        """What was said of a video the caller reads, in its order. Raises NotFound."""
        return finding.find_to_read(self.recording.ledger, caller, video_id, param="video_id").reviews

    def _sealed(self, render: Render, said: Judgement) -> Sealed | None:
        """The notes under the render's own key: they are erased with its prompt."""
        if said.notes is None:
            return None
        intent = render.intent
        try:
            return self.keys.seal(
                said.notes, requester=intent.requester, subject=intent.video_id, field="render.reviewed.notes"
            )
        except Erased:
            raise Gone(
                "What belongs to this video's requester was erased. Review it without notes.",
                code="erased",
                param="notes",
            ) from None

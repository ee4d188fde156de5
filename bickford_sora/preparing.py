"""From a parsed request to what is decided on: completed, with its destination and everything a policy looks at.

Nothing is written here, so that a quote goes the same way as a render.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bickford_sora.clocks import CheckTime, unchecked
from bickford_sora.decisions import choice, intent, offers
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.intent import Asked
from bickford_sora.decisions.lineage import Lineage
from bickford_sora.decisions.offers import DEFAULTS, Shape, Wish
from bickford_sora.decisions.policy import Policy
from bickford_sora.decisions.request import ParsedRequest, VideoRequest
from bickford_sora.decisions.routing import IsStopped, choose
from bickford_sora.decisions.rules.guardrails import texts_read
from bickford_sora.decisions.rules.purposes import PurposeEntry
from bickford_sora.finding import find
from bickford_sora.lineages import Lineages
from bickford_sora.moderation import Image, Moderation
from bickford_sora.policies import Policies
from bickford_sora.recording import Recording
from bickford_sora.references import Clip, Picture, References
from ledger import streams
from ledger.keys import Keys
from ledger.render import Render


@dataclass(frozen=True, slots=True)
class Desk:
    """What intake works with."""

    recording: Recording
    keys: Keys
    references: References
    policies: Policies
    moderation: Moderation
    catalogue: Callable[[], Catalogue]
    """What is offered now."""
    is_stopped: IsStopped
    approval_s: float
    """How long a held render waits for an approver, in seconds."""
    repeats_answers: bool = True
    """Whether an answer that could not be delivered is given to the SDKs' repetition of a request."""
    check_time: CheckTime = unchecked
    """Asked before anything is accepted: ids, days of budgets and ends of approvals go by the clock."""
    take_place: Callable[[Caller], None] = lambda _: None
    """Takes a place in the queue for one more render of a caller. Raises TooManyRequests."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that can be decided on, and its files, which are not kept yet."""

    asked: Asked
    picture: Picture | None
    clip: Clip | None


class Preparing:
    """Prepares requests. Safe to use from several threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lineages = Lineages(desk.recording.ledger, desk.keys)

    def prepare(self, caller: Caller, request: ParsedRequest, policy: Policy) -> Prepared:
        """The request as this policy completes it. From what is cheap to refuse to what costs time.

        Raises ProtocolError for what cannot be made, and ledger.errors.Unavailable.
        """
        references = self._desk.references
        wish = choice.choice_for(request, policy.compiled.document.purposes)
        source, uploaded = self._source(caller, request), request.source.file if request.source else None
        found = offers.candidates(choice.with_model(request, wish), self._desk.catalogue(), source)
        clip = references.clip(uploaded) if uploaded else None
        wanted, found = offers.completed(found, clip.shape if clip else _shape(source), _wish(wish))
        video_id = streams.video_id(self._desk.recording.new_id())
        destination = choose(found, self._desk.is_stopped, _draw(video_id))
        picture = references.picture(request.reference, wanted.size) if request.reference else None
        moderation = self._desk.moderation.look(
            policy.compiled.document.guardrails,
            "\n".join(texts_read(wanted.prompt, wanted.fields)),
            _image(picture),
            tenant=caller.tenant,
        )
        asked = Asked(
            video_id=video_id,
            caller=caller,
            request=wanted,
            destination=destination,
            has_reference=picture is not None,
            source=source,
            lineage=self.lineage(source, wanted, policy),
            moderation=moderation,
            chosen=choice.chosen(request, wanted, wish),
        )
        return Prepared(asked, picture, clip)

    def lineage(self, source: Render | None, wanted: VideoRequest, policy: Policy) -> Lineage:
        """What a request joins, as it is now."""
        asked = policy.compiled.asks_about_lineage(wanted.declared.purpose)
        return self._lineages.of(source, wanted, with_members=asked)

    def source(self, caller: Caller, video_id: str, param: str = "video_id") -> Render:
        """A video of this project that another one can be made from. Raises NotFound, and as `intent.check_source`."""
        source = find(self._desk.recording.ledger, caller, video_id, param=param)
        intent.check_source(source, param=param)
        return source

    def _source(self, caller: Caller, request: ParsedRequest) -> Render | None:
        """The video of this project it is made from; None for an upload, and where there is none."""
        named = request.source
        if named is None or named.video_id is None:
            return None
        return self.source(caller, named.video_id, named.param)


def _wish(choice: PurposeEntry) -> Wish:
    """What the policy chose, and else the protocol's defaults."""
    return Wish(choice.size or DEFAULTS.size, DEFAULTS.seconds if choice.seconds is None else str(choice.seconds))


def _image(picture: Picture | None) -> Image | None:
    return Image(picture.file.content, picture.facts.media_type) if picture else None


def _shape(source: Render | None) -> Shape | None:
    return Shape(source.intent.size, source.intent.video_seconds) if source else None


def _draw(video_id: str) -> int:
    """A number from the random end of an id: drawn once, and the same whenever it is looked at again."""
    return int(video_id[-15:], 16)

"""Who makes what was asked for: a request against the offers of its model, narrowed down one wish after the other.

Each wish that nobody left can fulfil is refused by its name, with what may be asked for instead. What a request leaves
open is filled in with the protocol's default where that is offered. Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NoReturn

from bickford_sora.decisions.catalogue import Catalogue, ModelOffer, Route
from bickford_sora.decisions.media import SOURCE
from bickford_sora.decisions.request import ParsedRequest, VideoRequest
from bickford_sora.decisions.wrong import VALUE_CHARS_SHOWN_MAX
from bickford_sora.errors import InvalidRequest, TryLater, Unsupported
from ledger.render import Render

MODEL_DEFAULT = "sora-2"
SECONDS_DEFAULT = "4"
SIZE_DEFAULT = "720x1280"
"""The protocol's defaults; where one is not offered, the first that is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a new video keeps of its source."""

    size: str
    seconds: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who is left, in the order of the route."""

    request: ParsedRequest
    model: str
    route: Route
    offers: tuple[ModelOffer, ...]
    holder: ModelOffer | None = None
    """The renderer that has the source's job."""
    holding_replica: str | None = None
    prices_hash: str = ""


def candidates(request: ParsedRequest, catalogue: Catalogue, source: Render | None) -> Candidates:
    """Everyone who makes such a thing at all, before its size and length are looked at.

    `source` is the video of this project it is made from. Raises InvalidRequest naming what nobody offers, Unsupported
    when nobody has the operation, TryLater when no renderer is configured.
    """
    if not catalogue.routes:
        raise TryLater("No renderer is configured. An operator has to name one.", code="no_renderer")
    model = _model(request, catalogue, source)
    route = catalogue.routes[model]
    holder, replica = _holder(catalogue, model, source)
    found = Candidates(request, model, route, route.offers, holder, replica, catalogue.prices_hash)
    found = _able(found)
    found = _taking_prompt(found)
    return _taking_fields(found)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is taken for what a create leaves open, where it is offered."""

    size: str = SIZE_DEFAULT
    seconds: str = SECONDS_DEFAULT


DEFAULTS = Wish()
"""The protocol's."""


def completed(found: Candidates, source: Shape | None, wish: Wish = DEFAULTS) -> tuple[VideoRequest, Candidates]:
    """The request with everything it left open, and who takes all of it. `source` is what it is made from.

    Raises InvalidRequest naming the size or length that nobody left offers.
    """
    asked = found.request
    if source is None:
        return _created(found, wish)
    found = _taking_shape(found, source)
    if asked.operation == "extend":
        assert asked.seconds is not None  # noqa: S101 - an extension is not parsed without them
        found = _taking(found, "seconds", asked.seconds, _segments)
        return replace(_request(found, source.size, asked.seconds), source_seconds=source.seconds), found
    _check_kept(asked, source)
    return _request(found, source.size, source.seconds), found


def prompt_chars_max(offer: ModelOffer) -> int:
    """The longest prompt it takes: what is configured, or less where the dialect takes less."""
    return min(offer.prompt_chars_max, offer.capabilities.prompt_chars_max)


def _model(request: ParsedRequest, catalogue: Catalogue, source: Render | None) -> str:
    if source is not None:
        model = source.intent.model
        if request.model not in {None, model}:
            _refuse_kept("model", model)
        if model not in catalogue.routes:
            raise InvalidRequest(
                f"The source's model {model!r} is not offered any more.", code="model_not_found", param=_param(request)
            )
        return model
    if request.model is None:
        return MODEL_DEFAULT if MODEL_DEFAULT in catalogue.routes else next(iter(catalogue.routes))
    if request.model not in catalogue.routes:
        _refuse("model", request.model, catalogue.routes, code="model_not_found")
    return request.model


def _holder(catalogue: Catalogue, model: str, source: Render | None) -> tuple[ModelOffer | None, str | None]:
    job = source.job if source else None
    if job is None:
        return None, None
    return catalogue.offer(model, job.renderer, job.credential), job.replica


def _able(found: Candidates) -> Candidates:
    """Those who have the operation, for a source that is where it is."""
    operation = found.request.operation
    if operation == "create":
        return found
    offers = tuple(each for each in found.offers if _is_able(found, each))
    if offers:
        return replace(found, offers=offers)
    if operation == "remix":
        raise Unsupported(
            f"No renderer of {found.model!r} can remix this video. Create a new one instead.",
            code="remix_unsupported",
            param=_param(found.request),
        )
    word = "edit" if operation == "edit" else "extend"
    raise Unsupported(f"No renderer of {found.model!r} can {word} a video.", code="unsupported_by_renderer")


def _is_able(found: Candidates, offer: ModelOffer) -> bool:
    can = offer.capabilities
    match found.request.operation:
        case "create":
            return True
        case "edit":
            return can.edits
        case "extend":
            return can.extensions
        case "remix":
            return can.remix == "video_reference" or (can.remix == "route" and offer is found.holder)


def _taking_prompt(found: Candidates) -> Candidates:
    chars = len(found.request.prompt)
    offers = tuple(each for each in found.offers if chars <= prompt_chars_max(each))
    if not offers:
        limit = max(map(prompt_chars_max, found.offers))
        raise InvalidRequest(
            f"The prompt has {chars} characters; the limit is {limit}.", code="prompt_too_long", param="prompt"
        )
    return replace(found, offers=offers)


def _taking_fields(found: Candidates) -> Candidates:
    """Those who take every field beyond the protocol; the first that nobody left takes is named."""
    for name in found.request.fields:
        offers = tuple(each for each in found.offers if name in each.fields)
        if not offers:
            raise InvalidRequest(f"Unknown parameter: {name!r}.", code="unknown_parameter", param=name)
        found = replace(found, offers=offers)
    return found


Choices = Callable[[ModelOffer], tuple[str, ...]]


def _sizes(offer: ModelOffer) -> tuple[str, ...]:
    return offer.sizes


def _lengths(offer: ModelOffer) -> tuple[str, ...]:
    return offer.seconds


def _segments(offer: ModelOffer) -> tuple[str, ...]:
    return offer.extension_seconds


def _taking(found: Candidates, param: str, value: str, choices: Choices) -> Candidates:
    offers = tuple(each for each in found.offers if value in choices(each))
    if not offers:
        _refuse(param, value, _union(found, choices))
    return replace(found, offers=offers)


def _created(found: Candidates, wish: Wish) -> tuple[VideoRequest, Candidates]:
    """A create: what is named comes first, so that a default never stands against it."""
    size, seconds = found.request.size, found.request.seconds
    if size is not None:
        found = _taking(found, "size", size, _sizes)
    if seconds is not None:
        found = _taking(found, "seconds", seconds, _lengths)
    if size is None:
        size = _default(found, _sizes, wish.size)
        found = _taking(found, "size", size, _sizes)
    if seconds is None:
        seconds = _default(found, _lengths, wish.seconds)
        found = _taking(found, "seconds", seconds, _lengths)
    return _request(found, size, seconds), found


def _taking_shape(found: Candidates, source: Shape) -> Candidates:
    """Those who make frames of the source's size, and for a remix its length; who made the source does."""
    remix = found.request.operation == "remix"
    offers = tuple(
        each
        for each in found.offers
        if each is found.holder or (source.size in each.sizes and (not remix or source.seconds in each.seconds))
    )
    if not offers:
        sizes = ", ".join(_union(found, _sizes))
        raise InvalidRequest(
            f"The source is {source.size} pixels and {source.seconds} s long; the renderers that could take it "
            f"make {sizes}.",
            code="source_shape_not_offered",
            param=_param(found.request),
        )
    return replace(found, offers=offers)


def _check_kept(asked: ParsedRequest, source: Shape) -> None:
    """A remix and an edit may name what they keep, and nothing else."""
    if asked.size not in {None, source.size}:
        _refuse_kept("size", source.size)
    if asked.seconds not in {None, source.seconds}:
        _refuse_kept("seconds", source.seconds)


def _default(found: Candidates, choices: Choices, default: str) -> str:
    offered = _union(found, choices)
    return default if default in offered else offered[0]


def _union(found: Candidates, choices: Choices) -> tuple[str, ...]:
    return tuple(dict.fromkeys(choice for offer in found.offers for choice in choices(offer)))


def _request(found: Candidates, size: str, seconds: str) -> VideoRequest:
    asked = found.request
    return VideoRequest(
        asked.prompt, found.model, seconds, size, asked.operation, asked.fields, declared=asked.declared
    )


def _param(request: ParsedRequest) -> str:
    """The field that named the source."""
    return request.source.param if request.source else SOURCE


def _refuse(param: str, value: str, choices: Iterable[str], *, code: str = "invalid_value") -> NoReturn:
    shown = value[:VALUE_CHARS_SHOWN_MAX]
    raise InvalidRequest(
        f"Invalid value: {shown!r}. Supported values are: {', '.join(map(repr, choices))}.", code=code, param=param
    )


def _refuse_kept(param: str, kept: str) -> NoReturn:
    raise InvalidRequest(
        f"The source's {param} is {kept!r} and stays: leave {param} out, or send that.",
        code="invalid_value",
        param=param,
    )

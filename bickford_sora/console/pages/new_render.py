"""A new render: a form that says, while it is filled in, what it would cost and what policy says to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import BaseModel

from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.routing import Pages
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.fields import FIELDS
from bickford_sora.decisions.request import ParsedRequest, create_request
from bickford_sora.errors import ProtocolError
from bickford_sora.http.asking import crossing_of
from bickford_sora.http.quotes import Quote, told_quote
from bickford_sora.http.roles import ASKS

Kind = Literal["text", "number", "truth"]

KINDS: Mapping[str, Kind] = MappingProxyType(
    {"negative_prompt": "text", "lora": "text", "style": "text", "generate_audio": "truth"}
)
"""How a field beyond the protocol is asked for; all others are numbers."""

pages = Pages()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form begins with."""

    prompt: str = Query("", max_length=4_000)
    model: str = Query("", max_length=128)
    size: str = Query("", max_length=32)
    seconds: str = Query("", max_length=8)
    purpose: Literal["", "draft", "final"] = ""


class OfferedModel(BaseModel):
    """What is made under one name, by any of its renderers."""

    name: str
    sizes: Sequence[str]
    seconds: Sequence[str]
    fields: Sequence[str]


class OfferedField(BaseModel):
    """A field beyond the protocol that is let through."""

    name: str
    label: str
    kind: Kind
    models: Sequence[str]
    """Those that take it."""


class Said(BaseModel):
    """The answer to what is in the form so far. Both None: there is nothing to say yet."""

    quote: Quote | None = None
    problem: str | None = None
    """What is wrong with it, and what to do."""
    param: str | None = None


class NewRender(BaseModel):
    """The form."""

    asked: dict[str, str]
    models: Sequence[OfferedModel]
    sizes: Sequence[str]
    seconds: Sequence[str]
    fields: Sequence[OfferedField]
    said: Said


@pages.page("/new", "new_render.html", takes=ASKS)
async def form(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> NewRender:
    """The empty form, or one that begins with what the address says."""
    return await visit.read(lambda visit: _form(visit, asked))


@pages.preview("/new/quote", "parts/quote.html", takes=ASKS)
async def quote(act: TheAct) -> Said:
    """What it would cost and whether it would be taken. Writes nothing."""
    if not str(act.fields.get("prompt", "")).strip():
        return Said()
    try:
        parsed = await _read(act)
        return await crossing_of(act.order.house, parsed).run(_said, act, parsed)
    except ProtocolError as error:
        return Said(problem=error.message, param=error.param)


@pages.action("/new", takes=ASKS)
async def ask(act: TheAct) -> str:
    """Asks for it: as `POST /v1/videos`."""
    parsed = await _read(act)
    return await crossing_of(act.order.house, parsed).run(_asked, act, parsed)


async def _read(act: Act) -> ParsedRequest:
    """What the form asks for. Looking at a file takes a while: nothing else waits for it."""
    return await act.order.house.crossing.run(create_request, act.fields, act.files)


# What follows runs in the synchronous world, behind the crossing.


def _said(act: Act, parsed: ParsedRequest) -> Said:
    return Said(quote=told_quote(act.order.house.quoting.quote(act.order.caller, parsed)))


def _asked(act: Act, parsed: ParsedRequest) -> str:
    order = act.order
    answer = order.house.intake.ask(order.caller, parsed, order.terms("create", parsed))
    return f"/renders/{answer.render.intent.video_id}?done=asked"


def _form(visit: Visit, asked: Asked) -> NewRender:
    models = offered(visit.console.catalogue())
    return NewRender(
        asked=asdict(asked),
        models=models,
        sizes=_all(each.sizes for each in models),
        seconds=sorted(_all(each.seconds for each in models), key=float),
        fields=_fields(models),
        said=Said(),
    )


def offered(catalogue: Catalogue) -> list[OfferedModel]:
    """Every model, in the catalogue's order."""
    return [
        OfferedModel(
            name=name,
            sizes=_all(each.sizes for each in route.offers),
            seconds=_all(each.seconds for each in route.offers),
            fields=sorted(FIELDS.intersection(_all(sorted(each.fields) for each in route.offers))),
        )
        for name, route in catalogue.routes.items()
    ]


def _fields(models: Sequence[OfferedModel]) -> list[OfferedField]:
    taken = {name: [each.name for each in models if name in each.fields] for name in sorted(FIELDS)}
    return [
        OfferedField(
            name=name, label=name.replace("_", " ").capitalize(), kind=KINDS.get(name, "number"), models=takers
        )
        for name, takers in taken.items()
        if takers
    ]


def _all(lists: Iterable[Sequence[str]]) -> list[str]:
    """What any of them has, once, in the order of first sight."""
    return [*dict.fromkeys(each for listed in lists for each in listed)]

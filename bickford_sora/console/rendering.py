"""Templates: what they are given, and how values look in them. Every text is escaped, and no name may be missing."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from bickford_sora.console import wording
from bickford_sora.console.console import Visit
from bickford_sora.console.cookies import theme_in
from bickford_sora.console.navigation import entries
from bickford_sora.console.policy import PAGE_HEADERS
from bickford_sora.console.static import address_of


@cache
def _templates() -> Environment:
    """The templates that ship with the program; they are read once."""
    found = Environment(
        loader=PackageLoader("bickford_sora.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(wording.FILTERS)
    found.globals.update(static=address_of, query=_query)
    return found


def page(visit: Visit, template: str, model: BaseModel) -> HTMLResponse:
    """A whole page."""
    return HTMLResponse(_templates().get_template(template).render(_given(visit, model)), headers=PAGE_HEADERS)


def part(visit: Visit, template: str, model: BaseModel) -> HTMLResponse:
    """A part of a page, as it is put in place by script."""
    return page(visit, template, model)


def bare(request: Request, template: str, status: int = 200, /, **given: Any) -> HTMLResponse:
    """A page for somebody who may not be signed in."""
    shown = {"theme": theme_in(request), **given}
    text = _templates().get_template(template).render(shown)
    return HTMLResponse(text, status, headers=PAGE_HEADERS)


def _given(visit: Visit, model: BaseModel) -> dict[str, Any]:
    return {
        "page": model,
        "visit": visit,
        "caller": visit.caller,
        "csrf": visit.csrf,
        "now": visit.now,
        "here": visit.here,
        "notice": wording.NOTICES.get(visit.request.query_params.get("done", "")),
        "theme": theme_in(visit.request),
        "navigation": entries(visit.caller),
        "new_key": lambda: visit.house.new_id().hex,
    }


def _query(given: Mapping[str, Any], **changed: Any) -> str:
    """A query: what was given, with some of it changed; None leaves a name out."""
    merged = {**given, **changed}
    said = [(name, each) for name, value in merged.items() for each in _listed(value) if each not in {None, ""}]
    return f"?{urlencode(said)}" if said else ""


def _listed(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) else [value]

"""An action: a form that somebody who is signed in sent from a page of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.decisions.media import File
from bickford_sora.errors import InvalidRequest, RoleMissing
from bickford_sora.http.asking import PARSED_AT_ONCE_BYTES_MAX
from bickford_sora.http.bodies import read_body
from bickford_sora.http.crossing import Crossing
from bickford_sora.http.forms import Form, parse
from bickford_sora.http.house import Order

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
KEY_FIELD = "idempotency_key"
"""Of a form that makes a render: sent twice, it makes one."""
ACTION_BYTES_MAX = 256 * 1024
"""Largest form of an action, in bytes; a policy, three times its length as forms write it, has room."""
WITH_FILES = frozenset({"/new", "/new/quote", "/new/batch"})
"""Actions whose forms hold files: as large as a body of the HTTP routes."""


@dataclass(frozen=True, slots=True)
class Act:
    """What was sent, as the HTTP routes take it: a field that was left empty was not given."""

    visit: Visit
    order: Order
    fields: Mapping[str, object]
    files: Mapping[str, File]

    def text(self, name: str) -> str:
        """A field's text. Raises InvalidRequest where it is missing."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise InvalidRequest(f"Fill in {name!r}.", code="missing_required_parameter", param=name)
        return value

    def texts(self, name: str) -> list[str]:
        """The values of all fields of a name with `[]` behind it; none where none was chosen."""
        value = self.fields.get(name, [])
        return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def check_from_here(request: Request) -> None:
    """Raises RoleMissing for a form on another site's page. What is no browser says nothing, and is believed."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    host = request.headers.get("host", "")
    is_ours = site in {None, "same-origin", "none"} and (origin is None or origin.partition("://")[2] == host)
    if not is_ours:
        raise RoleMissing(
            "This form was not sent from a page of this server. Open the page here, and send it again.",
            code="csrf_failed",
        )


async def read_form(request: Request, crossing: Crossing, *, bytes_max: int, silence_s: float) -> Form:
    """The form in the body, without what was left empty. Raises InvalidRequest, TooLarge and TooSlow."""
    body = await read_body(request, bytes_max=bytes_max, silence_s=silence_s)
    media_type = request.headers.get("content-type")
    if len(body) > PARSED_AT_ONCE_BYTES_MAX:
        form = await crossing.run(parse, media_type, body)
    else:
        form = parse(media_type, body) if body else Form()
    given = {name: value for name, value in form.fields.items() if value != ""}
    files = {name: file for name, file in form.files.items() if file.content}
    return Form(given, files)


async def acting(request: Request, visit: TheVisit) -> Act:
    """The action. Raises RoleMissing for a form that is not from a page of this session, and as `read_form`."""
    check_from_here(request)
    limits, session = visit.house.limits, visit.session
    bytes_max = limits.body_bytes_max if request.url.path in WITH_FILES else ACTION_BYTES_MAX
    form = await read_form(request, visit.house.crossing, bytes_max=bytes_max, silence_s=limits.body_silence_s)
    token = request.headers.get(CSRF_HEADER) or form.fields.get(CSRF_FIELD)
    if session is None or not visit.console.sessions.is_csrf(session, token):
        raise RoleMissing(
            "This form is too old, or not of this session and place. Open the page again.", code="csrf_failed"
        )
    key = form.fields.get(KEY_FIELD)
    fields = {name: value for name, value in form.fields.items() if name not in {CSRF_FIELD, KEY_FIELD}}
    return Act(visit, visit.order(key if isinstance(key, str) else None), fields, form.files)


TheAct = Annotated[Act, Depends(acting)]

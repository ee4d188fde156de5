"""Every fact, by actor, action, target and time; and ready-made questions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, TypeAdapter, ValidationError

from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.names import names_of
from bickford_sora.console.routing import Pages
from bickford_sora.errors import InvalidRequest
from bickford_sora.http import audit as facts
from bickford_sora.http.audit import FILTER_CHARS_MAX, AuditEvent, PageAsked
from bickford_sora.http.forms import NO_NUL
from bickford_sora.http.roles import OVERSEES
from projections.questions import QUESTIONS

PAGE_FACTS = 50
ACTIONS: Sequence[str] = (
    "render.intent",
    "render.allowed",
    "render.denied",
    "render.approval_requested",
    "render.stored",
    "render.failed",
    "spend.settled",
    "policy.published",
    "key.issued",
    "key.revoked",
    "budget.set",
    "webhook.received",
)
"""Types of facts that the filter proposes; any other can be written."""
_IN_SIGHT = frozenset({"actor", "type", "video_id", "after"})
_READ = TypeAdapter(facts.Asked)

Text = Annotated[str, Query(max_length=FILTER_CHARS_MAX, pattern=NO_NUL)]

pages = Pages()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which facts are asked for; what is empty was not given."""

    actor: Text = ""
    type: Text = ""
    video_id: Text = ""
    since: Text = ""
    until: Text = ""
    stream: Text = ""
    project: Text = ""
    requester: Text = ""
    request_id: Text = ""
    rule: Text = ""
    job_id: Text = ""
    webhook_event_id: Text = ""
    sha256: Text = ""
    text: Text = ""
    position_min: Text = ""
    position_max: Text = ""
    after: Text = ""


class ListOfFacts(BaseModel):
    """A page of facts, the last recorded first."""

    facts: Sequence[AuditEvent]
    names: Mapping[str, str]
    """What the keys among their actors are called."""
    asked: dict[str, str]
    is_filtered: bool
    has_rare_filters: bool
    """Whether a filter is among them that is not in sight at first."""
    actions: Sequence[str]
    questions: Mapping[str, str]
    after: str | None
    """Where the next page begins; None: this is the last."""
    parked: int
    """Facts that are in no page, since this version cannot read their streams."""
    behind: int
    """The ledger's last facts that may be missing, since the audit has not come to them."""


class AnswerToQuestion(BaseModel):
    """What a ready-made question found."""

    name: str
    finds: str
    columns: Sequence[str]
    rows: Sequence[dict[str, Any]]
    has_more: bool
    behind: int
    """The ledger's last facts that may not be accounted for yet."""
    questions: Mapping[str, str]


@pages.page("/audit", "audit.html", takes=OVERSEES)
async def audit(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> ListOfFacts:
    """The facts that match."""
    return await visit.read(lambda visit: _listed(visit, asked))


@pages.page("/audit/questions/{name}", "audit_question.html", takes=OVERSEES)
async def question(name: str, visit: TheVisit) -> AnswerToQuestion:
    """What a question finds now."""
    found = await visit.read(lambda visit: facts.found_answer(visit.house, visit.caller, name))
    columns = [*found.data[0]] if found.data else []
    return AnswerToQuestion(
        name=name,
        finds=found.finds,
        columns=columns,
        rows=found.data,
        has_more=found.has_more,
        behind=found.behind,
        questions=QUESTIONS,
    )


# What follows runs in the synchronous world, behind the crossing.


def _listed(visit: Visit, asked: Asked) -> ListOfFacts:
    given = asdict(asked)
    page = PageAsked(limit=PAGE_FACTS, after=asked.after or None)
    found = facts.found_page(visit.house, visit.caller, _wanted(given), page)
    return ListOfFacts(
        facts=found.data,
        names=names_of(visit, [each.actor for each in found.data]),
        asked=given,
        is_filtered=any(given.values()),
        has_rare_filters=any(value for name, value in given.items() if name not in _IN_SIGHT),
        actions=ACTIONS,
        questions=QUESTIONS,
        after=str(found.last_id) if found.has_more else None,
        parked=found.parked,
        behind=found.behind,
    )


def _wanted(given: Mapping[str, str]) -> facts.Asked:
    """The filters as the HTTP route takes them. Raises InvalidRequest naming the one that cannot be understood."""
    try:
        return _READ.validate_python({name: value for name, value in given.items() if value and name != "after"})
    except ValidationError as error:
        first = error.errors()[0]
        param = str(first["loc"][0])
        raise InvalidRequest(f"{param}: {first['msg']}.", code="invalid_value", param=param) from None

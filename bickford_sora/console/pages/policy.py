"""The policy: what is in force, what was, what another one would have done, and publishing it."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel

from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.names import names_of
from bickford_sora.console.pages.proof import Check, check_of, moment_in
from bickford_sora.console.routing import Pages
from bickford_sora.decisions.rules.backtest import FATES
from bickford_sora.decisions.rules.evaluation import CompiledPolicy
from bickford_sora.decisions.rules.reading import PolicyInvalid, Problem, read_policy
from bickford_sora.errors import InvalidRequest, NotFound
from bickford_sora.http.policies import Policy, PolicyWithText, newest_versions, policy_in_force, with_text
from bickford_sora.http.roles import ADMINISTERS, OVERSEES

VERSIONS_MAX = 50
"""Newest versions that are listed."""
FLIPPED_MAX = 50
"""Decisions that would have been others that are listed."""
CONTEXT_LINES = 3
"""Lines around a change that are shown with it."""

pages = Pages()


class DiffLine(BaseModel):
    """One line of a difference."""

    kind: str
    """`same`, `added`, `gone`, or `skip` where lines that are the same were left out."""
    text: str


class PolicyPage(BaseModel):
    """A version of the policy, and how it differs from the one before it."""

    policy: PolicyWithText
    published_at: datetime | None
    is_in_force: bool
    against: int | None
    """The version it is compared with; None: it is the first."""
    diff: Sequence[DiffLine]
    versions: Sequence[Policy]
    names: Mapping[str, str]
    """What the keys that published them are called."""
    may_publish: bool


class Editor(BaseModel):
    """Another policy, as it is written."""

    text: str
    may_publish: bool


class Lint(BaseModel):
    """What is wrong with a policy, or how it differs from the one in force."""

    policy_hash: str | None
    """None: it cannot be used."""
    rules: int
    problems: Sequence[str]
    diff: Sequence[DiffLine]


class Backtest(BaseModel):
    """What another policy would have made of what was asked for."""

    check: Check | None
    """None: none was asked for with this key."""
    fates: Sequence[str]
    report: Any
    """What `bickford-sora policy backtest --json` prints, with the first flipped decisions; None until it ended."""
    flipped: int
    """Decisions that would have been others."""
    may_publish: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Which version is asked for; without one, the one in force."""

    version: Annotated[int, Query(ge=0, le=2**31)] = 0


@pages.page("/policy", "policy.html", takes=OVERSEES)
async def policy(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> PolicyPage:
    """A version, and every other."""
    return await visit.read(lambda visit: _page(visit, asked.version))


@pages.page("/policy/new", "policy_editor.html", takes=OVERSEES)
async def editor(visit: TheVisit, tested: Annotated[str, Query(max_length=1)] = "") -> Editor:
    """A place to write another policy, begun with the one in force, or with the one that was tried out last."""
    standing = visit.console.commands.standing(_backtest(visit)) if tested else None
    text = standing.text if standing else (await visit.read(_in_force)).text
    return Editor(text=text, may_publish=_may_publish(visit))


@pages.preview("/policy/lint", "parts/policy_lint.html", takes=OVERSEES)
async def lint(act: TheAct) -> Lint:
    """Looks at a policy as it is written."""
    text = _text(act)
    return await act.visit.read(lambda visit: _looked_at(visit, text))


@pages.action("/policy/publish", takes=ADMINISTERS)
async def publish(act: TheAct) -> str:
    """Puts a policy in force."""
    order = act.order
    content = _text(act).encode()
    await order.house.crossing.run(order.house.policies.publish, order.caller, content, order.origin)
    return "/policy?done=published"


@pages.action("/policy/backtest", takes=OVERSEES, records=False)
async def begin_backtest(act: TheAct) -> str:
    """Asks another policy about every render that was asked for, in a process of its own."""
    visit, text = act.visit, _text(act)
    await visit.read(lambda _: _read(text))
    arguments = ["policy", "backtest", "/dev/stdin", "--json", "--tenant", visit.caller.tenant]
    for name in ("since", "until"):
        if name in act.fields:
            arguments += [f"--{name}", moment_in(act, name)]
    if not visit.caller.everywhere:
        arguments += ["--project", visit.caller.project]
    visit.console.commands.begin(_backtest(visit), *arguments, by=visit.caller.key_id, text=text)
    return "/policy/backtest"


@pages.page("/policy/backtest", "policy_backtest.html", takes=OVERSEES)
async def backtest(visit: TheVisit) -> Backtest:
    """What came of it."""
    standing = visit.console.commands.standing(_backtest(visit))
    check, report = check_of(standing), standing.answer if standing else None
    if check is not None:
        check.answer = None
    flipped = sum(each["intents"] for each in report["flips"]) if report else 0
    if report:
        report = {**report, "flipped": report["flipped"][:FLIPPED_MAX]}
    return Backtest(check=check, fates=FATES, report=report, flipped=flipped, may_publish=_may_publish(visit))


def _backtest(visit: Visit) -> str:
    return f"backtest {visit.caller.tenant} {visit.caller.key_id}"


def _may_publish(visit: Visit) -> bool:
    return visit.may("admin") and visit.caller.everywhere


def _text(act: Act) -> str:
    """The policy in a form, with the line ends of a file."""
    return act.text("text").replace("\r\n", "\n")


def _read(text: str) -> CompiledPolicy:
    try:
        return read_policy(text.encode())
    except PolicyInvalid as error:
        raise InvalidRequest(f"The policy cannot be used. {error}.", code=error.code, param="text") from None


def _told(problems: Sequence[Problem]) -> list[str]:
    return [str(each) for each in problems]


def _diff(before: str, after: str) -> list[DiffLine]:
    """How a text differs from the one before it, by lines."""
    kinds = {"+": "added", "-": "gone", "@": "skip"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=CONTEXT_LINES, lineterm="")
    body = [*lines][2:]
    return [DiffLine(kind=kinds.get(line[:1], "same"), text=line[1:] if line[:1] != "@" else "") for line in body]


# What follows runs in the synchronous world, behind the crossing.


def _in_force(visit: Visit) -> PolicyWithText:
    return policy_in_force(visit.house, visit.caller)


def _looked_at(visit: Visit, text: str) -> Lint:
    try:
        read = read_policy(text.encode(), models=visit.console.catalogue().routes, tenant=visit.caller.tenant)
    except PolicyInvalid as error:
        return Lint(policy_hash=None, rules=0, problems=_told(error.problems), diff=[])
    diff = _diff(_in_force(visit).text, text)
    return Lint(policy_hash=read.hash, rules=len(read.document.rules), problems=[], diff=diff)


def _page(visit: Visit, number: int) -> PolicyPage:
    house, caller = visit.house, visit.caller
    known = {each.version: each for each in house.policies.versions(caller.tenant)}
    in_force = _in_force(visit)
    wanted = in_force if number in {0, in_force.version} else None
    if wanted is None:
        if number not in known:
            raise NotFound("No policy has this version.", code="policy_not_found", param="version")
        wanted = with_text(known[number])
    before, newest = known.get(wanted.version - 1), newest_versions(house, caller, VERSIONS_MAX).data
    first = house.policies.built_in.compiled.text if wanted.version else wanted.text
    return PolicyPage(
        policy=wanted,
        published_at=known[wanted.version].published_at if wanted.version else None,
        is_in_force=wanted.version == in_force.version,
        against=wanted.version - 1 if wanted.version else None,
        diff=_diff(before.text if before else first, wanted.text),
        versions=newest,
        names=names_of(visit, filter(None, [wanted.published_by, *(each.published_by for each in newest)])),
        may_publish=_may_publish(visit),
    )

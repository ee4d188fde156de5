"""The proof of the ledger: its newest checkpoint, the check of everything, and what can be taken along."""

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.commands import Standing
from bickford_sora.console.console import TheVisit, Visit, opened_by
from bickford_sora.console.handing_on import HandedOn
from bickford_sora.console.routing import LookRoute, Pages
from bickford_sora.errors import InvalidRequest, RoleMissing, TryLater
from bickford_sora.http import packs, proof
from bickford_sora.http.audit import Asked
from bickford_sora.http.roles import OVERSEES, READS
from ledger.port import POSITION_MAX
from ledger.proof.errors import NotCovered
from ledger.proof.port import KeptCheckpoint
from projections.questions import QUESTIONS

VERIFY = "verify"
SEEN_BY_ALL = ("held", "facts", "covered", "checkpoints")
"""Of a check's answer, for whoever oversees a part: what was found where is for those who span the tenant."""
_ORIGIN = re.compile(r"\A[^\n]+")

log = structlog.get_logger(__name__)

pages = Pages()
router = APIRouter(route_class=LookRoute, include_in_schema=False)


class ShownCheckpoint(BaseModel):
    """The newest checkpoint."""

    origin: str
    size: int
    root: str
    """In base64, as in the note."""
    root_hex: str
    taken_at: datetime
    note: str


class Check(BaseModel):
    """A check of everything, as far as it is."""

    command: str
    by: str
    """Public id of the key it was set going with."""
    began_at: datetime
    ended_at: datetime | None
    said: Sequence[str]
    """Last lines of what it told while it ran."""
    status: int | None
    """Its exit status; None while it runs."""
    answer: Any
    """What `bickford-sora verify --json` prints; None where it came to nothing."""


class ProofPage(BaseModel):
    """How the ledger stands to its tree."""

    facts: int
    """In the ledger."""
    in_tree: int
    """Of which the tree has so many."""
    checkpoint: ShownCheckpoint | None
    check: Check | None
    findings: int
    """How much the last check found that is not as it was recorded."""
    may_verify: bool
    """Whether the visitor sets checks going, and sees what they found."""
    questions: dict[str, str]


def moment_in(act: Act, name: str) -> str:
    """A day or moment in a form, as commands take it; UTC where it names no zone. Raises InvalidRequest."""
    try:
        moment = datetime.fromisoformat(act.text(name))
    except ValueError:
        raise InvalidRequest("Write a day such as 2026-11-20.", code="invalid_value", param=name) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def check_of(standing: Standing | None) -> Check | None:
    """A command as it is shown."""
    if standing is None:
        return None
    return Check(
        command=standing.command,
        by=standing.by,
        began_at=standing.began_at,
        ended_at=standing.ended_at,
        said=standing.said,
        status=standing.status,
        answer=standing.answer,
    )


@pages.page("/audit/proof", "proof.html", takes=OVERSEES)
async def shown(visit: TheVisit) -> ProofPage:
    """The newest checkpoint, and the last check."""
    return await visit.read(_proof)


@pages.action("/audit/verify", takes=OVERSEES, records=False)
async def verify(act: TheAct) -> str:
    """Rereads the whole ledger and holds it to its tree and checkpoints, in a process of its own."""
    if not act.visit.runs_this:
        raise RoleMissing(
            "The ledger is everybody's. Use a key that spans the tenant which runs this server.",
            code="tenant_admin_needed",
        )
    act.visit.console.commands.begin(VERIFY, "verify", "--json", by=act.visit.caller.key_id)
    return "/audit/proof"


@router.get("/audit/checkpoint", dependencies=[opened_by(READS)])
async def checkpoint(visit: TheVisit) -> Response:
    """The newest checkpoint as a file to keep elsewhere."""
    try:
        newest = await visit.house.crossing.run(visit.house.proofs.checkpoint)
    except NotCovered as error:
        raise proof.not_ready(error) from None
    return _kept(newest.note, f"checkpoint-{newest.size}")


@router.post("/audit/export", dependencies=[opened_by(OVERSEES)])
async def export(act: TheAct) -> Response:
    """The ledger, or what of it was recorded in some days, as a file: what `bickford-sora export` writes."""
    visit = act.visit
    if not visit.runs_this:
        raise RoleMissing(
            "The ledger is everybody's. Use a key that spans the tenant which runs this server.",
            code="tenant_admin_needed",
        )
    arguments = ["export", "--out", "-"]
    for name in ("since", "until"):
        if name in act.fields:
            arguments += [f"--{name}", moment_in(act, name)]
    parts = visit.console.commands.parts("export", *arguments, by=visit.caller.key_id)
    first = await visit.console.exporting.run(_first, parts)
    log.info("ledger_exported", actor=visit.caller.key_id, command=" ".join(arguments))
    headers = {"content-disposition": 'attachment; filename="ledger.jsonl"'}
    return HandedOn(first, parts, media_type="application/x-ndjson", headers=headers)


@router.get("/audit/receipt", dependencies=[opened_by(OVERSEES)])
async def receipt(visit: TheVisit, position: Annotated[int, Query(ge=1, le=POSITION_MAX)]) -> Response:
    """The proof that a fact is under the newest checkpoint."""
    return proof.receipt_file(await visit.read(lambda visit: proof.receipt_at(visit.house, visit.caller, position)))


@router.post("/audit/pack/{video_id}", dependencies=[opened_by(OVERSEES)])
async def pack(video_id: str, act: TheAct) -> Response:
    """The evidence pack of a render: a page, the facts, receipts, and the program that checks them offline."""
    return await packs.archive(act.visit.house, act.visit.caller, Asked(video_id=video_id))


# What follows runs in the synchronous world, behind the crossing.


def _proof(visit: Visit) -> ProofPage:
    tree = visit.house.proofs.tree
    newest = tree.newest()
    check = check_of(visit.console.commands.standing(VERIFY))
    answer = check.answer if check and isinstance(check.answer, dict) else {}
    if check and not visit.runs_this:
        check.said, check.answer = (), {name: answer[name] for name in SEEN_BY_ALL if name in answer} or None
    return ProofPage(
        facts=tree.head(),
        in_tree=tree.size(),
        checkpoint=_shown(newest) if newest else None,
        check=check,
        findings=len(answer.get("findings", ())),
        may_verify=visit.runs_this,
        questions={**QUESTIONS},
    )


def _shown(newest: KeptCheckpoint) -> ShownCheckpoint:
    origin = _ORIGIN.match(newest.note)
    return ShownCheckpoint(
        origin=origin[0] if origin else "",
        size=newest.size,
        root=base64.b64encode(newest.root).decode(),
        root_hex=newest.root.hex(),
        taken_at=newest.taken_at,
        note=newest.note,
    )


def _first(parts: Iterator[bytes]) -> bytes:
    """The first part, so that what cannot be begun is told by a page. Raises TryLater."""
    try:
        return next(parts, b"")
    except (OSError, RuntimeError) as error:
        raise TryLater("The ledger could not be exported. Ask again in a while.", code="export_failed") from error


def _kept(text: str, name: str) -> PlainTextResponse:
    headers = {**proof.FRESH, "content-disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, headers=headers)

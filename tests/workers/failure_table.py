"""The failure table: every durable step, and what a failure before and behind its effect comes to.

docs/failures.md shows it (`python -m tests.workers.failure_table` writes the page). A place is the harness's name of a
step: `append:` and the first fact of a decision, a call of the renderer or of storage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from bickford_sora.assets.errors import AssetStoreUnavailable
from bickford_sora.renderers.errors import ReadFailed, Refused, UnknownOutcome
from ledger.errors import Conflict, Unavailable

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"
Peer = Literal["ledger", "submission", "renderer", "storage", "keys", "list", "tree", "endpoint", "read models"]


Given = Literal[
    "nothing", "no list: resubmit", "no list: fail", "two renderers", "answer comes late", "told by webhook"
]
"""What a story begins with: see `situations.SITUATIONS`."""


class Cause(StrEnum):
    """Why a step fails."""

    CRASH = "we crash"
    ERROR = "the peer errs"
    SILENCE = "the answer is lost"


class Effect(StrEnum):
    """Whether the step was taken all the same."""

    NOT_APPLIED = "not applied"
    APPLIED = "applied"


@dataclass(frozen=True)
class Step:
    """A durable step, in a story that comes by it."""

    work: str
    place: str
    peer: Peer
    not_applied: str
    """What a failure before the effect comes to."""
    applied: str
    """What a failure behind the effect comes to."""
    scripts: dict[str, list[str]] = field(default_factory=dict)
    """What the renderer does at its next calls."""
    then: Literal["nothing", "delete", "erase", "expire", "tell", "leave", "sign"] = "nothing"
    """What is done once the video is stored."""
    given: Given = "nothing"
    """What is so before the render is asked for."""
    jobs: int = 1
    """How many jobs the renderers may bill for it."""
    lost_in_a_crash: int = 0
    """How many jobs nobody here can know of, where the process dies before the effect."""


AGAIN = "It is done again."
SEEN = "The next look sees it done."
LOST_ANSWER = {"submit": ["lose answer"]}
LOST_REQUEST = {"submit": ["lose request"]}
ASKED_ONCE_MORE = "An error: recorded again. A crash: unknown; its absence is proven, and the renderer asked again."

STEPS = (
    Step(
        "accept",
        "keys.add",
        "keys",
        "Nothing is recorded; the client sends again.",
        "A key that seals nothing is left; the client sends again.",
    ),
    Step(
        "accept",
        "append:render.intent",
        "ledger",
        "Nothing is recorded; the client sends again.",
        "The render exists. The same Idempotency-Key gets its answer.",
    ),
    Step("submit", "append:render.submission_started", "ledger", AGAIN, "Unknown after its deadline; then looked for."),
    Step(
        "submit",
        "submit",
        "submission",
        "Refused: submitted again. Else unknown; its absence is proven, then it is submitted again.",
        "Unknown; the job is found in the list and adopted.",
    ),
    Step(
        "submit",
        "append:render.queued",
        "ledger",
        "An error: recorded again. A crash: unknown; the job is found and adopted.",
        SEEN,
    ),
    Step(
        "submit",
        "append:render.submission_refused",
        "ledger",
        "An error: recorded again. A crash: unknown; its absence is proven.",
        SEEN,
        {"submit": ["busy"]},
    ),
    Step("submit", "append:render.submission_unknown", "ledger", AGAIN, SEEN, LOST_ANSWER),
    Step("submit", "jobs", "renderer", "Nothing is known of the list; it is read again.", "The same.", LOST_ANSWER),
    Step("submit", "append:render.submission_absent", "ledger", AGAIN, SEEN, LOST_REQUEST),
    Step(
        "submit",
        "append:render.resubmitted",
        "ledger",
        "It stays held; the rule decides again.",
        SEEN,
        LOST_REQUEST,
        given="no list: resubmit",
    ),
    Step(
        "submit",
        "append:render.abandoned",
        "ledger",
        "It stays held; the rule decides again.",
        "Failed and settled, in one append.",
        LOST_REQUEST,
        given="no list: fail",
        jobs=0,
    ),
    Step(
        "submit",
        "append:render.rerouted",
        "ledger",
        AGAIN,
        SEEN,
        {"submit": ["unreachable"]},
        given="two renderers",
    ),
    Step(
        "submit",
        "append:renderer.stopped",
        "ledger",
        ASKED_ONCE_MORE,
        "It is stopped; the render goes on to the next renderer of its route.",
        {"submit": ["unauthorized"]},
        given="two renderers",
    ),
    Step(
        "submit",
        "append:render.duplicate_found",
        "ledger",
        "An error: recorded again. A crash: nobody knows of the second job; the check names it (`job_unclaimed`).",
        "It is claimed, and on record as one that goes on.",
        given="answer comes late",
        jobs=2,
        lost_in_a_crash=1,
    ),
    Step(
        "submit",
        "delete",
        "renderer",
        "It goes on, claimed, booked and on record (`render.duplicate_found`, not cancelled).",
        "It is cancelled, and on record as one that goes on.",
        given="answer comes late",
        jobs=2,
    ),
    Step(
        "follow",
        "append:webhook.received",
        "ledger",
        "The renderer gets no 2xx and sends it again; without it, the job is polled.",
        "It is sent again, and answered as known.",
        given="told by webhook",
    ),
    Step("follow", "status", "renderer", "It is asked again.", "The same."),
    Step("follow", "append:render.progress", "ledger", AGAIN, SEEN),
    Step("follow", "append:render.attempt_failed", "ledger", AGAIN, SEEN, {"status": ["away", "away", "away"]}),
    Step("follow", "append:render.job_lost", "ledger", AGAIN, SEEN, {"status": ["gone"] * 20}),
    Step(
        "settle",
        "append:render.completed",
        "ledger",
        "Neither completed nor settled; it is asked again.",
        "Completed and settled, in one append.",
    ),
    Step(
        "settle",
        "append:render.failed",
        "ledger",
        "Neither failed nor released; it is asked again.",
        "Failed and released, in one append.",
        {"status": ["fails"]},
    ),
    Step("store", "content", "renderer", "The file is fetched again.", "The same: nothing is kept before it is whole."),
    Step(
        "store",
        "assets.put",
        "storage",
        "The file is fetched again.",
        "It is fetched again and found to be there.",
    ),
    Step("store", "append:render.stored", "ledger", "The files are found to be there, and recorded.", SEEN),
    Step("store", "append:render.asset_lost", "ledger", AGAIN, SEEN, {"content": ["expired", "expired", "expired"]}),
    Step(
        "purge", "append:render.deleted", "ledger", "Nothing is deleted; the client sends again.", SEEN, then="delete"
    ),
    Step("purge", "assets.delete", "storage", AGAIN, "It is deleted again, which is no error.", then="delete"),
    Step("purge", "delete", "renderer", AGAIN, "The renderer knows no such job any more.", then="delete"),
    Step(
        "purge",
        "append:render.purged",
        "ledger",
        "The files are deleted again, and it is recorded.",
        SEEN,
        then="delete",
    ),
    Step(
        "purge",
        "append:render.expired",
        "ledger",
        "The files are deleted again, and it is recorded.",
        SEEN,
        then="expire",
    ),
    Step("seal", "append:erasure.decided", "ledger", "Nothing is decided; it is asked for again.", SEEN, then="erase"),
    Step(
        "seal",
        "list.append",
        "list",
        "No key is destroyed before its line is there.",
        "It is listed twice.",
        then="erase",
    ),
    Step(
        "seal",
        "keys.destroy",
        "keys",
        "It is destroyed again.",
        "It is destroyed again, which changes nothing.",
        then="erase",
    ),
    Step(
        "seal", "append:subject.erased", "ledger", "The key is destroyed again, and it is recorded.", SEEN, then="erase"
    ),
    Step("seal", "assets.forget", "storage", AGAIN, "Nothing is left to forget.", then="erase"),
    Step(
        "seal",
        "tree.keep",
        "tree",
        "The next turn reads the same facts.",
        "The next turn goes on behind them.",
        then="sign",
    ),
    Step(
        "seal", "tree.sign", "tree", "The next turn signs.", "A checkpoint of this size is kept already.", then="sign"
    ),
    Step("deliver", "append:delivery.scheduled", "ledger", "The batch is looked at again.", SEEN, then="tell"),
    Step(
        "deliver",
        "announcer.move",
        "ledger",
        "The batch is looked at again; its deliveries are scheduled already.",
        "It goes on behind the batch.",
        then="tell",
    ),
    Step(
        "deliver",
        "endpoint",
        "endpoint",
        "The endpoint is called again.",
        "The endpoint is called again, by the same webhook-id.",
        then="tell",
    ),
    Step(
        "deliver",
        "append:delivery.attempted",
        "ledger",
        "The endpoint is called again, by the same webhook-id.",
        SEEN,
        then="tell",
    ),
    Step("deliver", "append:delivery.given_up", "ledger", AGAIN, SEEN, then="leave"),
)

REBUILD = (
    Step(
        "rebuild",
        "rebuild.fill",
        "read models",
        "The live version stays; the next rebuild begins anew.",
        "The live version stays; the next rebuild drops what was filled.",
    ),
    Step(
        "rebuild",
        "rebuild.swap",
        "read models",
        "The live version stays; the next rebuild begins anew.",
        "The new version is live.",
    ),
)
"""Steps of a rebuild. They are taken on a real database (tests/projections)."""


BESIDE: Mapping[str, str] = MappingProxyType(
    {
        "render.allowed": "with render.intent",
        "render.approval_requested": "with render.intent",
        "render.remixed": "with render.intent",
        "render.approved": "an approver's request, as render.intent is a client's",
        "render.denied": "with render.intent, by an approver's request, or by lapse: tests/workers/test_lapse.py",
        "render.cancelled": "with render.deleted; of a restored ledger: tests/workers/test_restored_backup.py",
        "render.reviewed": "a request of its own",
        "render.adopted": "an operator's request: tests/http/test_unknown.py",
        "job.claimed": "with render.queued or render.duplicate_found",
        "submission.opened": "with render.submission_started",
        "submission.closed": "with what ends a submission",
        "renderer.configured": "at the start of a process",
        "renderer.resumed": "an operator's request",
    }
)
"""Types of facts of these works that begin no decision of a worker, and where they are recorded instead."""


def error_of(step: Step, cause: Cause, effect: Effect) -> Exception:
    """What the step's peer answers with."""
    is_error = cause is Cause.ERROR
    status = 500 if is_error else None
    if step.peer == "submission" and is_error and effect is Effect.NOT_APPLIED:
        return Refused("renderer_unavailable", terminal=False, http_status=503)
    errors: dict[Peer, Exception] = {
        "ledger": Conflict({}) if is_error and effect is Effect.APPLIED else Unavailable("no answer"),
        "submission": UnknownOutcome("renderer_no_answer", http_status=status),
        "renderer": ReadFailed("renderer_no_answer", http_status=status),
        "storage": AssetStoreUnavailable("write"),
        "list": OSError("no space left on device" if is_error else "input/output error"),
    }
    return errors.get(step.peer, Unavailable("the server refuses" if is_error else "no answer"))


def page() -> str:
    """The table as docs/failures.md shows it."""
    works = dict.fromkeys(each.work for each in (*STEPS, *REBUILD))
    parts = [_HEAD, *(_section(work) for work in works), _TAIL]
    return "\n".join(parts)


def _section(work: str) -> str:
    rows = [
        f"| `{each.place}` | {each.not_applied} | {each.applied} |" for each in (*STEPS, *REBUILD) if each.work == work
    ]
    head = [f"## {work.capitalize()}", "", "| Step | Fails, not applied | Fails, applied |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


_HEAD = """# What happens when a step fails

Every durable step, whether its effect came about or not, and why it failed: we crash, the peer errs, or its answer is
lost. The rows are those of a [table](../tests/workers/failure_table.py) that a test goes through: it lets the step fail
in each of the six ways, starts a new process after a crash, goes on with the same code as ever, and asks the
[check](guides/audit.md#is-anything-lost-or-doubled), with the renderer's own bill, whether anything is lost, doubled,
stuck or unaccounted for. A step that is taken anywhere in these stories and has no row fails the test.

`append:` names a decision by its first fact; all its facts are recorded together or not at all. Where the ledger *errs*
behind the effect, it says that there was a conflict, although the append was made.
"""
_TAIL = """## What no row can show

- A network that holds a whole submission back for longer than deadline and grace, or a process that is paused so long
  between its last look at the clock and its very next call, the write of the last bytes
  ([ADR 0006](adr/0006-unknown-outcomes.md#what-remains)).
- A renderer that took a job and forgot it before anybody heard of it: only its bill knows.
- A file that came with a request and was stored, and the process died before the request was recorded: it stays behind.
"""

if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

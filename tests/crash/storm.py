"""kill -9 storms: random SIGKILLs under load, with a renderer that errs, and then the check.

`python -m tests.crash.storm --kills 100 --seed 1` starts an installation of its own, with two servers, a worker, an
embedded PostgreSQL and a simulator; clients go on asking for videos and remember every acknowledgement.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from bickford_sora.assets.local import LocalAssetStore
from bickford_sora.checking.check import Report
from bickford_sora.checking.findings import Finding, Kind
from bickford_sora.checking.jobs import Counted, CountedJob
from bickford_sora.checking.patience import Patience
from bickford_sora.composition.books import Books, open_books
from bickford_sora.live_check import check_live
from bickford_sora.settings import Settings
from bickford_sora.simulator.faults import FaultKind, Operation
from ledger import streams
from ledger.clock import system_clock
from tests.cli.commands import environment, reachable_folder
from tests.crash.clients import Crowd, Memory, Package, Raw, insist
from tests.crash.site import Role, Site

ROLES: tuple[Role, ...] = get_args(Role)
WEIGHTS: dict[Role, int] = {
    "api": 20, "background": 15, "keeper": 10, "worker": 20, "postgres": 20, "backend": 10, "everything": 5,
}  # fmt: skip
"""How often each role is hit, in hundredths."""
CLIENTS = (Package, Raw, Raw, Package)
CLIENT_PAUSE_S = 2.0
KILL_PAUSES_S = (0.3, 2.0)
DRAIN_S_MAX = 240.0
LONG_AFTER = timedelta(days=30)
RECOVERY_S_MAX = 2.0
TRIES_TOLD = 6
"""Of a recovery that took longer."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": FaultKind.CREATE_STATUS, "status": 503, "retry_after_s": 1},
    {"kind": FaultKind.CREATE_STATUS, "status": 500},
    {"kind": FaultKind.READ_STATUS, "status": 502},
    {"kind": FaultKind.LATENCY, "delay_s": 0.5},
    {"kind": FaultKind.LATENCY_AFTER_ACCEPT, "delay_s": 1.5},
    {"kind": FaultKind.RESET_BEFORE_ACCEPT},
    {"kind": FaultKind.RESET_AFTER_ACCEPT},
    {"kind": FaultKind.NONSENSE_JSON},
    {"kind": FaultKind.JOB_FAILS},
    {"kind": FaultKind.WEBHOOK_LOST},
    {"kind": FaultKind.WEBHOOK_DUPLICATED},
    {"kind": FaultKind.WEBHOOK_DELAYED, "delay_s": 2.0},
    {"kind": FaultKind.WEBHOOK_REORDERED, "delay_s": 2.0},
    {"kind": FaultKind.WEBHOOK_WRONGLY_SIGNED},
    {"kind": FaultKind.ASSET_EXPIRED, "operation": Operation.CONTENT},
    {"kind": FaultKind.DOWNLOAD_TRUNCATED},
)
"""All there are but `restart`: a renderer that forgets what it took and billed is believed (ADR 0006)."""
FAULT_PROBABILITY = 0.04
RESTART: dict[str, Any] = {"kind": FaultKind.RESTART, "probability": 0.02}
"""Of a site whose renderer forgets: it strikes every job there is."""


@dataclass
class Outcome:
    """What a storm came to."""

    seed: int
    kills: Counter[Role] = field(default_factory=Counter)
    recovery_s: dict[Role, list[float]] = field(default_factory=dict)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    """Acknowledged requests that the ledger does not know."""
    webhooks: int = 0
    webhooks_lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    """Renders the renderer billed more than once."""
    made_again: int = 0
    """Renders that a renderer which bills nothing made more than once, having forgotten their jobs."""
    findings: list[Finding] = field(default_factory=list)
    """Of the check."""
    of_forgotten: list[Finding] = field(default_factory=list)
    """Webhooks of jobs that a forgetful renderer took, and forgot before anybody had its answer: rightly unmatched."""
    without_end: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What clients were answered that they should not have been."""
    ends: Counter[str] = field(default_factory=Counter)
    report: Report | None = None
    took_s: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or left."""
        found = self.lost or self.webhooks_lost or self.doubled or self.without_end or self.wrong or self.findings
        return not found and self.report is not None


def storm(site: Site, *, kills: int, seed: int, client_pause_s: float = CLIENT_PAUSE_S) -> Outcome:
    """Kills at random while clients ask, lets it calm down, and holds what is recorded to what was acknowledged."""
    began = time.monotonic()
    chance = random.Random(seed)  # noqa: S311 - a storm that can be repeated
    outcome, memory = Outcome(seed), Memory()
    site.start()
    faults = (*FAULTS, RESTART) if site.forgets else FAULTS
    site.faults([{"probability": FAULT_PROBABILITY, **each, "times": None} for each in faults])
    crowd = Crowd(site.urls, memory, CLIENTS, pause_s=client_pause_s, seed=seed)
    crowd.start()
    try:
        _kill_all(site, kills, chance, outcome, memory)
    finally:
        crowd.stop()
    site.faults([])
    _judge(site, outcome, memory)
    outcome.took_s = round(time.monotonic() - began, 1)
    return outcome


def _kill_all(site: Site, kills: int, chance: random.Random, outcome: Outcome, memory: Memory) -> None:
    prober = Raw(site.urls, memory)
    while outcome.kills.total() < kills:
        time.sleep(chance.uniform(*KILL_PAUSES_S))
        role = chance.choices(ROLES, [WEIGHTS[each] for each in ROLES])[0]
        if not site.kill(role, chance):
            continue  # this version has no such process
        outcome.kills[role] += 1
        number = outcome.kills.total()
        prober.tries.clear()
        took_s = insist(prober, f"probe-{number}", f"storm probe {number}", memory)
        outcome.recovery_s.setdefault(role, []).append(took_s)
        _say(f"kill {number} of {kills}: {role}, 2xx after {took_s:.2f} s")
        if took_s > RECOVERY_S_MAX:
            _say(f"  {len(prober.tries)} tries, the last first: {', '.join(prober.tries[:TRIES_TOLD])}")


def _judge(site: Site, outcome: Outcome, memory: Memory) -> None:
    outcome.acknowledged = len(memory.acknowledged)
    outcome.wrong = [*memory.refused, *(f"two videos for the key {each}" for each in memory.contradicted)]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(site.data_dir, {}).items():
            patch.setenv(name, value)
        with open_books(Settings(data_dir=site.data_dir)) as books:
            outcome.without_end = _calmed(books, memory)
            _compare(site, books, outcome, memory)


def _calmed(books: Books, memory: Memory) -> list[str]:
    """The acknowledged renders that have no end when all had time for it."""
    left = set(memory.acknowledged.values())
    gives_up_at = time.monotonic() + DRAIN_S_MAX
    while left and time.monotonic() < gives_up_at:
        left = {each for each in left if not _is_settled(books, each)}
        time.sleep(0.2)
    return sorted(left)


def _is_settled(books: Books, video_id: str) -> bool:
    render = books.ledger.render(streams.render("main", video_id))
    return render is not None and render.ended and not render.submission_open


def _compare(site: Site, books: Books, outcome: Outcome, memory: Memory) -> None:
    for video_id in memory.acknowledged.values():
        render = books.ledger.render(streams.render("main", video_id))
        outcome.ends[str(render.phase) if render else "lost"] += 1
        if render is None:
            outcome.lost.append(video_id)
    bill = site.told("billing")["jobs"]
    paid = Counter(str(job["idempotency_key"]).rpartition("-")[0] for job in bill)
    again = sorted(video_id for video_id, times in paid.items() if times > 1)
    if site.forgets:
        outcome.made_again = len(again)  # as it was told to: it costs nothing there
    else:
        outcome.doubled = again
    delivered = {each["webhook_id"] for each in site.told("deliveries")["deliveries"] if each["outcome"] == "delivered"}
    outcome.webhooks = len(delivered)
    received = {
        each.fact.model_dump()["webhook_event_id"] for each in _events(books) if each.fact.TYPE == "webhook.received"
    }
    outcome.webhooks_lost = sorted(delivered - received)
    jobs = {job["id"]: CountedJob(made_for=job["idempotency_key"]) for job in bill}
    outcome.report = check_live(
        books.ledger,
        LocalAssetStore(site.data_dir / "assets", clock=system_clock),
        clock=lambda: system_clock() + LONG_AFTER,
        patience=Patience(),
        # What is taken, not answered and then forgotten is known to the bill alone (ADR 0006), and a free one has none.
        counted=() if site.forgets else (Counted("openai", "openai-default", jobs, system_clock(), is_bill=True),),
        reads_files=True,
        on_progress=lambda _done, _total: None,
    )
    for each in outcome.report.findings:
        is_of_forgotten = site.forgets and each.kind is Kind.WEBHOOK_UNMATCHED
        (outcome.of_forgotten if is_of_forgotten else outcome.findings).append(each)


def _events(books: Books) -> Any:
    after = 0
    while events := books.ledger.read(after):
        yield from events
        after = events[-1].position


def told(outcome: Outcome) -> dict[str, Any]:
    """The outcome as figures."""
    times = sorted(each for role, found in outcome.recovery_s.items() if role != "everything" for each in found)
    report = outcome.report
    return {
        "seed": outcome.seed,
        "kills": dict(outcome.kills),
        "acknowledged": outcome.acknowledged,
        "lost": outcome.lost,
        "webhooks_acknowledged": outcome.webhooks,
        "webhooks_lost": outcome.webhooks_lost,
        "double_billed": outcome.doubled,
        "made_again": outcome.made_again,
        "without_end": outcome.without_end,
        "wrong_answers": outcome.wrong,
        "ends": dict(outcome.ends),
        "recovery_s": {
            "median": round(times[len(times) // 2], 2) if times else None,
            "p95": round(times[int(len(times) * 0.95)], 2) if times else None,
            "max": round(times[-1], 2) if times else None,
            "over_2_s": sum(each > RECOVERY_S_MAX for each in times),
            "by_role_max": {role: round(max(found), 2) for role, found in outcome.recovery_s.items()},
        },
        "facts": report.facts if report else 0,
        "findings": [f"{each.kind} {each.stream} {each.message}" for each in outcome.findings],
        "webhooks_of_forgotten_jobs": len(outcome.of_forgotten),
        "took_s": outcome.took_s,
        "clean": outcome.is_clean,
    }


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> int:
    """Runs one storm and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--client-pause", type=float, default=CLIENT_PAUSE_S, help="between two requests of a client, in s"
    )
    parser.add_argument("--forgets", action="store_true", help="a renderer that bills nothing and forgets all at times")
    asked = parser.parse_args()
    with reachable_folder() as folder:
        site = Site(folder, forgets=asked.forgets)
        try:
            outcome = storm(site, kills=asked.kills, seed=asked.seed, client_pause_s=asked.client_pause)
        except BaseException:
            _say((folder / "site.log").read_text()[-6_000:])
            raise
        finally:
            site.stop()
        if not outcome.is_clean:
            kept = Path(f"storm-{asked.seed}.log")
            kept.write_text((folder / "site.log").read_text())
            _say(f"what the processes said is in {kept}")
    sys.stdout.write(json.dumps(told(outcome), indent=2) + "\n")
    return 0 if outcome.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())

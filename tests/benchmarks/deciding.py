"""One process that takes spending decisions for as long as it is told, and says how many were accepted."""

import sys
import threading
import time
from collections.abc import Callable

import psycopg

from bickford_sora.database.pool import open_pool
from bickford_sora.decisions import budgets
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.recording import Origin, Recording
from ledger import streams
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.envelope import Fact, Sealed
from ledger.events import Money, RenderAllowed, RenderIntent, SpendReserved, Verdict
from ledger.identifiers import new_uuid7
from ledger.recorder import PostgresRecorder
from ledger.spend import Periods, Spend

TENANT = "acme"
COST_MICRO = 400_000
POOL_CONNECTIONS_MAX = 4
FACTS_CHARS = 1_000
"""About what the three facts of ours take."""

Decide = Callable[[], bool]
"""Takes one decision. False: the cap does not allow it."""


def main() -> None:
    """Waits for `go`, decides, and prints the number accepted."""
    name, database, threads, seconds, most = sys.argv[1:]
    if name == "row_lock":
        with_rows(database, int(threads), float(seconds), int(most))
    else:
        with_ledger(database, int(threads), float(seconds), int(most))


def with_ledger(database: str, threads: int, seconds: float, most: int) -> None:
    """Ours."""
    with open_pool(database, size_max=POOL_CONNECTIONS_MAX) as pool:
        recorder = PostgresRecorder(pool)
        recording = Recording(Ledger(recorder), clock=system_clock, new_id=new_uuid7)
        recording.spending(TENANT).now()
        _decide([lambda: _reserved(recording)] * threads, seconds, most)
        recorder.close()


def with_rows(database: str, threads: int, seconds: float, most: int) -> None:
    """The baseline: a connection for each thread, as it would have been."""
    connections = [psycopg.connect(database) for _ in range(threads)]
    _decide([_counting(each) for each in connections], seconds, most)


def _decide(decides: list[Decide], seconds: float, most: int) -> None:
    _say("ready")
    sys.stdin.readline()
    ends_at = time.monotonic() + seconds
    accepted = [0] * len(decides)

    def keep_deciding(number: int, decide: Decide) -> None:
        for _ in range(most):
            if time.monotonic() >= ends_at or not decide():
                return
            accepted[number] += 1

    threads = [threading.Thread(target=keep_deciding, args=each) for each in enumerate(decides)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _say(str(sum(accepted)))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _reserved(recording: Recording) -> bool:
    video_id = streams.video_id(new_uuid7())
    stream = streams.render(TENANT, video_id)
    told: list[bool] = []

    def take(spend: Spend, periods: Periods) -> Draft:
        wanted = _wanted(video_id, periods)
        fits = budgets.short_of(spend, wanted) is None
        told.append(fits)
        if not fits:
            return NOTHING
        facts: list[tuple[str, Fact]] = [(stream, _intent(video_id)), (stream, ALLOWED)]
        facts += [(spend.stream, fact) for fact in budgets.reserved(spend, wanted)]
        return Draft(tuple(facts), {stream: 0})

    recording.on_spend(take, Origin(TENANT, "key_1"))
    return told[-1]


def _counting(connection: psycopg.Connection) -> Decide:
    def decide() -> bool:
        with connection.transaction():
            counted = connection.execute(
                "update counter set used = used + %(cost)s where used + %(cost)s <= cap returning used",
                {"cost": COST_MICRO},
            ).fetchone()
            if counted is None:
                return False
            connection.execute("insert into taken values (%s, %s, %s)", [new_uuid7(), COST_MICRO, "x" * FACTS_CHARS])
        return True

    return decide


def _wanted(video_id: str, periods: Periods) -> SpendReserved:
    return SpendReserved(
        video_id=video_id,
        cost=Money(amount_micro=COST_MICRO, currency="USD"),
        project="films",
        requester="req-1",
        key_id="key_1",
        model="sora-2",
        renderer="vllm",
        seconds=4,
        day=periods.day,
        minute=periods.minute,
    )


def _intent(video_id: str) -> RenderIntent:
    return RenderIntent(
        video_id=video_id,
        project="films",
        requester="req-1",
        model="sora-2",
        seconds="4",
        size="720x1280",
        prompt=Sealed("x" * 120),
    )


ALLOWED = RenderAllowed(verdict=Verdict(policy_hash="a" * 64, rules=("cap",)), renderer="vllm", credential="main")

if __name__ == "__main__":
    main()

"""Webhooks a second that the gateway takes in, each verified, recorded once and on disk before its 2xx.

A whole server with its workers over a stub renderer has `RENDERS` renders under way, all of them submitted. Webhooks
are made and signed before, are sent over kept connections by a process that does nothing else (`offered`), and are due
at a fixed rate, whether earlier ones were answered or not; latency counts from when each was due. The mix is that of a
renderer that tells everything: of a hundred, 70 tell of progress, 22 of an end and 6 of a failure, each with an id of
its own, and 2 came before; one job in twenty is nobody's here. What a webhook says is not believed: the stub says
"queued" whenever it is asked.

When the load is gone, the time is taken until every read model, the workers' own among them, has come to the ledger's
end. Beside it a FastAPI route with one INSERT, which verifies, deduplicates and follows nothing, as fast as it answers.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bickford_sora.webhook_signatures import sign
from ledger.clock import system_clock
from ledger.identifiers import new_uuid7
from projections.positions import lag
from tests.benchmarks.database import recycle_wal, temporary_database
from tests.benchmarks.figures import ratio
from tests.benchmarks.load import Measured, create_request
from tests.benchmarks.offered import offer
from tests.benchmarks.servers import Server, bare_server, our_server, processors_s, standing_still, stub_renderer

SECRET = "whsec_YmVuY2htYXJrLW9ubHktMDEyMzQ1Njc4OQ=="
PATH = "/webhooks/openai"
RENDERS = 50
CONNECTIONS = 256
"""As many webhooks may be unanswered at a time; senders keep many connections."""
FOREIGN_JOBS_EVERY = 20
"""One job in so many was made by somebody else with the same account at the renderer."""
REPEATED_EVERY = 50
"""One webhook in so many came before: its sender did not see our answer."""
REPEATED_BEHIND = 500
"""How many others lie between a webhook and its repetition."""
TOLD_TYPES = ("video.in_progress",) * 35 + ("video.completed",) * 12 + ("video.failed",) * 3
SUBMITTED_S_MAX = 60.0
BARE_S = 5.0
DRAIN_S_MAX = 300.0
PROMISED_P99_MS = 50.0
PROMISED_DRAIN_S = 60.0


def run(url: str, *, rate: float, seconds: float, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Offers `rate` webhooks a second for `seconds`; rates and milliseconds by name, ready for JSON."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bickford-bench-intake-")))
        folder.chmod(0o711)
        stub = stack.enter_context(stub_renderer(folder))
        recycle_wal(url)
        database = stack.enter_context(temporary_database(url))
        bare = stack.enter_context(bare_server(folder, database))
        ours = stack.enter_context(our_intake(folder, stub, database))
        with standing_still([ours]):
            sent = webhooks(bare.path, 1_000)
            beside = offer(bare.port, sent, rate=0, seconds=min(seconds, BARE_S), connections=CONNECTIONS)
        on_progress(f"bare: {beside.rate:,.0f}/s")
        _have_renders(ours)
        sent = webhooks(PATH, int(rate * seconds))
        _submitted(database)
        before = processors_s(ours, database)
        measured = offer(ours.port, sent, rate=rate, seconds=seconds, connections=CONNECTIONS)
        spent = processors_s(ours, database)
        on_progress(f"ours: {measured.rate:,.0f}/s, p99 {measured.percentile_ms(99):.1f} ms")
        drain_s = _drained_s(database)
        recorded = _count(database, "webhook.received")
    answered = len(measured.latencies_ms)
    return {
        "unit": "webhooks/s",
        "offered": rate,
        "seconds": seconds,
        **_told(measured, beside, drain_s),
        **{f"cpu_ms_{name}": round(1000 * (spent[name] - before[name]) / max(answered, 1), 3) for name in spent},
        "cpu_ms_load": round(1000 * measured.processor_s / max(answered, 1), 3),
        "repeated": len(sent) - len(set(sent)),
        "is_exact": recorded == len(set(sent)) and not measured.failed,
    }


def _told(measured: Measured, beside: Measured, drain_s: float) -> dict[str, Any]:
    p99_ms = measured.percentile_ms(99)
    return {
        "ours": round(measured.rate),
        "ours_p50_ms": round(measured.percentile_ms(50), 1),
        "ours_p99_ms": round(p99_ms, 1),
        "ours_failed": measured.failed,
        "bare": round(beside.rate),
        "ratio_bare": ratio(measured.rate, max(beside.rate, 1)),
        "drain_s": round(drain_s, 1),
        "is_kept": p99_ms < PROMISED_P99_MS and drain_s < PROMISED_DRAIN_S and not measured.failed,
    }


@contextmanager
def our_intake(folder: Path, stub: str, database_url: str) -> Iterator[Server]:
    """The gateway, whose renderer may send webhooks."""
    with our_server(folder, stub, database_url, OPENAI_WEBHOOK_SECRET=SECRET) as server:
        yield server


def webhooks(path: str, count: int) -> list[str]:
    """So many webhooks in the mix described above, about the jobs of the stub in turn."""
    made: list[str] = []
    for number in range(count):
        if number % REPEATED_EVERY == REPEATED_EVERY - 1 and number >= REPEATED_BEHIND:
            made.append(made[number - REPEATED_BEHIND])
        else:
            job = number % RENDERS + (RENDERS if number % FOREIGN_JOBS_EVERY == 0 else 0)
            made.append(_webhook(path, TOLD_TYPES[number * 7 % len(TOLD_TYPES)], f"video_{job:024d}"))
    return made


def _webhook(path: str, webhook_type: str, job_id: str) -> str:
    now = system_clock()
    webhook_id = f"wh_{new_uuid7().hex}"
    created_at = int(now.timestamp())
    event = {"id": webhook_id, "object": "event", "created_at": created_at, "type": webhook_type}
    body = json.dumps({**event, "data": {"id": job_id}})
    signed = sign(body.encode(), webhook_id=webhook_id, sent_at=now, secrets=[SECRET])
    headers = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body)), **signed}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n{body}"


def _have_renders(server: Server) -> None:
    requests = [create_request(server.path, server.key, number).decode() for number in range(RENDERS)]
    offer(server.port, requests, rate=RENDERS, seconds=1.0, connections=4)


def _submitted(database_url: str) -> None:
    """Waits until every render is under way: to submit them is no part of what is measured."""
    gives_up_at = time.monotonic() + SUBMITTED_S_MAX
    while time.monotonic() < gives_up_at and _count(database_url, "job.claimed") < RENDERS:
        time.sleep(0.1)


def _drained_s(database_url: str) -> float:
    """Seconds until every read model, the workers' own among them, has come to the ledger's end."""
    began = time.monotonic()
    with psycopg.connect(database_url, autocommit=True) as connection:
        while time.monotonic() < began + DRAIN_S_MAX:
            if not any(each.lag_events for each in lag(connection)):
                break
            time.sleep(0.1)
    return time.monotonic() - began


def _count(database_url: str, fact: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("select count(*) from ledger.events where type = %s", (fact,)).fetchone()
    return int(row[0]) if row else 0

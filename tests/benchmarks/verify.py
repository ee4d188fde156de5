"""How many facts a second are verified from the live database, and how many the tree alone takes.

All in one run, in a database made for it, on one ledger of realistic histories; rounds alternate, and medians are
compared.

- `ours`: the whole of `bickford-sora verify`: every row read, decoded, put in its place, hashed, and held to the tree's
  tiles and to a checkpoint. One thread; `ours_cpu_s` is this process's processor time for all facts, without the
  server's.
- `copy`: every row of `ledger.events` by COPY in binary form, read and thrown away.
- `tree`: envelopes in memory to a root, with every leaf and node hashed.
- `hashlib`: the same number of SHA-256 of the same sizes, in the plainest loop there is.

`ratio_cpu_hashlib` is the processor time of `ours` in that of `hashlib`: the least telling of how fast the machine was.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import cycle, islice
from typing import Any, cast
from uuid import UUID

from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.mapper import RecordedRow
from ledger.proof.checkpoints import origin_of
from ledger.proof.findings import Findings
from ledger.proof.leaves import LEAF_PREFIX, envelope_of
from ledger.proof.notes import Signer
from ledger.proof.postgres import PostgresTree, TilesAhead
from ledger.proof.sequencer import Sequencer
from ledger.proof.tiles import Edge
from ledger.proof.tree_check import Held
from ledger.proof.verify import verify_rows
from ledger.recorder import PostgresRecorder
from tests.benchmarks.database import temporary_database
from tests.benchmarks.figures import ratio
from tests.benchmarks.replay import _copy_out, _peak_rss_mib, _seconds, filled_ledger

ROUNDS = 3
ENVELOPES = 2_048
"""Held in memory, to be hashed as often as it takes: a megabyte, since `verify` hashes what it has just made."""
LEAVES_AT_ONCE = 256
"""As many as rows are read at a time."""
MILLION = 1_000_000


def run(url: str, *, events: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Verifies `events` facts; facts a second by name, ready for JSON. `url` may create databases."""
    rates: dict[str, list[float]] = defaultdict(list)
    cpu: list[float] = []
    cpu_hashlib: list[float] = []
    with temporary_database(url) as database, filled_ledger(database, events, on_progress) as (ledger, pool):
        recorder = cast("PostgresRecorder", ledger.recorder)
        tree = PostgresTree(recorder)
        checkpoint = Sequencer(tree, clock=system_clock, signer=_signer, interval_s=60).take()
        held = [Held(checkpoint.size, checkpoint.root, "the checkpoint")]
        envelopes = _envelopes(ledger)
        measures = {
            "ours": lambda: _verify(tree, held, cpu),
            "copy": lambda: _copy_out(pool),
            "tree": lambda: _tree(envelopes, events),
            "hashlib": lambda: _hashlib(envelopes, events, cpu_hashlib),
        }
        for turn in range(1, ROUNDS + 1):
            for name, measure in measures.items():
                rates[name].append(events / _seconds(measure))
                on_progress(f"round {turn}/{ROUNDS}: {name}: {rates[name][-1]:,.0f} facts/s")
    medians = {name: round(statistics.median(measured)) for name, measured in rates.items()}
    return {
        "unit": "facts/s",
        "events": events,
        "rounds": ROUNDS,
        **medians,
        "ours_cpu_s": round(statistics.median(cpu), 3),
        "ours_s_per_million": round(MILLION / medians["ours"], 2),
        "ours_cpu_s_per_million": round(statistics.median(cpu) * MILLION / events, 2),
        "ratio_copy": ratio(medians["ours"], medians["copy"]),
        "ratio_hashlib": ratio(medians["tree"], medians["hashlib"]),
        "ratio_cpu_hashlib": statistics.median(map(ratio, cpu, cpu_hashlib)),
        "peak_rss_mib": _peak_rss_mib(),
    }


def _verify(tree: PostgresTree, held: list[Held], cpu: list[float]) -> None:
    began = time.process_time()
    verified = verify_rows(tree.rows(), held=held, tiles=TilesAhead(tree), tiled=held[0].size, findings=Findings())
    cpu.append(time.process_time() - began)
    assert verified.held, verified.findings
    assert verified.covered == held[0].size


def _envelopes(ledger: Ledger) -> list[bytes]:
    rows: list[RecordedRow] = []
    recorder = cast("PostgresRecorder", ledger.recorder)
    while len(rows) < ENVELOPES and (page := recorder.read(len(rows))):
        rows += page
    return [envelope_of(row) for row in islice(rows, ENVELOPES)]


def _tree(envelopes: list[bytes], events: int) -> None:
    edge, entries = Edge(), islice(cycle(envelopes), events)
    while leaves := _leaves(islice(entries, LEAVES_AT_ONCE)):
        edge.extend(leaves)
    assert len(edge.root()) == len(sha256(b"").digest())


def _leaves(entries: Iterable[bytes]) -> list[bytes]:
    """As `ledger.proof.leaves.column_leaves`, without writing the envelopes."""
    begun, leaves = sha256(LEAF_PREFIX).copy, []
    for entry in entries:
        hashed = begun()
        hashed.update(entry)
        leaves.append(hashed.digest())
    return leaves


def _hashlib(envelopes: list[bytes], events: int, cpu: list[float]) -> None:
    node = bytes(65)
    began = time.process_time()
    for entry in islice(cycle(envelopes), events):
        sha256(entry).digest()
        sha256(node).digest()
    cpu.append(time.process_time() - began)


def _signer(ledger_id: UUID) -> Signer:
    return Signer(origin_of(ledger_id), bytes(32))

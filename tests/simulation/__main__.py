"""`python -m tests.simulation --seeds 10000 [--first 0]`: so many stories, in as many processes as there are cores."""

import argparse
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import structlog

from tests.simulation.world import Broken, simulate

EACH = 50
"""Seeds a process is given at a time."""


def main() -> int:
    """Prints the rate, and every broken seed with its story. Ends with 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    firsts = range(given.first, given.first + given.seeds, EACH)
    begun_at, told, broken = time.monotonic(), 0, 0
    say = sys.stdout.write
    with ProcessPoolExecutor(os.cpu_count(), initializer=_quiet) as processes:
        for stories in processes.map(partial(_tell, given.first + given.seeds), firsts):
            told += min(EACH, given.seeds - told)
            broken += len(stories)
            for story in stories:
                say(f"{story}\n")
            rate = told / (time.monotonic() - begun_at) * 60
            sys.stderr.write(f"{told:,} of {given.seeds:,} seeds, {broken} broken, {rate:,.0f} seeds/min\n")
    say(f"{told:,} seeds, {broken} broken, {time.monotonic() - begun_at:,.0f} s\n")
    return 1 if broken else 0


def _tell(end: int, first: int) -> list[str]:
    stories = []
    for seed in range(first, min(first + EACH, end)):
        try:
            simulate(seed)
        except Broken as error:
            stories.append(str(error))
    return stories


def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


if __name__ == "__main__":
    sys.exit(main())

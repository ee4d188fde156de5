"""What is recorded together: each request has its own answer, whatever becomes of the others."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from bickford_sora.http.gathering import TOGETHER_MAX, Gathering

TIMEOUT_S = 30.0
POISON = 2**31


class Recorder:
    """Answers a number with its double, and a negative one with an error. Can be held."""

    def __init__(self) -> None:
        self.batches: list[Sequence[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(items)
        self.arrived.set()
        assert await asyncio.to_thread(self.gate.wait, TIMEOUT_S)
        if POISON in items:
            raise ZeroDivisionError
        return [2 * item if item >= 0 else ValueError(item) for item in items]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def gathering(recorder: Recorder) -> Gathering[int, int]:
    return Gathering(recorder)


async def behind_one(
    gathering: Gathering[int, int], recorder: Recorder, items: Sequence[int]
) -> list["asyncio.Task[int]"]:
    """A first one that is being recorded, and others that came meanwhile."""
    recorder.gate.clear()
    first = asyncio.create_task(gathering.run(0))
    assert await asyncio.to_thread(recorder.arrived.wait, TIMEOUT_S)
    others = [asyncio.create_task(gathering.run(item)) for item in items]
    await asyncio.sleep(0)
    return [first, *others]


def test_what_comes_while_one_is_recorded_goes_together(gathering: Gathering[int, int], recorder: Recorder) -> None:
    async def scenario() -> list[int]:
        tasks = await behind_one(gathering, recorder, range(1, 4))
        recorder.gate.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [0, 2, 4, 6]
    assert recorder.batches == [[0], [1, 2, 3]]


def test_batches_of_several_are_paced_and_who_comes_alone_waits_for_nothing(recorder: Recorder) -> None:
    paced = Gathering(recorder, pace_s=1.0)

    async def scenario() -> tuple[float, float]:
        began = time.monotonic()
        for item in range(5):
            await paced.run(item)
        alone_s = time.monotonic() - began
        await asyncio.gather(*(paced.run(item) for item in range(3)))
        began = time.monotonic()
        await paced.run(7)
        return alone_s, time.monotonic() - began

    alone_s, behind_several_s = asyncio.run(scenario())
    assert alone_s < 4  # five times the pace is five seconds
    assert behind_several_s > 0.2
    assert recorder.batches[-2:] == [[0, 1, 2], [7]]


def test_an_error_is_told_to_the_one_it_is_of(gathering: Gathering[int, int], recorder: Recorder) -> None:
    async def scenario() -> list[object]:
        tasks = await behind_one(gathering, recorder, [1, -2, 3])
        recorder.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    zero, one, refused, three = asyncio.run(scenario())
    assert (zero, one, three) == (0, 2, 6)
    assert isinstance(refused, ValueError)


def test_a_failure_of_all_is_told_to_each_and_the_next_are_recorded(
    gathering: Gathering[int, int], recorder: Recorder
) -> None:
    async def scenario() -> list[object]:
        tasks = await behind_one(gathering, recorder, [1, POISON])
        recorder.gate.set()
        return [*await asyncio.gather(*tasks, return_exceptions=True), await gathering.run(4)]

    zero, *failed, four = asyncio.run(scenario())
    assert (zero, four) == (0, 8)
    assert [type(each) for each in failed] == [ZeroDivisionError] * 2


def test_who_leaves_takes_nothing_back_and_hinders_nobody(gathering: Gathering[int, int], recorder: Recorder) -> None:
    async def scenario() -> int:
        first, gone, stays = await behind_one(gathering, recorder, [1, 2])
        gone.cancel()
        first.cancel()
        recorder.gate.set()
        return await stays

    assert asyncio.run(scenario()) == 4
    assert recorder.batches == [[0], [1, 2]]


def test_a_flood_goes_in_batches_of_bounded_length(gathering: Gathering[int, int], recorder: Recorder) -> None:
    async def scenario() -> None:
        tasks = await behind_one(gathering, recorder, range(TOGETHER_MAX + 1))
        recorder.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert [len(batch) for batch in recorder.batches] == [1, TOGETHER_MAX, 1]

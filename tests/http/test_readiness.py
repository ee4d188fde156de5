"""Readiness is said in time, also while a database hangs: it takes what it is sent, and answers nothing."""

import asyncio
import threading

from bickford_sora.http.readiness import SILENT, Readiness


def test_a_look_that_gives_no_answer_is_one() -> None:
    released, looks = threading.Event(), list[str]()

    def look() -> list[str]:
        looks.append("begun")
        released.wait()
        return ["far behind"]

    async def asked() -> None:
        readiness = Readiness(look, wait_s=0.05)
        try:
            together = await asyncio.gather(*(readiness.problems() for _ in range(3)))
            assert together == [(SILENT,)] * 3
            assert await readiness.problems() == (SILENT,)
            assert looks == ["begun"], "no more threads wait than one"
        finally:
            released.set()
        patient = Readiness(look)
        assert await patient.problems() == ["far behind"]

    asyncio.run(asked())


def test_every_question_has_a_look_of_its_own_once_there_was_an_answer() -> None:
    answers = iter([["away"], []])

    async def asked() -> None:
        readiness = Readiness(lambda: next(answers))
        assert [await readiness.problems() for _ in range(2)] == [["away"], []]

    asyncio.run(asked())

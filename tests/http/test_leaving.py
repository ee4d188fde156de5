"""Whether a client is still there is seen without waiting."""

import asyncio

from starlette.types import Message

from bickford_sora.http.leaving import has_left


def test_a_client_that_left_is_seen_and_one_that_stays_is_not_waited_for() -> None:
    async def scenario() -> list[bool]:
        over = asyncio.Event()

        async def receive() -> Message:
            await over.wait()
            return {"type": "http.disconnect"}

        before = has_left(receive)
        over.set()
        return [before, has_left(receive)]

    assert asyncio.run(scenario()) == [False, True]


def test_a_body_that_goes_on_is_no_departure() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    assert not has_left(receive)

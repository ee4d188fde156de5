import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from bickford_sora.client.asynchronous import AsyncBickfordClient
from bickford_sora.client.synchronous import BickfordClient
from tests.renderers.fake_server import FakeServer

API_KEY = "bk_live_planted_0123456789abcdef"


class PatientClock:
    """Time that only passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    async def async_sleep(self, seconds: float) -> None:
        self.sleep(seconds)


class Asking:
    """One of the two clients, asked in one way: what it returns or raises is what the caller would see."""

    def __init__(
        self, client: BickfordClient | AsyncBickfordClient, runner: asyncio.Runner, clock: PatientClock
    ) -> None:
        self._client = client
        self._runner = runner
        self.clock = clock

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        if isinstance(self._client, BickfordClient):
            return method  # type: ignore[no-any-return]
        return lambda *args, **kwargs: self._runner.run(method(*args, **kwargs))

    def __repr__(self) -> str:
        return repr(self._client)


@pytest.fixture(params=["synchronous", "asynchronous"])
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[..., Asking]]:
    """Makes a client of a base URL; every test that asks for it runs with both clients."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())

        def make(base_url: str, **options: Any) -> Asking:
            clock = PatientClock()
            options = {"api_key": API_KEY, "monotonic": clock.monotonic, "timeout_s": 2.0, **options}
            if request.param == "synchronous":
                client = stack.enter_context(BickfordClient(base_url=base_url, sleep=clock.sleep, **options))
                return Asking(client, runner, clock)
            waiting = AsyncBickfordClient(base_url=base_url, sleep=clock.async_sleep, **options)
            stack.callback(lambda: runner.run(waiting.aclose()))
            return Asking(waiting, runner, clock)

        yield make


@pytest.fixture
def scripted() -> Iterator[Callable[..., FakeServer]]:
    with ExitStack() as stack:
        yield lambda *replies: stack.enter_context(FakeServer(*replies))

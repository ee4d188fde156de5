"""The two ways of waiting a client can be given, and the clock of intervals."""

import asyncio
import time
from collections.abc import Awaitable, Callable

AsyncSleep = Callable[[float], Awaitable[None]]
Sleep = Callable[[float], None]
Monotonic = Callable[[], float]

async_sleep: AsyncSleep = asyncio.sleep
sleep: Sleep = time.sleep
monotonic: Monotonic = time.monotonic

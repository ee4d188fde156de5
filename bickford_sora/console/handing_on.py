"""Handing on what a command writes, to somebody who may read it slowly, or not at all."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from itertools import chain

import structlog
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from bickford_sora.http.heads import BREAK_OFF

READ_SILENCE_S = 60.0
"""How long whoever is handed an answer may take nothing of it, in seconds; then it and its connection are ended.

The system tells of room when a third of its buffer is empty, of some megabytes: who takes 30 kB/s is not cut off.
"""

log = structlog.get_logger(__name__)


class HandedOn(StreamingResponse):
    """An answer in parts that is ended with whoever reads it: also when they stay, and stop reading.

    Args:
        first: its first part, which is there already.
        parts: what comes behind it; closed in any case.
        silence_s: see READ_SILENCE_S.
    """

    def __init__(
        self,
        first: bytes,
        parts: Generator[bytes, None, None],
        *,
        media_type: str,
        headers: Mapping[str, str],
        silence_s: float = READ_SILENCE_S,
    ) -> None:
        super().__init__(chain([first], parts), media_type=media_type, headers=headers)
        self._parts = parts
        self._silence_s = silence_s
        self._break_off: Callable[[], None] = _leave_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        self._break_off = scope.get("state", {}).get(BREAK_OFF, _leave_open)
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Sends it. Raises ClientDisconnect when nothing was taken for too long: such a client is as good as gone."""

        async def patiently(message: Message) -> None:
            async with asyncio.timeout(self._silence_s):
                await send(message)

        try:
            await super().stream_response(patiently)
        except TimeoutError:
            log.warning("reader_stalled", silence_s=self._silence_s)
            self._break_off()  # closed, it would wait for what nobody reads, and a server that stops would wait for it
            raise ClientDisconnect from None
        finally:
            # Nobody asks for the next part by then: that is waited for, whatever ends this. Shielded, because a client
            # that left has this cancelled, and its command is to end all the same.
            await asyncio.shield(asyncio.to_thread(self._parts.close))


def _leave_open() -> None:
    """Where there is no connection of ours."""

"""Handing on what a command writes, to somebody who may read it slowly, or leave."""

import asyncio
from collections.abc import Generator, Mapping
from itertools import chain

from fastapi.responses import StreamingResponse
from starlette.types import Send


class HandedOn(StreamingResponse):
    """An answer in parts whose source is closed with it, whatever ends it. The server ends one that is not read.

    Args:
        first: its first part, which is there already.
        parts: what comes behind it; closed in any case.
    """

    def __init__(
        self, first: bytes, parts: Generator[bytes, None, None], *, media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(chain([first], parts), media_type=media_type, headers=headers)
        self._parts = parts

    async def stream_response(self, send: Send) -> None:
        """Sends it."""
        try:
            await super().stream_response(send)
        finally:
            # Nobody asks for the next part by then: that is waited for, whatever ends this. Shielded, because a client
            # that left has this cancelled, and its command is to end all the same.
            await asyncio.shield(asyncio.to_thread(self._parts.close))

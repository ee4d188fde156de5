"""A renderer that takes every job at once: `python -m tests.benchmarks.stub_renderer PORT`. For benchmarks only."""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from functools import partial

HEADERS_BYTES_MAX = 64 * 1024


async def _serve(job_ids: Iterator[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_content_length(head))
            method, path, _ = head.split(b" ", 2)
            writer.write(_answer(method, path, job_ids))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def _content_length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


def _answer(method: bytes, path: bytes, job_ids: Iterator[str]) -> bytes:
    if method == b"POST":
        body = _video(next(job_ids))
    elif path.split(b"?")[0].endswith(b"/videos"):
        body = {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
    else:
        body = _video(path.rsplit(b"/", 1)[1].decode())
    payload = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(payload),
        payload,
    )


def _video(video_id: str) -> dict[str, object]:
    return {
        "id": video_id,
        "object": "video",
        "created_at": 1_795_000_000,
        "status": "queued",
        "model": "sora-2",
        "progress": 0,
        "seconds": "4",
        "size": "720x1280",
        "prompt": None,
        "completed_at": None,
        "expires_at": None,
        "error": None,
        "remixed_from_video_id": None,
    }


async def main(port: int) -> None:
    """Serves until it is killed."""
    job_ids = (f"video_{number:024d}" for number in itertools.count())
    server = await asyncio.start_server(partial(_serve, job_ids), "127.0.0.1", port, limit=HEADERS_BYTES_MAX)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

"""What a server of the Videos API answers."""

from typing import Any


def video(**changes: Any) -> dict[str, Any]:
    """A video as the protocol shows it, all 13 keys."""
    return {
        "id": "video_1",
        "object": "video",
        "model": "sora-2",
        "status": "queued",
        "progress": 0,
        "created_at": 1_795_000_000,
        "completed_at": None,
        "expires_at": None,
        "prompt": "A kite",
        "size": "720x1280",
        "seconds": "4",
        "remixed_from_video_id": None,
        "error": None,
        **changes,
    }


def refusal(message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """An error as the protocol shows it."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}

"""A governed gateway for the Videos API on a ledger that can be checked.

The names below are what Python callers use; each is imported when it is first asked for. Their asynchronous twins are
in `bickford_sora.aio` (`await aio.create_sora_video_job(...)`) and `AsyncBickfordClient`.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bickford_sora.client import aio
    from bickford_sora.client.asynchronous import AsyncBickfordClient
    from bickford_sora.client.errors import (
        SoraVideoDenied,
        SoraVideoError,
        SoraVideoFailed,
        SoraVideoNotFound,
        SoraVideoRateLimited,
        SoraVideoTimeout,
        SoraVideoUnauthorized,
        SoraVideoUnreachable,
    )
    from bickford_sora.client.functions import (
        create_sora_video_job,
        create_sora_video_job_and_poll,
        delete_sora_video,
        download_sora_content,
        list_sora_videos,
        record_sora_video_event,
        remix_sora_video,
        retrieve_sora_video_job,
        retry_sora_video,
    )
    from bickford_sora.client.models import SoraVideo, SoraVideoFailure, SoraVideoPage, SoraVideoReview
    from bickford_sora.client.synchronous import BickfordClient

__all__ = [
    "AsyncBickfordClient",
    "BickfordClient",
    "SoraVideo",
    "SoraVideoDenied",
    "SoraVideoError",
    "SoraVideoFailed",
    "SoraVideoFailure",
    "SoraVideoNotFound",
    "SoraVideoPage",
    "SoraVideoRateLimited",
    "SoraVideoReview",
    "SoraVideoTimeout",
    "SoraVideoUnauthorized",
    "SoraVideoUnreachable",
    "aio",
    "create_sora_video_job",
    "create_sora_video_job_and_poll",
    "delete_sora_video",
    "download_sora_content",
    "list_sora_videos",
    "record_sora_video_event",
    "remix_sora_video",
    "retrieve_sora_video_job",
    "retry_sora_video",
]

__version__ = "0.1.0"

_ROOMS = {
    "AsyncBickfordClient": "asynchronous",
    "BickfordClient": "synchronous",
    "SoraVideo": "models",
    "SoraVideoFailure": "models",
    "SoraVideoPage": "models",
    "SoraVideoReview": "models",
}
"""Where in `bickford_sora.client` the public names are that are neither an error nor a helper function."""

SIBLINGS = ("ledger", "projections")
"""The other top-level packages of this distribution."""


class PackageClash(ImportError):  # noqa: N818 - it says what is wrong
    """Another installed distribution has a package of ours' name."""


def check_siblings(here: Path = Path(__file__)) -> None:
    """Raises PackageClash when `ledger` or `projections` would be imported from another distribution."""
    ours = here.resolve().parent.parent
    for name in SIBLINGS:
        spec = find_spec(name)
        found = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if found != ours / name / "__init__.py":
            raise PackageClash(
                f"the package {name!r} is found at {found}, not beside bickford_sora in {ours}: another distribution "
                "of that name is installed. Uninstall it, or give bickford-sora a virtual environment of its own."
            )


def __getattr__(name: str) -> object:
    """Imports a public name when it is first asked for, so that the command line does not wait for what it leaves."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "aio":
        return import_module("bickford_sora.client.aio")
    room = _ROOMS.get(name) or ("errors" if name.startswith("SoraVideo") else "functions")
    return getattr(import_module(f"bickford_sora.client.{room}"), name)


check_siblings()

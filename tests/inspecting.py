"""One process that forks the checks of files, for all gateways of a process of tests.

A gateway starts its own, which imports the decoders: as much work as the checks of six videos. That it is started,
ended and started again is what tests/assets tests.
"""

import atexit
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from bickford_sora.assets import inspector
from bickford_sora.assets.hosting import InspectionHost
from bickford_sora.composition import gateway


class _Shared(InspectionHost):
    """Stays when a gateway is closed, and ends with the tests' process."""

    def close(self) -> None:
        """Others may need it yet."""


@cache
def _shared(command: tuple[str, ...]) -> InspectionHost:
    host = _Shared(command)
    atexit.register(InspectionHost.close, host)
    return host


def compose(books: Any, renderers: Any, stack: ExitStack) -> gateway.Gateway:
    """The gateway over open books, as it is composed for a server; but it shares that process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspector, "InspectionHost", _shared)
        return gateway.compose(books, renderers, stack)

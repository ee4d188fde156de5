"""A renderer of each dialect before a server that speaks it, over a real socket."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from bickford_sora.renderers.dialects import DIALECTS, open_renderer, open_transport
from bickford_sora.renderers.port import JobNews, Order, Source, Upload, Variant
from bickford_sora.renderers.renderer import HttpRenderer
from bickford_sora.renderers.transport import Transport, TransportLimits
from bickford_sora.simulator import Fault, FaultKind, SimulatorServer, SimulatorSettings
from ledger.clock import system_clock

WAIT_S = 60.0
SUBMIT_TIMEOUT_S = 20.0
"""No test waits for its end; a busy machine may stand still for seconds."""
LIMITS = TransportLimits(connect_timeout_s=20, answer_timeout_s=20, silence_timeout_s=20)
SETTINGS = SimulatorSettings(
    sizes=("128x96",),
    seconds=("1",),
    extension_seconds=("1",),
    models=("sora-2",),
    render_time_s=0.01,
    frame_rate=8,
    api_key="sk-planted-contract",
)
ORDER = Order("sora-2", "A paper boat in the rain", "1", "128x96", "key-1")


@dataclass
class Stage:
    """A renderer of some dialect and the server it calls."""

    renderer: HttpRenderer
    server: SimulatorServer
    make: Callable[..., HttpRenderer]

    def strikes(self, kind: FaultKind, **given: Any) -> None:
        """Plans a fault."""
        self.server.simulator.faults.add(Fault(kind=kind, **given))

    def submitted(self, order: Order = ORDER) -> str:
        """The id of a job that was asked for."""
        return self.renderer.submit(order).job_id

    def ended(self, job_id: str) -> JobNews:
        """The last news of a job."""
        deadline = time.monotonic() + WAIT_S
        while (news := self.renderer.status(job_id)).status not in {"completed", "failed"}:
            assert time.monotonic() < deadline, "the job did not end"
            time.sleep(0.005)
        return news

    def download(self, job_id: str, variant: Variant = "video", output: int = 0) -> bytes:
        """A file of a job."""
        with self.renderer.content(job_id, variant, output) as content:
            return b"".join(content.chunks)

    def source(self, job_id: str) -> Source:
        """A finished job with its video, as our storage has it."""
        video = self.download(job_id)
        return Source(job_id, Upload("source.mp4", "video/mp4", lambda: video))

    def jobs_taken(self) -> int:
        """How many jobs the server took, and billed."""
        return len(self.server.simulator.registry.billed())


def settings_of(dialect: str) -> SimulatorSettings:
    """A simulator that speaks a dialect, and takes the fields it can be configured for."""
    fields = sorted(DIALECTS[dialect].extra_fields)
    return SETTINGS.model_copy(update={"flavour": dialect, "extra_fields": tuple(fields)})


def renderer_of(dialect: str, transport: Transport, *, submit_timeout_s: float = SUBMIT_TIMEOUT_S) -> HttpRenderer:
    """A renderer that speaks it, configured for all the fields it can have."""
    speaks = DIALECTS[dialect]
    return open_renderer(
        dialect,
        name="simulated",
        credential="contract",
        transport=transport,
        clock=system_clock,
        fields=speaks.capabilities.fields | speaks.extra_fields,
        submit_timeout_s=submit_timeout_s,
    )


@contextmanager
def staged(dialect: str, tls: ssl.SSLContext, **given: object) -> Iterator[Stage]:
    """A stage of a dialect, with further settings of the simulator."""
    settings = SimulatorSettings.model_validate({**settings_of(dialect).model_dump(), **given})
    with ExitStack() as opened:
        server = opened.enter_context(SimulatorServer(settings))

        def make(credential: str = settings.api_key, **given: float) -> HttpRenderer:
            secret = SecretStr(credential)
            transport = opened.enter_context(open_transport(dialect, server.url, secret, limits=LIMITS, tls=tls))
            return renderer_of(dialect, transport, **given)

        yield Stage(make(), server, make)

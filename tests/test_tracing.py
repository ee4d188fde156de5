"""From a trace to the facts, from a fact to the trace, and to nobody who shall not know."""

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from bickford_sora.background import Background
from bickford_sora.composition.books import open_books
from bickford_sora.decisions.request import create_request
from bickford_sora.http.app import create_app
from bickford_sora.open_telemetry import OpenTelemetry
from bickford_sora.renderers.transport import Traced, Transport
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from tests.http.houses import make_kit
from tests.inspecting import compose
from tests.workers.conftest import CALLER, ORIGIN, renderer_at, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> OpenTelemetry:
    return OpenTelemetry(SimpleSpanProcessor(exporter), "server")


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def linked_to(span: ReadableSpan) -> list[str]:
    return [f"{link.context.trace_id:032x}" for link in span.links]


def test_a_request_goes_on_from_its_traceparent_and_its_facts_carry_the_trace(
    tracing: OpenTelemetry, exporter: InMemorySpanExporter
) -> None:
    kit = make_kit()
    kit.house = replace(kit.house, tracing=tracing)
    kit.app = create_app(kit.house)
    kit.create("A calm sea")
    first = kit.ledger.read(0)[0].context.trace
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A storm"}, headers={"traceparent": TRACEPARENT})
    assert answer.status_code == 200
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["request", "request"]
    assert [trace_of(span) for span in spans] == [first, TRACE]
    assert kit.ledger.read(0)[-1].context.trace == TRACE
    assert spans[1].attributes is not None
    assert dict(spans[1].attributes) == {
        "bickford.method": "POST",
        "bickford.route": "/v1/videos",
        "bickford.status": 200,
    }


def test_a_renders_way_is_told_with_the_positions_of_its_facts(
    tracing: OpenTelemetry, exporter: InMemorySpanExporter, tmp_path: Path, database_url: str
) -> None:
    simulated = SimulatorSettings(render_time_s=0.1, frame_rate=4, seconds=("1",), sizes=("128x96",))
    given = Settings(
        data_dir=tmp_path, database_url=SecretStr(database_url), seconds=("1",), sizes=("128x96",), poll_interval_s=0.1
    )
    with SimulatorServer(simulated) as server, ExitStack() as stack:
        books = stack.enter_context(open_books(given, tracing=tracing))
        gateway = compose(books, [renderer_at(server)], stack)
        with Background(books, gateway):
            request = create_request({"prompt": "a secret kite"}, {})
            terms = gateway.intake.terms(replace(ORIGIN, trace=TRACE), "create", request)
            video_id = gateway.intake.ask(CALLER, request, terms).render.intent.video_id
            wait_until(gateway, video_id, lambda render: bool(render.assets))
        positions = set(range(1, books.ledger.head() + 1))
    spans = exporter.get_finished_spans()
    assert {"submit", "store", "append", "renderer call"} <= {span.name for span in spans}
    for step in ("submit", "follow", "store"):
        linked = [linked_to(span) for span in spans if span.name == step]
        assert linked, step
        assert linked == [[TRACE]] * len(linked), f"{step}: each leads to the request that made the render, once"
    told = [dict(span.attributes or {}) for span in spans if span.name == "append"]
    covered = {
        position
        for each in told
        for position in range(int(str(each["bickford.first_position"])), int(str(each["bickford.last_position"])) + 1)
    }
    assert covered == positions
    assert "secret kite" not in " ".join(span.to_json() for span in spans)


def test_an_append_is_linked_to_the_trace_its_facts_carry(
    tracing: OpenTelemetry, exporter: InMemorySpanExporter
) -> None:
    with tracing.span("append", linked=TRACE) as span:
        assert span.trace != TRACE
    (told,) = exporter.get_finished_spans()
    assert linked_to(told) == [TRACE]


@pytest.mark.parametrize("sends_on", [True, False])
def test_a_renderer_is_told_the_trace_where_that_is_configured(
    tracing: OpenTelemetry, exporter: InMemorySpanExporter, *, sends_on: bool
) -> None:
    seen: list[str | None] = []

    class Noting(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.headers.get("traceparent"))
            return httpx.Response(200, stream=httpx.ByteStream(b""), request=request)

    traced = Traced("openai", tracing, sends_on=sends_on)
    with closing(Transport("http://renderer.test/v1", None, traced=traced)) as transport:
        transport._client.close()
        transport._client = httpx.Client(transport=Noting(), base_url="http://renderer.test/v1")
        transport.request("GET", "/videos")
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    told = f"00-{trace_of(span)}-{span.context.span_id:016x}-"
    assert [each and each.startswith(told) for each in seen] == [True if sends_on else None]

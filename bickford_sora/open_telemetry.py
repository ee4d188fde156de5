"""Spans by OpenTelemetry. Needs the extra `otel`, and is imported only where a collector is configured."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bickford_sora.tracing import SERVICE, Span, Tracing

_PROPAGATOR = TraceContextTextMapPropagator()
_ANY_SPAN = 1
"""Stands for the span of another trace that is known by its id alone."""


class OpenTelemetry(Tracing):
    """Spans that are told to a processor. Nothing global: what else is loaded makes no spans by it."""

    is_told = True

    def __init__(self, processor: SpanProcessor, process: str) -> None:
        resource = Resource.create({"service.name": SERVICE, "bickford.process": process})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE)

    @contextmanager
    def span(
        self, name: str, *, parent: str | None = None, linked: str | None = None, **attributes: str | int
    ) -> Iterator[Span]:
        """See `Tracing.span`."""
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        links = [] if linked is None else [trace.Link(_somewhere_in(linked))]
        named = {f"bickford.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(name, context, links=links, attributes=named) as opened:
            yield _Open(opened)

    def link(self, linked: str) -> None:
        """See `Tracing.link`."""
        opened, somewhere = trace.get_current_span(), _somewhere_in(linked)
        known = opened.links if isinstance(opened, ReadableSpan) else ()
        if all(each.context.trace_id != somewhere.trace_id for each in known):
            opened.add_link(somewhere)

    def traceparent(self) -> str | None:
        """See `Tracing.traceparent`."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def close(self) -> None:
        """See `Tracing.close`."""
        self._provider.shutdown()


class _Open(Span):
    def __init__(self, opened: trace.Span) -> None:
        self._opened = opened
        self.trace = trace.format_trace_id(opened.get_span_context().trace_id)

    def set(self, name: str, value: str | int) -> None:
        """See `Span.set`."""
        self._opened.set_attribute(f"bickford.{name}", value)


def exported(otlp_url: str, process: str) -> Tracing:
    """Spans told to the collector at this address."""
    return OpenTelemetry(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_url)), process)


def _somewhere_in(trace_id: str) -> trace.SpanContext:
    return trace.SpanContext(int(trace_id, 16), _ANY_SPAN, is_remote=True)

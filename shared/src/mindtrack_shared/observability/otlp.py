"""Sends spans to a collector over OTLP/HTTP, in batches, from a thread (OpenTelemetry's SDK).

A collector that is away costs spans, never a job: what does not fit into the queue is dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from mindtrack_shared.observability.traces import Span

#: How long a stopping process waits for the collector.
SEND_TIMEOUT = 3.0  # seconds


class _GivenIds(RandomIdGenerator):
    """Gives a span the ids that its thread asked for."""

    def __init__(self) -> None:
        self._wanted = threading.local()

    @contextmanager
    def given(self, span: Span) -> Iterator[None]:
        self._wanted.span = span
        try:
            yield
        finally:
            del self._wanted.span

    def generate_trace_id(self) -> int:
        span: Span = self._wanted.span
        return span.trace_id

    def generate_span_id(self) -> int:
        span: Span = self._wanted.span
        return super().generate_span_id() if span.span_id is None else span.span_id


class Collector:
    """A `SpanSink` at `endpoint`, a URL without OTLP's path."""

    def __init__(self, endpoint: str, *, service: str) -> None:
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            resource=Resource.create(
                {
                    SERVICE_NAME: service,
                    SERVICE_NAMESPACE: "mindtrack",
                    SERVICE_VERSION: version("mindtrack-shared"),
                }
            ),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_TIMEOUT)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("mindtrack")

    def write(self, span: Span) -> None:
        parent = None
        if span.parent_id is not None:
            context = SpanContext(span.trace_id, span.parent_id, is_remote=True, trace_flags=TraceFlags(1))
            parent = set_span_in_context(NonRecordingSpan(context))
        with self._ids.given(span):
            written = self._tracer.start_span(
                span.name,
                context=parent,
                kind=SpanKind[span.kind.name],
                attributes=span.attributes,
                start_time=span.began,
            )
        if span.error is not None:
            written.set_attribute("error.type", span.error)
            written.set_status(Status(StatusCode.ERROR))
        written.end(end_time=span.ended)

    def close(self) -> None:
        self._provider.shutdown()

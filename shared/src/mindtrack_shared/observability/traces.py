"""Traces of jobs, from the upload to the end, through every process.

A job's id is its trace's id: both have 128 bits. So nothing about traces travels through the database or the
broker, who knows a job finds its trace, and where only a share of jobs is traced, every process chooses the
same ones. Spans are written when they are over; times are marks of `time.perf_counter`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from mindtrack_shared.errors import SettingError
from mindtrack_shared.settings import TracingSettings

#: Numbers, codes and templates; never what a person said, sent or is called.
Attributes = Mapping[str, str | int | float]

NO_ATTRIBUTES: Attributes = MappingProxyType({})

#: The low bits of an id that decide whether its job is traced. Those above may count ids of one millisecond
#: (RFC 9562, section 6.2), so that jobs of a burst would be traced all or none.
RANDOM_BITS = 32


class Kind(StrEnum):
    """OpenTelemetry's span kinds, as far as we have them."""

    INTERNAL = "internal"
    SERVER = "server"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    name: str
    trace_id: int
    #: None for one that nothing refers to.
    span_id: int | None = None
    parent_id: int | None
    #: Nanoseconds since the epoch, by this machine's clock.
    began: int
    ended: int
    kind: Kind = Kind.INTERNAL
    #: A code or the name of an exception's type.
    error: str | None = None
    attributes: Attributes = field(default_factory=dict)


class SpanSink(Protocol):
    """Where spans go."""

    def write(self, span: Span) -> None:
        """Take a span; never block, never raise."""

    def close(self) -> None:
        """Send what was taken."""


def root_span(job_id: UUID) -> int:
    """Return the id of the span that is a whole job: the low 64 bits of its id, which are never all zero."""
    return job_id.int & (1 << 64) - 1


def attempt_span(job_id: UUID, fence: int) -> int:
    """Return the id of the span that is one attempt. Fences start with 1 and never come twice."""
    return root_span(job_id) ^ fence


class JobTraces:
    """Writes what happened to jobs. Serves any number of threads. Without a sink it does nothing."""

    def __init__(self, sink: SpanSink | None, *, sample_ratio: float = 1.0) -> None:
        self._sink = sink
        self._below = round(sample_ratio * (1 << RANDOM_BITS))

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()

    def job(self, job_id: UUID, *, seconds: float, status: str, code: str | None) -> None:
        """Write the root: a job that was accepted `seconds` ago and has just ended."""
        self._write(
            job_id,
            "job",
            span_id=root_span(job_id),
            parent_id=None,
            since=time.perf_counter() - seconds,
            error=code if status == "failed" else None,
            attributes={
                "mindtrack.job.id": str(job_id),
                "mindtrack.job.status": status,
                **({} if code is None else {"mindtrack.job.code": code}),
            },
        )

    def attempt(self, job_id: UUID, fence: int, *, seconds: float, number: int, outcome: str) -> None:
        """Write an attempt that began `seconds` ago and is now over."""
        self._write(
            job_id,
            "attempt",
            span_id=attempt_span(job_id, fence),
            parent_id=root_span(job_id),
            since=time.perf_counter() - seconds,
            kind=Kind.CONSUMER,
            attributes={"mindtrack.attempt.number": number, "mindtrack.attempt.outcome": outcome},
        )

    def step(  # noqa: PLR0913 - what a span is
        self,
        job_id: UUID,
        name: str,
        *,
        since: float,
        until: float | None = None,
        fence: int | None = None,
        kind: Kind = Kind.INTERNAL,
        error: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> None:
        """Write a step of an attempt, or of the job itself where there is no fence."""
        self._write(
            job_id,
            name,
            parent_id=root_span(job_id) if fence is None else attempt_span(job_id, fence),
            since=since,
            until=until,
            kind=kind,
            error=error,
            attributes=attributes,
        )

    @contextmanager
    def timed(self, job_id: UUID, name: str, *, fence: int | None = None) -> Iterator[None]:
        """Write the block as a step, with the type of the exception that ends it, if one does."""
        since, error = time.perf_counter(), None
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self.step(job_id, name, since=since, fence=fence, error=error)

    def _write(  # noqa: PLR0913 - what a span is
        self,
        job_id: UUID,
        name: str,
        *,
        parent_id: int | None,
        since: float,
        until: float | None = None,
        span_id: int | None = None,
        kind: Kind = Kind.INTERNAL,
        error: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> None:
        if self._sink is None or job_id.int & (1 << RANDOM_BITS) - 1 >= self._below:
            return
        now, wall = time.perf_counter(), time.time_ns()
        ended = now if until is None else until
        self._sink.write(
            Span(
                name=name,
                trace_id=job_id.int,
                span_id=span_id,
                parent_id=parent_id,
                began=wall - _nanoseconds(now - since),
                ended=wall - _nanoseconds(now - ended),
                kind=kind,
                error=error,
                attributes=attributes,
            )
        )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


#: Where nobody asked for traces.
UNTRACED = JobTraces(None)


def open_traces(settings: TracingSettings, *, service: str) -> JobTraces:
    """Open the way to the collector, if one is set. Open one per process, and close it at its end.

    Raises:
        SettingError: OpenTelemetry's exporter is not installed.

    """
    if settings.endpoint is None:
        return UNTRACED
    try:
        from mindtrack_shared.observability.otlp import Collector  # noqa: PLC0415 - half a second of imports
    except ImportError as error:
        raise SettingError(
            "MINDTRACK_TRACING_ENDPOINT needs OpenTelemetry: pip install 'mindtrack-shared[tracing]'"
        ) from error
    return JobTraces(Collector(str(settings.endpoint), service=service), sample_ratio=settings.sample_ratio)

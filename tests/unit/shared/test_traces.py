"""What is written about jobs, without a collector."""

from __future__ import annotations

import sys
import time
from uuid import UUID

import pytest

from mindtrack_shared.ids import new_id
from mindtrack_shared.observability.traces import (
    UNTRACED,
    JobTraces,
    Span,
    attempt_span,
    open_traces,
    root_span,
)
from mindtrack_shared.settings import TracingSettings


class Kept:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def write(self, span: Span) -> None:
        self.spans.append(span)

    def close(self) -> None: ...


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_jobs_id_is_its_traces(kept: Kept) -> None:
    job_id = new_id()
    JobTraces(kept).job(job_id, seconds=2.5, status="succeeded", code=None)

    (span,) = kept.spans
    assert UUID(int=span.trace_id) == job_id
    assert span.span_id == job_id.int & 0xFFFF_FFFF_FFFF_FFFF
    assert span.parent_id is None
    assert span.ended - span.began == pytest.approx(2.5e9, abs=1e8)
    assert abs(time.time_ns() - span.ended) < 1e9


def test_steps_belong_to_their_attempt_and_attempts_to_the_job(kept: Kept) -> None:
    job_id, traces = new_id(), JobTraces(kept)
    traces.attempt(job_id, 3, seconds=1, number=2, outcome="retry")
    traces.step(job_id, "score", since=time.perf_counter(), fence=3)
    traces.step(job_id, "ring", since=time.perf_counter())

    attempt, score, ring = kept.spans
    assert attempt.span_id == attempt_span(job_id, 3) != root_span(job_id)
    assert attempt.parent_id == ring.parent_id == root_span(job_id)
    assert score.parent_id == attempt.span_id


def test_attempts_of_a_job_never_share_an_id() -> None:
    job_id = new_id()
    ids = {root_span(job_id), *(attempt_span(job_id, fence) for fence in range(1, 1001))}
    assert len(ids) == 1001
    assert 0 not in ids


def test_a_step_that_raises_says_by_what_and_no_more(kept: Kept) -> None:
    with pytest.raises(ValueError, match="Ada"), JobTraces(kept).timed(new_id(), "prepare"):
        raise ValueError("Ada's recording")
    (span,) = kept.spans
    assert span.error == "ValueError"
    assert "Ada" not in repr(span)


@pytest.mark.parametrize("status", ["succeeded", "rejected", "canceled"])
def test_only_what_is_our_fault_is_an_error(kept: Kept, status: str) -> None:
    JobTraces(kept).job(new_id(), seconds=1, status=status, code="too_short")
    JobTraces(kept).job(new_id(), seconds=1, status="failed", code="internal")
    assert [span.error for span in kept.spans] == [None, "internal"]


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_a_share_of_jobs_is_traced(ratio: float) -> None:
    """Also of a burst: ids of version 7 are no random numbers, only some of their bits are."""
    first, second, jobs = Kept(), Kept(), [new_id() for _ in range(4000)]
    for kept in (first, second):  # two processes
        traces = JobTraces(kept, sample_ratio=ratio)
        for job_id in jobs:
            traces.step(job_id, "ring", since=time.perf_counter())
    assert len(first.spans) == pytest.approx(ratio * len(jobs), abs=4 * (len(jobs) / 4) ** 0.5)
    assert [span.trace_id for span in first.spans] == [span.trace_id for span in second.spans]


def test_nothing_is_written_where_nobody_asked() -> None:
    assert open_traces(TracingSettings(), service="test") is UNTRACED
    UNTRACED.job(new_id(), seconds=1, status="succeeded", code=None)
    UNTRACED.close()


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "mindtrack_shared.observability.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setenv("MINDTRACK_TRACING_ENDPOINT", "http://127.0.0.1:4318")
    with pytest.raises(ValueError, match=r"mindtrack-shared\[tracing\]"):
        open_traces(TracingSettings(), service="test")

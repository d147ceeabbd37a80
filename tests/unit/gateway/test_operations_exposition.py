"""Pages of metrics are read as Prometheus reads them, and what is none is told apart."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from mindtrack_gateway.operations.exposition import Samples, UnreadableError, read

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def registry() -> CollectorRegistry:
    told = CollectorRegistry()
    jobs = Gauge("mindtrack_jobs", "Jobs.", ["status", "priority"], registry=told)
    jobs.labels("queued", "bulk").set(7)
    jobs.labels("running", "bulk").set(float("nan"))
    Counter("mindtrack_job_retries", "Retries.", registry=told).inc(3)
    return told


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (generate_latest(registry()), TEXT),
        (generate_openmetrics(registry()), OPENMETRICS),  # type: ignore[no-untyped-call]
    ],
    ids=["text", "OpenMetrics"],
)
def test_what_is_exposed_is_read(body: bytes, content_type: str) -> None:
    samples = read(body, content_type)

    assert samples.value("mindtrack_jobs", status="queued", priority="bulk") == 7
    assert samples.value("mindtrack_job_retries_total") == 3


def test_what_is_no_number_is_not_known() -> None:
    samples = Samples(registry().collect())

    assert samples.value("mindtrack_jobs", status="running", priority="bulk") is None
    assert samples.value("mindtrack_jobs", priority="bulk") is None, "without a label it is another series"
    assert samples.value("mindtrack_unheard_of") is None


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>Sign in</html>", "text/html"),
        (b"<html>Sign in</html>", TEXT),
        (b"mindtrack_jobs 1", ""),
        (b'mindtrack_jobs{status="queued" 1', TEXT),
        (b"mindtrack_jobs many", TEXT),
        (b"\xff\xfe", TEXT),
        (b"mindtrack_jobs 1", OPENMETRICS),
    ],
    ids=["a page", "a page in disguise", "no type", "torn", "no number", "no text", "without an end"],
)
def test_what_is_no_page_of_metrics_is_told_apart(body: bytes, content_type: str) -> None:
    with pytest.raises(UnreadableError):
        read(body, content_type)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet='#abTYPEHLcounter _{}="\\,.1eN+-\n ', max_size=200).map(str.encode),
    ),
    st.sampled_from([TEXT, OPENMETRICS]),
)
def test_garbage_is_read_or_refused_and_breaks_nothing(body: bytes, content_type: str) -> None:
    with suppress(UnreadableError):
        read(body, content_type)

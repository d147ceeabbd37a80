"""Every process tells what it counts, also of its children; nobody's name is in it."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from mindtrack_client import JobStatus, MindTrack
from mindtrack_local.stack import Stack
from patience import eventually
from samples import SAMPLES

PERSON = "somebody-whose-name-is-in-no-metric"


def samples(address: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:  # noqa: S310 - on this machine
        text = answer.read().decode()
    assert PERSON not in text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def answers(address: str) -> bool:
    try:
        samples(address)
    except OSError:
        return False
    return True


def test_a_job_is_counted_wherever_it_passes(
    stack: Stack,
    sign_in: Callable[[str], MindTrack],
    tmp_path: Path,
) -> None:
    torn = tmp_path / "torn.m4a"
    torn.write_bytes((SAMPLES / "day-2.m4a").read_bytes()[:20_000])
    pages: dict[str, str] = {name: f"http://127.0.0.1:{port}" for name, port in stack.metrics_ports.items()}
    for name, page in pages.items():  # the stack does not wait for those that nobody waits for
        eventually(partial(answers, page), what=f"{name}'s metrics")
    before = {name: samples(page) for name, page in pages.items()}

    client = sign_in(PERSON)
    good = client.submit(SAMPLES / "day-7.m4a", wait=True, timeout=60)
    bad = client.submit(torn, wait=True, timeout=60)

    assert (good.status, bad.status) == (JobStatus.SUCCEEDED, JobStatus.REJECTED)

    def rise(service: str, name: str, **labels: str) -> float:
        key = (f"mindtrack_{name}", frozenset(labels.items()))
        return samples(pages[service]).get(key, 0.0) - before[service].get(key, 0.0)

    # Whoever waits may hear of the commit before the worker has counted it.
    unreadable = {"status": "rejected", "code": "unreadable"}
    eventually(lambda: rise("inference", "jobs_ended_total", **unreadable) == 1, what="a count")
    assert rise("inference", "jobs_ended_total", status="succeeded", code="none") == 1
    assert rise("inference", "decode_errors_total", format="audio/mp4") == 1
    assert rise("inference", "job_wait_seconds_count", priority="interactive") == 2
    assert rise("inference", "job_seconds_count", priority="interactive", status="succeeded") == 1
    waited = rise("inference", "job_wait_seconds_sum", priority="interactive")
    lasted = rise("inference", "job_seconds_sum", priority="interactive", status="succeeded")
    assert 0 < waited < 30
    assert 0 < lasted < 60
    assert good.analysis is not None
    heard = rise("inference", "audio_seconds_total", priority="interactive")
    assert abs(heard - good.analysis.audio_seconds) < 0.01
    assert 0 < rise("inference", "model_seconds_total") < 60
    assert rise("inference", "batch_fill_ratio_count") >= 1
    assert rise("relay", "rings_total", priority="interactive") >= 2

    model = good.analysis.model
    introduced = {
        "bundle": model.bundle_id,
        "revision": model.bundle_revision,
        "engine": model.engine,
        "precision": model.precision,
    }
    assert samples(pages["inference"])[("mindtrack_worker_info", frozenset(introduced.items()))] == 1


def test_the_gateway_tells_what_waits(stack: Stack) -> None:
    found = samples(stack.base_url)

    assert found[("mindtrack_unrung_jobs", frozenset())] == 0
    assert found[("mindtrack_oldest_unrung_seconds", frozenset())] == 0

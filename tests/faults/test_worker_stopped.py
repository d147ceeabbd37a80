from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from faults_support import FaultyStack, talking
from mindtrack_client import Priority
from mindtrack_inference.bundle import load_bundle
from mindtrack_local.errors import PartFailedError
from mindtrack_shared.bundles import ONNX_NAME, BundleManifest
from mindtrack_shared.domain.jobs import JobStatus
from patience import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def test_a_worker_that_stops_politely_finishes_what_it_holds(stack: FaultyStack, tmp_path: Path) -> None:
    worker = stack.add_inference("inference")
    job_id = stack.begin_job(talking(tmp_path / "long.wav", seconds=60))

    worker.stop()

    job = stack.job(job_id)
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1)


def test_a_worker_that_stops_politely_gives_bulk_work_back(stack: FaultyStack, tmp_path: Path) -> None:
    worker = stack.add_inference("inference")
    with stack.client() as client:
        recording = talking(tmp_path / "long.wav", seconds=290)
        job_id = client.submit(recording, priority=Priority.BULK).id
    eventually(lambda: stack.job(job_id).status is JobStatus.RUNNING, what="a claim")

    worker.stop()

    job = stack.job(job_id)
    assert (job.status, job.attempt) == (JobStatus.QUEUED, 0)
    stack.add_inference("second")
    eventually(lambda: stack.succeeded([job_id]), what="another worker finishing")


def test_a_worker_that_cannot_load_its_model_eats_no_message(stack: FaultyStack, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(load_bundle("demo-synthetic").directory, bundle)
    (bundle / ONNX_NAME).write_text("nonsense")
    manifest = BundleManifest.read(bundle)
    checksum = hashlib.sha256(b"nonsense").hexdigest()  # so that only whoever opens the model notices
    manifest.model_copy(update={"checksums": {**manifest.checksums, ONNX_NAME: checksum}}).write(bundle)
    with stack.client() as client:
        job_id = client.submit(talking(tmp_path / "log.wav", seconds=6)).id

    broken = {"MINDTRACK_INFERENCE_BUNDLE": str(bundle), "MINDTRACK_INFERENCE_PRECISION": "fp32"}
    with pytest.raises(PartFailedError, match="ended with exit code 78"):
        stack.add_inference("broken", broken)
    assert "service_broken" in log(stack, "broken")
    assert (stack.job(job_id).status, stack.job(job_id).attempt) == (JobStatus.QUEUED, 0)

    stack.add_inference("inference")

    eventually(lambda: stack.succeeded([job_id]), what="a whole worker taking the job")


def log(stack: FaultyStack, part: str) -> str:
    path = stack.infrastructure.layout.logs / f"{part}.log"
    return path.read_text() if path.exists() else ""

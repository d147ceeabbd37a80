from __future__ import annotations

import pytest
from pydantic import ValidationError

from mindtrack_client import Emotion, Job, JobStatus
from unit.client import documents


def test_fields_of_a_newer_server_are_ignored() -> None:
    document = documents.job("succeeded", colour="green")
    document["analysis"]["loudness"] = -23
    job = Job.model_validate(document)
    assert job.analysis is not None
    assert job.analysis.probabilities[Emotion.STRESSED] == 0.2
    assert not hasattr(job, "colour")


def test_models_are_frozen() -> None:
    job = Job.model_validate(documents.job())
    with pytest.raises(ValidationError, match="frozen"):
        job.status = JobStatus.FAILED  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        (JobStatus.QUEUED, False),
        (JobStatus.RUNNING, False),
        (JobStatus.SUCCEEDED, True),
        (JobStatus.REJECTED, True),
        (JobStatus.FAILED, True),
        (JobStatus.CANCELED, True),
    ],
)
def test_which_states_are_final(status: JobStatus, *, finished: bool) -> None:
    assert status.is_finished is finished


def test_a_listing_leaves_the_windows_out() -> None:
    document = documents.job("succeeded")
    document["analysis"]["windows"] = None
    job = Job.model_validate(document)
    assert job.analysis is not None
    assert job.analysis.windows is None


def test_what_the_model_cannot_express_is_none() -> None:
    job = Job.model_validate(documents.partly_known())
    assert job.analysis is not None
    assert job.analysis.probabilities[Emotion.ANXIOUS] is None
    assert job.analysis.stress_score is None
    assert job.analysis.indices.depressive == 0.3


def test_an_older_server_measures_nothing() -> None:
    document = documents.job("succeeded")
    del document["quality"]
    for name in ("biomarkers", "unmapped_mass", "uncertainty", "indeterminate", "indeterminate_reason"):
        del document["analysis"][name]
    job = Job.model_validate(document)
    assert job.quality is None
    assert job.analysis is not None
    assert job.analysis.biomarkers is None
    assert not job.analysis.indeterminate

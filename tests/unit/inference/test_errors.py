from __future__ import annotations

import pickle

from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.domain.quality import Quality


def test_rejection_survives_the_way_out_of_a_child_process() -> None:
    quality = Quality(0.0, 0.0, None, 0.0, -90.0, None, 0.0)
    error = RecordingRejectedError(RejectionCode.TOO_QUIET, "its level is low", -90.0, -60.0, quality)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(copy, RecordingRejectedError)
    assert copy.code is RejectionCode.TOO_QUIET
    assert (copy.measured, copy.needed, copy.quality) == (-90.0, -60.0, quality)
    assert str(copy) == str(error) == "too_quiet: its level is low"

from __future__ import annotations

import pickle

from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_shared.domain.jobs import RejectionCode


def test_rejection_survives_the_way_out_of_a_child_process() -> None:
    error = RecordingRejectedError(RejectionCode.TOO_QUIET, "its level is -90 dBFS")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(copy, RecordingRejectedError)
    assert copy.code is RejectionCode.TOO_QUIET
    assert str(copy) == str(error) == "too_quiet: its level is -90 dBFS"

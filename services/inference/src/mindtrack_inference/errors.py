"""Why a recording got no analysis.

InferenceError
├── RecordingRejectedError    the recording's fault: another attempt would end the same way
│   └── DecoderKilledError    perhaps not its fault: another attempt may end otherwise
├── RecordingCorruptedError   the stored object is no longer what its owner uploaded
├── AbandonedError            the caller told us to stop; somebody else may hold the job by now
└── ModelOutputError          the model answered with something that is not a score

A bundle that cannot be served is `mindtrack_shared.bundles.BundleError`, raised before any recording is read.
"""

from __future__ import annotations

from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.domain.quality import Quality


class InferenceError(Exception):
    """A recording could not be analysed."""


class RecordingRejectedError(InferenceError):
    """The recording cannot be analysed, now or later.

    `detail` is for operators. It holds our own words and measurements, never a file name or tag. What was
    measured, what would have been needed (both in `code.unit`) and the recording's quality are known once it
    was decoded.
    """

    def __init__(
        self,
        code: RejectionCode,
        detail: str,
        measured: float | None = None,
        needed: float | None = None,
        quality: Quality | None = None,
    ) -> None:
        # All go to `args`, so the error survives pickling on its way out of a child process.
        super().__init__(code, detail, measured, needed, quality)
        self.code = code
        self.detail = detail
        self.measured = measured
        self.needed = needed
        self.quality = quality

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class DecoderKilledError(RecordingRejectedError):
    """The system killed the decoder. One that has no memory left kills it first, whoever took the memory."""


class RecordingCorruptedError(InferenceError):
    """The stored object does not match the checksum taken at its upload."""


class AbandonedError(InferenceError):
    """Analysis stopped between two batches of windows because the caller asked for it."""


class ModelOutputError(InferenceError):
    """The model's logits were not finite. The fault is ours, never the recording's."""

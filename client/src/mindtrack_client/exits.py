"""The exit codes of `mindtrack`: one table for errors, one for jobs."""

from __future__ import annotations

from enum import IntEnum

from mindtrack_client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    MicrophoneError,
    MindTrackError,
    ProblemError,
    UnexpectedAnswerError,
    WaitTimeoutError,
    WebhookVerificationError,
)
from mindtrack_client.models import Job, JobStatus


class ExitCode(IntEnum):
    """With several recordings, the highest one counts."""

    OK = 0
    NO_ANALYSIS = 1
    USAGE = 2
    PROBLEM = 3
    NO_CONNECTION = 4
    WAIT_TIMEOUT = 5
    NO_MICROPHONE = 6


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.NO_ANALYSIS: "a job was rejected, failed or canceled, or a webhook does not verify",
    ExitCode.USAGE: "wrong usage, such as a missing file, URL or token",
    ExitCode.PROBLEM: "the server said no",
    ExitCode.NO_CONNECTION: "could not connect to a MindTrack server",
    ExitCode.WAIT_TIMEOUT: "the wait timed out; the job goes on",
    ExitCode.NO_MICROPHONE: "nothing to record with: the extra, PortAudio or a microphone is missing",
}

_ERRORS: dict[type[Exception], ExitCode] = {
    ConfigurationError: ExitCode.USAGE,
    OSError: ExitCode.USAGE,
    ProblemError: ExitCode.PROBLEM,
    ConnectionFailedError: ExitCode.NO_CONNECTION,
    UnexpectedAnswerError: ExitCode.NO_CONNECTION,
    WaitTimeoutError: ExitCode.WAIT_TIMEOUT,
    WebhookVerificationError: ExitCode.NO_ANALYSIS,
    MicrophoneError: ExitCode.NO_MICROPHONE,
}


def for_error(error: MindTrackError | OSError) -> ExitCode:
    return next(code for kind, code in _ERRORS.items() if isinstance(error, kind))


def for_job(job: Job) -> ExitCode:
    """A job that is still going is fine: nobody asked to wait for it."""
    if job.is_finished and job.status is not JobStatus.SUCCEEDED:
        return ExitCode.NO_ANALYSIS
    return ExitCode.OK

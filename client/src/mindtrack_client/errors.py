"""Everything this package raises on purpose.

MindTrackError                  catch this to catch them all; `job_id` is set once a job was accepted
├── ConfigurationError          the base URL or the token cannot be used as given
├── ConnectionFailedError       no answer: name not found, refused, cut off, timed out
├── ProblemError                the server answered with an error; `problem` is its document
├── UnexpectedAnswerError       something answered, but not as MindTrack does: usually a wrong base URL
└── WaitTimeoutError            the job is still going; `MindTrack.wait(error.job_id)` resumes

A recording that cannot be opened raises the usual `OSError` (such as `FileNotFoundError`), and an argument
that makes no sense `ValueError`. A rejected or failed job is an answer, not an error: look at `Job.problem`.
"""

from __future__ import annotations

from uuid import UUID

from mindtrack_client.models import Job, Problem


class MindTrackError(Exception):
    #: The accepted job that the failed call was about: nothing is lost, `MindTrack.wait` resumes.
    job_id: UUID | None = None


class ConfigurationError(MindTrackError):
    pass


class ConnectionFailedError(MindTrackError):
    pass


class ProblemError(MindTrackError):
    """The server answered with an error. `retry_after` is in seconds, if the server named a pause."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.retry_after = retry_after


class UnexpectedAnswerError(MindTrackError):
    pass


class WaitTimeoutError(MindTrackError):
    """The time allowed (seconds) is over. `job` is what the server said last."""

    def __init__(self, job: Job, timeout: float) -> None:
        super().__init__(f"job {job.id} is still {job.status} after {timeout:g} s")
        self.job = job
        self.job_id = job.id

"""MindTrack from Python: send a voice log, get its stress indices.

with MindTrack(base_url, token) as mindtrack:
    job = mindtrack.submit("today.m4a", wait=True)

The numbers are wellness decision support, not a diagnosis.
"""

from mindtrack_client.client import MindTrack
from mindtrack_client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    MindTrackError,
    ProblemError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from mindtrack_client.models import (
    Analysis,
    Biomarker,
    Emotion,
    Indices,
    Job,
    JobProblem,
    JobStatus,
    Priority,
    Problem,
    Quality,
    Recording,
    Trend,
    TrendDay,
    Window,
)
from mindtrack_client.version import __version__

__all__ = [
    "Analysis",
    "Biomarker",
    "ConfigurationError",
    "ConnectionFailedError",
    "Emotion",
    "Indices",
    "Job",
    "JobProblem",
    "JobStatus",
    "MindTrack",
    "MindTrackError",
    "Priority",
    "Problem",
    "ProblemError",
    "Quality",
    "Recording",
    "Trend",
    "TrendDay",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
    "Window",
    "__version__",
]

"""What operators watch of workers. Labels are codes, lanes and formats, never ids."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from mindtrack_shared.domain.analysis import Provenance

#: From at once to what nobody waits for any more; bulk work may take longer than the last.
SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 900, 3600)

JOB_WAIT_SECONDS = Histogram(
    "mindtrack_job_wait_seconds",
    "From a job's acceptance to its first claim, by the database's clock.",
    ["priority"],
    buckets=SECONDS,
)
JOB_SECONDS = Histogram(
    "mindtrack_job_seconds",
    "From a job's acceptance to the commit that ended it, retries included.",
    ["priority", "status"],
    buckets=SECONDS,
)
JOBS_ENDED = Counter(
    "mindtrack_jobs_ended",
    "Jobs that ended, with the code of those that ended without an analysis.",
    ["status", "code"],
)
JOB_RETRIES = Counter("mindtrack_job_retries", "Attempts that failed and will be repeated.")
LEASES_LOST = Counter("mindtrack_leases_lost", "Jobs that somebody else took before their attempt was over.")
DECODE_ERRORS = Counter(
    "mindtrack_decode_errors",
    "Recordings that could not be read to their end, by what they are by their first bytes.",
    ["format"],
)
DECODERS_KILLED = Counter("mindtrack_decoders_killed", "Caged decoders that had to be replaced.", ["reason"])
BATCH_FILL_RATIO = Histogram(
    "mindtrack_batch_fill_ratio",
    "Windows that the model scored together over the most that it takes.",
    buckets=(0.1, 0.25, 0.5, 0.75, 0.9, 1),
)
MODEL_SECONDS = Counter("mindtrack_model_seconds", "Time that the model took.")
AUDIO_SECONDS = Counter(
    "mindtrack_audio_seconds", "Length of the recordings that were analysed.", ["priority"]
)
WORKER_INFO = Gauge(
    "mindtrack_worker_info",
    "1 for what each worker process serves, and with what.",
    ["bundle", "revision", "engine", "precision"],
    multiprocess_mode="livemax",
)


def introduce(provenance: Provenance) -> None:
    """Say what this process serves."""
    WORKER_INFO.labels(
        provenance.bundle_id, provenance.bundle_revision, provenance.engine, provenance.precision
    ).set(1)

"""Queues, workers and backlogs: counts and places, and nobody's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from mindtrack_gateway.operations import tally
from mindtrack_gateway.operations.board import Seen, Sight
from mindtrack_gateway.operations.exposition import Labels, Samples
from mindtrack_gateway.operations.incidents import incidents
from mindtrack_gateway.operations.scraping import Reason
from mindtrack_gateway.operations.tally import Key
from mindtrack_shared.domain.jobs import JobStatus, Priority

#: Services whose processes analyse begin with this.
WORKERS = "inference"

UNKNOWN = "Null if the database does not say."
Total = Annotated[float, Field(description="Over all processes since each started; see `counted_since`.")]
Rate = Annotated[
    float | None, Field(description="Over the last `window_seconds`. Null after this gateway's first look.")
]


class LaneView(BaseModel):
    """What waits in one lane, and how quickly it is worked off."""

    priority: str
    queued: Annotated[int | None, Field(description=f"Jobs that wait. {UNKNOWN}")]
    running: Annotated[int | None, Field(description=f"Jobs that a worker has. {UNKNOWN}")]
    oldest_queued_seconds: Annotated[
        float | None, Field(description=f"Since the first of those that wait was accepted. {UNKNOWN}")
    ]
    oldest_running_seconds: Annotated[
        float | None, Field(description=f"Since the first of those that run was accepted. {UNKNOWN}")
    ]
    audio_seconds: Annotated[
        float | None, Field(description=f"Audio queued and running, estimated from sizes. {UNKNOWN}")
    ]
    arriving_audio_seconds_per_second: Annotated[
        float | None, Field(description=f"Audio that arrived in the last minute, per second. {UNKNOWN}")
    ]
    processed_audio_seconds: Total
    processed_audio_seconds_per_second: Rate
    seconds_to_drain: Annotated[
        float | None,
        Field(
            description="Audio queued and running ÷ audio processed per second. 0 if there is none; null if "
            "none was processed in the window, or one of the two is not known."
        ),
    ]

    @classmethod
    def of(cls, sight: Sight, priority: Priority) -> Self:
        audio = sight.backlog.value("mindtrack_queue_audio_seconds", priority=priority)
        key: Key = (tally.AUDIO, priority)
        speed = _rate(sight, key)
        return cls(
            priority=priority,
            queued=_jobs(sight.backlog, JobStatus.QUEUED, priority),
            running=_jobs(sight.backlog, JobStatus.RUNNING, priority),
            oldest_queued_seconds=_oldest(sight.backlog, JobStatus.QUEUED, priority),
            oldest_running_seconds=_oldest(sight.backlog, JobStatus.RUNNING, priority),
            audio_seconds=audio,
            arriving_audio_seconds_per_second=sight.backlog.value(
                "mindtrack_arriving_audio_seconds_per_second", priority=priority
            ),
            processed_audio_seconds=sight.totals.get(key, 0.0),
            processed_audio_seconds_per_second=speed,
            seconds_to_drain=seconds_to_drain(audio, speed),
        )


class BacklogView(BaseModel):
    """What is due, and nobody has begun with."""

    waiting: Annotated[int | None, Field(description=UNKNOWN)]
    oldest_seconds: Annotated[
        float | None, Field(description=f"For how long the first of them has been due. {UNKNOWN}")
    ]

    @classmethod
    def of(cls, told: Samples, waiting: str, oldest: str) -> Self:
        count = told.value(waiting)
        return cls(waiting=None if count is None else int(count), oldest_seconds=told.value(oldest))


class BacklogsView(BaseModel):
    unrung: Annotated[BacklogView, Field(description="Jobs that no worker was told of: the relay's.")]
    webhooks: Annotated[BacklogView, Field(description="Webhooks to send: the deliverer's.")]
    notifications: Annotated[BacklogView, Field(description="Notifications to send: the deliverer's.")]
    standings: Annotated[BacklogView, Field(description="Trends to look at: maintenance's.")]

    @classmethod
    def of(cls, told: Samples) -> Self:
        return cls(
            unrung=BacklogView.of(told, "mindtrack_unrung_jobs", "mindtrack_oldest_unrung_seconds"),
            webhooks=BacklogView.of(told, "mindtrack_due_webhooks", "mindtrack_oldest_due_webhook_seconds"),
            notifications=BacklogView.of(
                told, "mindtrack_due_notifications", "mindtrack_oldest_due_notification_seconds"
            ),
            standings=BacklogView.of(
                told, "mindtrack_due_standings", "mindtrack_oldest_due_standing_seconds"
            ),
        )


class EndedView(BaseModel):
    """Jobs that workers ended in one way."""

    status: Annotated[str, Field(examples=["succeeded", "rejected", "failed"])]
    code: Annotated[str, Field(description="Of a failure or rejection; `none` of successes.")]
    total: Total
    per_second: Rate


class RescuedView(BaseModel):
    """Stuck jobs that maintenance did one thing about. Those that `failed` are in no `ended`."""

    outcome: Annotated[str, Field(examples=["requeued", "failed", "rung_again"])]
    total: Total
    per_second: Rate


class CountView(BaseModel):
    total: Total
    per_second: Rate

    @classmethod
    def of(cls, sight: Sight, key: Key) -> Self:
        return cls(total=sight.totals.get(key, 0.0), per_second=_rate(sight, key))


class RequestsView(BaseModel):
    """Requests that were answered with one class of status, but for probes and scrapes."""

    status_class: Annotated[str, Field(examples=["2xx"])]
    total: Total
    per_second: Rate


class ProcessView(BaseModel):
    """One process of a service, or a name that leads to none."""

    service: str
    target: Annotated[str, Field(description="Host and port.", examples=["10.2.0.17:9464"])]
    up: Annotated[bool, Field(description="It told what it counts when it was last asked.")]
    reason: Annotated[
        str | None,
        Field(
            description="Why it is not up: "
            + ", ".join(f"`{reason}`" for reason in Reason)
            + ". `absent`: its name leads to no address, as of a service that was scaled to none; `gone`: it "
            "did until a while ago."
        ),
    ]
    seen_at: Annotated[datetime | None, Field(description="When it last answered; null if it never did.")]

    @classmethod
    def of(cls, seen: Seen) -> Self:
        return cls(
            service=seen.place.service,
            target=seen.place.address,
            up=seen.reason is None,
            reason=seen.reason,
            seen_at=seen.at,
        )


class WorkerView(ProcessView):
    """A worker and what it serves; of one that is down, what it served. Null while it starts."""

    bundle: str | None = None
    revision: str | None = None
    engine: str | None = None
    precision: str | None = None

    @classmethod
    def each(cls, seen: Seen) -> list[Self]:
        """A worker's children may serve different things while they are replaced."""
        plain = cls.of(seen)
        serving = [labels for labels, value in seen.samples.each("mindtrack_worker_info") if value]
        return [plain.model_copy(update=_served(labels)) for labels in serving] or [plain]


def _served(labels: Labels) -> dict[str, str | None]:
    return {name: labels.get(name) for name in ("bundle", "revision", "engine", "precision")}


class IncidentView(BaseModel):
    """Something worth a look now. Thresholds are those of the alerts, which wait for some minutes besides."""

    model_config = ConfigDict(from_attributes=True)

    name: Annotated[
        str, Field(description="Of its page in docs/runbook/incidents.", examples=["people-wait"])
    ]
    priority: Annotated[str | None, Field(description="Of which lane, if it is about one.")]
    seconds: Annotated[float | None, Field(description="For how long something waits, or will.")]
    share: Annotated[float | None, Field(description="Of all requests or jobs, those it is about.")]


class OperationsView(BaseModel):
    """How the installation does, as of a few seconds ago."""

    observed_at: datetime
    window_seconds: Annotated[
        float | None,
        Field(
            description="What rates are over: this gateway's looks in the last ten minutes, or since its "
            "last one. Null after the first."
        ),
    ]
    counted_since: Annotated[
        datetime,
        Field(
            description="When this gateway began to add up. Only totals with the same one can be compared."
        ),
    ]
    lanes: list[LaneView]
    backlogs: BacklogsView
    ended: list[EndedView]
    rescued: list[RescuedView]
    retries: Annotated[CountView, Field(description="Attempts that failed and were to be repeated.")]
    requests: list[RequestsView]
    workers: list[WorkerView]
    processes: Annotated[list[ProcessView], Field(description="All others that tell what they count.")]
    incidents: Annotated[list[IncidentView], Field(description="What is worth a look now.")] = []
    runbook_url: Annotated[str | None, Field(description="Where docs/runbook is published, if it is.")]

    @classmethod
    def of(cls, sight: Sight, runbook: HttpUrl | None = None) -> Self:
        seen = cls._seen(sight, runbook)
        found = [IncidentView.model_validate(each) for each in incidents(seen)]
        return seen.model_copy(update={"incidents": found})

    @classmethod
    def _seen(cls, sight: Sight, runbook: HttpUrl | None) -> Self:
        workers = [seen for seen in sight.processes if seen.place.service.startswith(WORKERS)]
        return cls(
            observed_at=sight.at,
            window_seconds=sight.window,
            counted_since=sight.since,
            lanes=[LaneView.of(sight, priority) for priority in Priority],
            backlogs=BacklogsView.of(sight.backlog),
            ended=[
                EndedView(status=key[1], code=key[2], total=total, per_second=_rate(sight, key))
                for key, total in _counts(sight, tally.ENDED)
            ],
            rescued=[
                RescuedView(outcome=key[1], total=total, per_second=_rate(sight, key))
                for key, total in _counts(sight, tally.RESCUED)
            ],
            retries=CountView.of(sight, (tally.RETRIED,)),
            requests=[
                RequestsView(status_class=key[1], total=total, per_second=_rate(sight, key))
                for key, total in _counts(sight, tally.REQUESTS)
            ],
            workers=[view for seen in workers for view in WorkerView.each(seen)],
            processes=[ProcessView.of(seen) for seen in sight.processes if seen not in workers],
            runbook_url=None if runbook is None else str(runbook).rstrip("/"),
        )


def seconds_to_drain(audio: float | None, speed: float | None) -> float | None:
    """Return how long what is there takes, at a speed in audio seconds per second; None if nobody knows."""
    if audio == 0:
        return 0.0
    return audio / speed if audio is not None and speed else None


def _counts(sight: Sight, what: str) -> list[tuple[Key, float]]:
    return sorted((key, total) for key, total in sight.totals.items() if key[0] == what)


def _rate(sight: Sight, key: Key) -> float | None:
    return None if sight.window is None else sight.rates.get(key, 0.0)


def _jobs(told: Samples, status: JobStatus, priority: Priority) -> int | None:
    count = told.value("mindtrack_jobs", status=status, priority=priority)
    return None if count is None else int(count)


def _oldest(told: Samples, status: JobStatus, priority: Priority) -> float | None:
    return told.value("mindtrack_oldest_job_seconds", status=status, priority=priority)

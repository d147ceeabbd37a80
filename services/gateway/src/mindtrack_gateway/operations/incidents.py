"""What is worth a look now, by the name of its page in docs/runbook/incidents.

Thresholds are those of the alerts. An alert also waits for some minutes before it calls somebody; who looks
at a page is there already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mindtrack_shared.domain.jobs import Priority

if TYPE_CHECKING:
    from mindtrack_gateway.operations.schemas import LaneView, OperationsView

HOUR = 3600.0  # seconds
#: How long the first of what waits may have waited, in seconds.
WAITING = {Priority.INTERACTIVE: ("people-wait", 120.0), Priority.BULK: ("bulk-waits", 6 * HOUR)}
DUE = {
    "unrung": ("nobody-is-told", 60.0),
    "webhooks": ("webhooks-wait", 300.0),
    "notifications": ("notifications-wait", 300.0),
    "standings": ("trends-wait", 900.0),
}
DRAINING = {Priority.INTERACTIVE: 300.0, Priority.BULK: 4 * HOUR}
#: With nothing under way meanwhile.
NOTHING_RUNS = 600.0
#: Of all requests, and of all jobs.
ERRORS, FAILURES = 0.01, 0.01
#: Fewer are chance.
FEW = 3


@dataclass(frozen=True, slots=True)
class Incident:
    #: A page in docs/runbook/incidents.
    name: str
    #: Of which lane, if it is about one.
    priority: str | None = None
    #: For how long something waits, or will.
    seconds: float | None = None
    #: Of all, which this is about.
    share: float | None = None


def incidents(seen: OperationsView) -> Iterator[Incident]:
    """Go through what is seen; what is not known is no incident, but that it is not."""
    if any(lane.queued is None for lane in seen.lanes):
        yield Incident("backlog-unknown")
    for lane in seen.lanes:
        yield from _of_lane(lane)
    for kind, (name, most) in DUE.items():
        oldest: float | None = getattr(seen.backlogs, kind).oldest_seconds
        if oldest is not None and oldest > most:
            yield Incident(name, seconds=oldest)
    yield from _of_workers(seen)
    yield from _of_outcomes(seen)


def _of_lane(lane: LaneView) -> Iterator[Incident]:
    priority = Priority(lane.priority)
    oldest = lane.oldest_queued_seconds if lane.queued else None
    name, most = WAITING[priority]
    if oldest is not None and oldest > most:
        yield Incident(name, priority, oldest)
    if oldest is not None and oldest > NOTHING_RUNS and lane.running == 0:
        yield Incident("nothing-runs", priority, oldest)
    if lane.seconds_to_drain is not None and lane.seconds_to_drain > DRAINING[priority]:
        yield Incident("drain-takes-long", priority, lane.seconds_to_drain)


def _of_workers(seen: OperationsView) -> Iterator[Incident]:
    serving = {
        (worker.bundle, worker.revision, worker.engine, worker.precision)
        for worker in seen.workers
        if worker.up and worker.bundle is not None
    }
    if not serving:
        yield Incident("workers-unseen")
    models = Counter((bundle, revision) for bundle, revision, *_ in serving)
    if len(models) > 1:
        yield Incident("mixed-bundles")
    if any(ways > 1 for ways in models.values()):
        yield Incident("mixed-precisions")


def _of_outcomes(seen: OperationsView) -> Iterator[Incident]:
    requests = sum(each.per_second or 0 for each in seen.requests)
    errors = sum(each.per_second or 0 for each in seen.requests if each.status_class == "5xx")
    if requests and errors / requests > ERRORS:
        yield Incident("errors", share=errors / requests)
    ended = sum(each.per_second or 0 for each in seen.ended)
    failed = sum(each.per_second or 0 for each in seen.ended if each.status == "failed")
    window = seen.window_seconds or 0
    if ended and failed / ended > FAILURES and failed * window > FEW:
        yield Incident("jobs-fail", share=failed / ended)
    given_up = sum(each.per_second or 0 for each in seen.rescued if each.outcome == "failed")
    if given_up * window > FEW:
        yield Incident("jobs-given-up")

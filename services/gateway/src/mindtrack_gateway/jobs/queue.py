"""Where a queued job stands, and when it may be its turn.

Counting who is before each job would cost more, the more people ask. So the queue is read once a second at
most, as marks along it, and every job finds its place between two of them.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from mindtrack_shared.db import jobs
from mindtrack_shared.db.fence import OBSERVER, Sessions
from mindtrack_shared.domain.jobs import Priority

#: How long what was read is told.
FRESH_SECONDS = 1.0
#: The share of the time that may be spent on reading, should the queue be very long.
READING_SHARE = 0.05
#: Marks along each lane: places are exact up to so many jobs, and right to within a five-hundredth beyond.
MARKS = 500
#: Analyses by which the pace is measured.
PACE_OF_LAST = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands: 1 is next. Nobody knows when its turn comes while no job runs."""

    position: int
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class _Lane:
    #: Sorted as jobs are claimed, with how many jobs are before each.
    marks: list[tuple[datetime, UUID]] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    #: Seconds between two jobs that end.
    seconds_per_job: float | None = None


class QueueBoard:
    """What one process knows of the queue."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._lanes: dict[Priority, _Lane] = {}
        self._read_again_at = 0.0
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Read the queue again, unless somebody just did."""
        async with self._reading:
            started = time.monotonic()
            if started < self._read_again_at:
                return
            await self._read()
            took = time.monotonic() - started
            self._read_again_at = started + max(FRESH_SECONDS, took / READING_SHARE)

    async def _read(self) -> None:
        async with self._sessions.begin(OBSERVER) as session:
            marks = (await session.execute(jobs.queue_marks(marks=MARKS))).all()
            pace = (await session.execute(jobs.pace(of_last=PACE_OF_LAST))).all()
        lanes = {
            priority: _Lane(
                seconds_per_job=next(
                    (seconds / running for lane, running, seconds in pace if lane == priority and running),
                    None,
                )
            )
            for priority in Priority
        }
        for priority, not_before, job_id, before in marks:
            lanes[priority].marks.append((not_before, job_id))
            lanes[priority].before.append(before)
        self._lanes = lanes

    def place(self, priority: Priority, not_before: datetime, job_id: UUID) -> Place:
        """Return where a queued job stands, by what was read last."""
        lane = self._lanes.get(priority, _Lane())
        at = bisect_right(lane.marks, (not_before, job_id)) - 1
        position = 1 + (lane.before[at] if at >= 0 else 0)
        if at >= 0 and lane.marks[at] != (not_before, job_id):
            position += 1  # at least: it came after the mark
        eta = None if lane.seconds_per_job is None else position * lane.seconds_per_job
        return Place(position, None if eta is None else round(eta, 1))

"""The plainest simulation of a queue: an event for each arrival, end and replica that becomes ready."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush

from bench.scaling.day import Lane

_ARRIVES, _FREE = 0, 1


def starts(lane: Lane, ready_at: list[float]) -> dict[int, float]:
    """When each recording starts, if a replica works off a second per second, first come, first served."""
    events = [(time, _ARRIVES, job) for job, time in enumerate(lane.arrivals.tolist())]
    events += [(time, _FREE, -1) for time in ready_at]
    heapify(events)
    idle, waiting, found = 0, deque[int](), dict[int, float]()
    while events:
        now, kind, job = heappop(events)
        if kind == _ARRIVES:
            waiting.append(job)
        else:
            idle += 1
        if idle and waiting:
            idle -= 1
            job = waiting.popleft()
            found[job] = now
            heappush(events, (now + float(lane.lengths[job]), _FREE, job))
    return found

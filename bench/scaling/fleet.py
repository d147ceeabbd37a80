"""Replicas behind the queue of one lane, exactly: each recording goes to the replica that is free first.

Between two looks of the autoscaler the recordings are taken one by one in the order of arrival, which needs
one operation on a heap of replicas each, and no event for their ends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil

import numpy as np

from bench.scaling.day import FloatArray, Lane

#: How often the autoscaler looks, seconds: the default of Kubernetes.
POLL = 15.0
#: Over how many seconds the database counts arrivals: as the view `drain_load` does.
ARRIVALS_OVER = 60.0
#: In place of a recording: the replica has had none yet.
_NONE = -1

#: When it is free (or ready), and the recording it has or had.
_Replica = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What it takes to run replicas. Times are in seconds."""

    #: Seconds of audio, in whole windows, that a replica works off per second: two cores, int8.
    speed: float = 36.0
    #: From the decision to a ready replica, where a node has room, and where one must be added.
    warm_start: float = 40.0
    cold_start: float = 150.0
    #: Replicas on a node, which are lost together.
    per_node: int = 4
    #: How long a node is kept that nobody needs.
    node_kept: float = 600.0
    #: How long recordings of a lost replica stay with it.
    lease: float = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured of a fleet at a moment. Seconds of audio are estimated from sizes."""

    queued_jobs: int
    queued_seconds: float
    #: Whole lengths: the database does not know how far a worker is.
    running_seconds: float
    #: Seconds of audio per second.
    arriving: float
    #: Share of the time since the last look in which ready replicas were busy.
    utilisation: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What an autoscaler can know at a moment."""

    #: Replicas wanted so far, and of those there are: ready, and still starting.
    replicas: int
    ready: int
    starting: int
    load: Load


class Fleet:
    """Serves one lane with a number of replicas that changes."""

    def __init__(self, lane: Lane, cluster: Cluster, replicas: int, seed: int) -> None:
        self.now = 0.0
        #: When the run of each recording began that finished it; NaN of those that none has.
        self.starts: FloatArray = np.full(lane.arrivals.size, np.nan)
        self._lane, self._cluster = lane, cluster
        self._rng = np.random.default_rng(seed)
        self._work = lane.lengths / cluster.speed
        self._audio = np.concatenate([[0.0], np.cumsum(lane.estimates)])
        self._wanted = replicas
        self._replicas: list[_Replica] = [(0.0, _NONE)] * replicas
        self._leaving: list[_Replica] = []
        self._next = 0  # recording that no replica has had
        self._lapses: list[tuple[float, int]] = []  # of leases
        self._returned: list[int] = []
        self._nodes = deque([ceil(replicas / cluster.per_node)], maxlen=round(cluster.node_kept / POLL))
        self._replica_seconds = 0.0  # of those that are gone, less when the others began
        self._seen_at = 0.0
        self._begun = 0.0  # seconds of work that replicas had or took since the last look

    def run(self, until: float) -> None:
        """Serve what starts before then."""
        while self._lapses and self._lapses[0][0] < until:
            lapse, job = heappop(self._lapses)
            self._serve(lapse)
            self._returned.append(job)
            self._returned.sort()
        self._serve(until)
        gone = [end for end, _ in self._leaving if end <= until]
        self._replica_seconds += sum(gone)
        self._leaving = [replica for replica in self._leaving if replica[0] > until]

    def lose_node(self) -> None:
        """Lose a node's replicas. What they were at starts again from nothing once its lease has lapsed."""
        here = [*self._replicas, *self._leaving]
        lost = set(self._rng.permutation(len(here))[: self._cluster.per_node].tolist())
        for index in lost:
            end, job = here[index]
            self._replica_seconds += self.now
            if job != _NONE and end > self.now:
                self.starts[job] = np.nan
                heappush(self._lapses, (self.now + self._cluster.lease, job))
                self._begun -= end - self.now if index < len(self._replicas) else 0.0
        wanted = len(self._replicas)
        self._leaving = [here[index] for index in range(wanted, len(here)) if index not in lost]
        self._replicas = [here[index] for index in range(wanted) if index not in lost]
        heapify(self._replicas)
        self._nodes.clear()  # its room is gone; another node is needed

    def look(self) -> Seen:
        """Look at the fleet as an autoscaler does, every so often."""
        since = max(0.0, self.now - ARRIVALS_OVER)
        before, arrived = np.searchsorted(self._lane.arrivals, [since, self.now]).tolist()
        running = [job for end, job in (*self._replicas, *self._leaving) if end > self.now and job != _NONE]
        running += [job for _, job in self._lapses]
        ready = sum(end <= self.now or job != _NONE for end, job in self._replicas)
        busy = self._begun - self._remaining()
        load = Load(
            queued_jobs=arrived - self._next + len(self._returned),
            queued_seconds=float(self._audio[arrived] - self._audio[self._next])
            + float(self._lane.estimates[self._returned].sum()),
            running_seconds=float(self._lane.estimates[running].sum()),
            arriving=float(self._audio[arrived] - self._audio[before]) / (self.now - since),
            utilisation=min(1.0, busy / (ready * (self.now - self._seen_at))) if ready else 1.0,
        )
        self._seen_at = self.now
        self._begun = self._remaining()
        return Seen(self._wanted, ready, len(self._replicas) - ready, load)

    def resize(self, wanted: int) -> None:
        """Start replicas, or let some go once they have finished, or given back, what they have."""
        self._wanted = wanted
        more = wanted - len(self._replicas)
        if more > 0:
            self._start(more)
        elif more < 0:
            self._retire(-more)
        self._begun = self._remaining()
        self._nodes.append(ceil(self.size / self._cluster.per_node))

    @property
    def size(self) -> int:
        return len(self._replicas) + len(self._leaving)

    @property
    def finished(self) -> bool:
        left = self._next < self.starts.size or self._returned or self._lapses
        return not left and all(
            end <= self.now or job == _NONE for end, job in (*self._replicas, *self._leaving)
        )

    @property
    def replica_seconds(self) -> float:
        """From the decision to start a replica to its end, or to now."""
        return self._replica_seconds + self.size * self.now

    def _serve(self, until: float) -> None:
        self._serve_returned(until)
        replicas = self._replicas
        last = int(np.searchsorted(self._lane.arrivals, until))
        first = self._next
        if replicas and replicas[0][0] < until:
            starts: list[float] = []
            work = self._work[first:last].tolist()
            for job, arrived in enumerate(self._lane.arrivals[first:last].tolist(), first):
                free = replicas[0][0]
                start = arrived if arrived > free else free  # noqa: FURB136 - the quicker way
                if start >= until:
                    break
                heapreplace(replicas, (start + work[job - first], job))
                starts.append(start)
            self._next = first + len(starts)
            self.starts[first : self._next] = starts
            self._begun += float(self._work[first : self._next].sum())
        self.now = until

    def _serve_returned(self, until: float) -> None:
        """Those that a lost replica had: they arrived before all that still wait."""
        while self._returned and self._replicas and self._replicas[0][0] < until:
            job = self._returned.pop(0)
            start = max(self.now, self._replicas[0][0])
            heapreplace(self._replicas, (start + float(self._work[job]), job))
            self.starts[job] = start
            self._begun += float(self._work[job])

    def _start(self, count: int) -> None:
        room = max(self._nodes, default=0) * self._cluster.per_node - self.size
        for number in range(count):
            delay = self._cluster.warm_start if number < room else self._cluster.cold_start
            heappush(self._replicas, (self.now + delay, _NONE))
        self._replica_seconds -= count * self.now

    def _retire(self, count: int) -> None:
        """Kubernetes ends those first that are not ready, and does not know which of the others are busy."""
        chance = self._rng.random(len(self._replicas))
        order = [
            (job != _NONE or end <= self.now, luck, (end, job))
            for (end, job), luck in zip(self._replicas, chance.tolist(), strict=True)
        ]
        order.sort()
        for _, _, (end, job) in order[:count]:
            busy = job != _NONE and end > self.now
            if busy and not self._lane.gives_back:
                self._leaving.append((end, job))
                continue
            self._replica_seconds += self.now
            if busy:
                self.starts[job] = np.nan
                self._returned.append(job)
        self._returned.sort()
        self._replicas = [replica for _, _, replica in order[count:]]
        heapify(self._replicas)

    def _remaining(self) -> float:
        return sum(end - self.now for end, job in self._replicas if job != _NONE and end > self.now)

"""Rules that say how many replicas are wanted, and the autoscaler that follows one as Kubernetes does."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Protocol

from bench.scaling.fleet import POLL, Seen

#: No change is made for less: the default of Kubernetes.
TOLERANCE = 0.1
_MINUTE = 60  # seconds
_STEP = 4  # replicas that may be added at a look however few there are


class Rule(Protocol):
    def __call__(self, seen: Seen) -> int:
        """Say how many replicas are wanted."""
        ...


@dataclass(frozen=True, slots=True)
class SecondsToDrain:
    """As many replicas as work off all audio, queued or running, in so many seconds."""

    #: Seconds of audio that a replica works off per second.
    speed: float
    drain: float

    def __str__(self) -> str:
        return f"{self.drain:g} s"

    def __call__(self, seen: Seen) -> int:
        return _for(seen, _unfinished(seen) / self.drain / self.speed)


@dataclass(frozen=True, slots=True)
class DrainAndArrivals:
    """As many as work off all audio in so many seconds, and keep up with what arrives meanwhile."""

    speed: float
    drain: float

    def __str__(self) -> str:
        return f"{self.drain:g} s"

    def __call__(self, seen: Seen) -> int:
        return _for(seen, (_unfinished(seen) / self.drain + seen.load.arriving) / self.speed)


@dataclass(frozen=True, slots=True)
class QueueLength:
    """So many waiting jobs for each replica. A broker's list does not hold those that are running."""

    jobs: float

    def __str__(self) -> str:
        return f"{self.jobs:g} jobs"

    def __call__(self, seen: Seen) -> int:
        return _for(seen, seen.load.queued_jobs / self.jobs)


@dataclass(frozen=True, slots=True)
class CpuUtilisation:
    """Replicas as busy as that, by Kubernetes: those not ready count as idle when it would add some."""

    target: float

    def __str__(self) -> str:
        return f"{self.target:.0%}"

    def __call__(self, seen: Seen) -> int:
        ratio, counted = seen.load.utilisation / self.target, seen.ready
        if ratio > 1 and seen.starting:
            counted += seen.starting
            ratio = max(1.0, ratio * seen.ready / counted)
        if abs(ratio - 1) <= TOLERANCE:
            return seen.replicas
        wanted = ceil(ratio * counted)
        return max(wanted, seen.replicas) if ratio > 1 else min(wanted, seen.replicas)


def _unfinished(seen: Seen) -> float:
    return seen.load.queued_seconds + seen.load.running_seconds


def _for(seen: Seen, wanted: float) -> int:
    """Round as Kubernetes does for a value per replica: the same within the tolerance, else up."""
    return seen.replicas if abs(wanted / seen.replicas - 1) <= TOLERANCE else ceil(wanted)


@dataclass(frozen=True, slots=True)
class Limits:
    """How an autoscaler may act on its rule. The defaults are those of Kubernetes."""

    least: int
    most: int
    #: Replicas are let go once all looks within so many seconds agree that they are not needed,
    stabilisation: float = 300.0
    #: and at most this share of them in a minute.
    fall: float = inf


class Autoscaler:
    """Follows a rule within limits. At each look replicas at most double, or are four more."""

    def __init__(self, rule: Rule, limits: Limits) -> None:
        self._rule, self._limits = rule, limits
        self._wanted: deque[int] = deque(maxlen=max(1, round(limits.stabilisation / POLL)))
        self._before: deque[int] = deque(maxlen=round(_MINUTE / POLL))

    def decide(self, seen: Seen) -> int:
        """Say how many replicas there shall be."""
        limits, now = self._limits, seen.replicas
        wanted = min(limits.most, max(limits.least, self._rule(seen)))
        self._wanted.append(wanted)
        self._before.append(now)
        if wanted >= now:
            return min(wanted, max(2 * now, now + _STEP))
        kept = floor(max(self._before) * (1 - limits.fall)) if limits.fall < inf else 0
        return min(now, max(*self._wanted, kept))

"""One lane's day under one rule: how long recordings waited, and what that took."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import count
from math import ceil, inf

import numpy as np

from bench.scaling.day import FloatArray, Lane
from bench.scaling.fleet import POLL, Cluster, Fleet, Load
from bench.scaling.rules import Autoscaler, Limits, Rule

#: By how many looks all that is measured is late: KEDA, Prometheus or the metrics server may keep it so long.
_LATE = 1
#: Of the day's start, from which the first replicas are reckoned, and how busy they shall be.
_FIRST_SECONDS, _FIRST_UTILISATION = 900.0, 0.7


@dataclass(frozen=True, slots=True)
class Setting:
    """A rule and how fast replicas may go under it."""

    rule: Rule
    limits: Limits

    def __str__(self) -> str:
        fall = self.limits.fall
        return str(self.rule) if fall == inf else f"{self.rule}, {fall:.0%} fewer a minute"


@dataclass(frozen=True, slots=True)
class Course:
    """What became of a day."""

    waits: FloatArray  # (recordings,), seconds from arrival to the start of the run that finished
    replicas: FloatArray  # (looks,)
    replica_hours: float
    #: Looks at which the number of replicas changed.
    changes: int


def simulate(lane: Lane, setting: Setting, cluster: Cluster, *, seed: int = 0) -> Course:
    """Run until the last recording is done."""
    early = float(lane.lengths[: np.searchsorted(lane.arrivals, _FIRST_SECONDS)].sum()) / _FIRST_SECONDS
    first = max(setting.limits.least, ceil(early / cluster.speed / _FIRST_UTILISATION))
    fleet = Fleet(lane, cluster, first, seed)
    scaler = Autoscaler(setting.rule, setting.limits)
    losses = lane.losses.tolist()
    loads = deque[Load](maxlen=1 + _LATE)
    replicas = []
    for now in count(POLL, POLL):
        while losses and losses[0] < now:
            fleet.run(losses.pop(0))
            fleet.lose_node()
        fleet.run(now)
        if fleet.finished:
            break
        replicas.append(fleet.size)
        seen = fleet.look()
        loads.append(seen.load)
        fleet.resize(scaler.decide(replace(seen, load=loads[0])))
    sizes = np.array(replicas, np.float64)
    return Course(
        waits=fleet.starts - lane.arrivals,
        replicas=sizes,
        replica_hours=fleet.replica_seconds / 3600,
        changes=int(np.count_nonzero(np.diff(sizes))),
    )

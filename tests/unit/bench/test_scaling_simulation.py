from __future__ import annotations

from math import inf

import numpy as np
from bench.scaling.campaign import BULK_MAY_WAIT, CPU, DRAIN, OURS, Figures, LaneName, Scenario, Task, best
from bench.scaling.day import Lane, draw
from bench.scaling.fleet import Cluster, Seen
from bench.scaling.rules import CpuUtilisation, DrainAndArrivals, Limits, Rule, SecondsToDrain
from bench.scaling.simulation import Setting, simulate

LIMITS = Limits(1, 200)
NOTHING = np.array([])


def test_a_day_under_a_rule_ends_with_all_recordings_done() -> None:
    lane = draw(40_000, seed=1).interactive
    cluster = Cluster(speed=1.0)
    course = simulate(lane, Setting(DrainAndArrivals(cluster.speed, 60), LIMITS), cluster)
    assert lane.losses.size > 0
    assert (course.waits >= 0).all()
    assert course.replica_hours > lane.lengths.sum() / 3600
    assert course.replicas.max() > 2 * course.replicas.min()
    assert 0 < course.changes < course.replicas.size
    again = simulate(lane, Setting(DrainAndArrivals(cluster.speed, 60), LIMITS), cluster)
    np.testing.assert_array_equal(course.waits, again.waits)


class Noted:
    """A rule that keeps what it saw, and wants no change."""

    def __init__(self) -> None:
        self.queues: list[int] = []

    def __call__(self, seen: Seen) -> int:
        self.queues.append(seen.load.queued_jobs)
        return seen.replicas


def test_what_is_measured_comes_a_look_late() -> None:
    # Two at the start, and one in each look that follows; the first replica is busy throughout.
    arrivals = np.array([0.0, 1.0, 16.0, 31.0])
    lengths = np.full(4, 100.0)
    rule = Noted()
    lane = Lane(arrivals, lengths, lengths, np.array([]))
    simulate(lane, Setting(rule, Limits(1, 1)), Cluster(speed=1.0))
    assert rule.queues[:4] == [1, 1, 2, 3]


def tried(  # noqa: PLR0913 - a trial
    lane: LaneName, name: str, rule: Rule, p95: float, hours: float, *, day: int = 0
) -> tuple[Task, Figures]:
    task = Task(Scenario(1, Cluster()), day, lane, name, Setting(rule, LIMITS))
    return task, Figures(0, p95, p95, p95, hours, 0, NOTHING, NOTHING)


def test_the_shortest_waits_within_the_budget_are_chosen() -> None:
    chosen = best(
        [
            tried("interactive", CPU, CpuUtilisation(0.6), 10, 120),
            tried("interactive", CPU, CpuUtilisation(0.67), 40, 105),  # others may take a twentieth more
            tried("interactive", CPU, CpuUtilisation(0.7), 50, 100),
            tried("interactive", DRAIN, SecondsToDrain(36, 1), 20, 96),  # ours must stay a twentieth below
            tried("interactive", DRAIN, SecondsToDrain(36, 2), 30, 95),
            tried("interactive", DRAIN, SecondsToDrain(36, 3), 60, 50),
            tried("interactive", OURS, DrainAndArrivals(36, 1), 5, 300),  # none keeps to the budget
            tried("interactive", OURS, DrainAndArrivals(36, 2), 9, 200),
            tried("bulk", CPU, CpuUtilisation(0.7), BULK_MAY_WAIT, 100),
            tried("bulk", CPU, CpuUtilisation(0.8), BULK_MAY_WAIT + 1, 50),
            tried("bulk", CPU, CpuUtilisation(0.6), 0, 150),
        ]
    )
    assert {name: str(setting) for name, setting in chosen["interactive"].items()} == {
        CPU: "67%",
        DRAIN: "2 s",
        OURS: "2 s",
    }
    assert str(chosen["bulk"][CPU]) == "70%"


def test_bounds_hold_on_every_day() -> None:
    usual, brief, calm = CpuUtilisation(0.7), DrainAndArrivals(36, 1), DrainAndArrivals(36, 2)
    early, late = CpuUtilisation(0.8), CpuUtilisation(0.9)
    chosen = best(
        [
            tried("interactive", CPU, usual, 50, 100, day=0),
            tried("interactive", CPU, usual, 50, 200, day=1),
            tried("interactive", OURS, brief, 5, 90, day=0),
            tried("interactive", OURS, brief, 5, 191, day=1),
            tried("interactive", OURS, calm, 20, 95, day=0),
            tried("interactive", OURS, calm, 30, 190, day=1),
            tried("bulk", CPU, early, BULK_MAY_WAIT, 100, day=0),
            tried("bulk", CPU, early, BULK_MAY_WAIT, 100, day=1),
            tried("bulk", CPU, late, BULK_MAY_WAIT - 9, 50, day=0),
            tried("bulk", CPU, late, BULK_MAY_WAIT + 1, 50, day=1),
        ]
    )
    assert chosen["interactive"][OURS].rule == calm
    assert chosen["bulk"][CPU].rule == early


def test_a_setting_names_its_rule_and_how_slowly_replicas_go() -> None:
    assert str(Setting(CpuUtilisation(0.7), Limits(1, 2, fall=inf))) == "70%"
    assert str(Setting(CpuUtilisation(0.7), Limits(1, 2, fall=0.1))) == "70%, 10% fewer a minute"

from __future__ import annotations

from math import inf

import numpy as np
from bench.scaling.campaign import ARRIVALS, BULK_MAY_WAIT, CPU, OURS, Figures, LaneName, Scenario, Task, best
from bench.scaling.day import draw
from bench.scaling.fleet import Cluster
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


def tried(lane: LaneName, name: str, rule: Rule, p95: float, hours: float) -> tuple[Task, Figures]:
    task = Task(Scenario(1, Cluster()), 0, lane, name, Setting(rule, LIMITS))
    return task, Figures(0, p95, p95, p95, hours, 0, NOTHING, NOTHING)


def test_the_shortest_waits_within_the_budget_are_chosen() -> None:
    chosen = best(
        [
            tried("interactive", CPU, CpuUtilisation(0.6), 10, 120),
            tried("interactive", CPU, CpuUtilisation(0.67), 40, 105),  # others may take a twentieth more
            tried("interactive", CPU, CpuUtilisation(0.7), 50, 100),
            tried("interactive", OURS, SecondsToDrain(36, 1), 20, 101),
            tried("interactive", OURS, SecondsToDrain(36, 2), 30, 100),
            tried("interactive", OURS, SecondsToDrain(36, 3), 60, 50),
            tried("interactive", ARRIVALS, DrainAndArrivals(36, 1), 5, 300),  # none keeps to the budget
            tried("interactive", ARRIVALS, DrainAndArrivals(36, 2), 9, 200),
            tried("bulk", CPU, CpuUtilisation(0.7), BULK_MAY_WAIT, 100),
            tried("bulk", CPU, CpuUtilisation(0.8), BULK_MAY_WAIT + 1, 50),
            tried("bulk", CPU, CpuUtilisation(0.6), 0, 150),
        ]
    )
    assert {name: str(setting) for name, setting in chosen["interactive"].items()} == {
        CPU: "67%",
        OURS: "2 s",
        ARRIVALS: "2 s",
    }
    assert str(chosen["bulk"][CPU]) == "70%"


def test_a_setting_names_its_rule_and_how_slowly_replicas_go() -> None:
    assert str(Setting(CpuUtilisation(0.7), Limits(1, 2, fall=inf))) == "70%"
    assert str(Setting(CpuUtilisation(0.7), Limits(1, 2, fall=0.1))) == "70%, 10% fewer a minute"

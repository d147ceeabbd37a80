from __future__ import annotations

from dataclasses import replace

import pytest
from bench.scaling.fleet import POLL, Load, Seen
from bench.scaling.rules import (
    Autoscaler,
    CpuUtilisation,
    DrainAndArrivals,
    Limits,
    QueueLength,
    Rule,
    SecondsToDrain,
)

CALM = Seen(
    replicas=10,
    ready=10,
    starting=0,
    load=Load(queued_jobs=0, queued_seconds=0.0, running_seconds=0.0, arriving=0.0, utilisation=0.7),
)


def seen(replicas: int = 10, starting: int = 0, **load: float) -> Seen:
    return replace(CALM, replicas=replicas, starting=starting, load=replace(CALM.load, **load))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "state", "wanted"),
    [
        (SecondsToDrain(speed=10, drain=5), seen(queued_seconds=900.0, running_seconds=110.0), 21),
        (SecondsToDrain(speed=10, drain=5), seen(queued_seconds=545.0), 10),  # within the tolerance
        (DrainAndArrivals(speed=10, drain=5), seen(queued_seconds=500.0, arriving=100.0), 20),
        (DrainAndArrivals(speed=10, drain=5), seen(running_seconds=510.0, arriving=100.0), 21),
        (DrainAndArrivals(speed=10, drain=5), seen(arriving=109.0), 10),  # within the tolerance
        (QueueLength(jobs=5), seen(queued_jobs=101), 21),
        (CpuUtilisation(0.7), seen(utilisation=0.76), 10),
        (CpuUtilisation(0.7), seen(utilisation=1.0), 15),
        (CpuUtilisation(0.7), seen(utilisation=0.35), 5),
        # Those that start count as idle: it already has enough, and asks for no more than once is due.
        (CpuUtilisation(0.7), seen(utilisation=1.0, replicas=15, starting=5), 15),
        (CpuUtilisation(0.7), seen(utilisation=1.0, replicas=12, starting=2), 15),
    ],
)
def test_how_many_a_rule_wants(rule: Rule, state: Seen, wanted: int) -> None:
    assert rule(state) == wanted


def asks(jobs: int, replicas: int = 10) -> Seen:
    """With a queue of one job per replica: that many are wanted."""
    return seen(queued_jobs=jobs, replicas=replicas)


def test_at_a_look_replicas_at_most_double_or_are_four_more() -> None:
    scaler = Autoscaler(QueueLength(1), Limits(1, 100))
    assert scaler.decide(asks(90)) == 20
    assert scaler.decide(asks(90, 2)) == 6
    assert scaler.decide(asks(900, 80)) == 100


def test_replicas_stay_until_all_looks_of_five_minutes_agree() -> None:
    scaler = Autoscaler(QueueLength(1), Limits(2, 100, stabilisation=300))
    assert scaler.decide(asks(9, 9)) == 9
    decided = [scaler.decide(asks(0, 9)) for _ in range(int(300 / POLL))]
    assert decided == [9] * (len(decided) - 1) + [2]


def test_replicas_may_be_let_go_slowly() -> None:
    scaler = Autoscaler(QueueLength(1), Limits(0, 100, stabilisation=0, fall=0.1))
    replicas = 50
    for _ in range(4):
        replicas = scaler.decide(asks(0, replicas))
    assert replicas == 45

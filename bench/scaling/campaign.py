"""Many days under many settings: which setting of each rule is the best, and what the best come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Literal

import numpy as np

from bench.scaling.day import DAY, Day, FloatArray, draw
from bench.scaling.fleet import Cluster
from bench.scaling.rules import CpuUtilisation, DrainAndArrivals, Limits, QueueLength, Rule, SecondsToDrain
from bench.scaling.simulation import Setting, simulate
from bench.sides import progress

LaneName = Literal["interactive", "bulk"]
LANES: tuple[LaneName, ...] = ("interactive", "bulk")
OURS, CPU, QUEUE, ARRIVALS = "seconds to drain", "CPU", "queue length", "drain and arrivals"
#: Seconds between the percentiles that are kept of a day's course.
BIN = 300

#: Of the day on which settings are chosen; others are measured.
_TUNING_SEED = 0
#: Replicas of each lane, least and most.
_BOUNDS: dict[LaneName, tuple[int, int]] = {"interactive": (4, 600), "bulk": (1, 150)}
#: What to choose from: seconds to drain, the same with arrivals, waiting jobs per replica, use of the CPU.
_DRAINS: dict[LaneName, tuple[float, ...]] = {
    "interactive": (0.5, 8, 20, 40, 50, 60),
    "bulk": (60, 150, 300, 450, 600),
}
_DRAINS_WITH_ARRIVALS: dict[LaneName, tuple[float, ...]] = {
    "interactive": (20, 30, 40, 60),
    "bulk": (60, 150, 300, 450, 600),
}
_QUEUES: dict[LaneName, tuple[float, ...]] = {
    "interactive": (20, 100, 200),
    "bulk": (0.5, 1, 2, 4, 8, 12, 16),
}
_TARGETS: dict[LaneName, tuple[float, ...]] = {
    "interactive": (0.5, 0.6, 0.67, 0.7, 0.75, 0.8),
    "bulk": (0.7, 0.8, 0.9, 0.95),
}
#: How fast replicas go: at once, as Kubernetes does it, or this share of them in a minute.
_FALLS = (inf, 0.25, 0.1)
#: The budget of an interactive lane is what this takes at Kubernetes' defaults,
_USUAL_TARGET = 0.7
#: and so much of it may be spent by rules that are not ours.
_GRACE = 1.05
#: Seconds that 95 of 100 bulk recordings may wait.
BULK_MAY_WAIT = 600.0


@dataclass(frozen=True, slots=True)
class Scenario:
    recordings: int
    cluster: Cluster


@dataclass(frozen=True, slots=True)
class Task:
    scenario: Scenario
    seed: int
    lane: LaneName
    name: str
    setting: Setting


@dataclass(frozen=True, slots=True)
class Figures:
    """What is kept of a day's course."""

    p50: float
    p95: float
    p99: float
    longest: float
    replica_hours: float
    changes: int
    replicas: FloatArray  # (looks,)
    p95_over_day: FloatArray  # (bins,), by time of arrival


#: Figures by lane and rule.
Measured = dict[LaneName, dict[str, list[Figures]]]
Chosen = dict[LaneName, dict[str, Setting]]
Tried = list[tuple[Task, Figures]]


def try_all(executor: Executor, scenario: Scenario) -> Tried:
    """Simulate a day that is not measured under each setting of each rule."""
    tasks = [
        Task(scenario, _TUNING_SEED, lane, name, setting)
        for lane in LANES
        for name, rules in _rules(lane, scenario.cluster.speed).items()
        for rule in rules
        for setting in _settings(lane, rule)
    ]
    return list(zip(tasks, _all(executor, tasks), strict=True))


def best(tried: Tried) -> Chosen:
    """Pick each rule's best setting."""
    return {lane: _best([each for each in tried if each[0].lane == lane]) for lane in LANES}


def measure(executor: Executor, scenario: Scenario, chosen: Chosen, seeds: Sequence[int]) -> Measured:
    """Simulate a day for each seed under each chosen setting."""
    tasks = [
        Task(scenario, seed, lane, name, setting)
        for seed in seeds
        for lane, settings in chosen.items()
        for name, setting in settings.items()
    ]
    measured: Measured = {lane: {name: [] for name in settings} for lane, settings in chosen.items()}
    for task, figures in zip(tasks, _all(executor, tasks), strict=True):
        measured[task.lane][task.name].append(figures)
    return measured


def run(task: Task) -> Figures:
    day = _day(task.scenario.recordings, task.seed)
    lane = day.interactive if task.lane == "interactive" else day.bulk
    course = simulate(lane, task.setting, task.scenario.cluster, seed=task.seed)
    p50, p95, p99, longest = np.percentile(course.waits, [50, 95, 99, 100]).tolist()
    bins = np.split(course.waits, np.searchsorted(lane.arrivals, np.arange(BIN, DAY, BIN)))
    over_day = [float(np.percentile(waits, 95)) if waits.size else np.nan for waits in bins]
    return Figures(
        p50, p95, p99, longest, course.replica_hours, course.changes, course.replicas, np.array(over_day)
    )


def _rules(lane: LaneName, speed: float) -> dict[str, list[Rule]]:
    return {
        OURS: [SecondsToDrain(speed, seconds) for seconds in _DRAINS[lane]],
        CPU: [CpuUtilisation(target) for target in _TARGETS[lane]],
        QUEUE: [QueueLength(jobs) for jobs in _QUEUES[lane]],
        ARRIVALS: [DrainAndArrivals(speed, seconds) for seconds in _DRAINS_WITH_ARRIVALS[lane]],
    }


def _settings(lane: LaneName, rule: Rule) -> list[Setting]:
    return [Setting(rule, Limits(*_BOUNDS[lane], fall=fall)) for fall in _FALLS]


def _best(tried: Tried) -> dict[str, Setting]:
    """In the interactive lane the shortest p95 within a budget, in the other the least hours within a p95."""
    usual = next(
        figures
        for task, figures in tried
        if task.setting.rule == CpuUtilisation(_USUAL_TARGET) and task.setting.limits.fall == inf
    )

    def cost(each: tuple[Task, Figures]) -> tuple[float, float]:
        task, figures = each
        if task.lane == "bulk":
            return max(0.0, figures.p95 - BULK_MAY_WAIT), figures.replica_hours
        budget = usual.replica_hours * (1.0 if task.name in {OURS, ARRIVALS} else _GRACE)
        return max(0.0, figures.replica_hours - budget), figures.p95

    names = dict.fromkeys(task.name for task, _ in tried)
    return {
        name: min((each for each in tried if each[0].name == name), key=cost)[0].setting for name in names
    }


def _all(executor: Executor, tasks: Sequence[Task]) -> Iterator[Figures]:
    for number, (task, figures) in enumerate(zip(tasks, executor.map(run, tasks), strict=True), 1):
        progress(
            f"{number}/{len(tasks)} day {task.seed}, {task.lane}, {task.name} {task.setting}: "
            f"p95 {figures.p95:.1f} s, {figures.replica_hours:.0f} replica-hours"
        )
        yield figures


@lru_cache(maxsize=1)
def _day(recordings: int, seed: int) -> Day:
    return draw(recordings, seed)

"""Many days under many settings: which setting of each rule is the best, and what the best come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from statistics import fmean
from typing import Literal

import numpy as np

from bench.scaling.day import DAY, Day, FloatArray, draw
from bench.scaling.fleet import Cluster
from bench.scaling.rules import CpuUtilisation, DrainAndArrivals, Limits, QueueLength, Rule, SecondsToDrain
from bench.scaling.simulation import Setting, simulate
from bench.sides import progress

LaneName = Literal["interactive", "bulk"]
LANES: tuple[LaneName, ...] = ("interactive", "bulk")
OURS, DRAIN, CPU, QUEUE = "seconds to drain, with arrivals", "seconds to drain", "CPU", "queue length"
#: Seconds between the percentiles that are kept of a day's course.
BIN = 300

#: Of the days on which settings are chosen; others are measured.
_TUNING_SEEDS = (0, 10_000, 10_001)
#: Seconds of audio per second of windows, as the last window of a recording is moved back.
_AUDIO_OF_WINDOWS: dict[LaneName, float] = {"interactive": 0.81, "bulk": 1.0}
#: Replicas of each lane, least and most.
_BOUNDS: dict[LaneName, tuple[int, int]] = {"interactive": (4, 600), "bulk": (1, 150)}
#: What to choose from: seconds to drain, without and with arrivals, waiting jobs per replica, use of the CPU.
_DRAINS: dict[LaneName, tuple[float, ...]] = {
    "interactive": (20, 40, 60),
    "bulk": (60, 150, 300, 450, 600),
}
_DRAINS_WITH_ARRIVALS: dict[LaneName, tuple[float, ...]] = {
    "interactive": (20, 30, 40, 60),
    "bulk": (60, 150, 300, 450, 600),
}
_QUEUES: dict[LaneName, tuple[float, ...]] = {
    "interactive": (50, 100, 150),
    "bulk": (0.5, 1, 2, 4, 8, 12, 16),
}
_TARGETS: dict[LaneName, tuple[float, ...]] = {
    "interactive": (0.6, 0.67, 0.7, 0.75),
    "bulk": (0.7, 0.8, 0.9, 0.95),
}
#: How fast replicas go: at once, as Kubernetes does it, or this share of them in a minute.
_FALLS = (inf, 0.25, 0.1)
#: In the interactive lane slow falls never paid for rules that look at the queue or the CPU alone.
_FALLS_OF_INTERACTIVE = {OURS: (inf, 0.25)}
#: The budget of an interactive lane is what this takes at Kubernetes' defaults,
_USUAL_TARGET = 0.7
#: and so much of it may be spent by rules that are not ours, and by ours: days to come are not those.
_GRACE, _MARGIN = 1.05, 0.95
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
    """Simulate days that are not measured under each setting of each rule."""
    tasks = [
        Task(scenario, seed, lane, name, setting)
        for seed in _TUNING_SEEDS
        for lane in LANES
        for name, rules in _rules(lane, scenario.cluster.speed).items()
        for rule in rules
        for setting in _settings(lane, name, rule)
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
    audio = speed * _AUDIO_OF_WINDOWS[lane]
    return {
        OURS: [DrainAndArrivals(audio, seconds) for seconds in _DRAINS_WITH_ARRIVALS[lane]],
        DRAIN: [SecondsToDrain(audio, seconds) for seconds in _DRAINS[lane]],
        CPU: [CpuUtilisation(target) for target in _TARGETS[lane]],
        QUEUE: [QueueLength(jobs) for jobs in _QUEUES[lane]],
    }


def _settings(lane: LaneName, name: str, rule: Rule) -> list[Setting]:
    falls = _FALLS if lane == "bulk" else _FALLS_OF_INTERACTIVE.get(name, (inf,))
    return [Setting(rule, Limits(*_BOUNDS[lane], fall=fall)) for fall in falls]


def _best(tried: Tried) -> dict[str, Setting]:
    """In the interactive lane the shortest p95 within a budget, in the other the least hours within a p95.

    Both bounds hold on every day; what is the least is the mean of the days.
    """
    days: dict[tuple[str, Setting], list[tuple[Task, Figures]]] = {}
    for task, figures in tried:
        days.setdefault((task.name, task.setting), []).append((task, figures))
    budgets = {
        task.seed: figures.replica_hours
        for task, figures in tried
        if task.setting.rule == CpuUtilisation(_USUAL_TARGET) and task.setting.limits.fall == inf
    }

    def cost(each: tuple[str, Setting]) -> tuple[float, float]:
        p95 = fmean(figures.p95 for _, figures in days[each])
        hours = fmean(figures.replica_hours for _, figures in days[each])
        if days[each][0][0].lane == "bulk":
            return max(0.0, *(figures.p95 - BULK_MAY_WAIT for _, figures in days[each])), hours
        share = _MARGIN if each[0] in {OURS, DRAIN} else _GRACE
        over = (figures.replica_hours / budgets[task.seed] - share for task, figures in days[each])
        return max(0.0, *over), p95

    names = dict.fromkeys(task.name for task, _ in tried)
    return {name: min((each for each in days if each[0] == name), key=cost)[1] for name in names}


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

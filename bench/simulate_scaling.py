"""How long recordings wait under rules of scaling, in simulated days of 10 million recordings each.

Ours: replicas for all queued and running audio to be worked off in so many seconds, and for what arrives
meanwhile, as read from Postgres. Theirs: Kubernetes' autoscaler on CPU. A second line has ours without what
arrives; the length of the queue is in the details. All see the same recordings, lost nodes and start-up
delays, equally late, and act through the same autoscaler. The ratio is of the 95th percentiles of interactive
waits, day by day: less is better.

Each rule's setting is chosen on three days that are not measured. In the interactive lane it has the
shortest p95 within a budget of replica-hours, which is what CPU at 70 % takes with Kubernetes' defaults.
Ours must stay a twentieth below, and the others may exceed it by as much. In the bulk lane it has the fewest
replica-hours among those whose p95 is at most ten minutes. Both bounds must hold on each of the three days.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from statistics import median

import numpy as np
from matplotlib.figure import Figure
from pydantic import JsonValue

from bench.outcome import RESULTS, report
from bench.scaling.campaign import (
    BIN,
    CPU,
    DRAIN,
    LANES,
    OURS,
    Chosen,
    Figures,
    Measured,
    Scenario,
    Tried,
    best,
    measure,
    try_all,
)
from bench.scaling.day import DAY, HOUR
from bench.scaling.fleet import POLL, Cluster
from bench.sides import ratio

TARGET = 0.5
PLOT = "scaling.png"
ROUNDS, RECORDINGS = 7, 10_000_000
#: Seconds: nobody notices a shorter wait, and a ratio needs one.
_SHORTEST_WAIT = 1e-3
_DPI = 100


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = Cluster()
    for name, default, meaning in (
        ("rounds", ROUNDS, "days to measure"),
        ("recordings", RECORDINGS, "recordings of a day"),
        ("speed", usual.speed, "seconds of audio that a replica works off per second"),
        ("warm-start", usual.warm_start, "seconds until a replica is ready on a node that is there"),
        ("cold-start", usual.cold_start, "seconds until a replica is ready on a node that must be added"),
        ("processes", os.cpu_count() or 1, "days that are simulated at a time"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{meaning} ({default:g})")
    found = parser.parse_args()
    if min(vars(found).values()) <= 0:
        parser.error("all values must be positive")
    return found


def tell(name: str, rule: str, measured: Measured, details: dict[str, JsonValue]) -> None:
    """Report one rule beside CPU."""
    days = [measured["interactive"][each] for each in (rule, CPU)]
    ours, cpu = ([max(day.p95, _SHORTEST_WAIT) for day in rules] for rules in days)
    hours = [mine.replica_hours / theirs.replica_hours for mine, theirs in zip(*days, strict=True)]
    report(
        name,
        ratio(ours, cpu),
        TARGET,
        at_most=True,
        ours=f"p95 of interactive waits, scaled by {rule}, s",
        theirs="p95 of interactive waits, scaled by CPU, s",
        rounds=len(ours),
        threads=1,
        details={
            "replica_hours_over_cpu": {
                "median": round(median(hours), 3),
                "most": round(max(hours), 3),
                "days": [round(each, 3) for each in hours],
            },
            **details,
        },
    )


def summary(chosen: Chosen, measured: Measured) -> dict[str, JsonValue]:
    """Medians over the days, by lane and rule."""
    return {
        lane: {rule: {"setting": str(chosen[lane][rule]), **_medians(days)} for rule, days in rules.items()}
        for lane, rules in measured.items()
    }


def trials(tried: Tried) -> list[JsonValue]:
    return [
        {
            "day": task.seed,
            "lane": task.lane,
            "rule": task.name,
            "setting": str(task.setting),
            "p95": round(figures.p95, 1),
            "replica_hours": round(figures.replica_hours),
        }
        for task, figures in tried
    ]


def _medians(days: list[Figures]) -> dict[str, JsonValue]:
    kept = ("p50", "p95", "p99", "longest", "replica_hours", "changes")
    return {name: round(median(getattr(day, name) for day in days), 2) for name in kept}


def figure(measured: Measured) -> Figure:
    """Draw the first measured day: replicas and waits of each lane under each rule."""
    drawn = Figure(figsize=(12, 7), layout="constrained")
    grid = drawn.subplots(2, len(LANES), sharex=True, squeeze=False)
    for lane, (replicas, waits) in zip(LANES, grid.T, strict=True):
        for name, (first, *_) in measured[lane].items():
            hours = np.arange(first.replicas.size) * POLL / HOUR
            replicas.plot(hours, first.replicas, label=name, linewidth=0.8)
            waits.plot(np.arange(0, DAY, BIN) / HOUR, first.p95_over_day, label=name, linewidth=0.8)
        replicas.set(title=f"{lane} lane", ylabel="replicas, also starting and leaving")
        waits.set(
            xlabel="hour of the day", ylabel="p95 of waits in 5 minutes, s", yscale="symlog", xlim=(0, 24)
        )
        replicas.legend()
    return drawn


def main() -> int:
    wanted = arguments()
    cluster = replace(
        Cluster(), speed=wanted.speed, warm_start=wanted.warm_start, cold_start=wanted.cold_start
    )
    scenario = Scenario(wanted.recordings, cluster)
    with ProcessPoolExecutor(wanted.processes) as executor:
        tried = try_all(executor, scenario)
        chosen = best(tried)
        measured = measure(executor, scenario, chosen, range(1, wanted.rounds + 1))
    RESULTS.mkdir(exist_ok=True)
    figure(measured).savefig(RESULTS / PLOT, dpi=_DPI, metadata={"Software": None})
    setup: dict[str, JsonValue] = {"recordings_a_day": wanted.recordings, "cluster": asdict(cluster)}
    found: dict[str, JsonValue] = {"lanes": summary(chosen, measured), "tried": trials(tried)}
    tell("scaling", OURS, measured, setup | found)
    tell("scaling-by-drain-alone", DRAIN, measured, setup)
    return 0


if __name__ == "__main__":
    sys.exit(main())

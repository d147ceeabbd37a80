"""Writes the tables of docs/capacity.md, from `results/*.json` alone."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.marked import fill
from bench.outcome import ROOT, Outcome
from bench.scaling.day import WINDOW

DOCUMENT = ROOT / "docs" / "capacity.md"


def write(found: list[Outcome]) -> None:
    """Write those tables whose results there are."""
    named = {each.name: each for each in found}
    for name, table in (("worker", speed), ("memory", memory), ("scaling", scaling)):
        if name in named:
            fill(DOCUMENT, name, table(named[name]))


def speed(worker: Outcome) -> str:
    lines = [
        "| precision | what | windows of 5 s, 1/s | audio, s/s | audio per core, s/s |",
        "|---|---|---|---|---|",
    ]
    details: Mapping[str, Any] = worker.details
    cores = worker.host.cores
    rates = {
        details["precision"]: details["windows_per_second"],
        "fp32": details["windows_per_second_fp32"],
    }
    for precision, sides in rates.items():
        for side, what in (("engine", "engine alone"), ("ours", "whole system")):
            windows = sides[side]
            lines.append(
                f"| {precision} | {what} | {windows:.2f} | {windows * WINDOW:.1f} "
                f"| {windows * WINDOW / cores:.1f} |"
            )
    return "\n".join(lines) + "\n"


def memory(found: Outcome) -> str:
    mebibytes: Mapping[str, Any] = found.details["mebibytes"]  # type: ignore[assignment]
    peaks = {side: median(values) for side, values in mebibytes.items()}
    return (
        f"| recording of | peak of worker and cages, MiB |\n|---|---|\n"
        f"| a minute | {peaks['minute']:.0f} |\n| an hour | {peaks['hour']:.0f} |\n"
    )


def scaling(found: Outcome) -> str:
    lines = [
        "| lane | rule | setting | p50, s | p95, s | p99, s | longest, s | replica-hours | changes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lanes: Mapping[str, Mapping[str, Mapping[str, Any]]] = found.details["lanes"]  # type: ignore[assignment]
    for lane, rules in lanes.items():
        for rule, row in rules.items():
            waits = " | ".join(f"{row[key]:.1f}" for key in ("p50", "p95", "p99", "longest"))
            lines.append(
                f"| {lane} | {rule} | {row['setting']} | {waits} "
                f"| {row['replica_hours']:.0f} | {row['changes']:.0f} |"
            )
    return "\n".join(lines) + "\n"

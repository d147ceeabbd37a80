"""Sides of a benchmark, measured in turns, and the ratio of two of them with its uncertainty."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

ROUNDS = 9
_RESAMPLES, _SEED = 10_000, 5

#: Measures one side in the round of that number, and says how much it got done per second.
Side = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of the rounds' ratios, and the bounds of its 95 % bootstrap interval."""

    median: float
    low: float
    high: float


def in_turns(sides: Mapping[str, Side], *, rounds: int) -> dict[str, list[float]]:
    """Measure all sides in each round, one after the other; a round before the first warms up.

    Returns the rates of each side, round by round.
    """
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            rate = side(number)
            progress(f"round {number}/{rounds}: {name} {rate:.4g}/s{'' if number else ' (warm-up)'}")
            if number:
                rates[name].append(rate)
    return rates


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Our rates over theirs, round by round."""
    ratios = np.array(ours) / np.array(theirs)  # (rounds,)
    drawn = np.random.default_rng(_SEED).choice(ratios, (_RESAMPLES, ratios.size))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return Ratio(float(np.median(ratios)), float(low), float(high))


def quickest(rates: Mapping[str, Sequence[float]]) -> str:
    """Name the side with the highest median rate."""
    return max(rates, key=lambda name: median(rates[name]))


def rate(amount: float, work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Do some work that amounts to so much; return how much that is per second."""
    start = clock()
    work()
    return amount / (clock() - start)


def rounds_wanted(description: str | None, default: int = ROUNDS) -> int:
    """Read the command line.

    Raises:
        SystemExit: it asks for help, or is wrong.

    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=default, help=f"rounds to measure, without the warm-up ({default})"
    )
    rounds: int = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds must be at least 1")
    return rounds


def stay_on_one_core() -> None:
    """Bind this process, and threads that start later, to the first core it may use."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def progress(message: str) -> None:
    sys.stderr.write(message + "\n")

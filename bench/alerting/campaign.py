"""Many people under each rule: how many are told of a change that is there, and of one that is not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from bench.alerting.people import CHANGE, DAYS, FIRST_DAY, WEEK, Change, Life, people
from bench.alerting.rules import RULES, Rule, Told
from mindtrack_shared.domain.trends import Direction, Measure, Status, report

#: People of one task.
PORTION = 100
#: Of a normal distribution, 0.975.
_QUANTILE = 1.959964

Question = Literal["early", "false", "step_3", "step_6", "rise_8", "rise_12"]
Glance = Literal["above", "below", "rising or falling", "p < 0.05"]


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    yes: int = 0
    of: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(self.yes + other.yes, self.of + other.of)

    @property
    def share(self) -> float:
        return self.yes / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 %: Wilson 1927, J Am Stat Assoc 22, 209-212."""
        if not self.of:
            return math.nan, math.nan
        weight = _QUANTILE**2 / self.of
        centre = (self.share + weight / 2.0) / (1.0 + weight)
        variance = self.share * (1.0 - self.share) / self.of + weight / (4.0 * self.of)
        half = _QUANTILE * math.sqrt(variance) / (1.0 + weight)
        return centre - half, centre + half

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.3f} ({low:.3f} to {high:.3f})"


@dataclass(frozen=True, slots=True)
class Task:
    life: Life
    #: Of `RULES`.
    rule: str
    seed: int
    people: int = PORTION


def found(told: Sequence[Told], within: int) -> Share:
    """Whether an alert came within so many days of a change; who had one already is not asked."""
    if any(each.began < CHANGE < each.ended for each in told):
        return Share()
    return Share(any(CHANGE <= each.began < CHANGE + within for each in told), 1)


def answers(life: Life, told: Sequence[Told]) -> dict[Question, Share]:
    """What one person's alerts answer."""
    if life.change == "none":
        early = any(each.began < CHANGE for each in told)
        return {"early": Share(early, 1), "false": Share(any(each.began >= CHANGE for each in told), 1)}
    if life.change == "step":
        return {"step_3": found(told, 3 * WEEK), "step_6": found(told, 6 * WEEK)}
    return {"rise_8": found(told, 8 * WEEK), "rise_12": found(told, 12 * WEEK)}


def run(task: Task, rule: Rule | None = None) -> dict[Question, Share]:
    """Ask all people of a task."""
    asked = rule or RULES[task.rule]
    total: dict[Question, Share] = {}
    for days in people(task.life, task.people, task.seed):
        for question, share in answers(task.life, asked(days)).items():
            total[question] = total.get(question, Share()) + share
    return total


def tasks(life: Life, rule: str, changes: Iterable[Change], number: int, seed: int) -> Iterator[Task]:
    """Portions of people under one rule. Of a seed, every rule and change meets the same people."""
    for change in changes:
        for portion in range(-(-number // PORTION)):
            yield Task(replace(life, change=change), rule, seed * 1_000_003 + portion)


def glance(task: Task) -> dict[Glance, Share]:
    """What steady people would read of the last 90 days at the end."""
    total: dict[Glance, Share] = {}
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    for days in people(task.life, task.people, task.seed):
        seen = report(days, measure=Measure.STRESS_SCORE, first_day=last - timedelta(days=89), last_day=last)
        test = seen.mann_kendall
        read: dict[Glance, bool] = {
            "above": seen.status in {Status.ABOVE, Status.WELL_ABOVE},
            "below": seen.status is Status.BELOW,
            "rising or falling": seen.direction in {Direction.RISING, Direction.FALLING},
            "p < 0.05": test is not None and test.p < 0.05,  # noqa: PLR2004 - as one would
        }
        for name, yes in read.items():
            total[name] = total.get(name, Share()) + Share(yes, 1)
    return total

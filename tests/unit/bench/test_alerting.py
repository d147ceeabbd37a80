"""The rule's error rates, on a few people. `make simulate-alerts` takes many, and writes docs/trends.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from statistics import fmean

import numpy as np
import pytest
from bench.alerting.campaign import Question, Share, Task, answers, found, glance, run, tasks
from bench.alerting.people import CHANGE, DAYS, FIRST_DAY, WEEK, WEEKS, Change, Life, people
from bench.alerting.rules import RULES, Told, ours, week_above_last, weeks_beyond

from mindtrack_shared.domain.trends import METHOD, RULE, AlertRule, DayValue, Method

PEOPLE, SEED = 400, 7
#: What the rule does to these people, and as little room as lets no change of a constant pass.
BOUNDS: Mapping[Question, tuple[float, float]] = {
    "false": (0.07, 0.10),
    "step_3": (0.50, 0.56),
    "step_6": (0.76, 0.82),
}


@cache
def lives(change: Change) -> list[list[DayValue]]:
    return list(people(Life(change=change), PEOPLE, SEED))


def rates(method: Method = METHOD, rule: AlertRule = RULE) -> dict[Question, float]:
    total: dict[Question, Share] = {}
    changes: tuple[Change, ...] = ("none", "step")
    for change in changes:
        for days in lives(change):
            for question, share in answers(Life(change=change), ours(days, method, rule)).items():
                total[question] = total.get(question, Share()) + share
    return {question: share.share for question, share in total.items()}


def within(measured: Mapping[Question, float]) -> bool:
    return all(low <= measured[question] <= high for question, (low, high) in BOUNDS.items())


def test_the_rule_is_seldom_wrong_and_finds_most_rises() -> None:
    measured = rates()

    assert within(measured), measured
    assert measured["early"] <= 0.01


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (replace(METHOD, weight=0.1), RULE),
        (replace(METHOD, weight=0.3), RULE),
        (replace(METHOD, width=2.0), RULE),
        (replace(METHOD, width=2.4), RULE),
        (replace(METHOD, centre_variance=0.8), RULE),
        (replace(METHOD, centre_variance=2.4), RULE),
        (METHOD, replace(RULE, confirmations=1)),
        (METHOD, replace(RULE, confirmations=3)),
        (METHOD, replace(RULE, recent_z=1.2)),
        (METHOD, replace(RULE, lasting_days=6)),
        (METHOD, replace(RULE, lasting_days=12)),
    ],
    ids=[
        "smaller weight",
        "larger weight",
        "narrower limits",
        "wider limits",
        "too certain of the baseline",
        "too uncertain of the baseline",
        "no confirmation",
        "another confirmation",
        "a higher week",
        "six days",
        "twelve days",
    ],
)
def test_another_rule_would_be_noticed(method: Method, rule: AlertRule) -> None:
    measured = rates(method, rule)

    assert not within(measured), measured


def test_the_production_rule_is_what_is_simulated() -> None:
    assert RULES["ours"] is ours
    assert ours(lives("step")[0]) == ours(lives("step")[0], METHOD, RULE)


def values(life: Life, number: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and values of all recording days of many people."""
    days = [day for person in people(life, number, SEED) for day in person]
    return np.array([(day.day - FIRST_DAY).days for day in days]), np.array([day.value for day in days])


@pytest.mark.parametrize(
    ("life", "expected"),
    [(Life(), 80), (Life(per_week=3), 48), (Life(per_week=7), 112), (Life(per_week=0), 56)],
    ids=["5", "3", "7", "every other day"],
)
def test_people_record_as_often_as_they_should(life: Life, expected: int) -> None:
    for person in people(life, 5, SEED):
        numbers = [(day.day - FIRST_DAY).days for day in person]
        weekly = np.bincount(np.array(numbers) // WEEK, minlength=WEEKS)
        assert len(numbers) == len(set(numbers)) == expected
        assert numbers == sorted(numbers)
        assert weekly.tolist() == [life.per_week] * WEEKS or not life.per_week


@pytest.mark.parametrize(
    "life", [Life(), Life(persistence=0.5), Life(tails=6)], ids=["usual", "0.5", "tails"]
)
def test_steady_people_have_mean_0_and_standard_deviation_1(life: Life) -> None:
    _, found_ = values(life)

    assert found_.mean() == pytest.approx(0.0, abs=0.03)
    assert found_.std() == pytest.approx(1.0, abs=0.03)


def test_days_resemble_their_neighbours_by_half_of_the_persistence() -> None:
    series = np.array([[day.value for day in person] for person in people(Life(per_week=7), 300, SEED)])

    correlation = np.corrcoef(series[:, :-1].ravel(), series[:, 1:].ravel())[0, 1]

    assert correlation == pytest.approx(0.15, abs=0.02)


@pytest.mark.parametrize(
    ("change", "number", "expected"),
    [("step", CHANGE - 1, 0.0), ("step", CHANGE, 1.0), ("rise", CHANGE + 27, 0.5), ("rise", DAYS - 1, 1.0)],
)
def test_a_change_is_as_large_as_it_should_be(change: Change, number: int, expected: float) -> None:
    numbers, changed = values(Life(change=change), 20)
    _, steady = values(Life(), 20)

    here = numbers == number

    assert here.any()
    assert (changed - steady)[here] == pytest.approx(expected)


def test_workdays_are_higher() -> None:
    numbers, rhythm = values(Life(workdays=0.5), 20)
    _, plain = values(Life(), 20)

    assert (rhythm - plain) == pytest.approx(np.where(numbers % WEEK < 5, 0.5, 0.0))


def test_who_has_an_alert_when_a_change_comes_is_not_asked() -> None:
    before, at, late = Told(CHANGE - 1, CHANGE + 1), Told(CHANGE, DAYS), Told(CHANGE + 21, DAYS)

    assert found([before, late], 21) == Share()
    assert found([Told(CHANGE - 9, CHANGE)], 21) == Share(0, 1)
    assert found([at], 21) == Share(1, 1)
    assert found([late], 21) == Share(0, 1)
    assert found([late], 22) == Share(1, 1)


def test_false_alerts_count_from_the_fifth_week_on() -> None:
    assert answers(Life(), [Told(CHANGE - 1, CHANGE)]) == {"early": Share(1, 1), "false": Share(0, 1)}
    assert answers(Life(), [Told(CHANGE, DAYS)]) == {"early": Share(0, 1), "false": Share(1, 1)}


def test_naive_rules_look_at_weeks() -> None:
    person = lives("none")[0]
    weeks: list[list[float]] = [[] for _ in range(WEEKS)]
    for day in person:
        weeks[(day.day - FIRST_DAY).days // WEEK].append(day.value)
    weekly = [fmean(week) for week in weeks]

    told = [each.began for each in week_above_last(person)]
    rather = [each.began for each in week_above_last(person, by=0.2)]

    assert told == [week * WEEK + 6 for week in range(1, WEEKS) if weekly[week] > weekly[week - 1]]
    assert rather == [week * WEEK + 6 for week in range(1, WEEKS) if weekly[week] > weekly[week - 1] + 0.2]


def test_two_high_weeks_are_told_of_at_the_end_of_the_second() -> None:
    person = [
        replace(day, value=day.value + 5.0 * (CHANGE <= (day.day - FIRST_DAY).days < CHANGE + 2 * WEEK))
        for day in lives("none")[1]
    ]

    assert [each.began for each in weeks_beyond(person)] == [CHANGE + 2 * WEEK - 1]


def test_an_interval_is_wilsons() -> None:
    assert Share(10, 100).interval == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert Share(0, 100).interval == pytest.approx((0.0, 0.0370), abs=1e-4)
    assert str(Share(10, 100)) == "0.100 (0.055 to 0.174)"


def test_portions_are_different_people_and_the_same_for_all_rules() -> None:
    first, second = tasks(Life(), "ours", ["none"], 150, seed=1)
    other, _ = tasks(Life(), "… by 0.2 SD", ["none"], 150, seed=1)

    assert first.seed == other.seed != second.seed
    assert run(replace(first, people=3)) == run(replace(first, people=3), partial(ours, method=METHOD))


def test_steady_people_read_of_nothing_most_of_the_time() -> None:
    seen = glance(Task(Life(), "ours", SEED, people=60))

    assert all(share.of == 60 for share in seen.values())
    assert seen["above"].share < 0.1
    assert seen["rising or falling"].share < 0.25


def test_the_last_day_is_a_sunday() -> None:
    assert (FIRST_DAY + timedelta(days=DAYS - 1)).isoweekday() == WEEK

"""How often the product's alerts are wrong, and how soon they come when they are right: of simulated people.

Steady people, and people whose day values rise from a known day on, under the product's rule as it runs and
under naive rules. Writes the tables of docs/trends.md. The rule's details were chosen on seeds 1 and 2; the
default seed was used for nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeAlias

from rich.console import Console
from rich.progress import track

from bench.alerting.campaign import Glance, Question, Share, Task, glance, run, tasks
from bench.alerting.people import Change, Life
from bench.alerting.rules import RULES
from bench.marked import fill
from bench.outcome import ROOT

DOCUMENT = ROOT / "docs" / "trends.md"
PEOPLE, SEED = 4000, 2026
TARGETS: Mapping[Question, str] = {
    "false": "at most 0.10",
    "step_3": "at least 0.50",
    "step_6": "at least 0.75",
}

#: What a row of a table is about: name of the life, rule.
Row: TypeAlias = tuple[str, str]
Answers: TypeAlias = Mapping[Row, Mapping[Question, Share]]

RATES = {
    "7 a week": Life(per_week=7),
    "5 a week": Life(),
    "every other day": Life(per_week=0),
    "3 a week": Life(per_week=3),
}
OTHERS = {
    "as above": Life(),
    "days resemble each other more (φ = 0.5)": Life(persistence=0.5),
    "odd days are common (Student's t, 4 degrees of freedom)": Life(tails=4),
    "0.5 SD higher from Monday to Friday": Life(workdays=0.5),
    # What is new with each recording is a third of it in the mean of three.
    "three recordings on each of the days": Life(noise=0.25),
}
_OURS = "ours"
_STEADY_AND_STEP: tuple[Change, ...] = ("none", "step")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=PEOPLE, help=f"people of each row ({PEOPLE})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all that is drawn ({SEED})")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at a time")
    found = parser.parse_args()
    if min(found.people, found.processes) <= 0:
        parser.error("people and processes must be positive")
    return found


def planned(number: int, seed: int) -> dict[Task, Row]:
    """All that is to be run. Ours meets a slow rise, too."""
    plan: dict[Task, Row] = {}
    for name, life in RATES.items():
        for rule in RULES:
            plan |= dict.fromkeys(tasks(life, rule, _STEADY_AND_STEP, number, seed), (name, rule))
    for name, life in OTHERS.items():
        changes: tuple[Change, ...] = (*_STEADY_AND_STEP, "rise")
        for task in tasks(life, _OURS, changes, number, seed):
            plan.setdefault(task, (name, _OURS))
    return plan


def ask(executor: ProcessPoolExecutor, plan: Mapping[Task, Row]) -> Answers:
    """Run everything, and add up the portions of each row."""
    running = {executor.submit(run, task): task for task in plan}
    console = Console(stderr=True)
    total: dict[Row, dict[Question, Share]] = {}
    for future in track(as_completed(running), "people under rules", len(running), console=console):
        row = total.setdefault(plan[running[future]], {})
        for question, share in future.result().items():
            row[question] = row.get(question, Share()) + share
    return total


def look(executor: ProcessPoolExecutor, number: int, seed: int) -> dict[Glance, Share]:
    """What steady people with five recordings a week read at the end."""
    total: dict[Glance, Share] = {}
    portions = list(tasks(Life(), _OURS, ["none"], number, seed))
    console = Console(stderr=True)
    for found in track(executor.map(glance, portions), "reports", len(portions), console=console):
        for name, share in found.items():
            total[name] = total.get(name, Share()) + share
    return total


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written(answers: Answers, seen: Mapping[Glance, Share], number: int, seed: int) -> str:
    """The tables, as they stand in the document."""
    usual = answers["5 a week", _OURS]
    main: tuple[Question, ...] = ("false", "step_3", "step_6")
    other: tuple[Question, ...] = (*main, "rise_8", "rise_12")
    titles: Mapping[Question, str] = {
        "false": "any false alert in 12 weeks",
        "step_3": "+1 SD found within 3 weeks",
        "step_6": "within 6 weeks",
        "rise_8": "+1 SD over 8 weeks: found by their end",
        "rise_12": "4 weeks later",
    }
    rates = [
        [name if rule == _OURS else "", rule, *(str(answers[name, rule][each]) for each in main)]
        for name in RATES
        for rule in RULES
    ]
    others = [
        [name, *(str(answers[name, _OURS].get(each, usual.get(each))) for each in other)] for name in OTHERS
    ]
    goals = ["", "target at 5 a week", *TARGETS.values()]
    return "\n".join(
        [
            f"{number:,} people in each row, seed {seed}; shares with their 95 % intervals.\n",
            table(["recordings", "rule", *(titles[each] for each in main)], [*rates, goals]),
            (
                "In the two weeks before, in which the first baseline grows, our rule was wrong about "
                f"{usual['early']} of those with five recordings a week.\n"
            ),
            "Other lives, our rule, five recordings a week:\n",
            table(["people", *(titles[each] for each in other)], others),
            "What a report of 90 days says of steady people with five recordings a week, at the end:\n",
            table(["it says", "share"], [[name, str(share)] for name, share in seen.items()]),
        ]
    )


def main() -> int:
    wanted = arguments()
    with ProcessPoolExecutor(wanted.processes) as executor:
        answers = ask(executor, planned(wanted.people, wanted.seed))
        seen = look(executor, wanted.people, wanted.seed)
    text = written(answers, seen, wanted.people, wanted.seed)
    sys.stdout.write(text)
    fill(DOCUMENT, "simulated alerts", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is said at the end of a command that submitted recordings."""

from __future__ import annotations

from collections.abc import Sequence

from mindtrack_client import render
from mindtrack_client.batch import Outcome
from mindtrack_client.invocation import Invocation


def outcomes(run: Invocation, several: Sequence[Outcome]) -> None:
    """Results on stdout: as JSON every accepted job, for people those that need no word of trouble."""
    for outcome in several:
        if outcome.job is not None and run.as_json:
            run.print_json(outcome.job)
        elif outcome.job is not None and outcome.error is None:
            render.print_job(run.out, outcome.job, outcome.path.name)
    if not run.as_json and any(outcome.job and outcome.job.analysis for outcome in several):
        render.print_notice(run.out)
    for outcome in several:
        if outcome.error is not None:
            run.complain(outcome.error, outcome.path.name)
    hint_unfinished(run, several)


def hint_unfinished(run: Invocation, several: Sequence[Outcome]) -> None:
    for outcome in several:
        if outcome.job is not None and not outcome.job.is_finished:
            run.hint_resume(outcome.job.id)

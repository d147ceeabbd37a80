"""The demo's week, as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mindtrack_client import Analysis, JobStatus, Trend
from mindtrack_client.render import CANNOT_TELL
from mindtrack_client.sparkline import BLOCKS, DIGITS, sparkline
from mindtrack_local.demo import Log, Week

BAR_WIDTH = 24


def show(console: Console, week: Week) -> None:
    plain = console.options.ascii_only
    console.print()
    console.print(analyses(week.logs))
    console.print()
    console.print(days(week.trend, bar="#" if plain else "█"))
    console.print(summary(week.trend, levels=DIGITS if plain else BLOCKS), style="bold")
    console.print()
    console.print(week.trend.notice, style="dim", markup=False)
    console.print()


def analyses(logs: Iterable[Log]) -> Table:
    table = _table("Seven voice logs")
    for heading in ("Day", "Recording", "Status", "Emotion"):
        table.add_column(heading)
    for heading in ("Stress", "Anxiety", "Depressive", "Baseline"):
        table.add_column(heading, justify="right")
    for log in logs:
        table.add_row(f"{log.recorded_at:%a %d}", log.sample, *_outcome(log))
    return table


def _outcome(log: Log) -> Iterable[str | Text]:
    job = log.job
    if job.status is JobStatus.SUCCEEDED and job.analysis is not None:
        return Text(job.status, style="green"), *_numbers(job.analysis)
    return Text(job.status, style="red"), job.problem.title if job.problem else ""


def _numbers(analysis: Analysis) -> Iterable[str]:
    if analysis.indeterminate:
        return CANNOT_TELL, "-", "-", "-", "-"
    indices = analysis.indices
    scores = (analysis.stress_score, indices.anxiety, indices.depressive, indices.baseline)
    return (
        f"{analysis.emotion} {analysis.confidence:.0%}",
        *("-" if score is None else f"{score:.2f}" for score in scores),
    )


def days(trend: Trend, *, bar: str) -> Table:
    table = _table("The week's trend")
    table.add_column("Day")
    table.add_column("Logs", justify="right")
    table.add_column("Stress", justify="right")
    table.add_column("0" + " " * (BAR_WIDTH - 2) + "1")
    for day in trend.days:
        length = round(day.stress_mean * BAR_WIDTH)
        table.add_row(f"{day.day:%a %d %b}", str(day.count), f"{day.stress_mean:.2f}", bar * length)
    return table


def summary(trend: Trend, *, levels: str) -> str:
    """One line: the days as a sparkline, a gap where a day has no log, and their mean."""
    means = {day.day: day.stress_mean for day in trend.days}
    length = (trend.last_day - trend.first_day).days + 1
    line = sparkline(
        (means.get(trend.first_day + timedelta(days=offset)) for offset in range(length)), levels
    )
    mean = "-" if trend.stress_mean is None else f"{trend.stress_mean:.2f}"
    return f"Stress {trend.first_day:%d %b} to {trend.last_day:%d %b}: {line}  mean {mean}"


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        padding=(0, 1, 0, 0),
    )

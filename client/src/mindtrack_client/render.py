"""What people see: plain words and tables. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mindtrack_client.models import (
    Access,
    Analysis,
    Biomarker,
    Grant,
    Invitation,
    Job,
    JobProblem,
    JobStatus,
    MeasureTrend,
    Patient,
    Quality,
    Recording,
    Trend,
    TrendDay,
)
from mindtrack_client.sparkline import BLOCKS, DIGITS, sparkline

NOTICE = "Wellness decision support, not a diagnosis."

_OUTCOMES = {
    JobStatus.QUEUED: "Queued",
    JobStatus.RUNNING: "Running",
    JobStatus.SUCCEEDED: "Analysed",
    JobStatus.REJECTED: "Not analysed",
    JobStatus.FAILED: "Not analysed",
    JobStatus.CANCELED: "Canceled",
}

#: Columns of a terminal that also shows a patient's last days.
_ROOM_FOR_DAYS = 112

#: In words for people; any other reason is shown as it is.
_REASONS = {
    "uncertain": "the model is too unsure",
    "unmapped": "what the model heard is mostly none of the five",
}
CANNOT_TELL = "can't tell"
UNKNOWN = "unknown"


def print_job(console: Console, job: Job, label: str | None = None, *, details: bool = False) -> None:
    """Show a job; with `details`, also what was measured of the recording and the voice."""
    title = Text(_OUTCOMES[job.status], style="bold")
    if label is not None:
        title.append(f"  {label}", style="not bold")
    console.print(title)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("  Job", str(job.id))
    facts.add_row("  Recorded", _moment(job.recording))
    if job.analysis is not None:
        _add_analysis(facts, job.analysis)
    if job.problem is not None:
        _add_problem(facts, job.problem)
    if details and job.quality is not None:
        facts.add_row("  Quality", _quality(job.quality))
    console.print(facts)
    if details and job.analysis is not None and job.analysis.biomarkers:
        console.print(_biomarkers_table(job.analysis.biomarkers))


def print_notice(console: Console, notice: str = NOTICE) -> None:
    console.print(notice, style="dim")


def print_jobs(console: Console, jobs: Iterable[Job]) -> None:
    # Without a box this fits 80 columns, so that ids survive a pipe in one piece.
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("Job", "Recorded", "Status", "Emotion"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Stress", justify="right", no_wrap=True)
    for job in jobs:
        table.add_row(
            str(job.id),
            f"{_local(job.recording):%Y-%m-%d %H:%M}",
            job.status,
            *_in_brief(job.analysis),
        )
    if table.row_count == 0:
        console.print("No jobs.")
        return
    console.print(table)
    print_notice(console)


def print_history(console: Console, jobs: Iterable[Job]) -> None:
    """Recordings and their scores; ids are in `print_jobs`, for which there is no room here."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("Recorded", "Status", "Emotion"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Stress", "Anxiety", "Depressive", "Baseline"):
        table.add_column(heading, justify="right", no_wrap=True)
    for job in jobs:
        emotion, stress = _in_brief(job.analysis)
        table.add_row(
            f"{_local(job.recording):%Y-%m-%d %H:%M}", job.status, emotion, stress, *_indices(job.analysis)
        )
    if table.row_count == 0:
        console.print("No recordings.")
        return
    console.print(table)
    print_notice(console)


def print_patients(console: Console, patients: Iterable[Patient]) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("Patient", overflow="fold", max_width=36)
    for heading in ("Status", "Trend"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Z", justify="right", no_wrap=True)
    table.add_column("Recorded", no_wrap=True)
    table.add_column("Open", justify="right", no_wrap=True)
    roomy = console.width >= _ROOM_FOR_DAYS
    if roomy:
        table.add_column("Last 28 days", no_wrap=True)
    levels = BLOCKS if console.encoding.lower().startswith("utf") else DIGITS
    for patient in patients:
        table.add_row(
            patient.label or str(patient.user_id),
            patient.status or "-",
            patient.direction or "-",
            "-" if patient.seven_day_z is None else f"{patient.seven_day_z:+.1f}",
            "-" if patient.last_recorded_at is None else f"{patient.last_recorded_at:%Y-%m-%d}",
            "-" if patient.alerts is None else str(patient.alerts.count),
            *([_recent(patient, levels)] if roomy else []),
        )
    if table.row_count == 0:
        console.print("No patients.")
        return
    console.print(table)
    console.print("Open alerts; Z is the last seven days beside the person's own usual.", style="dim")
    print_notice(console)


def _recent(patient: Patient, levels: str) -> str:
    """Draw days on one scale for everybody: the usual in the middle, three deviations to either side."""
    days = patient.recent or ()
    return sparkline((None if z is None else z / 6 + 0.5 for z in days), levels)


def _indices(analysis: Analysis | None) -> tuple[str, ...]:
    if analysis is None:
        return ()
    indices = (analysis.indices.anxiety, analysis.indices.depressive, analysis.indices.baseline)
    return tuple("-" if analysis.indeterminate else _score(index, "-") for index in indices)


def print_invitations(console: Console, invitations: Iterable[Invitation]) -> None:
    table = _consents("Invitation")
    for one in invitations:
        table.add_row(str(one.id), one.state, f"{one.expires_at:%Y-%m-%d}", ", ".join(one.scopes))
    _print_or(console, table, "No invitations.")


def print_grants(console: Console, grants: Iterable[Grant]) -> None:
    """Whose they are is in the JSON: two more ids would not fit."""
    table = _consents("Grant")
    for one in grants:
        until = one.revoked_at or one.expires_at
        table.add_row(str(one.id), one.state, f"{until:%Y-%m-%d}", ", ".join(one.scopes))
    _print_or(console, table, "No grants.")


def _consents(kind: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in (kind, "State", "Until"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Opens", overflow="fold")
    return table


def print_accesses(console: Console, accesses: Iterable[Access]) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("When", "Clinician", "What", "Outcome"):
        table.add_column(heading, no_wrap=True)
    for one in accesses:
        table.add_row(f"{one.at:%Y-%m-%d %H:%M}", str(one.clinician_id), one.action, one.outcome)
    _print_or(console, table, "Nobody read anything of yours by a grant.")


def _print_or(console: Console, table: Table, nothing: str) -> None:
    if table.row_count == 0:
        console.print(nothing)
    else:
        console.print(table)


def print_trend(console: Console, trend: Trend) -> None:
    period = f"{trend.first_day} to {trend.last_day}"
    if not trend.days:
        console.print(f"No recordings that count from {period}.")
    else:
        console.print(_summary(trend, period), soft_wrap=True)
        levels = BLOCKS if console.encoding.lower().startswith("utf") else DIGITS
        line = sparkline(_every_day(trend), levels)
        console.print(f"|{line}|", soft_wrap=True)
        scale = f"{levels[0]} is 0, {levels[-1]} is 1, a gap is a day without recordings that count"
        console.print(scale, style="dim")
        console.print(_days_table(trend.days))
    for measure in trend.measures:
        print_measure(console, measure)
    print_notice(console, trend.notice)


def print_measure(console: Console, measure: MeasureTrend) -> None:
    """Say where a measure stands beside what is usual, and what to know before believing it."""
    facts = [f"{measure.measure.replace('_', ' ')}: {measure.status.replace('_', ' ')}"]
    if not measure.calibration.complete:
        steps = (
            ("days", measure.calibration.span_days),
            ("days with recordings", measure.calibration.recording_days),
            ("recordings", measure.calibration.recordings),
        )
        facts += [f"{step.have} of {step.need} {name}" for name, step in steps if step.have < step.need]
    if measure.baseline is not None:
        usual = (_measure(value, measure.unit) for value in (measure.baseline.low, measure.baseline.high))
        facts.append(f"usually {' to '.join(usual)}")
        facts.append(measure.direction)
    facts.append(f"{measure.recording_days} of {measure.days} days recorded")
    console.print(", ".join(facts), soft_wrap=True)
    for caveat in measure.caveats:
        console.print(f"  {caveat.sentence}", style="dim", soft_wrap=True)


def _in_brief(analysis: Analysis | None) -> tuple[str, str]:
    """Emotion and stress, for a table."""
    if analysis is None:
        return "", ""
    if analysis.indeterminate:
        return CANNOT_TELL, "-"
    return analysis.emotion, _score(analysis.stress_score, "-")


def _add_analysis(facts: Table, analysis: Analysis) -> None:
    indices = analysis.indices
    model = analysis.model
    if analysis.indeterminate:
        reason = analysis.indeterminate_reason or ""
        facts.add_row("  Emotion", f"{CANNOT_TELL}: {_REASONS.get(reason, reason)}")
    else:
        facts.add_row("  Emotion", f"{analysis.emotion} ({analysis.confidence:.0%})")
        stress = analysis.stress_score
        facts.add_row("  Stress", UNKNOWN if stress is None else f"{_score(stress)} of 1")
        facts.add_row(
            "  Indices",
            f"anxiety {_score(indices.anxiety)}, depressive {_score(indices.depressive)}, "
            f"baseline {_score(indices.baseline)}",
        )
    facts.add_row(
        "  Audio", f"{analysis.audio_seconds:.1f} s, analysed in {analysis.processing_seconds:.1f} s"
    )
    facts.add_row(
        "  Model",
        f"{model.bundle_id} {model.bundle_revision} ({model.engine}, {model.precision})",
    )


def _add_problem(facts: Table, problem: JobProblem) -> None:
    facts.add_row("  Advice", problem.detail or problem.title)
    facts.add_row("  Code", problem.code)
    if problem.needed is None:
        return
    needed = _measure(problem.needed, problem.unit)
    if problem.measured is None:
        facts.add_row("  Limit", needed)  # what exceeds it is not measured to its end
    else:
        bound = "at most" if problem.measured > problem.needed else "at least"
        facts.add_row("  Measured", f"{_measure(problem.measured, problem.unit)}, needed {bound} {needed}")


def _quality(quality: Quality) -> str:
    return ", ".join(
        (
            f"speech {_measure(quality.speech_seconds, 's')} ({quality.speech_ratio:.0%})",
            f"signal to noise {_measure(quality.snr_db, 'dB')}",
            f"level {_measure(quality.level_dbfs, 'dBFS')}",
            f"bandwidth {_measure(quality.bandwidth_hz, 'Hz')}",
            f"clipped {quality.clipping_ratio:.1%}",
            f"offset {_measure(quality.dc_offset, 'full scale')}",
        )
    )


def _biomarkers_table(biomarkers: Mapping[str, Biomarker]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("  Biomarker", no_wrap=True)
    for heading in ("Value", "From your usual"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, biomarker in biomarkers.items():
        value = "-" if biomarker.value is None else _measure(biomarker.value, biomarker.unit)
        usual = "-" if biomarker.z is None else f"{biomarker.z:+.1f} SD (n = {biomarker.n})"
        table.add_row(f"  {name}", value, usual)
    return table


def _measure(value: float | None, unit: str | None) -> str:
    """Return a value with its unit: three digits, whole from a hundred on."""
    if value is None:
        return UNKNOWN
    if unit == "share":
        return f"{value:.1%}"
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - see above
    return digits if unit in {None, "1"} else f"{digits} {unit}"


def _summary(trend: Trend, period: str) -> str:
    recordings = "1 recording" if trend.count == 1 else f"{trend.count} recordings"
    parts = [f"Stress, {period}: {recordings}"]
    if trend.stress_mean is not None:
        parts.append(f"mean {_score(trend.stress_mean)}")
    if trend.latest is not None:
        parts.append(
            f"latest {_score(trend.latest.stress_score)} ({trend.latest.recorded_at:%Y-%m-%d %H:%M %z})"
        )
    return ", ".join(parts)


def _every_day(trend: Trend) -> list[float | None]:
    means = {day.day: day.stress_mean for day in trend.days}
    length = (trend.last_day - trend.first_day).days + 1
    return [means.get(trend.first_day + timedelta(days=offset)) for offset in range(length)]


def _days_table(days: Iterable[TrendDay]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Day", no_wrap=True)
    for heading in ("Count", "Stress", "SD", "Min", "Max", "Anxiety", "Depressive", "Baseline"):
        table.add_column(heading, justify="right", no_wrap=True)
    for day in days:
        table.add_row(
            _weekday(day.day),
            str(day.count),
            _score(day.stress_mean),
            _score(day.stress_sd, "-"),
            _score(day.stress_min),
            _score(day.stress_max),
            _score(day.anxiety_mean),
            _score(day.depressive_mean, "-"),
            _score(day.baseline_mean, "-"),
        )
    return table


def _score(value: float | None, unknown: str = UNKNOWN) -> str:
    return unknown if value is None else f"{value:.2f}"


def _weekday(day: date) -> str:
    return f"{day:%a %Y-%m-%d}"


def _moment(recording: Recording) -> str:
    zone = f" {recording.time_zone}" if recording.time_zone else ""
    return f"{_local(recording):%Y-%m-%d %H:%M %z}{zone}"


def _local(recording: Recording) -> datetime:
    """The wall clock of whoever spoke; the server's offset if we do not know the zone."""
    if recording.time_zone is None:
        return recording.recorded_at
    try:
        return recording.recorded_at.astimezone(ZoneInfo(recording.time_zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return recording.recorded_at

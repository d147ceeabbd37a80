from __future__ import annotations

import io
import uuid
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from rich.console import Console

from mindtrack_client import (
    Analysis,
    Emotion,
    Indices,
    Job,
    JobProblem,
    JobStatus,
    Recording,
    Trend,
    TrendDay,
)
from mindtrack_client.models import ModelVersion
from mindtrack_local import report
from mindtrack_local.demo import SAMPLES, Log, Week, evenings, new_subject

NOW = datetime(2026, 3, 8, 20, 15, tzinfo=UTC)


def a_log(sample: str, moment: datetime, stress: float | None) -> Log:
    """Make a log that succeeded with this stress score or, without one, was rejected."""
    recording = Recording(id=uuid.uuid4(), recorded_at=moment, content_type="audio/wav", size_bytes=1)
    job = Job(
        id=uuid.uuid4(),
        user_id=uuid.uuid4(),
        status=JobStatus.REJECTED if stress is None else JobStatus.SUCCEEDED,
        attempt=1,
        created_at=NOW,
        recording=recording,
        analysis=None if stress is None else an_analysis(stress),
        problem=JobProblem(title="No speech found", code="no_speech") if stress is None else None,
    )
    return Log(sample, moment, job)


def an_analysis(stress: float, *, indeterminate: bool = False) -> Analysis:
    return Analysis(
        indeterminate=indeterminate,
        emotion=Emotion.STRESSED,
        confidence=0.61,
        probabilities={},
        stress_score=stress,
        indices=Indices(anxiety=0.11, depressive=0.22, baseline=0.33),
        audio_seconds=5,
        processing_seconds=0.1,
        model=ModelVersion(bundle_id="demo", bundle_revision="1", engine="openvino", precision="int8"),
    )


def a_week(*stress: float | None) -> Week:
    logs = tuple(
        a_log(sample, moment, score)
        for sample, moment, score in zip(SAMPLES, evenings(7, NOW), stress, strict=True)
    )
    days = tuple(a_day(log.recorded_at.date(), log.job.analysis) for log in logs if log.job.analysis)
    trend = Trend(
        user_id=uuid.uuid4(),
        first_day=date(2026, 3, 2),
        last_day=date(2026, 3, 8),
        count=len(days),
        stress_mean=sum(day.stress_mean for day in days) / len(days),
        days=days,
        notice="Not a diagnosis.",
    )
    return Week(logs, trend)


def a_day(day: date, analysis: Analysis) -> TrendDay:
    score = analysis.stress_score
    assert score is not None
    return TrendDay(
        day=day,
        count=1,
        stress_mean=score,
        stress_min=score,
        stress_max=score,
        anxiety_mean=0.1,
        depressive_mean=0.1,
        baseline_mean=0.1,
    )


def with_analysis(week: Week, analysis: Analysis) -> Week:
    """Replace the last log's analysis and leave the trend without that day."""
    *others, last = week.logs
    log = Log(last.sample, last.recorded_at, last.job.model_copy(update={"analysis": analysis}))
    days = week.trend.days[:-1]
    return Week((*others, log), week.trend.model_copy(update={"days": days, "count": len(days)}))


def shown(week: Week) -> str:
    stream = io.StringIO()
    report.show(Console(file=stream, width=80, force_terminal=False), week)
    return stream.getvalue()


GOOD = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)


class TestEvenings:
    def test_are_the_last_seven_days_ending_today(self) -> None:
        moments = evenings(7, NOW)

        assert moments[-1] == datetime(2026, 3, 8, 18, 0, tzinfo=UTC)
        assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(days=1)}

    @pytest.mark.parametrize("now", [NOW.replace(hour=9), NOW.replace(hour=0, minute=0)])
    def test_today_is_never_in_the_future_nor_yesterday(self, now: datetime) -> None:
        moments = evenings(7, now)

        assert moments[-1] == now
        assert len({moment.date() for moment in moments}) == 7

    def test_count_in_utc(self) -> None:
        ahead = datetime.fromisoformat("2026-03-09T01:00:00+05:00")

        assert evenings(1, ahead)[0].date() == date(2026, 3, 8)


class TestWeek:
    def test_is_complete_when_every_log_was_analysed_and_counts(self) -> None:
        assert a_week(*GOOD).complete

    def test_is_incomplete_with_a_rejected_log(self) -> None:
        assert not a_week(*GOOD[:-1], None).complete

    def test_is_incomplete_when_the_trend_misses_a_log(self) -> None:
        week = a_week(*GOOD)
        short = week.trend.model_copy(update={"count": 6})

        assert not Week(week.logs, short).complete

    def test_is_complete_when_the_model_could_not_tell_and_did_not_count(self) -> None:
        assert with_analysis(a_week(*GOOD), an_analysis(0.9, indeterminate=True)).complete

    def test_is_complete_when_the_model_cannot_express_stress(self) -> None:
        unknown = an_analysis(0.9).model_copy(update={"stress_score": None})

        assert with_analysis(a_week(*GOOD), unknown).complete


class TestReport:
    def test_shows_every_log_with_its_scores(self) -> None:
        text = shown(a_week(*GOOD))

        for sample in SAMPLES:
            assert sample in text
        (last,) = (line for line in text.splitlines() if line.startswith("Sun 08") and "day-7" in line)
        assert last.split()[2:] == [
            "day-7.m4a",
            "succeeded",
            "Stressed",
            "61%",
            "1.00",
            "0.11",
            "0.22",
            "0.33",
        ]

    def test_shows_the_week_as_a_line_with_a_gap_for_a_missing_day(self) -> None:
        assert "Stress 02 Mar to 08 Mar: ▁▁▂ ▄▅█  mean 0.37" in shown(
            a_week(0.0, 0.1, 0.2, None, 0.4, 0.5, 1.0)
        )

    def test_shows_no_numbers_where_the_model_cannot_tell(self) -> None:
        text = shown(with_analysis(a_week(*GOOD), an_analysis(0.9, indeterminate=True)))

        (last,) = (line for line in text.splitlines() if "day-7" in line)
        assert last.split()[3:] == ["succeeded", "can't", "tell", "-", "-", "-", "-"]

    def test_shows_what_the_model_cannot_express_as_unknown(self) -> None:
        unknown = {"stress_score": None, "indices": Indices(depressive=0.22)}
        text = shown(with_analysis(a_week(*GOOD), an_analysis(0.9).model_copy(update=unknown)))

        (last,) = (line for line in text.splitlines() if "day-7" in line)
        assert last.split()[4:] == ["Stressed", "61%", "-", "-", "0.22", "-"]

    def test_says_why_a_log_was_rejected(self) -> None:
        text = shown(a_week(None, *GOOD[1:]))

        assert "rejected" in text
        assert "No speech" in text

    def test_says_what_the_numbers_are_not(self) -> None:
        assert "Not a diagnosis." in shown(a_week(*GOOD))

    def test_fits_80_columns(self) -> None:
        assert max(len(line.rstrip()) for line in shown(a_week(*GOOD)).splitlines()) <= 80
        assert "…" not in shown(a_week(*GOOD))


def test_each_run_speaks_for_someone_new() -> None:
    assert new_subject() != new_subject()

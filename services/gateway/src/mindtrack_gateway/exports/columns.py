"""What exported tables hold: each column with its heading and how it is read of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mindtrack_gateway.exports.spreadsheet import Cell
from mindtrack_gateway.history.schemas import MeasuredView, measured
from mindtrack_shared.db.models import AnalysisRecord, DayValueRecord, Measurements
from mindtrack_shared.domain.biomarkers import DEFINITIONS
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_shared.domain.trends import SCALES

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    heading: str
    of: Callable[[Row], Cell]


@dataclass(frozen=True, slots=True)
class Day:
    row: DayValueRecord
    values: Mapping[str, MeasuredView]


@dataclass(frozen=True, slots=True)
class Analysed:
    row: AnalysisRecord
    quality: Measurements
    time_zone: str


def day(row: DayValueRecord) -> Day:
    return Day(row, dict(measured(row)))


def analysed(row: AnalysisRecord, quality: Measurements | None, time_zone: str) -> Analysed:
    return Analysed(row, quality or {}, time_zone)


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})"


def _of_day(name: str) -> Callable[[Day], Cell]:
    return lambda day: day.values[name].value if name in day.values else None


def _of_analysis(name: str) -> Callable[[Analysed], Cell]:
    return lambda found: getattr(found.row, name)


def _of(measurements: Callable[[Analysed], Mapping[str, Any]], name: str) -> Callable[[Analysed], Cell]:
    return lambda found: measurements(found).get(name)


DAYS: tuple[Column[Day], ...] = (
    Column("day", lambda day: day.row.day),
    Column("bundle_revision", lambda day: day.row.bundle_revision),
    Column("device_class", lambda day: day.row.device_class),
    Column("recordings", lambda day: day.row.recordings),
    Column("speech_seconds (s)", lambda day: day.row.speech_seconds),
    *(Column(_with_unit(measure, scale.unit), _of_day(measure)) for measure, scale in SCALES.items()),
)

#: Shares and probabilities, each a column of `AnalysisRecord`.
_SHARES = (
    "confidence",
    *(f"p_{emotion.name.lower()}" for emotion in Emotion),
    "stress_score",
    "anxiety_index",
    "depressive_index",
    "baseline_index",
    "unmapped_mass",
    "uncertainty",
)

ANALYSES: tuple[Column[Analysed], ...] = (
    Column("recorded_at", _of_analysis("recorded_at")),
    Column("time_zone", lambda found: found.time_zone),
    Column("job_id", lambda found: str(found.row.job_id)),
    Column("emotion", lambda found: found.row.emotion.value),
    *(Column(_with_unit(name, "1"), _of_analysis(name)) for name in _SHARES),
    Column("indeterminate", lambda found: found.row.indeterminate_reason is not None),
    Column("indeterminate_reason", _of_analysis("indeterminate_reason")),
    *(
        Column(_with_unit(name, definition.unit), _of(lambda found: found.row.biomarkers or {}, name))
        for name, definition in DEFINITIONS.items()
    ),
    Column("audio_seconds (s)", _of_analysis("audio_seconds")),
    Column("speech_seconds (s)", _of(lambda found: found.quality, "speech_seconds")),
    Column("snr_db (dB)", _of(lambda found: found.quality, "snr_db")),
    *(
        Column(name, _of_analysis(name))
        for name in ("bundle_id", "bundle_revision", "engine", "precision", "calibration_set")
    ),
)

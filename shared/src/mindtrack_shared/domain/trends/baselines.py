"""What is usual for a person, day by day: from earlier days of the same origin only.

Centre and spread are mean and standard deviation of days that are first clipped to their median plus and
minus 2.5 times 1.4826 times their median absolute deviation: the first step of ISO 13528's algorithm A, with
a wider clip. One odd day moves them hardly more than it would median and median absolute deviation, and they
are as sure as those of about twice as many days; `docs/trends.md` has what that is worth.

A first baseline grows for four weeks and holds until a window of sixty days, two weeks back, is full; from
then on that window is the baseline. See `method.Method`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mindtrack_shared.domain.trends.days import DayValue
from mindtrack_shared.domain.trends.measures import FloatArray
from mindtrack_shared.domain.trends.method import Method

IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """Recording days of one origin in order, each once. All arrays are (days,)."""

    #: Proleptic ordinals (`date.toordinal`).
    day: IntArray
    value: FloatArray
    seconds: FloatArray
    recordings: IntArray


@dataclass(frozen=True, slots=True)
class Baselines:
    """A baseline for each of some days; all arrays are (days,)."""

    #: NaN where there is none yet.
    centre: FloatArray
    spread: FloatArray
    #: Positions in the series of its first recording day and the one after its last; equal where none.
    start: IntArray
    stop: IntArray

    @property
    def recording_days(self) -> IntArray:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Progress:
    have: int
    need: int

    @property
    def missing(self) -> int:
        return max(0, self.need - self.have)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far a first baseline has come."""

    #: Days from the first recording on, that one included.
    span_days: Progress
    recording_days: Progress
    recordings: Progress

    @property
    def complete(self) -> bool:
        return not (self.span_days.missing or self.recording_days.missing or self.recordings.missing)


def baselines(series: Series, last_day: date, *, least_spread: float, method: Method) -> Baselines:
    """What was usual before each day of the series, and before the day after `last_day`.

    Takes memory for `window_days` numbers per day. Returns arrays of (days + 1,).
    """
    start, stop = _windows(series.day, series.recordings, last_day.toordinal() + 1, method)
    centre, spread = _robust(series.value, start, stop, least_spread, method)
    return Baselines(centre, spread, start, stop)


def calibration(series: Series, last_day: date, method: Method) -> Calibration:
    """Count what a first baseline has of what it needs, at the end of `last_day`."""
    day = series.day
    known = _since_silence(day, method)
    span = last_day.toordinal() - int(day[known]) + 1
    return Calibration(
        Progress(span, method.first_span_days),
        Progress(len(day) - known, method.first_recording_days),
        Progress(int(series.recordings[known:].sum()), method.first_recordings),
    )


def no_calibration(method: Method) -> Calibration:
    """What there is of a first baseline before the first recording."""
    needs = (method.first_span_days, method.first_recording_days, method.first_recordings)
    return Calibration(*(Progress(0, need) for need in needs))


def _since_silence(day: IntArray, method: Method) -> int:
    silences = np.flatnonzero(np.diff(day) > method.silence_days)
    return int(silences[-1]) + 1 if silences.size else 0


def _windows(day: IntArray, recordings: IntArray, tomorrow: int, method: Method) -> tuple[IntArray, IntArray]:
    """From which to which recording day the baseline of each day reaches; and of `tomorrow`."""
    silences = np.flatnonzero(np.diff(day) > method.silence_days) + 1
    edges = [0, *silences.tolist(), len(day)]
    found = []
    for first, beyond in pairwise(edges):
        days = day[first:beyond]
        judged = np.append(days, tomorrow) if beyond == len(day) else days
        found.append(first + _stretch(days, recordings[first:beyond], judged, method))
    start, stop = np.concatenate(found, axis=1)  # (2, days + 1)
    return start, stop


def _stretch(days: IntArray, recordings: IntArray, judged: IntArray, method: Method) -> IntArray:
    """Windows within days that no long silence parts, as (2, judged)."""
    complete = _complete(days, recordings, method)
    if complete is None:
        return np.zeros((2, len(judged)), np.int64)
    grown = max(int(days[0]) + method.first_days - 1, complete)
    newest = judged - method.lag_days
    full = int(days[0]) + method.window_days - 1
    first = newest < max(grown, full)
    stop = np.searchsorted(days, np.where(first, np.minimum(judged - 1, grown), newest), side="right")
    start = np.searchsorted(days, newest - method.window_days + 1)
    start = np.maximum(np.minimum(start, stop - method.window_recording_days), 0)
    start = np.where(first, 0, start)
    return np.stack([start, np.where(judged > complete, stop, start)])


def _complete(days: IntArray, recordings: IntArray, method: Method) -> int | None:
    """Day on which a first baseline has all that it needs."""
    enough = int(np.searchsorted(np.cumsum(recordings), method.first_recordings))
    position = max(enough, method.first_recording_days - 1)
    if position >= len(days):
        return None
    return max(int(days[position]), int(days[0]) + method.first_span_days - 1)


def _robust(
    value: FloatArray, start: IntArray, stop: IntArray, least_spread: float, method: Method
) -> tuple[FloatArray, FloatArray]:
    """Centre and spread of each window; NaN of empty ones."""
    centre, spread = np.full((2, len(start)), np.nan)
    some = np.flatnonzero(stop - start)
    if not some.size:
        return centre, spread
    count = (stop - start)[some]
    place = np.arange(count.max())
    # One matrix, worked on in place: making new ones would take most of the time.
    values = value.take(start[some, None] + place, mode="clip")  # (windows, widest)
    beyond = place >= count[:, None]
    values[beyond] = np.inf
    values.sort(axis=1)
    middle = _medians(values, count)
    values -= middle[:, None]
    away = np.abs(values)
    away.sort(axis=1)
    reach = method.clip_at * np.maximum(method.mad_to_sd * _medians(away, count), least_spread)[:, None]
    np.minimum(np.maximum(values, -reach, out=values), reach, out=values)
    values[beyond] = 0.0
    total, squares = values.sum(axis=1), np.einsum("ij,ij->i", values, values)
    centre[some] = middle + total / count
    # A single day has no spread, whatever is made of it.
    variance = np.maximum(squares - total * total / count, 0.0) / np.maximum(count - 1, 1)
    shortfall = count / np.maximum(count - method.spread_shortfall, 1.0)
    spread[some] = np.maximum(np.sqrt(variance) * shortfall, least_spread)
    return centre, spread


def _medians(values: FloatArray, count: IntArray) -> FloatArray:
    """Medians of the first `count` values of each row, which are in order."""
    rows = np.arange(len(count))
    found: FloatArray = 0.5 * (values[rows, (count - 1) // 2] + values[rows, count // 2])
    return found


def series(days: Sequence[DayValue]) -> Series:
    """Make a series of one origin's days, which are in order."""
    return Series(
        np.array([each.day.toordinal() for each in days], np.int64),
        np.array([each.value for each in days], np.float64),
        np.array([each.speech_seconds for each in days], np.float64),
        np.array([each.recordings for each in days], np.int64),
    )

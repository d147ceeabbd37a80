"""A person's days as trends compare them: summed up from the analyses that count, always the same way.

Whoever changes what a day holds (an analysis that is completed or deleted, a recording that turns out to be
of another day) renews it in the same transaction. `domain.trends.day_value` says what a day comes to; a test
holds the two together.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Double,
    Executable,
    Integer,
    Row,
    Select,
    SQLColumnExpression,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import Insert

from mindtrack_shared.db import standings, users
from mindtrack_shared.db.analyses import counts
from mindtrack_shared.db.models import AnalysisRecord, DayRollupRecord, DayValueRecord, Job, Recording
from mindtrack_shared.domain.recordings import Microphone
from mindtrack_shared.domain.trends import SCALES, DayValue, Measure, Origin
from mindtrack_shared.domain.trends.measures import HIGHEST_SCORE, LOWEST_SCORE

_OTHERS = tuple(measure for measure in Measure if measure is not Measure.STRESS_SCORE)
_KEY = (DayValueRecord.user_id, DayValueRecord.day)
_Column = SQLColumnExpression
_Row = tuple[date, str, str, int, float, float]


# --- writing --------------------------------------------------------------------------------------------


def renewal(user_id: UUID, days: Collection[date] | None = None) -> tuple[Executable, ...]:
    """Write a person's days anew, all of them unless some are named: statements to run in this order.

    The first keeps others from it until the transaction ends: two that add to one day must see each other. It
    keeps nobody from recording. The last says that the standing of the person's trend has to be looked at.
    """
    return users.lock(user_id), _clear(user_id, days), _sum_up(user_id, days), standings.stale(user_id)


def _clear(user_id: UUID, days: Collection[date] | None) -> Delete:
    return delete(DayValueRecord).where(DayValueRecord.user_id == user_id, *_among(DayValueRecord.day, days))


def _sum_up(user_id: UUID, days: Collection[date] | None) -> Insert:
    day, revision, device = Recording.recorded_on, AnalysisRecord.bundle_revision, _device_class()
    summed = (
        select(AnalysisRecord.user_id, day, revision, device, *_summed(Measure.STRESS_SCORE), _others())
        .join(Job, Job.id == AnalysisRecord.job_id)
        .join(Recording, Recording.id == Job.recording_id)
        .where(AnalysisRecord.user_id == user_id, counts(), *_among(day, days))
        .group_by(AnalysisRecord.user_id, day, revision, device)
    )
    return insert(DayValueRecord).from_select(
        [column.name for column in DayValueRecord.__table__.columns], summed
    )


def _among(
    column: InstrumentedAttribute[date], days: Collection[date] | None
) -> tuple[ColumnElement[bool], ...]:
    return () if days is None else (column == any_(literal(list(days), ARRAY(column.type))),)


def _device_class() -> ColumnElement[str]:
    """As `domain.recordings.device_class`."""
    return func.concat(func.coalesce(Recording.microphone, Microphone.UNKNOWN), " ", Recording.content_type)


def _seconds() -> ColumnElement[float]:
    """Seconds of speech; of releases that did not measure them, of audio."""
    return func.coalesce(cast(Job.quality["speech_seconds"].astext, Double), AnalysisRecord.audio_seconds)


def _natural(measure: Measure) -> ColumnElement[float]:
    """A measure of one analysis; null where it has none."""
    if SCALES[measure].is_score:
        score: ColumnElement[float] = getattr(AnalysisRecord, measure)
        return score
    return cast(AnalysisRecord.biomarkers[str(measure)].astext, Double)


def _transformed(measure: Measure) -> ColumnElement[float]:
    """The same on the measure's scale (`domain.trends.Scale`)."""
    value = _natural(measure)
    if not SCALES[measure].is_score:
        return value
    clipped = func.least(func.greatest(value, LOWEST_SCORE), HIGHEST_SCORE)
    return func.ln(clipped / (1.0 - clipped))


def _summed(measure: Measure) -> tuple[ColumnElement[int], ColumnElement[float], ColumnElement[float]]:
    """Recordings that have a measure, their seconds of speech, and its mean weighted by them."""
    known = _natural(measure).is_not(None)
    seconds = func.sum(_seconds()).filter(known)
    total = func.sum(_transformed(measure) * _seconds()).filter(known)
    return func.count().filter(known), seconds, total / seconds


def _others() -> ColumnElement[dict[str, Any]]:
    """Every other measure that the day has, by name."""
    parts: list[ColumnElement[Any]] = []
    for measure in _OTHERS:
        count, seconds, mean = _summed(measure)
        parts += [literal(str(measure)), case((count > 0, func.jsonb_build_array(count, seconds, mean)))]
    return func.jsonb_strip_nulls(func.jsonb_build_object(*parts))


# --- reading --------------------------------------------------------------------------------------------


def between(user_id: UUID, measure: Measure, *, first_day: date, last_day: date) -> Select[*_Row]:
    """A person's days that have a measure, oldest first; `to_day_value` reads a row."""
    return _between(measure).params(user_id=user_id, first_day=first_day, last_day=last_day)


@cache
def _between(measure: Measure) -> Select[*_Row]:
    """Written once: that takes longer than the database does to answer."""
    table = DayValueRecord
    found = select(*columns(measure)).where(
        table.user_id == bindparam("user_id"),
        table.day.between(bindparam("first_day"), bindparam("last_day")),
        *has(measure),
    )
    return found.order_by(table.day)


def has(measure: Measure) -> tuple[ColumnElement[bool], ...]:
    """What tells that a row has a measure."""
    return () if measure is Measure.STRESS_SCORE else (DayValueRecord.others.has_key(str(measure)),)


def columns(
    measure: Measure,
) -> tuple[_Column[date], _Column[str], _Column[str], _Column[int], _Column[float], _Column[float]]:
    """What a `DayValue` is made of."""
    table = DayValueRecord
    origin = table.day, table.bundle_revision, table.device_class
    if measure is Measure.STRESS_SCORE:
        return *origin, table.recordings, table.speech_seconds, table.stress_score
    told = table.others[str(measure)]
    return *origin, cast(told[0], Integer), cast(told[1], Double), cast(told[2], Double)


def to_day_value(row: Row[*_Row]) -> DayValue:
    day, bundle_revision, device_class, recordings, speech_seconds, value = row
    return DayValue(day, Origin(bundle_revision, device_class), recordings, speech_seconds, value)


def page(
    user_id: UUID,
    *,
    days: int,
    before: date | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
) -> Select[DayValueRecord]:
    """All rows of so many of a person's days, newest day first: earlier than `before`, between the others."""
    table = DayValueRecord
    among = [table.user_id == user_id]
    if before is not None:
        among.append(table.day < before)
    if first_day is not None:
        among.append(table.day >= first_day)
    if last_day is not None:
        among.append(table.day <= last_day)
    newest = select(table.day).where(*among).distinct().order_by(table.day.desc()).limit(days).subquery()
    oldest = select(func.min(newest.c.day)).scalar_subquery()
    return (
        select(table)
        .where(*among, table.day >= oldest)
        .order_by(table.day.desc(), table.bundle_revision.desc(), table.device_class.desc())
    )


# --- mending --------------------------------------------------------------------------------------------


def amiss(*, limit: int) -> Select[UUID, date]:
    """Days, newest first, that do not hold as many recordings as the person's day rollup.

    They are those of releases that kept no day values, and of gateways and workers of such a release that run
    beside ours.
    """
    held = (
        select(*_KEY, func.sum(DayValueRecord.recordings).label("recordings"))
        .group_by(*_KEY)
        .subquery("held")
    )
    rollup = DayRollupRecord.__table__
    day = func.coalesce(rollup.c.day, held.c.day)
    both = rollup.join(held, and_(rollup.c.user_id == held.c.user_id, rollup.c.day == held.c.day), full=True)
    return (
        select(func.coalesce(rollup.c.user_id, held.c.user_id), day)
        .select_from(both)
        .where(rollup.c.count.is_distinct_from(held.c.recordings))
        .order_by(day.desc())
        .limit(limit)
    )

"""All that a person's trend follows from, read in one round trip.

As text: equal texts are equal trends, and comparing them costs less than working one out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Select, SQLColumnExpression, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from mindtrack_shared.db import analyses, day_values
from mindtrack_shared.db.models import AnalysisRecord, DayRollupRecord, DayValueRecord
from mindtrack_shared.domain.trends import HISTORY, DayRollup, DayValue, LatestScore, Measure, Origin

#: How far people's days begin from those of UTC, and then some.
_A_DAY = timedelta(days=1)
_PERSON = bindparam("user_id", type_=AnalysisRecord.user_id.type)
_FIRST_DAY, _LAST_DAY = bindparam("first_day", type_=Date()), bindparam("last_day", type_=Date())
_HISTORY_FROM = bindparam("history_from", type_=Date())
#: A list of lists, oldest first; null if there are none.
_Rows = SQLColumnExpression[Any]


@dataclass(frozen=True, slots=True)
class TrendSource:
    latest: LatestScore | None
    rollups: list[DayRollup]
    #: The days of analyses that could not tell, by UTC.
    indeterminate: list[date]
    #: In the order of the measures asked for.
    values: list[list[DayValue]]


def parameters(user_id: UUID, *, days: int, today: date) -> dict[str, Any]:
    """What `source` is to be executed with: whose trend, and over how many days until today.

    Which day that is for the person, their zone tells. `today` is that of UTC: to each side, a day more is
    read.
    """
    first_day = today - timedelta(days=days)
    return {
        "user_id": user_id,
        "first_day": first_day,
        "last_day": today + _A_DAY,
        "history_from": first_day - HISTORY,
    }


def to_source(text: str) -> TrendSource:
    told, day = json.loads(text), date.fromisoformat
    latest = told["latest"]
    return TrendSource(
        LatestScore(datetime.fromisoformat(latest[0]), latest[1]) if latest else None,
        [DayRollup(day(row[0]), *row[1:]) for row in told["rollups"] or ()],
        [day(each) for each in told["indeterminate"] or ()],
        [
            [DayValue(day(row[0]), Origin(row[1], row[2]), *row[3:]) for row in rows or ()]
            for rows in told["values"]
        ],
    )


@lru_cache(64)
def source(measures: tuple[Measure, ...]) -> Select[str | None, str]:
    """Read the zone that a person is in, and a text for `to_source`; one row, also of who never recorded.

    Written once, and told apart from other statements once: both take longer than to answer it.
    """
    newest = analyses.LATEST.subquery("newest")
    latest = select(func.json_build_array(newest.c.recorded_at, newest.c.stress_score)).scalar_subquery()
    told = func.json_build_object(
        "latest",
        latest,
        "rollups",
        _rollups(),
        "indeterminate",
        _indeterminate(),
        "values",
        func.json_build_array(*map(_values, measures)),
    )
    return select(select(newest.c.time_zone).scalar_subquery(), cast(told, Text))


def _rollups() -> _Rows:
    table = DayRollupRecord
    rows = aggregate_order_by(func.json_build_array(*analyses.ROLLUP), table.day)
    found = select(func.json_agg(rows)).where(
        table.user_id == _PERSON, table.day.between(_FIRST_DAY, _LAST_DAY)
    )
    return found.scalar_subquery()


def _indeterminate() -> _Rows:
    table = AnalysisRecord
    found = select(func.json_agg(cast(table.recorded_at, Date))).where(
        table.user_id == _PERSON,
        table.recorded_at >= _FIRST_DAY,
        table.recorded_at < _LAST_DAY,
        table.indeterminate_reason.is_not(None),
    )
    return found.scalar_subquery()


def _values(measure: Measure) -> _Rows:
    table = DayValueRecord
    row = func.json_build_array(*day_values.columns(measure))
    found = select(func.json_agg(aggregate_order_by(row, table.day))).where(
        table.user_id == _PERSON, table.day.between(_HISTORY_FROM, _LAST_DAY), *day_values.has(measure)
    )
    return found.scalar_subquery()

"""A person's history, compared with what is usual for that person. Pure: days in, trend out.

`docs/trends.md` says what is computed, where each number comes from, and what is not known.
"""

from mindtrack_shared.domain.trends.baselines import Calibration, Progress
from mindtrack_shared.domain.trends.buckets import Bucket
from mindtrack_shared.domain.trends.caveats import Caveat, CaveatCode
from mindtrack_shared.domain.trends.chart import Chart, charts
from mindtrack_shared.domain.trends.days import DayValue, Origin, Recorded, day_value, local_day
from mindtrack_shared.domain.trends.measures import SCALES, Measure, Scale
from mindtrack_shared.domain.trends.method import METHOD, Method
from mindtrack_shared.domain.trends.report import (
    HISTORY,
    Baseline,
    Direction,
    NoTest,
    Point,
    Status,
    TrendReport,
    WeeklySlope,
    report,
)
from mindtrack_shared.domain.trends.rollups import DayRollup, LatestScore, Trend, trend
from mindtrack_shared.domain.trends.slopes import MannKendall, Slope, hamed_rao, theil_sen

__all__ = [
    "HISTORY",
    "METHOD",
    "SCALES",
    "Baseline",
    "Bucket",
    "Calibration",
    "Caveat",
    "CaveatCode",
    "Chart",
    "DayRollup",
    "DayValue",
    "Direction",
    "LatestScore",
    "MannKendall",
    "Measure",
    "Method",
    "NoTest",
    "Origin",
    "Point",
    "Progress",
    "Recorded",
    "Scale",
    "Slope",
    "Status",
    "Trend",
    "TrendReport",
    "WeeklySlope",
    "charts",
    "day_value",
    "hamed_rao",
    "local_day",
    "report",
    "theil_sen",
    "trend",
]

"""A person's history, compared with what is usual for that person. Pure: days in, trend out.

`docs/trends.md` says what is computed, where each number comes from, and what is not known.
"""

from mindtrack_shared.domain.trends.alerts import (
    RULE,
    AlertRule,
    AlertState,
    End,
    Ended,
    Evidence,
    Opened,
    Reason,
    Step,
    evidence,
    finished,
    next_state,
)
from mindtrack_shared.domain.trends.baselines import Calibration, Progress
from mindtrack_shared.domain.trends.buckets import Bucket
from mindtrack_shared.domain.trends.caveats import Caveat, CaveatCode
from mindtrack_shared.domain.trends.chart import Chart, charts
from mindtrack_shared.domain.trends.days import DayValue, Origin, Recorded, day_value, local_day
from mindtrack_shared.domain.trends.measures import SCALES, Measure, Scale
from mindtrack_shared.domain.trends.method import METHOD, Method
from mindtrack_shared.domain.trends.quiet import QuietHours, when_to_notify
from mindtrack_shared.domain.trends.reports import (
    HISTORY,
    Baseline,
    Direction,
    NoTest,
    Point,
    Status,
    TrendReport,
    WeeklySlope,
    report,
    report_of,
)
from mindtrack_shared.domain.trends.rollups import DayRollup, LatestScore, Trend, trend
from mindtrack_shared.domain.trends.slopes import MannKendall, Slope, hamed_rao, theil_sen
from mindtrack_shared.domain.trends.words import Message, Reader, ended, opened

__all__ = [
    "HISTORY",
    "METHOD",
    "RULE",
    "SCALES",
    "AlertRule",
    "AlertState",
    "Baseline",
    "Bucket",
    "Calibration",
    "Caveat",
    "CaveatCode",
    "Chart",
    "DayRollup",
    "DayValue",
    "Direction",
    "End",
    "Ended",
    "Evidence",
    "LatestScore",
    "MannKendall",
    "Measure",
    "Message",
    "Method",
    "NoTest",
    "Opened",
    "Origin",
    "Point",
    "Progress",
    "QuietHours",
    "Reader",
    "Reason",
    "Recorded",
    "Scale",
    "Slope",
    "Status",
    "Step",
    "Trend",
    "TrendReport",
    "WeeklySlope",
    "charts",
    "day_value",
    "ended",
    "evidence",
    "finished",
    "hamed_rao",
    "local_day",
    "next_state",
    "opened",
    "report",
    "report_of",
    "theil_sen",
    "trend",
    "when_to_notify",
]

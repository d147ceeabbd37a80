"""A measure's trend as the API tells it: `domain.trends.TrendReport`, part by part."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from mindtrack_shared.domain.trends import CaveatCode, Direction, Measure, NoTest, Status

Share = Annotated[float, Field(ge=0, le=1)]
#: Of what there are hundreds of: more than a voice holds, and a quarter of what a float is written with.
SIGNIFICANT_DIGITS = 4
Rounded = Annotated[
    float, PlainSerializer(lambda value: float(f"{value:.{SIGNIFICANT_DIGITS}g}"), when_used="json")
]
#: Of own standard deviations, which are known less well.
Z_DECIMALS = 2
RoundedZ = Annotated[float, PlainSerializer(lambda value: round(value, Z_DECIMALS), when_used="json")]


class Told(BaseModel):
    """Read from the domain's object of the same shape."""

    model_config = ConfigDict(from_attributes=True)


class ProgressView(Told):
    have: int
    need: int


class CalibrationView(Told):
    """What a first baseline takes, and how much of it is there: for the model and the device in use."""

    complete: bool
    span_days: Annotated[ProgressView, Field(description="Days from the first recording on.")]
    recording_days: ProgressView
    recordings: ProgressView


class BaselineView(Told):
    """What is usual for the person, in the measure's unit."""

    centre: float
    low: Annotated[float, Field(description="One robust standard deviation below the centre,")]
    high: Annotated[float, Field(description="and above: about two of three days lie between.")]
    recordings: int
    recording_days: int
    first_day: date
    last_day: date


class PointView(Told):
    """A day with recordings. All but the value are null on a day that nothing could be compared with."""

    day: date
    bundle_revision: str
    recordings: int
    speech_seconds: Rounded
    value: Rounded
    centre: Annotated[Rounded | None, Field(description="What was usual before that day.")]
    usual_low: Annotated[Rounded | None, Field(description="One own standard deviation below that,")]
    usual_high: Annotated[Rounded | None, Field(description="and above.")]
    ewma: Annotated[
        Rounded | None, Field(description="The moving average, and where it leaves what is usual.")
    ]
    lower_limit: Rounded | None
    upper_limit: Rounded | None
    z: Annotated[
        RoundedZ | None,
        Field(description="The day, the moving average and its limit in own standard deviations."),
    ]
    ewma_z: Annotated[RoundedZ | None, Field(description="the moving average, and its limit to both sides.")]
    limit_z: RoundedZ | None


class BucketView(Told):
    """An ISO week or a calendar month, as far as it lies in the period."""

    label: str
    first_day: date
    last_day: date
    recordings: int
    recording_days: int
    coverage: Annotated[Share, Field(description="Share of its days with a recording.")]
    value: Annotated[Rounded | None, Field(description="Median of its days.")]
    z: Annotated[RoundedZ | None, Field(description="Mean z of its days.")]


class SlopeView(Told):
    """Theil and Sen's slope with its 95 % interval, which is null where there are too few days for one."""

    per_week: Annotated[float, Field(description="On the scale that the measure is worked on.")]
    low: float | None
    high: float | None
    change: Annotated[float, Field(description="Per week, at what is usual, in the measure's unit.")]
    change_low: float | None
    change_high: float | None
    recording_days: int


class MannKendallView(Told):
    """Mann and Kendall's test over weeks, with Hamed and Rao's correction for autocorrelation."""

    s: float
    z: float
    p: Annotated[float, Field(description="Two-sided.")]
    weeks: int


class CaveatView(Told):
    code: CaveatCode
    sentence: str


class MethodView(Told):
    """By which rules, and with which numbers."""

    name: str
    version: str
    parameters: dict[str, float]


class MeasureTrendView(Told):
    """What a person's days say of one measure, compared with what is usual for that person."""

    measure: Measure
    unit: Annotated[str, Field(description="Of values; `1` for a share.")]
    status: Annotated[Status, Field(description="Where the last seven days lie.")]
    direction: Annotated[Direction, Field(description="Where the period goes; `unclear` unless sure.")]
    recordings: int
    recording_days: int
    days: Annotated[int, Field(description="Of the period.")]
    coverage: Annotated[Share, Field(description="Share of the period's days with a recording.")]
    calibration: CalibrationView
    baseline: BaselineView | None
    seven_day_z: Annotated[
        float | None, Field(description="Mean of the last seven days, in own standard deviations.")
    ]
    seven_day_count: Annotated[int, Field(description="Days in that mean.")]
    slope: SlopeView | None
    mann_kendall: MannKendallView | None
    no_test: Annotated[NoTest | None, Field(description="Why Mann and Kendall's test was not made.")]
    points: list[PointView]
    weeks: list[BucketView]
    months: list[BucketView]
    bundle_revisions: Annotated[list[str], Field(description="Models of the period, in order of use.")]
    device_classes: list[str]
    caveats: Annotated[list[CaveatView], Field(description="What to know before believing this.")]
    method: MethodView

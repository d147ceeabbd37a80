"""The numbers of the method, in one place; `docs/trends.md` says where each comes from."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mindtrack_shared.domain.indices import MAD_TO_SD, MIN_DAYS, MIN_RECORDINGS, MIN_SPAN


@dataclass(frozen=True, slots=True)
class Method:
    """How days become a trend. Days are calendar days unless they are called recording days."""

    name: str = "own-baseline-ewma"
    version: str = "1"

    #: A first baseline needs so many days from the first recording on, and on them so much.
    first_span_days: int = MIN_SPAN.days
    first_recording_days: int = MIN_DAYS
    first_recordings: int = MIN_RECORDINGS
    #: It goes on growing for so many days in all, and holds until the window that follows is full:
    first_days: int = 28
    #: of these days,
    window_days: int = 60
    #: which end so many days before the day that is judged, as a slow rise must not become usual at once.
    lag_days: int = 14
    #: The window reaches further back until it holds so many recording days.
    window_recording_days: int = 14
    #: Whoever recorded nothing for longer than this begins anew.
    silence_days: int = 60
    #: Median absolute deviation to standard deviation, for a normal distribution.
    mad_to_sd: float = MAD_TO_SD
    #: Days further from the median than this, in such deviations, count as being just there.
    clip_at: float = 2.5
    #: The standard deviation of n clipped days comes out as (n - this) / n of what it is; simulated, within
    #: 1 % from 5 days on.
    spread_shortfall: float = 0.8

    #: Weight of the newest day in the moving average.
    weight: float = 0.2
    #: Distance of the limits from the centre, in standard deviations of the moving average.
    width: float = 2.2
    #: The variance of the baseline's centre over that of one day, times their number. 1 for independent days,
    #: 1.2 to 1.4 for days that resemble their neighbours as simulated ones do; pi / 2 for a median.
    centre_variance: float = 1.6
    #: After so many days without a recording the moving average starts anew.
    restart_days: int = 14

    #: What "the last days" are, and how many of them must have been judged for a status.
    recent_days: int = 7
    recent_recording_days: int = 3
    #: Mean z of the last days from which they lie above, or below, the usual range; and well above.
    above: float = 0.8
    well_above: float = 1.6

    #: Slopes whose whole interval is closer to none, in own standard deviations per week, are steady.
    steady_per_week: float = 0.1
    #: Recording days in the period from which a slope is given an interval.
    slope_days: int = 5
    #: Weeks with recordings from which Mann-Kendall's test is made.
    test_weeks: int = 8

    @property
    def parameters(self) -> dict[str, float]:
        """All its numbers, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.type != "str"}


METHOD = Method()

"""Made-up people and what was "recorded" of them. Nobody is behind these numbers, and no model said them.

A person's days follow the assumptions that the alert rule's simulation makes: an own centre and spread, days
that hang together a little (first-order autoregression), half of the variance from one recording to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np

from mindtrack_shared.domain.analysis import Analysis, Provenance, WindowScore
from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.quality import Quality
from mindtrack_shared.domain.recordings import Microphone

DAYS = 120
#: Of a day on the day before it; and the share of a day's variance that recordings bring.
AUTOREGRESSION, RECORDING_SHARE = 0.3, 0.5
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo")
#: Says of each analysis where it comes from.
PROVENANCE = Provenance(
    bundle_id="made-up",
    bundle_revision="made-up-1",
    engine="none",
    precision="none",
    temperature=1.0,
    abstention_threshold=None,
    calibration_set=None,
)


class Pattern(StrEnum):
    """How a person's level goes, in own standard deviations."""

    STEADY = "steady"
    #: Up by 1.6 within three weeks, and it stays there.
    RISING = "rising"
    #: A wave of 45 days.
    SEASONAL = "seasonal"
    #: Steady, one day in four.
    SPARSE = "sparse"
    #: Steady, but a headset after two thirds of the time moves every score.
    DEVICE_CHANGE = "device-change"


#: How many of each there are.
PEOPLE = {
    Pattern.STEADY: 12,
    Pattern.RISING: 8,
    Pattern.SEASONAL: 8,
    Pattern.SPARSE: 6,
    Pattern.DEVICE_CHANGE: 6,
}


@dataclass(frozen=True, slots=True)
class Take:
    """One recording, and what its analysis says."""

    recorded_at: datetime
    #: Where the person is.
    recorded_on: date
    microphone: Microphone
    content_type: str
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody made up; the same for the same seed."""

    subject: str
    pattern: Pattern
    time_zone: str
    seed: int

    def takes(self, last_day: date, days: int = DAYS) -> Iterator[Take]:
        """Yield their recordings of the days up to one, oldest first."""
        chance = np.random.default_rng(self.seed)
        centre, spread = chance.normal(-1.6, 0.6), chance.uniform(0.4, 0.8)  # log odds
        onset = int(chance.integers(days - 50, days - 25))
        voice = _Voice.of(chance)
        level = 0.0
        for number in range(days):
            level = AUTOREGRESSION * level + chance.normal(0, np.sqrt(1 - AUTOREGRESSION**2))
            headset = self.pattern is Pattern.DEVICE_CHANGE and number >= days * 2 // 3
            if chance.random() > (0.25 if self.pattern is Pattern.SPARSE else 0.75):
                continue
            shift = _shift(self.pattern, number, onset) + (1.5 if headset else 0.0)
            day = last_day - timedelta(days=days - 1 - number)
            for hour in sorted(chance.choice(np.arange(8, 22), size=chance.integers(1, 3), replace=False)):
                noise = chance.normal()
                z = shift + np.sqrt(1 - RECORDING_SHARE) * level + np.sqrt(RECORDING_SHARE) * noise
                stress = 1 / (1 + np.exp(-(centre + spread * z)))
                moment = datetime.combine(
                    day, time(int(hour), int(chance.integers(60))), ZoneInfo(self.time_zone)
                )
                yield Take(
                    recorded_at=moment,
                    recorded_on=day,
                    microphone=Microphone.BLUETOOTH if headset else Microphone.BUILT_IN,
                    content_type="audio/webm" if headset else "audio/mp4",
                    analysis=_analysis(float(stress), voice.now(chance, float(z)), chance),
                )


@dataclass(frozen=True, slots=True)
class _Voice:
    f0_hz: float
    rate: float
    pauses: float

    @classmethod
    def of(cls, chance: np.random.Generator) -> _Voice:
        return cls(chance.uniform(95, 230), chance.uniform(3.4, 4.6), chance.uniform(0.15, 0.3))

    def now(self, chance: np.random.Generator, z: float) -> Biomarkers:
        pauses = float(np.clip(self.pauses + 0.03 * chance.normal(), 0.02, 0.7))
        return Biomarkers(
            f0_median_hz=self.f0_hz * float(np.exp(0.03 * chance.normal() + 0.01 * z)),
            f0_sd_semitones=float(np.clip(2.5 + 0.3 * chance.normal(), 0.5, 6)),
            pause_count=int(chance.integers(2, 9)),
            pause_mean_seconds=float(np.clip(0.5 + 0.08 * chance.normal(), 0.25, 2)),
            pause_ratio=pauses,
            speech_rate_per_second=float(self.rate + 0.25 * chance.normal()),
            articulation_rate_per_second=float(self.rate / (1 - pauses) + 0.25 * chance.normal()),
            cpp_db=float(14 + chance.normal()),
        )


def people(seed: int = 0) -> list[Person]:
    """Make everybody up."""
    found: list[Person] = []
    for pattern, number in PEOPLE.items():
        found += [
            Person(
                f"seed-{pattern}-{each + 1:02}",
                pattern,
                ZONES[(len(found) + each) % len(ZONES)],
                seed * 1_000 + len(found) + each,
            )
            for each in range(number)
        ]
    return found


def _shift(pattern: Pattern, day: int, onset: int) -> float:
    if pattern is Pattern.RISING:
        return 1.6 * float(np.clip((day - onset) / 21, 0, 1))
    return float(np.sin(2 * np.pi * day / 45)) if pattern is Pattern.SEASONAL else 0.0


def _analysis(stress: float, biomarkers: Biomarkers, chance: np.random.Generator) -> Analysis:
    anxious = float(chance.uniform(0.3, 0.7))
    neutral, happy, sad = (float(share) for share in chance.dirichlet([6.0, 2.0, 1.5]))
    rest = 1.0 - stress
    probabilities = Probabilities(
        rest * neutral, rest * happy, rest * sad, stress * anxious, stress * (1.0 - anxious)
    )
    speech = float(chance.uniform(8, 25))
    seconds = speech / 0.8
    return Analysis(
        probabilities=probabilities,
        unmapped_mass=0.0,
        uncertainty=0.5,
        indeterminate_reason=None,
        windows=(WindowScore(0.0, seconds, probabilities, 0.0, 0.5, None),),
        quality=Quality(
            speech_seconds=speech,
            speech_ratio=0.8,
            snr_db=25.0,
            clipping_ratio=0.0,
            level_dbfs=-22.0,
            bandwidth_hz=7000.0,
            dc_offset=0.0,
        ),
        biomarkers=biomarkers,
        audio_seconds=seconds,
        processing_seconds=0.0,
        provenance=PROVENANCE,
    )

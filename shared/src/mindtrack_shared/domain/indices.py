"""Three indices in [0, 1]: what the model heard, moved a little by how unlike themselves somebody sounded.

    index = sigmoid(logit(p) + sum of weight * clip(z, -3, 3))

p is the calibrated probability an index starts from; z says how far a biomarker lies from the person's own
baseline, in robust standard deviations. Without a baseline an index is p itself; where the model cannot
express p, there is no index. `docs/decisions/0006-indices.md` argues the rule, its weights and its limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.emotions import Probabilities

#: A baseline is what the person's recordings of the time before were like, once there are so many of them, on
#: so many days, over so long. Comparable services wait for as much before they speak.
HISTORY = timedelta(days=60)
MIN_SPAN = timedelta(days=14)
MIN_DAYS = 5
MIN_RECORDINGS = 8

#: Median absolute deviation to standard deviation, for a normal distribution.
MAD_TO_SD = 1.4826
#: Beyond this a deviation says "unlike them" no louder: one odd recording must not decide.
LARGEST_Z = 3.0


#: Log odds per standard deviation, by grade of evidence (`biomarkers.Evidence`). Between two normal groups
#: whose means lie d standard deviations apart, the log odds change by d per standard deviation. Published d
#: of about 0.5 compare people with others, mostly in small samples; within one person we take a third.
A, B, C = 0.15, 0.10, 0.05


@dataclass(frozen=True, slots=True)
class Weight:
    """How a biomarker moves an index."""

    #: Log odds per standard deviation; the sign is the expected direction.
    weight: float
    #: Smallest standard deviation that we believe, in the marker's unit: about what measuring the same voice
    #: twice leaves. Our estimates.
    floor: float
    #: Where the direction comes from.
    source: str


#: Jitter, shimmer, HNR and creak are absent: evidence for their direction is mixed or missing. Of markers
#: that measure nearly the same (rates, pauses, F0 variability) one is here, so that nothing counts twice.
ANXIETY: Mapping[str, Weight] = {
    # Its grade is A for stress; of anxiety one large study speaks, and of a small effect.
    "f0_median_hz": Weight(C, 5.0, "higher: JMIR Ment Health 2022 e36828, n = 2,000"),
}
DEPRESSIVE: Mapping[str, Weight] = {
    "response_latency_seconds": Weight(
        A, 0.1, "longer, falls with recovery: Cohen et al. 2024, Psychiatry Res 116104, k = 1,352"
    ),
    "pause_ratio": Weight(
        B, 0.03, "more: Szabadi et al. 1976; Greden 1981; Mundt et al. 2007; Liu et al. 2017"
    ),
    "speech_rate_per_second": Weight(
        -B, 0.2, "slower: Ellgring & Scherer 1996; Mundt et al. 2007; partly the pauses again"
    ),
    "f0_sd_semitones": Weight(-C, 0.3, "flatter: Nilsonne 1988, 28 patients, 13 controls"),
    "energy_range_db": Weight(-C, 1.5, "narrower: a vendor's published ranges; hangs on the level"),
    "cpp_db": Weight(-C, 0.5, "lower in depression and fatigue; robust across phones"),
}


@dataclass(frozen=True, slots=True)
class PastRecording:
    """What the baseline takes from an earlier recording: a determinate one, made in the same format."""

    day: date
    biomarkers: Biomarkers


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a biomarker lies from the person's baseline."""

    #: Robust standard deviations above (+) or below (-) the baseline's median.
    z: float
    #: Recordings behind the baseline.
    n: int


@dataclass(frozen=True, slots=True)
class Indices:
    """Each in [0, 1]; None where the model cannot express what it starts from."""

    #: Starts from P(Anxious).
    anxiety: float | None
    #: Starts from P(Sad).
    depressive: float | None
    #: P(Neutral) + P(Happy): no biomarker has a known direction for sounding settled.
    baseline: float | None
    #: The deviations that went in, by biomarker.
    deviations: Mapping[str, Deviation] = field(default_factory=dict)


def indices(probabilities: Probabilities, deviations: Mapping[str, Deviation]) -> Indices:
    """Derive the indices of one recording from its calibrated probabilities and its deviations."""
    return Indices(
        anxiety=_moved(probabilities.anxious, ANXIETY, deviations),
        depressive=_moved(probabilities.sad, DEPRESSIVE, deviations),
        baseline=probabilities.settled,
        deviations=deviations,
    )


def deviations(biomarkers: Biomarkers, day: date, history: Iterable[PastRecording]) -> dict[str, Deviation]:
    """Compare a recording of `day` with the person's earlier ones.

    Only markers that carry a weight and have a baseline are in the answer.
    """
    past = list(history)
    found = {
        name: _deviation(name, weight.floor, biomarkers, day, past)
        for name, weight in {**ANXIETY, **DEPRESSIVE}.items()
    }
    return {name: deviation for name, deviation in found.items() if deviation is not None}


def _deviation(
    name: str, floor: float, biomarkers: Biomarkers, day: date, past: list[PastRecording]
) -> Deviation | None:
    value = _value(biomarkers, name)
    known = [(entry.day, found) for entry in past if (found := _value(entry.biomarkers, name)) is not None]
    if value is None or not _suffice([then for then, _ in known], day):
        return None
    values = [found for _, found in known]
    centre = median(values)
    spread = MAD_TO_SD * median(abs(found - centre) for found in values)
    return Deviation(z=(value - centre) / max(spread, floor), n=len(values))


def _value(biomarkers: Biomarkers, name: str) -> float | None:
    value: float | None = getattr(biomarkers, name)
    return value


def _suffice(days: list[date], today: date) -> bool:
    return len(days) >= MIN_RECORDINGS and len(set(days)) >= MIN_DAYS and today - min(days) >= MIN_SPAN


def _moved(
    probability: float | None, weights: Mapping[str, Weight], deviations: Mapping[str, Deviation]
) -> float | None:
    if probability is None:
        return None
    shift = sum(
        weight.weight * min(LARGEST_Z, max(-LARGEST_Z, deviations[name].z))
        for name, weight in weights.items()
        if name in deviations
    )
    # The sigmoid of the shifted logit, written without the logit: it holds for p = 0 and p = 1, too.
    return probability / (probability + (1.0 - probability) * math.exp(-shift))

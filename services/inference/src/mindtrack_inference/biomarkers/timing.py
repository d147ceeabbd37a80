"""What the clock says: pauses, the syllables between them, and how long an answer takes to begin."""

from __future__ import annotations

import math
from typing import NamedTuple

from mindtrack_inference.biomarkers.frames import Indices
from mindtrack_shared.bundles import SAMPLE_RATE

#: Seconds. Shorter gaps belong to articulation: Goldman-Eisler, F. (1968). Psycholinguistics.
MIN_PAUSE = 0.25


class Timing(NamedTuple):
    #: Seconds from the first to the last speech, and of these the seconds without pauses.
    span: float
    talk: float
    pauses: int
    #: Mean, seconds.
    pause: float | None


def measure(speech: Indices) -> Timing:
    """Measure stretches of speech (n, 2), of which there must be one."""
    gaps = (speech[1:, 0] - speech[:-1, 1]) / SAMPLE_RATE  # (n - 1,)
    pauses = gaps[gaps >= MIN_PAUSE]
    span = float(speech[-1, 1] - speech[0, 0]) / SAMPLE_RATE
    total = float(pauses.sum())
    return Timing(span, span - total, pauses.size, total / pauses.size if pauses.size else None)


def latency(speech: Indices, prompt_ended: float | None) -> float | None:
    """Seconds from the prompt's end to the first speech; None for who did not wait for it."""
    if prompt_ended is None or not math.isfinite(prompt_ended):
        return None
    seconds = float(speech[0, 0]) / SAMPLE_RATE - prompt_ended
    return seconds if seconds >= 0 else None

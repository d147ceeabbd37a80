from __future__ import annotations

import numpy as np
from bench.scaling.day import FloatArray, Lane
from bench.scaling.fleet import Cluster

NO_LOSSES: FloatArray = np.array([])
#: A recording's length is the time that it takes.
UNIT = Cluster(speed=1.0)
LATER = 1e9  # seconds: long after everything


def poisson(rate: float, lengths: FloatArray, seed: int = 1) -> Lane:
    """Recordings of such lengths that arrive by chance, so many in a second on average."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, lengths.size)
    return Lane(np.cumsum(gaps), lengths, lengths, NO_LOSSES)


def exponential(mean: float, recordings: int, seed: int = 2) -> FloatArray:
    return np.random.default_rng(seed).exponential(mean, recordings)

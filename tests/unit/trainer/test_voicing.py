from __future__ import annotations

import numpy as np
import pytest

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.sound import Samples
from mindtrack_trainer.voicing import shake, tilt

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE


def pulses(hertz: float = 100.0) -> Samples:
    phase = np.cumsum(np.full(len(TIME), hertz / SAMPLE_RATE))
    return np.exp(-200 * (phase % 1.0) / hertz).astype(np.float32) - np.float32(0.3)


def periods(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rises = np.flatnonzero(np.diff(samples) > 0.4)
    return np.diff(rises[np.diff(rises, prepend=-100) > 50]).astype(np.float64)


def test_shaking_keeps_the_length_and_the_mean_period() -> None:
    shaken = shake(pulses(), 10.0, np.random.default_rng(1))
    assert shaken.shape == TIME.shape
    assert shaken.dtype == np.float32
    assert periods(shaken).mean() == pytest.approx(160, rel=0.01)


@pytest.mark.parametrize("jitter", [0.0, 2.0, 10.0])
def test_shaking_spreads_the_periods_by_what_was_asked(jitter: float) -> None:
    lengths = periods(shake(pulses(), jitter, np.random.default_rng(1)))
    # Evenly distributed over +-jitter has a standard deviation of jitter / sqrt(3); a period of 10 ms spans
    # two displacements, whose mean has that over sqrt(2).
    assert 100 * lengths.std() / lengths.mean() == pytest.approx(jitter / np.sqrt(6), abs=0.4)


def test_tilting_changes_the_slope_between_500_hz_and_4_khz_and_nothing_beyond() -> None:
    def level(hertz: float) -> float:
        tone = np.sin(2 * np.pi * hertz * TIME).astype(np.float32)
        return 20 * float(np.log10(tilt(tone, 3.0).std() / tone.std()))

    assert [level(hertz) for hertz in (250, 500, 1000, 2000, 4000, 6000)] == pytest.approx(
        [0, 0, 3, 6, 9, 9], abs=0.05
    )

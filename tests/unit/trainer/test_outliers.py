from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.outliers import (
    BABBLE_SNR,
    SOURCES,
    UNHEARD_SOURCES,
    babble,
    dtmf,
    pink_noise,
    white_noise,
)
from mindtrack_trainer.sound import Samples


@pytest.mark.parametrize("kind", [*SOURCES, *UNHEARD_SOURCES])
def test_every_kind_is_sound_of_the_length_asked_for_and_repeatable(kind: str) -> None:
    source = {**SOURCES, **UNHEARD_SOURCES}[kind]
    one, again, other = (source(2.5, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.shape == (round(2.5 * SAMPLE_RATE),)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert one.any()
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def slope(samples: Samples) -> float:
    """Decibels per octave from 200 Hz to 6 kHz."""
    frequency, power = welch(samples, SAMPLE_RATE, nperseg=2048)
    band = (frequency > 200) & (frequency < 6000)
    return float(np.polyfit(np.log2(frequency[band]), 10 * np.log10(power[band]), 1)[0])


def test_noises_have_their_colours() -> None:
    assert slope(white_noise(5, np.random.default_rng(1))) == pytest.approx(0, abs=0.3)
    assert slope(pink_noise(5, np.random.default_rng(1))) == pytest.approx(-3.01, abs=0.3)


def test_dtmf_sounds_the_two_tones_of_a_key() -> None:
    frequency, power = welch(dtmf(5, np.random.default_rng(1)), SAMPLE_RATE, nperseg=8192)
    tones = [697, 770, 852, 941, 1209, 1336, 1477, 1633]
    near = np.abs(frequency[:, None] - tones).min(axis=1) < 25
    assert power[near].sum() > 0.95 * power.sum()


def test_babble_is_mostly_the_others() -> None:
    rng = np.random.default_rng(1)
    voices = [rng.standard_normal(SAMPLE_RATE).astype(np.float32) for _ in range(6)]
    mixed = babble(voices, rng)
    front = np.corrcoef(mixed, voices[0])[0, 1]
    ratio = front**2 / (1 - front**2)
    assert 10 * np.log10(ratio) == pytest.approx(BABBLE_SNR, abs=0.3)

from __future__ import annotations

import numpy as np
from scipy.signal import welch

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.neutral import measure
from mindtrack_trainer.prosody import Prosody
from mindtrack_trainer.sound import Samples
from mindtrack_trainer.synthesis import say
from mindtrack_trainer.voices import Speaker

#: A dull, a bright, a fast and a monotonous variant.
VARIANTS = ("Henrique", "boris", "Andrea", "linda")
TEXT = "In the morning a friend wrote about the long bridge, and then we visited the library."


def neutral(variant: str) -> Samples:
    speaker = Speaker(f"en-us+{variant}", 1.0, 1.0, 1.0, jitter=0.0, brightness=0.0, split="train")
    return say(TEXT, speaker, Prosody(), seed=1)


def balance(samples: Samples) -> float:
    """Decibels below over above 1 kHz."""
    frequency, power = welch(samples, SAMPLE_RATE, nperseg=1024)
    low = power[(frequency > 100) & (frequency < 1_000)].sum()
    return float(10 * np.log10(low / power[(frequency >= 1_000) & (frequency < 4_000)].sum()))


def seconds(samples: Samples) -> float:
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return float(loud[-1] - loud[0]) / SAMPLE_RATE


def test_voices_share_tempo_and_spectral_balance_once_evened_out() -> None:
    spoken = [neutral(variant) for variant in VARIANTS]
    assert np.ptp([balance(samples) for samples in spoken]) < 4
    lengths = [seconds(samples) for samples in spoken]
    assert np.ptp(lengths) < 0.1 * np.mean(lengths)


def test_what_is_evened_out_differs_by_voice() -> None:
    found = {variant: measure(f"en-us+{variant}") for variant in VARIANTS}
    assert found["Henrique"].tilt > 2 > -2 > found["boris"].tilt
    assert found["Andrea"].tempo < 0.97
    assert found["linda"].f0_range > 1.2

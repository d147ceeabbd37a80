"""Acoustic biomarkers of one recording: numpy and scipy's transforms, without a loop over frames.

What each marker is, where its definition comes from and how far to trust it stands in
`mindtrack_shared.domain.biomarkers`.

All but the clock's markers are measured below 4 kHz, at 8 kHz, and on a waveform whose peak is 1. Creaky
frames are taken out before pitch, perturbation, harmonicity and cepstrum are measured: there is no pitch to
find in them, and a tracker made to find one halves or doubles it.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mindtrack_inference.audio import Waveform
from mindtrack_inference.biomarkers import cepstrum, creak, loudness, perturbation, timing
from mindtrack_inference.biomarkers.frames import HOP, Flags, Indices, centers, voice, within
from mindtrack_inference.biomarkers.pitch import Pitch, steady, track
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.biomarkers import Biomarkers

#: 0.1 s, less than a syllable.
MIN_SAMPLES = SAMPLE_RATE // 10
#: Frames: 0.2 s. A median or a share of fewer says nothing.
MIN_VOICED = 20
#: Frames from one end to the other of the stretch that a rate of change is taken over: 40 ms.
CHANGE_SPAN = 4
#: 1 - r for a signal without noise would be 0, and its logarithm infinite.
MAX_STRENGTH = 1 - 1e-5


def measure(waveform: Waveform, speech: Indices, *, prompt_ended_seconds: float | None = None) -> Biomarkers:
    """Measure what a recording holds; what it does not hold is None, never NaN.

    Args:
        waveform: (samples,) at 16 kHz.
        speech: (n, 2), first sample and one past the last of each stretch of speech, ascending.
        prompt_ended_seconds: when the question that the person answers ended, from the recording's start.

    """
    if not len(speech) or waveform.size < MIN_SAMPLES:
        return Biomarkers()
    narrow = voice(waveform)
    speaking = within(centers(narrow.size), speech // 2)
    pitch = track(narrow, speaking)
    creaky = creak.detect(narrow, pitch, speaking)
    modal = steady(pitch.voiced & ~creaky)
    phonated = modal | creaky
    level = loudness.levels(narrow)
    steps = loudness.middles(level.size)
    syllables = loudness.syllables(level, phonated[(steps // HOP).clip(0, phonated.size - 1)])
    clock = timing.measure(speech)
    enough = int(modal.sum()) >= MIN_VOICED
    roughness = perturbation.measure(narrow, pitch, modal if enough else np.zeros_like(modal))
    return Biomarkers(
        f0_median_hz=float(np.median(pitch.hertz[modal])) if enough else None,
        f0_sd_semitones=float(_semitones(pitch)[modal].std()) if enough else None,
        f0_rate_semitones_per_second=_change(pitch, modal),
        pause_count=clock.pauses,
        pause_mean_seconds=clock.pause,
        pause_ratio=1 - clock.talk / clock.span,
        speech_rate_per_second=syllables / clock.span if syllables else None,
        articulation_rate_per_second=syllables / clock.talk if syllables else None,
        response_latency_seconds=timing.latency(speech, prompt_ended_seconds),
        cpp_db=cepstrum.prominence_db(narrow, modal) if enough else None,
        jitter=roughness.jitter,
        shimmer=roughness.shimmer,
        hnr_db=_harmonicity(pitch, modal) if enough else None,
        energy_range_db=loudness.range_db(level, within(steps, speech // 2)),
        creak_ratio=float(creaky.sum() / phonated.sum()) if phonated.sum() >= MIN_VOICED else None,
    )


def _semitones(pitch: Pitch) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Pitch in semitones above 1 Hz. (frames,)"""
    return 12 * np.log2(pitch.hertz.astype(np.float64))


def _change(pitch: Pitch, modal: Flags) -> float | None:
    """Median absolute rate of change over stretches of CHANGE_SPAN that are voiced throughout."""
    if modal.size <= CHANGE_SPAN:
        return None
    whole = sliding_window_view(modal, CHANGE_SPAN + 1).all(axis=1)
    if whole.sum() < MIN_VOICED:
        return None
    semitones = _semitones(pitch)
    change = np.abs(semitones[CHANGE_SPAN:] - semitones[:-CHANGE_SPAN])[whole]
    return float(np.median(change)) * 100 / CHANGE_SPAN


def _harmonicity(pitch: Pitch, modal: Flags) -> float:
    """Mean harmonics-to-noise ratio after Boersma (1993), dB."""
    strength = np.minimum(pitch.strength[modal].astype(np.float64), MAX_STRENGTH)
    return float(np.mean(10 * np.log10(strength / (1 - strength))))

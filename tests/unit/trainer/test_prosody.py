from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer import prosody
from mindtrack_trainer.sound import Samples
from mindtrack_trainer.synthesis import say
from mindtrack_trainer.voices import Speaker

SPEAKERS = [
    Speaker(voice="en-us+f2", pitch=1.0, tempo=1.0, tract=1.0, jitter=0.0, brightness=0.0, split="train"),
    Speaker(
        voice="en-gb-scotland+m3",
        pitch=0.95,
        tempo=1.05,
        tract=1.05,
        jitter=0.0,
        brightness=0.0,
        split="train",
    ),
]
TEXT = "Yesterday my neighbour walked to the old station while we waited near the garden"


def utterance(speaker: Speaker, emotion: Emotion) -> Samples:
    return say(TEXT, speaker, prosody.RULES[emotion], seed=1)


def spoken_seconds(samples: Samples) -> float:
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return float(loud[-1] - loud[0]) / SAMPLE_RATE


def f0(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """F0 of every clearly voiced 40 ms frame, from the highest peak of the autocorrelation."""
    size, track = 640, []
    for start in range(0, len(samples) - size, size // 2):
        frame = samples[start : start + size] * np.hanning(size)
        correlation = np.fft.irfft(np.abs(np.fft.rfft(frame, 4 * size)) ** 2)
        low, high = SAMPLE_RATE // 400, SAMPLE_RATE // 60
        lag = low + int(correlation[low:high].argmax())
        if correlation[0] > 0.05 and correlation[lag] > 0.4 * correlation[0]:
            track.append(SAMPLE_RATE / lag)
    return np.array(track)


@pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: str(speaker.voice))
def test_synthesised_f0_follows_the_rules(speaker: Speaker) -> None:
    height = {emotion: float(np.median(f0(utterance(speaker, emotion)))) for emotion in Emotion}
    assert height[Emotion.ANXIOUS] > 1.15 * height[Emotion.HAPPY]
    assert height[Emotion.HAPPY] > 1.08 * height[Emotion.NEUTRAL]
    for level in (Emotion.SAD, Emotion.STRESSED):
        assert height[level] == pytest.approx(height[Emotion.NEUTRAL], rel=0.1)  # a wider range lies higher


@pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: str(speaker.voice))
def test_synthesised_range_follows_the_rules(speaker: Speaker) -> None:
    def spread(emotion: Emotion) -> float:
        steady = replace(prosody.RULES[emotion], jitter=0)  # jitter spreads F0, too
        low, high = np.percentile(f0(say(TEXT, speaker, steady, seed=1)), (10, 90))
        return float(high - low)

    assert spread(Emotion.SAD) < spread(Emotion.NEUTRAL) < spread(Emotion.STRESSED)


@pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: str(speaker.voice))
def test_synthesised_durations_follow_the_rules(speaker: Speaker) -> None:
    seconds = {emotion: spoken_seconds(utterance(speaker, emotion)) for emotion in Emotion}
    assert seconds[Emotion.SAD] == pytest.approx(1.4 * seconds[Emotion.NEUTRAL], rel=0.1)
    assert seconds[Emotion.STRESSED] == pytest.approx(0.75 * seconds[Emotion.NEUTRAL], rel=0.1)


def test_blend_runs_from_one_manner_to_the_other() -> None:
    neutral, stressed = prosody.RULES[Emotion.NEUTRAL], prosody.RULES[Emotion.STRESSED]
    steps = [prosody.blend(neutral, stressed, share) for share in (0.0, 0.5, 1.0)]
    assert steps[0] == neutral
    assert steps[-1] == stressed
    assert all(slow.duration > fast.duration for slow, fast in pairwise(steps))


def test_settings_stay_within_the_engine_s_limits() -> None:
    shrill = Speaker(
        voice="en-us+f2", pitch=3.0, tempo=9.0, tract=1.0, jitter=0.0, brightness=0.0, split="train"
    )
    settings = prosody.settings(shrill, prosody.Prosody(f0_mean=300, f0_range=500, duration=20, loudness=900))
    assert (settings.pitch, settings.pitch_range, settings.rate, settings.volume) == (99, 99, 450, 100)

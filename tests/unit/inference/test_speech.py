from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mindtrack_inference.audio import Waveform, decode
from mindtrack_inference.speech import (
    FRAME_SAMPLES,
    FRAMES_PER_CALL,
    OFFSET,
    ONSET,
    RELEASE_FRAMES,
    _hysteresis,
    _released,
    detect,
    probabilities,
)
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer import outliers
from unit.inference.recordings import PROMPTS, rms_db, voice, white_noise

#: From ten to 76 seconds long.
SPOKEN = ("demo-abouttotry", "demo-congrats", "demo-instruct")


def mask(segments: NDArray[np.intp], samples: int) -> NDArray[np.bool_]:
    inside = np.zeros(samples, np.bool_)
    for first, end in segments:
        inside[first:end] = True
    return inside


def silence(seconds: float) -> Waveform:
    """A quiet room."""
    return white_noise(round(seconds * SAMPLE_RATE), -70)


def test_a_voice_is_heard() -> None:
    segments = detect(voice())

    assert segments.shape == (len(segments), 2)
    assert segments.dtype == np.intp
    assert (np.diff(segments.ravel()) > 0).all()
    assert segments[0, 0] >= 0
    assert segments[-1, 1] <= voice().size
    assert 0.7 < mask(segments, voice().size).mean() < 0.95


@pytest.mark.parametrize("scale", [0.3, 0.1, 0.03, 0.01])
def test_a_quiet_voice_is_heard_alike(scale: float) -> None:
    noisy = voice() + white_noise(voice().size, -60)

    assert detect(np.float32(scale) * noisy).tolist() == detect(noisy).tolist()


@pytest.mark.parametrize("seconds", [0.4, 1.0, 3.0])
def test_a_pause_is_as_long_as_it_is(seconds: float) -> None:
    words = voice()[: round(2.9 * SAMPLE_RATE)]
    start = words.size + silence(1.0).size
    segments = detect(np.concatenate([silence(1.0), words, silence(seconds), words, silence(1.0)]))

    before = segments[segments[:, 1] < start + 0.2 * SAMPLE_RATE][-1, 1]
    after = segments[segments[:, 0] > start][0, 0]
    assert (after - before) / SAMPLE_RATE == pytest.approx(seconds, abs=0.15)


def test_what_surrounds_a_voice_is_no_speech() -> None:
    lead = round(1.5 * SAMPLE_RATE)
    segments = detect(np.concatenate([silence(1.5), voice(), silence(1.5)]))
    assert segments[0, 0] >= lead - FRAME_SAMPLES
    assert segments[-1, 1] <= lead + voice().size + RELEASE_FRAMES * FRAME_SAMPLES


@pytest.mark.parametrize("kind", [*outliers.SOURCES, *outliers.UNHEARD_SOURCES])
def test_other_sounds_are_no_speech(kind: str) -> None:
    source = {**outliers.SOURCES, **outliers.UNHEARD_SOURCES}[kind]
    for seed in range(4):
        assert detect(source(5.0, np.random.default_rng(seed))).tolist() == []


def test_noise_hides_little_of_a_voice() -> None:
    clean = mask(detect(voice()), voice().size)
    noisy = voice() + white_noise(voice().size, rms_db(voice()[clean]) - 10)
    heard = mask(detect(noisy), voice().size)
    assert (heard & clean).sum() / (heard | clean).sum() > 0.85


@pytest.mark.parametrize("samples", [0, 1, FRAME_SAMPLES - 1])
def test_next_to_nothing_holds_no_speech(samples: int) -> None:
    assert detect(voice()[:samples]).shape == (0, 2)


def test_a_cough_is_no_speech() -> None:
    start = round(1.6 * SAMPLE_RATE)
    burst = voice()[start : start + round(0.15 * SAMPLE_RATE)]
    assert detect(np.concatenate([silence(1.0), burst, silence(1.0)])).tolist() == []


@pytest.mark.parametrize("frames", [1, FRAMES_PER_CALL - 1, FRAMES_PER_CALL, 3 * FRAMES_PER_CALL + 5])
def test_what_follows_changes_nothing_before(frames: int) -> None:
    shorter = probabilities(voice()[: frames * FRAME_SAMPLES])
    assert shorter.shape == (frames,)
    assert shorter == pytest.approx(probabilities(voice())[:frames], abs=1e-5)


def test_speech_lasts_until_its_probability_is_low() -> None:
    between = (ONSET + OFFSET) / 2
    chances = np.array([between, ONSET, between, 0.9, between, OFFSET - 0.01, between, ONSET], np.float32)
    assert _hysteresis(chances).tolist() == [False, True, True, True, True, False, False, True]


def test_the_networks_delay_is_taken_off_each_end_but_the_recordings() -> None:
    spoken = np.array([0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1], np.bool_)
    assert _released(spoken).astype(int).tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]


@pytest.mark.skipif(not PROMPTS.is_dir(), reason="needs Debian's asterisk-core-sounds-en-wav")
@pytest.mark.parametrize("prompt", SPOKEN)
def test_human_speech_on_a_telephone_is_heard(prompt: str) -> None:
    waveform = decode((PROMPTS / f"{prompt}.wav").read_bytes(), max_seconds=100)
    frames = waveform[: waveform.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    level = 20 * np.log10(frames.std(axis=1) + 1e-6)
    loud = np.flatnonzero(level > np.percentile(level, 95) - 20)  # nobody but the speaker can be heard
    heard = mask(detect(waveform), waveform.size)[: frames.size].reshape(-1, FRAME_SAMPLES)
    assert heard[loud].mean() > 0.95

"""Biomarkers of sounds whose truth is known because they were made here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mindtrack_inference import biomarkers
from mindtrack_inference.audio import Waveform, decode
from mindtrack_inference.speech import detect
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.biomarkers import Biomarkers
from samples import SAMPLES
from unit.inference.recordings import PROMPTS
from unit.inference.vowels import RATE, Vowel, resonate

#: What the clock alone knows.
TIMING = {"pause_count", "pause_mean_seconds", "pause_ratio", "response_latency_seconds"}
#: The ten longest prompts, 18 to 76 s of one woman's reading voice.
SPOKEN = (
    "basic-pbx-ivr-main",
    "conf-adminmenu",
    "conf-adminmenu-162",
    "conf-adminmenu-18",
    "conf-usermenu-162",
    "demo-congrats",
    "demo-echotest",
    "demo-instruct",
    "priv-callee-options",
    "screen-callee-options",
)
#: What a woman's lively reading can measure, wide enough for any; rates are in syllables.
PHYSIOLOGICAL = {
    "f0_median_hz": (150, 280),
    "f0_sd_semitones": (1.5, 6),
    "f0_rate_semitones_per_second": (5, 60),
    "pause_count": (1, 30),
    "pause_mean_seconds": (0.25, 1),
    "pause_ratio": (0.005, 0.3),
    "speech_rate_per_second": (2, 6),
    "articulation_rate_per_second": (2.5, 7),
    "response_latency_seconds": (0, 1.5),
    "cpp_db": (4, 15),
    "jitter": (0.003, 0.03),
    "shimmer": (0.02, 0.12),
    "hnr_db": (7, 25),
    "energy_range_db": (15, 50),
    "creak_ratio": (0, 0.1),
}


def whole(waveform: Waveform) -> NDArray[np.intp]:
    return np.array([[0, waveform.size]])


def segments(*seconds: tuple[float, float]) -> NDArray[np.intp]:
    return np.array([[round(SAMPLE_RATE * edge) for edge in pair] for pair in seconds])


def creaky(hertz: float, irregularity: float, seconds: float = 2.0) -> Waveform:
    """Pulses at random distances, uniform within ± `irregularity` of their mean, in faint noise."""
    rng = np.random.default_rng(1)
    gaps = rng.uniform(1 - irregularity, 1 + irregularity, round(2 * seconds * hertz)) / hertz
    times = np.cumsum(gaps)
    times = times[times < seconds - 0.05]
    samples = resonate(times, np.ones(times.size), round(seconds * RATE))
    samples += rng.normal(0, 0.003 * np.abs(samples).max(), samples.size)
    return np.asarray(samples / np.abs(samples).max() / 2, np.float32)


def syllables(rate: float, seconds: float, hertz: float = 120.0) -> Waveform:
    """A vowel that swells and fades by 20 dB, `rate` times a second."""
    times = np.arange(0, seconds, 1 / hertz)
    level = -10 - 10 * np.cos(2 * np.pi * rate * times)  # dB
    samples = resonate(times, 10 ** (level / 20), round(seconds * RATE))
    return np.asarray(samples / np.abs(samples).max() / 2, np.float32)


@pytest.mark.parametrize("hertz", [75, 110, 160, 220, 330, 440])
def test_pitch_of_a_vowel(hertz: float) -> None:
    waveform = Vowel(hertz, hnr=20).waveform()

    found = biomarkers.measure(waveform, whole(waveform))

    assert found.f0_median_hz == pytest.approx(hertz, rel=0.002)
    assert found.f0_sd_semitones == pytest.approx(0, abs=0.1)
    assert found.f0_rate_semitones_per_second == pytest.approx(0, abs=1)
    assert found.creak_ratio == 0


def test_pitch_that_glides() -> None:
    octave = np.cumsum(1 / np.geomspace(100, 200, 600))  # pulses whose rate doubles
    seconds = float(octave[-1])
    samples = resonate(octave, np.ones(octave.size), round(seconds * RATE))
    waveform = np.asarray(samples / np.abs(samples).max(), np.float32)
    hertz = np.interp(np.linspace(0, seconds, 1000), octave, np.geomspace(100, 200, 600))
    semitones = 12 * np.log2(hertz)

    found = biomarkers.measure(waveform, whole(waveform))

    assert found.f0_median_hz == pytest.approx(np.median(hertz), rel=0.01)
    assert found.f0_sd_semitones == pytest.approx(semitones.std(), rel=0.03)
    assert found.f0_rate_semitones_per_second == pytest.approx(
        np.median(np.diff(semitones)) * 1000 / seconds, rel=0.1
    )


@pytest.mark.parametrize("jitter", [0.005, 0.01, 0.02])
def test_jitter_of_a_vowel(jitter: float) -> None:
    waveform = Vowel(110, jitter=jitter, seconds=4).waveform()

    # Each period's sound rings on into the next, which blurs the difference.
    assert biomarkers.measure(waveform, whole(waveform)).jitter == pytest.approx(jitter, rel=0.2)


@pytest.mark.parametrize("shimmer", [0.03, 0.06, 0.1])
def test_shimmer_of_a_vowel(shimmer: float) -> None:
    waveform = Vowel(110, shimmer=shimmer, seconds=4).waveform()

    assert biomarkers.measure(waveform, whole(waveform)).shimmer == pytest.approx(shimmer, rel=0.2)


def test_a_steady_vowel_has_neither() -> None:
    waveform = Vowel().waveform()

    found = biomarkers.measure(waveform, whole(waveform))

    assert found.jitter == pytest.approx(0, abs=0.001)
    assert found.shimmer == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    ("hertz", "hnr"), [(110, 5), (110, 10), (110, 20), (220, 5), (220, 10), (220, 20), (220, 30)]
)
def test_harmonics_to_noise_of_a_vowel(hertz: float, hnr: float) -> None:
    waveform = Vowel(hertz, hnr=hnr).waveform()

    assert biomarkers.measure(waveform, whole(waveform)).hnr_db == pytest.approx(hnr, abs=0.7)


def test_noise_lowers_the_cepstral_peak() -> None:
    vowels = [Vowel(hnr=hnr).waveform() for hnr in (25, 15, 5)]

    peaks = [biomarkers.measure(vowel, whole(vowel)).cpp_db for vowel in vowels]

    assert peaks[0] is not None
    assert peaks[1] is not None
    assert peaks[2] is not None
    assert peaks[0] > peaks[1] + 1 > peaks[2] + 2


@pytest.mark.parametrize("hertz", [30, 40, 50])
@pytest.mark.parametrize("irregularity", [0.0, 0.1, 0.3])
def test_slow_pulses_creak_and_have_no_pitch(hertz: float, irregularity: float) -> None:
    waveform = creaky(hertz, irregularity)

    found = biomarkers.measure(waveform, whole(waveform))

    assert found.creak_ratio is not None
    assert found.creak_ratio > 0.95
    assert found.f0_median_hz is None
    assert found.jitter is None
    assert found.cpp_db is None


@pytest.mark.parametrize(
    "vowel",
    [
        Vowel(85),
        Vowel(120, jitter=0.02),
        Vowel(120, hnr=5),
        Vowel(220, hnr=5),
        Vowel(100, shimmer=0.1, hnr=10),
    ],
    ids=str,
)
def test_modal_vowels_do_not_creak(vowel: Vowel) -> None:
    waveform = vowel.waveform()

    assert biomarkers.measure(waveform, whole(waveform)).creak_ratio == 0


def test_creak_leaves_pitch_alone() -> None:
    vowel = Vowel(200, hnr=25).waveform()
    waveform = np.concatenate([vowel, creaky(40, 0.3, 1)])

    found = biomarkers.measure(waveform, whole(waveform))

    assert found.creak_ratio == pytest.approx(1 / 3, abs=0.05)
    assert found.f0_median_hz == pytest.approx(200, rel=0.002)
    assert found.f0_sd_semitones == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("rate", [2, 4, 6])
def test_syllables_are_counted(rate: float) -> None:
    waveform = syllables(rate, seconds=5)

    found = biomarkers.measure(waveform, whole(waveform))

    assert found.speech_rate_per_second == pytest.approx(rate)
    assert found.articulation_rate_per_second == pytest.approx(rate)


def test_level_ranges_as_far_as_it_does() -> None:
    waveform = syllables(2, seconds=5)

    # 95 % of a cosine's swing lie within 5 and 95 % of its values, less what smoothing over 65 ms takes.
    assert biomarkers.measure(waveform, whole(waveform)).energy_range_db == pytest.approx(19, abs=2)


def test_pauses_are_gaps_of_a_quarter_second() -> None:
    waveform = syllables(4, seconds=6)
    speech = segments((0.5, 1.5), (1.7, 2.5), (3.0, 4.0), (4.25, 5.5))

    found = biomarkers.measure(waveform, speech)

    assert found.pause_count == 2
    assert found.pause_mean_seconds == pytest.approx((0.5 + 0.25) / 2)
    assert found.pause_ratio == pytest.approx(0.75 / 5)
    assert found.speech_rate_per_second is not None
    assert found.articulation_rate_per_second == pytest.approx(found.speech_rate_per_second * 5 / 4.25)


def test_one_breath_has_no_pause() -> None:
    waveform = syllables(4, seconds=2)

    found = biomarkers.measure(waveform, whole(waveform))

    assert found.pause_count == 0
    assert found.pause_mean_seconds is None
    assert found.pause_ratio == 0


@pytest.mark.parametrize(
    ("prompt_ended", "latency"),
    [(None, None), (0.0, 0.5), (0.2, 0.3), (0.5, 0.0), (0.6, None), (-1.0, 1.5), (math.nan, None)],
)
def test_latency_is_for_who_waited(prompt_ended: float | None, latency: float | None) -> None:
    waveform = syllables(4, seconds=2)

    found = biomarkers.measure(waveform, segments((0.5, 1.5)), prompt_ended_seconds=prompt_ended)

    assert found.response_latency_seconds == pytest.approx(latency)


def test_only_speech_is_heard() -> None:
    waveform = np.concatenate([Vowel(100, hnr=20).waveform(), Vowel(200, hnr=20).waveform()])

    found = biomarkers.measure(waveform, segments((2.2, 3.8)))

    assert found.f0_median_hz == pytest.approx(200, rel=0.002)


def test_nothing_is_known_without_speech() -> None:
    waveform = Vowel().waveform()

    assert biomarkers.measure(waveform, np.empty((0, 2), np.intp)) == Biomarkers()


def test_silence_has_no_voice() -> None:
    waveform = np.zeros(2 * SAMPLE_RATE, np.float32)

    found = biomarkers.measure(waveform, whole(waveform)).as_dict()

    known = {name for name, value in found.items() if value is not None}
    assert known == {"pause_count", "pause_ratio", "energy_range_db"}


def test_whisper_has_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)

    found = biomarkers.measure(noise, whole(noise))

    assert found.f0_median_hz is None
    assert found.jitter is None
    assert found.hnr_db is None


def test_five_minutes_say_the_same_as_ten_seconds() -> None:
    waveform = np.concatenate([syllables(4, seconds=5), Vowel(140, 5, 0.01, 0.05, 15).waveform()])
    short = biomarkers.measure(waveform, whole(waveform))
    long = biomarkers.measure(np.tile(waveform, 12), whole(np.tile(waveform, 12)))

    for name, value in short.as_dict().items():
        assert value is not None or name in {"pause_mean_seconds", "response_latency_seconds"}
        assert long.as_dict()[name] == (value and pytest.approx(value, rel=0.03, abs=0.01)), name


@pytest.mark.skipif(not PROMPTS.is_dir(), reason="needs Debian's asterisk-core-sounds-en-wav")
@pytest.mark.parametrize("prompt", SPOKEN)
def test_human_speech_is_physiological(prompt: str) -> None:
    waveform = decode((PROMPTS / f"{prompt}.wav").read_bytes(), max_seconds=100)

    found = biomarkers.measure(waveform, detect(waveform), prompt_ended_seconds=0).as_dict()

    assert set(found) == set(PHYSIOLOGICAL)
    outside = {
        name: value
        for name, value in found.items()
        if value is None or not PHYSIOLOGICAL[name][0] <= value <= PHYSIOLOGICAL[name][1]
    }
    assert not outside


@settings(deadline=None, max_examples=20)
@given(scale=st.floats(0.1, 1.0), seed=st.integers(0, 3))
def test_no_marker_depends_on_the_level(scale: float, seed: int) -> None:
    waveform = np.concatenate([Vowel(150, 1, 0.01, 0.04, 15, seed).waveform(), creaky(40, 0.2, 1)])
    quieter = biomarkers.measure(np.float32(scale) * waveform, whole(waveform))

    for name, value in biomarkers.measure(waveform, whole(waveform)).as_dict().items():
        assert quieter.as_dict()[name] == (None if value is None else pytest.approx(value, rel=1e-3)), name


@pytest.mark.parametrize("decibels", [-10, -20, -30])
def test_nor_on_how_far_away_the_phone_was(decibels: int) -> None:
    """Through the detector, which would hear pauses in a quiet voice."""
    waveform = decode((SAMPLES / "day-3.webm").read_bytes(), max_seconds=100)
    farther = np.float32(10 ** (decibels / 20)) * waveform

    near = biomarkers.measure(waveform, detect(waveform)).as_dict()
    far = biomarkers.measure(farther, detect(farther)).as_dict()

    assert near["pause_count"] == 3
    for name, value in near.items():
        assert far[name] == (None if value is None else pytest.approx(value, rel=1e-3)), name


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(1, 3 * SAMPLE_RATE),
    colour=st.sampled_from([0.0, 1.0, 2.0]),
    level=st.sampled_from([1e-30, 1e-6, 0.1, 100.0]),
    cuts=st.lists(st.floats(0, 1), max_size=6),
)
def test_noise_gives_finite_numbers_or_none(
    seed: int, samples: int, colour: float, level: float, cuts: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(0, 1, samples))
    spectrum /= np.maximum(np.arange(spectrum.size), 1) ** (colour / 2)
    noise = np.asarray(level * np.fft.irfft(spectrum, samples), np.float32)
    edges = np.unique([round(share * samples) for share in cuts])
    speech = edges[: edges.size // 2 * 2].astype(np.intp).reshape(-1, 2)

    found = biomarkers.measure(noise, speech, prompt_ended_seconds=0.0).as_dict()

    assert all(value is None or math.isfinite(value) for value in found.values()), found
    assert bool(TIMING & {name for name, value in found.items() if value is not None}) == (
        len(speech) > 0 and samples >= SAMPLE_RATE // 10
    )

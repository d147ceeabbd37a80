"""The bundle that ships, as a worker would run it: on sounds it should refuse, and on voices it should not.

The voices are synthesised by the trainer's rules, but belong to speakers whom neither training nor
calibration has heard. What it says of people is asserted nowhere, as nothing is claimed.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from itertools import cycle, islice

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from mindtrack_inference.bundle import Bundle, load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.pipeline import Analyzer
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.bundles import GOLDEN_TOLERANCE, SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer import outliers
from mindtrack_trainer.prosody import vary
from mindtrack_trainer.synthesis import CLIP_SECONDS, make_clip
from mindtrack_trainer.voices import DEFAULT_SEED, DEFAULT_SPEAKERS, make_speakers
from unit.inference.recordings import PROMPTS, encode

#: Another stream of random numbers than the corpus's: these words and manners were never in it.
SEED = 3407
CLEAN_CLIPS, OUTLIERS_PER_KIND = 92, 6
SOURCES = {**outliers.SOURCES, **outliers.UNHEARD_SOURCES}
#: At most so many of the clean clips, and at least so many of the outliers, may come to nothing.
MAX_CLEAN_SHARE, MIN_OUTLIER_SHARE = 0.10, 0.95
#: What evaluation.json must reach.
MIN_UAR, MAX_ECE, MIN_STRESS_AUC, MIN_RECALL = 0.85, 0.05, 0.93, 0.70
#: Clips whose F0 or rate was raised.
MIN_PROBES = 200
#: Human utterances of four to seventy-three seconds.
SPOKEN = (
    "vm-rec-name",
    "vm-mailboxfull",
    "pbx-invalid",
    "agent-alreadyon",
    "queue-periodic-announce",
    "vm-options",
    "demo-abouttotry",
    "basic-pbx-ivr-main",
    "demo-congrats",
    "demo-instruct",
)
#: Any voice's, whatever it says: wider than the ranges that the biomarkers' own tests have for this speaker.
PHYSIOLOGICAL = {
    "f0_median_hz": (100, 350),
    "f0_sd_semitones": (0.5, 8),
    "pause_ratio": (0, 0.7),
    "articulation_rate_per_second": (1.5, 8),
    "cpp_db": (2, 20),
    "jitter": (0, 0.05),
    "shimmer": (0, 0.2),
    "hnr_db": (3, 30),
    "energy_range_db": (10, 60),
    "creak_ratio": (0, 0.4),
}

Clip = NDArray[np.float32]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("demo-synthetic")


@pytest.fixture(scope="module")
def analyzer(bundle: Bundle) -> Analyzer:
    return Analyzer(
        Classifier.load(bundle, precision="fp32", threads=1), max_seconds=80, thresholds=QualitySettings()
    )


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Clips of unheard voices, every emotion as often as the others. Each (samples,)"""
    people = [voice for voice in make_speakers(DEFAULT_SPEAKERS, DEFAULT_SEED) if voice.split == "test"]
    return [
        make_clip(speaker, vary(list(Emotion)[number % len(Emotion)], rng), rng)
        for number, speaker in enumerate(islice(cycle(people), CLEAN_CLIPS))
        for rng in (np.random.default_rng([SEED, number]),)
    ]


def verdict(analyzer: Analyzer, clip: Clip) -> str | None:
    """Why nothing comes of a clip; None for one that counts."""
    try:
        return analyzer.analyze(encode(clip)).indeterminate_reason
    except RecordingRejectedError as rejection:
        return rejection.code


def babble(clips: list[Clip], number: int) -> Clip:
    rng = np.random.default_rng([SEED, 1, number])
    crowd = rng.choice(len(clips), outliers.BABBLE_VOICES, replace=False)
    return outliers.babble([clips[index] for index in crowd], rng, snr=-5)


def test_what_is_no_single_voice_says_nothing(analyzer: Analyzer, clips: list[Clip]) -> None:
    sounds = [
        (kind, source(CLIP_SECONDS, np.random.default_rng([SEED, 2, number])))
        for kind, source in SOURCES.items()
        for number in range(OUTLIERS_PER_KIND)
    ]
    sounds += [("babble", babble(clips, number)) for number in range(OUTLIERS_PER_KIND)]

    passed = Counter(kind for kind, sound in sounds if verdict(analyzer, sound) is None)

    assert passed.total() <= (1 - MIN_OUTLIER_SHARE) * len(sounds), passed


def test_unheard_voices_count(analyzer: Analyzer, clips: list[Clip]) -> None:
    lost = Counter(reason for clip in clips if (reason := verdict(analyzer, clip)) is not None)
    assert lost.total() <= MAX_CLEAN_SHARE * len(clips), lost


def test_evaluation_is_good_enough(bundle: Bundle) -> None:
    figures = json.loads((bundle.directory / "evaluation.json").read_text())
    for name in ("uar", "ece", "stress_auc", "recall"):
        assert bundle.manifest.evaluation[name] == figures[name]  # the figures are those of these weights
    assert figures["uar"]["value"] >= MIN_UAR
    assert figures["ece"]["value"] <= MAX_ECE
    assert figures["stress_auc"]["value"] >= MIN_STRESS_AUC
    for figure in (figures["uar"], figures["stress_auc"]):
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert figures["ece"]["low"] <= figures["ece"]["high"]  # resampling raises it: its value may lie below
    assert set(figures["recall"]) == set(Emotion)
    assert min(figure["value"] for figure in figures["recall"].values()) >= MIN_RECALL


def test_who_speaks_higher_or_faster_is_found_no_less_stressed(bundle: Bundle) -> None:
    probes = json.loads((bundle.directory / "evaluation.json").read_text())["probes"]
    raised = {probe["probe"]: probe for probe in probes if probe["group"] == "monotonicity"}
    assert raised.keys() == {"f0 +20 %", "rate +30 %"}
    for probe in raised.values():
        assert probe["clips"] >= MIN_PROBES
        assert probe["difference"]["value"] >= 0


def test_openvino_reproduces_the_golden_logits(bundle: Bundle) -> None:
    golden = bundle.golden()
    logits = Classifier.load(bundle, precision="fp32", threads=1).logits(golden.windows)
    assert np.abs(logits - golden.logits).max() <= GOLDEN_TOLERANCE


def test_torch_reproduces_the_golden_logits(bundle: Bundle) -> None:
    golden = bundle.golden()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(bundle.directory)
    model = Wav2Vec2ForSequenceClassification.from_pretrained(bundle.directory)
    inputs = extractor(list(golden.windows), sampling_rate=SAMPLE_RATE, return_tensors="pt")
    with torch.inference_mode():
        logits = model(inputs["input_values"]).logits.numpy()  # (k, labels)
    assert np.abs(logits - golden.logits).max() <= GOLDEN_TOLERANCE


@pytest.mark.skipif(not PROMPTS.is_dir(), reason="needs Debian's asterisk-core-sounds-en-wav")
@pytest.mark.parametrize("prompt", SPOKEN)
def test_human_speech_is_analysed(analyzer: Analyzer, prompt: str) -> None:
    analysis = analyzer.analyze((PROMPTS / f"{prompt}.wav").read_bytes(), prompt_ended_seconds=0.0)

    json.dumps(asdict(analysis), allow_nan=False)  # every number is one, or null
    quality = analysis.quality
    assert 0.4 < quality.speech_ratio <= 1
    assert quality.speech_seconds == pytest.approx(quality.speech_ratio * analysis.audio_seconds)
    assert quality.snr_db is not None
    assert 20 < quality.snr_db < 90  # a studio
    assert quality.bandwidth_hz is not None
    assert 2_500 < quality.bandwidth_hz < 4_000  # a telephone
    assert -40 < quality.level_dbfs < 0
    assert quality.clipping_ratio < 0.05
    assert abs(quality.dc_offset) < 0.01
    found = analysis.biomarkers.as_dict()
    outside = {
        name: found[name]
        for name, (low, high) in PHYSIOLOGICAL.items()
        if (value := found[name]) is None or not low <= value <= high
    }
    assert not outside

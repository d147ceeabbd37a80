from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mindtrack_inference import pipeline
from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.errors import AbandonedError, RecordingRejectedError
from mindtrack_inference.pipeline import MAX_UNMAPPED, WINDOWS_PER_BATCH, Analyzer
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.domain.analysis import Analysis, IndeterminateReason
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_trainer import outliers
from unit.inference.models import deaf_model, listening_model, write_bundle
from unit.inference.recordings import PROMPTS, Format, encode, sweep, voice, voice_log, white_noise

#: Windows of 0.5 s, 0.25 s apart; the last one is moved back.
WINDOW, HOP = 8_000, 4_000
SAMPLES = voice().size
STARTS = [*range(0, SAMPLES - WINDOW, HOP), SAMPLES - WINDOW]
#: How far the same window's probabilities may lie apart, whoever else is scored with it.
INVARIANCE = 1e-4

#: Ten human utterances of two to thirty seconds.
SPOKEN = (
    "demo-abouttotry",
    "demo-congrats",
    "basic-pbx-ivr-main",
    "conf-adminmenu-18",
    "cannot-complete-as-dialed",
    "all-circuits-busy-now",
    "astcc-followed-by-the-pound-key",
    "check-number-dial-again",
    "call-fwd-unconditional",
    "agent-alreadyon",
)

NAMES = [str(emotion) for emotion in Emotion]


def analyzer_of(classifier: Classifier, thresholds: QualitySettings | None = None) -> Analyzer:
    return Analyzer(classifier, max_seconds=12, thresholds=thresholds or QualitySettings())


def answering(directory: Path, logits: dict[str, float], threshold: float | None = None) -> Analyzer:
    """An analyzer whose model gives the same logits to every window."""
    mapping = {name: Emotion(name) if name in NAMES else None for name in logits}
    model = deaf_model(list(logits.values()))
    path = write_bundle(directory / "deaf", model, mapping=mapping, abstention_threshold=threshold)
    return analyzer_of(Classifier.load(load_bundle(path), precision="fp32"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    path = write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", listening_model())
    return Classifier.load(load_bundle(path), precision="fp32", threads=1)


@pytest.fixture(scope="module")
def analyzer(classifier: Classifier) -> Analyzer:
    """Scores every window, however little of it is speech: pauses are left to tests of their own."""
    return analyzer_of(classifier, QualitySettings(min_speech_ratio=0))


def rows(analysis: Analysis) -> NDArray[np.float64]:
    return np.array([window.probabilities.as_tuple() for window in analysis.windows])  # (n, 5)


# What an analysis holds.


def test_windows_lie_where_they_were_cut(analyzer: Analyzer) -> None:
    analysis = analyzer.analyze(voice_log())
    assert [window.start_seconds for window in analysis.windows] == [start / 16_000 for start in STARTS]
    assert [window.end_seconds for window in analysis.windows] == [(s + WINDOW) / 16_000 for s in STARTS]
    assert analysis.audio_seconds == SAMPLES / 16_000


@pytest.mark.parametrize("level", [-120, -60])
def test_what_follows_the_last_word_does_not_count(classifier: Classifier, level: float) -> None:
    analyzer = analyzer_of(classifier)
    spoken = voice()[: 4 * 16_000]
    alone = analyzer.analyze(encode(spoken))
    followed = analyzer.analyze(encode(np.concatenate([spoken, white_noise(6 * 16_000, level)])))
    assert followed.windows[: len(alone.windows) - 1] == alone.windows[:-1]
    assert len(followed.windows) <= len(alone.windows) + 1
    assert followed.windows[-1].end_seconds < 5
    assert followed.audio_seconds == 10


def test_result_is_the_mean_of_the_windows(analyzer: Analyzer) -> None:
    analysis = analyzer.analyze(voice_log())
    assert np.ptp(rows(analysis), axis=0).max() > 1e-3  # the voice does not sound the same throughout
    assert analysis.probabilities.as_tuple() == pytest.approx(tuple(rows(analysis).mean(axis=0)))
    uncertainty = [window.uncertainty for window in analysis.windows]
    assert analysis.uncertainty == pytest.approx(np.mean(uncertainty))


def test_provenance_quality_biomarkers_and_time_come_along(
    analyzer: Analyzer, classifier: Classifier
) -> None:
    analysis = analyzer.analyze(voice_log())
    assert analysis.provenance == classifier.provenance
    assert analysis.quality.speech_seconds == pytest.approx(9, abs=1)
    assert analysis.biomarkers.f0_median_hz is not None
    assert 0 < analysis.processing_seconds < 30


def test_response_latency_counts_from_the_prompts_end(analyzer: Analyzer) -> None:
    late = encode(np.concatenate([white_noise(16_000, -70), voice()[: 8 * 16_000]]))
    analysis = analyzer.analyze(late, prompt_ended_seconds=0.25)
    assert analysis.biomarkers.response_latency_seconds == pytest.approx(0.8, abs=0.1)
    assert analyzer.analyze(late).biomarkers.response_latency_seconds is None


def test_containers_agree(analyzer: Analyzer) -> None:
    flac = analyzer.analyze(encode(voice(), Format("flac", "flac")))
    assert flac.probabilities.as_tuple() == pytest.approx(
        analyzer.analyze(voice_log()).probabilities.as_tuple(), abs=1e-3
    )


# When it says nothing.


def test_a_sure_model_is_believed(tmp_path: Path) -> None:
    logits = {"Neutral": 9.0, "Happy": 0.0, "Sad": 0.0, "Anxious": 0.0, "Stressed": 0.0}
    analysis = answering(tmp_path, logits, threshold=0.5).analyze(voice_log())
    assert analysis.indeterminate_reason is None
    assert {window.indeterminate_reason for window in analysis.windows} == {None}


def test_an_unsure_model_is_not(tmp_path: Path) -> None:
    logits = dict.fromkeys(NAMES, 0.0)
    analysis = answering(tmp_path, logits, threshold=0.99).analyze(voice_log())
    assert analysis.uncertainty == pytest.approx(1.0)
    assert analysis.indeterminate_reason is IndeterminateReason.UNCERTAIN
    assert {window.indeterminate_reason for window in analysis.windows} == {IndeterminateReason.UNCERTAIN}


def test_without_a_threshold_nobody_is_too_unsure(tmp_path: Path) -> None:
    analysis = answering(tmp_path, dict.fromkeys(NAMES, 0.0)).analyze(voice_log())
    assert analysis.indeterminate_reason is None


@pytest.mark.parametrize(("above", "threshold"), [(-0.01, None), (0.01, None), (0.01, 0.0)])
def test_what_means_nothing_to_us_counts_against_the_rest(
    tmp_path: Path, above: float, threshold: float | None
) -> None:
    mass = MAX_UNMAPPED + above
    logits = {**dict.fromkeys(NAMES, float(np.log((1 - mass) / 5))), "surprise": float(np.log(mass))}
    analysis = answering(tmp_path, logits, threshold=threshold).analyze(voice_log())
    assert analysis.unmapped_mass == pytest.approx(mass)
    expected = IndeterminateReason.UNMAPPED if above > 0 else None
    assert analysis.indeterminate_reason is expected
    assert analysis.probabilities.as_tuple() == pytest.approx((0.2,) * 5)


def test_what_the_model_cannot_express_stays_unknown(tmp_path: Path) -> None:
    analysis = answering(tmp_path, {"Neutral": 0.0, "Happy": 0.0, "Sad": 1.0}).analyze(voice_log())
    for probabilities in (analysis.probabilities, *(window.probabilities for window in analysis.windows)):
        assert probabilities.as_tuple()[3:] == (None, None)
        assert probabilities.stress_score is None
        assert sum(probabilities.known().values()) == pytest.approx(1)


# The same, whoever is scored with it.


def test_each_window_scores_alone_as_in_its_recording(analyzer: Analyzer, classifier: Classifier) -> None:
    together = rows(analyzer.analyze(voice_log()))
    for row, start in zip(together, STARTS, strict=True):
        alone = classifier.score(voice()[np.newaxis, start : start + WINDOW]).probabilities[0]
        assert np.abs(alone - row).max() <= INVARIANCE


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_batches_of_any_size_score_alike(
    analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    expected = analyzer.analyze(voice_log())
    monkeypatch.setattr(pipeline, "WINDOWS_PER_BATCH", size)
    found = analyzer.analyze(voice_log())
    assert np.abs(rows(found) - rows(expected)).max() <= INVARIANCE
    assert found.uncertainty == pytest.approx(expected.uncertainty, abs=INVARIANCE)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(len(STARTS))), cuts=st.sets(st.integers(1, len(STARTS) - 1), max_size=5))
def test_any_order_and_any_shards_score_alike(
    analyzer: Analyzer, classifier: Classifier, order: list[int], cuts: set[int]
) -> None:
    inputs = analyzer.preprocess(voice_log())
    expected = classifier.score(inputs.windows).probabilities
    shards = np.split(np.array(order), sorted(cuts))
    found = np.empty_like(expected)
    for shard in shards:
        found[shard] = classifier.score(inputs.windows[shard]).probabilities
    assert np.abs(found - expected).max() <= INVARIANCE


def test_other_recordings_leave_no_trace(analyzer: Analyzer) -> None:
    first = analyzer.analyze(voice_log())
    analyzer.analyze(encode(voice()[16_000:] * np.float32(0.2)))
    again = analyzer.analyze(voice_log())
    ours, theirs = asdict(first), asdict(again)
    assert ours.pop("processing_seconds") != theirs.pop("processing_seconds")
    assert ours == theirs


# When it stops.


@pytest.mark.parametrize("batches", [0, 1])
def test_analysis_stops_between_batches(analyzer: Analyzer, batches: int) -> None:
    answers = iter([False] * batches + [True])
    message = f"stopped after {batches * WINDOWS_PER_BATCH} of {len(STARTS)} windows"
    with pytest.raises(AbandonedError, match=message):
        analyzer.analyze(voice_log(), should_stop=lambda: next(answers))
    assert list(answers) == []


def test_analysis_asks_before_every_batch(analyzer: Analyzer) -> None:
    answers = iter([False] * 20)
    analyzer.analyze(voice_log(), should_stop=lambda: next(answers))
    asked = 20 - len(list(answers))
    assert asked == -(-len(STARTS) // WINDOWS_PER_BATCH)


# What it refuses.


@pytest.mark.parametrize(
    ("source", "code", "measured", "needed"),
    [
        (encode(np.zeros(32_000, np.float32)), RejectionCode.TOO_QUIET, -120.0, -60.0),
        (encode(voice()[:6_400]), RejectionCode.TOO_SHORT, 0.4, 0.5),
        (encode(sweep(5.0, 16_000)), RejectionCode.TOO_LITTLE_SPEECH, 0.0, 1.0),
        (encode(sweep(12.1, 16_000)), RejectionCode.TOO_LONG, None, 12.0),
        (b"no sound", RejectionCode.UNREADABLE, None, None),
    ],
    ids=lambda value: str(value) if isinstance(value, RejectionCode) else "",
)
def test_recordings_at_fault_are_refused(
    analyzer: Analyzer, source: bytes, code: RejectionCode, measured: float | None, needed: float | None
) -> None:
    with pytest.raises(RecordingRejectedError) as caught:
        analyzer.analyze(source)
    error = caught.value
    assert (error.code, error.measured, error.needed) == (code, measured, needed)
    assert (error.quality is None) == (code in {RejectionCode.TOO_LONG, RejectionCode.UNREADABLE})


@pytest.mark.parametrize("kind", [*outliers.SOURCES, *outliers.UNHEARD_SOURCES])
def test_what_is_no_voice_never_reaches_the_model(analyzer: Analyzer, kind: str) -> None:
    source = {**outliers.SOURCES, **outliers.UNHEARD_SOURCES}[kind]
    for seed in range(3):
        with pytest.raises(RecordingRejectedError) as caught:
            analyzer.preprocess(encode(source(5.0, np.random.default_rng([7, seed]))))
        assert caught.value.code in {RejectionCode.TOO_QUIET, RejectionCode.TOO_LITTLE_SPEECH}
        assert caught.value.quality is not None


@pytest.mark.skipif(not PROMPTS.is_dir(), reason="needs Debian's asterisk-core-sounds-en-wav")
@pytest.mark.parametrize("prompt", SPOKEN)
def test_human_speech_passes(classifier: Classifier, prompt: str) -> None:
    analyzer = Analyzer(classifier, max_seconds=60, thresholds=QualitySettings())
    quality = analyzer.preprocess((PROMPTS / f"{prompt}.wav").read_bytes()).quality
    assert quality.speech_ratio > 0.5
    assert quality.snr_db is not None
    assert quality.snr_db > 25  # a studio
    assert quality.bandwidth_hz is not None
    assert 2_500 < quality.bandwidth_hz < 4_000  # a telephone

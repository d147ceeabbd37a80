from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mindtrack_shared.bundles import SAMPLE_RATE, StressCalibration
from mindtrack_trainer.__main__ import app
from mindtrack_trainer.calibration import CALIBRATION, Calibration, calibrate
from mindtrack_trainer.dataset import LABELS, cut
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.evaluation import FALL, Evaluation, age_band, codec_robustness, evaluate
from mindtrack_trainer.manifest import Split, read_manifest, write_manifest
from mindtrack_trainer.metrics import brier_score
from mindtrack_trainer.model import score
from mindtrack_trainer.probes import PROBES, read_probes
from mindtrack_trainer.scoring import Scorer, targets
from mindtrack_trainer.sound import read_wav, write_wav
from mindtrack_trainer.training import TRAINING
from unit.trainer.evaluations import KINDS, SPEAKERS, write_checkpoint, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def scorer(checkpoint: Path) -> Scorer:
    return Scorer.read(checkpoint)


@pytest.fixture(scope="module")
def fitted(scorer: Scorer, corpus: Path) -> Calibration:
    """Sharper than it should be, so that different sounds get different scores."""
    sharp = {"temperature": 0.5, "stress_calibration": StressCalibration(slope=1.5, intercept=0.2)}
    return calibrate(scorer, corpus, budget=0.2).model_copy(update=sharp)


@pytest.fixture(scope="module")
def measured(scorer: Scorer, corpus: Path, fitted: Calibration) -> Evaluation:
    return evaluate(scorer, corpus, fitted)


def test_files_are_scored_window_by_window_whatever_their_company(scorer: Scorer, corpus: Path) -> None:
    names = [path.name for path in sorted(corpus.glob("test-*.wav"))]
    together = scorer.files(corpus, names)
    assert set(names) - together.keys() == {"test-0-0-short.wav"}
    for name in (names[0], names[-1]):
        samples = read_wav(corpus / name).astype(np.float32) / np.float32(32768)
        alone = score(scorer.model, [cut(samples, scorer.framing)])
        np.testing.assert_allclose(together[name], alone, atol=1e-4)
        np.testing.assert_allclose(scorer.recording(samples), alone, atol=1e-4)
    assert {len(together[name]) for name in names if name in together} == {2, 3}


def test_every_clip_is_counted_once(measured: Evaluation) -> None:
    clips = SPEAKERS * len(LABELS)
    assert (measured.clips, measured.speakers, measured.too_short) == (clips, SPEAKERS, 1)
    assert measured.corpora == {"tones": clips}
    assert measured.degraded is not None
    for figures in (measured, measured.degraded):
        counts = np.array(figures.confusion_rows_true)
        assert counts.sum(axis=1).tolist() == [SPEAKERS] * len(LABELS)
        recalls = np.array([figures.recall[label].value for label in LABELS], dtype=np.float64)
        np.testing.assert_allclose(recalls, np.diag(counts) / SPEAKERS, atol=1e-4)
        assert figures.uar.value == pytest.approx(np.trace(counts) / clips, abs=1e-4)
    assert sum(each.clips for each in measured.reliability) == clips
    assert measured.risk_coverage[-1].coverage == 1.0
    assert measured.risk_coverage[-1].risk == pytest.approx(1 - (measured.uar.value or 0), abs=1e-3)


def test_degraded_figures_are_of_the_twins(
    measured: Evaluation, scorer: Scorer, corpus: Path, fitted: Calibration
) -> None:
    voices = [u for u in read_manifest(corpus) if u.split == "test" and u.degraded_path]
    for files, figures in (("path", measured), ("degraded_path", measured.degraded)):
        logits = scorer.files(corpus, [getattr(voice, files) for voice in voices])
        brier = brier_score(fitted.serve(list(logits.values())).probabilities, targets(voices))
        assert figures is not None
        assert figures.brier.value == pytest.approx(brier, abs=1e-4)
    assert measured.degraded is not None
    assert measured.degraded.brier != measured.brier


def test_abstention_follows_the_threshold(
    measured: Evaluation, scorer: Scorer, corpus: Path, fitted: Calibration
) -> None:
    assert measured.outliers is not None
    assert measured.outliers.clips == 6
    assert [each.kind for each in measured.outliers_by_kind] == sorted(KINDS)
    outliers = [u.path for u in read_manifest(corpus) if u.split == "test" and u.label is None]
    uncertainty = fitted.serve(list(scorer.files(corpus, outliers).values())).uncertainty
    limits = (uncertainty.min() - 0.01, np.median(uncertainty), uncertainty.max() + 0.01)
    for limit, share in zip(limits, (1.0, 0.5, 0.0), strict=True):
        strict = fitted.model_copy(update={"abstention_threshold": float(limit)})
        caught = evaluate(scorer, corpus, strict).outliers
        assert caught is not None
        assert caught.caught.value == share
        assert caught.caught.low is not None  # over clips: outliers have no speakers
        assert caught.caught_degraded is None


def test_slices_are_those_that_divide_the_clips(measured: Evaluation) -> None:
    found = {(each.field, each.value): each for each in measured.slices}
    assert set(found) == {("sex", "female"), ("sex", "male"), ("age", "under 30"), ("age", "60 and over")}
    assert found["age", "60 and over"].speakers == 1
    assert found["age", "60 and over"].uar.low is None
    assert found["age", "under 30"].uar.low is not None
    sexes = [found["sex", sex] for sex in ("female", "male")]
    assert sum(each.clips for each in sexes) == measured.clips
    mean = np.mean([each.uar.value for each in sexes])  # as many of each label
    assert mean == pytest.approx(measured.uar.value, abs=1e-3)


def test_age_bands_meet_without_a_gap() -> None:
    ages = {29: "under 30", 30: "30 to 44", 45: "45 to 59", 59: "45 to 59", 60: "60 and over"}
    assert {age: age_band(age) for age in ages} == ages


def test_probe_is_compared_with_its_own_reference(
    measured: Evaluation, scorer: Scorer, corpus: Path, fitted: Calibration
) -> None:
    (probe,) = measured.probes
    assert (probe.group, probe.probe, probe.clips) == ("monotonicity", "f0 +20 %", SPEAKERS)
    pairs = [(p.path, p.reference_path) for p in read_probes(corpus)]
    logits = scorer.files(corpus, [path for pair in pairs for path in pair])
    changed, reference = (fitted.serve([logits[p] for p in side]).stress for side in zip(*pairs, strict=True))
    difference = float((changed - reference).mean())
    assert abs(difference) > 0.01
    assert probe.difference.value == pytest.approx(difference, abs=1e-4)
    assert probe.fell == pytest.approx((changed < reference - FALL).mean(), abs=1e-4)
    assert sum(probe.probabilities.values()) == pytest.approx(1, abs=1e-3)


def test_malformed_probe_is_refused_by_its_line(tmp_path: Path) -> None:
    assert read_probes(tmp_path) == []
    (tmp_path / PROBES).write_text('{"probe": "f0", "colour": "red"}\n')
    with pytest.raises(DatasetError, match=r"line 1.*colour"):
        read_probes(tmp_path)


def test_corpus_without_labelled_test_clips_is_refused(
    scorer: Scorer, corpus: Path, fitted: Calibration, tmp_path: Path
) -> None:
    for path in corpus.glob("test-*.wav"):
        (tmp_path / path.name).symlink_to(path)
    write_manifest(tmp_path, [u for u in read_manifest(corpus) if u.split == "test" and u.label is None])
    with pytest.raises(DatasetError, match="no labelled clip"):
        evaluate(scorer, tmp_path, fitted)


def test_codec_robustness_measures_recordings_long_enough(
    scorer: Scorer, fitted: Calibration, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * SAMPLE_RATE).astype(np.float32)
    write_wav(tmp_path / "long.wav", noise)
    write_wav(tmp_path / "short.wav", noise[:SAMPLE_RATE])
    figures = codec_robustness(scorer, tmp_path, fitted, shortest=2.0)
    assert figures["recordings"] == 1
    assert isinstance(figures["largest_difference"], float)
    with pytest.raises(DatasetError, match="has no WAV file of at least 4 s"):
        codec_robustness(scorer, tmp_path, fitted, shortest=4.0)


def test_codec_robustness_of_nothing_is_refused(scorer: Scorer, fitted: Calibration, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no WAV file"):
        codec_robustness(scorer, tmp_path, fitted)


@pytest.mark.parametrize(
    ("earlier", "split"), [("train", "calibration"), ("train", "test"), ("calibration", "test")]
)
def test_speakers_whom_the_training_heard_are_refused(
    corpus: Path, fitted: Calibration, tmp_path: Path, earlier: Split, split: Split
) -> None:
    write_checkpoint(tmp_path)
    path, speaker = tmp_path / TRAINING, f"tones/{split}-0"
    trained = json.loads(path.read_text())
    path.write_text(json.dumps(trained | {"speakers": {split: [speaker]}}))
    assert len(Scorer.read(tmp_path).split(corpus, split)) == SPEAKERS * len(LABELS) + 7
    path.write_text(json.dumps(trained | {"speakers": {earlier: [speaker]}}))
    scorer = Scorer.read(tmp_path)
    with pytest.raises(DatasetError, match=f"{split} split of .* '{speaker}' .* were in the {earlier} split"):
        evaluate(scorer, corpus, fitted) if split == "test" else calibrate(scorer, corpus, budget=0.2)


def test_commands_calibrate_and_evaluate(corpus: Path, tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    runner = CliRunner()
    refused = runner.invoke(app, ["evaluate", str(tmp_path), str(corpus)])
    assert refused.exit_code == 1
    assert "mindtrack-trainer calibrate" in refused.stderr
    calibrated = runner.invoke(app, ["calibrate", str(tmp_path), str(corpus), "--budget", "0.1"])
    assert calibrated.exit_code == 0, calibrated.output
    assert (tmp_path / CALIBRATION).exists()
    evaluated = runner.invoke(app, ["evaluate", str(tmp_path), str(corpus)])
    assert evaluated.exit_code == 0, evaluated.output
    assert "# Evaluation" in evaluated.stdout
    assert Evaluation.read(tmp_path).calibration == Calibration.read(tmp_path)

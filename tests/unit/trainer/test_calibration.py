from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from mindtrack_shared.bundles import WEIGHTS_NAME, StressCalibration
from mindtrack_trainer.calibration import (
    CALIBRATION,
    Calibration,
    calibrate,
    energy,
    fit,
    threshold,
)
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.errors import CalibrationError
from mindtrack_trainer.manifest import read_manifest, write_manifest
from mindtrack_trainer.scoring import STRESS, Logits, Scorer, served
from unit.trainer.evaluations import SPEAKERS, write_checkpoint, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(checkpoint)
    return Scorer.read(checkpoint)


def honest(clips: int = 3000) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], list[int]]:
    """Logits whose softmax is the distribution that the targets were drawn from."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (clips, 5))
    return logits, [int(rng.choice(5, p=p)) for p in softmax(logits, axis=1)]


def recordings(logits: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[Logits]:
    return list(logits.astype(np.float32)[:, np.newaxis])


def test_recording_is_served_the_mean_of_its_windows() -> None:
    rng = np.random.default_rng(0)
    pieces = [rng.normal(0, 1, (windows, 5)).astype(np.float32) for windows in (1, 3, 2)]
    scores = served(pieces, temperature=2.0)
    expected = np.stack([softmax(piece.astype(float) / 2, axis=1).mean(axis=0) for piece in pieces])
    np.testing.assert_allclose(scores.probabilities, expected, atol=1e-9)
    np.testing.assert_allclose(scores.stress, expected[:, 3] + expected[:, 4], atol=1e-9)
    assert len(served([]).uncertainty) == 0


def test_fitted_temperature_undoes_overconfidence() -> None:
    logits, targets = honest()
    temperature, stress = fit(recordings(3 * logits), np.array(targets))
    assert temperature == pytest.approx(3.0, rel=0.1)
    assert (stress.slope, stress.intercept) == pytest.approx((1.0, 0.0), abs=0.12)


def test_stress_calibration_undoes_what_was_done_to_the_event() -> None:
    logits, targets = honest()
    event = logit(softmax(logits, axis=1)[:, STRESS].sum(axis=1))
    # Raising both logits by d moves the event's logit from x to x + d: make that 2 x + 1.
    logits[:, STRESS] += (event + 1)[:, np.newaxis]
    temperature, stress = fit(recordings(logits), np.array(targets))
    assert temperature == pytest.approx(1.0, abs=0.1)
    assert stress.slope == pytest.approx(0.5, abs=0.07)
    assert stress.intercept == pytest.approx(-0.5, abs=0.12)
    corrected = served(recordings(logits), temperature, stress).stress
    np.testing.assert_allclose(corrected, expit(event), atol=0.05)


def test_faultless_split_has_a_finite_fit() -> None:
    targets = np.arange(50) % 5
    temperature, stress = fit(recordings(8 * np.eye(5)[targets]), targets)
    assert 0.04 < temperature < 21
    assert 0.04 < stress.slope < 21
    assert np.isfinite(stress.intercept)


def test_threshold_keeps_the_budget_even_with_ties() -> None:
    values = np.arange(20) / 20
    assert threshold(values, 0.1) == 17 / 20  # 18/20 and 19/20 are above
    assert threshold(values, 0.0) == 19 / 20
    tied = np.array([0.1] * 10 + [0.9] * 10)
    assert np.mean(tied > threshold(tied, 0.3)) <= 0.3


def test_energy_of_logits_without_an_opinion() -> None:
    undecided = [np.zeros((2, 5), dtype=np.float32), np.full((1, 5), 7, dtype=np.float32)]
    np.testing.assert_allclose(energy(undecided, 2.0), [-2 * np.log(5), -7 - 2 * np.log(5)], rtol=1e-6)


def test_calibration_of_a_checkpoint(corpus: Path, scorer: Scorer) -> None:
    done: list[tuple[int, int]] = []
    watched = replace(scorer, progress=lambda *progress: done.append(progress))
    fitted = calibrate(watched, corpus, budget=0.1)
    assert done[-1] == (SPEAKERS * 5 * 2 + 1 + 6, SPEAKERS * 5 * 2 + 1 + 6)
    assert fitted.after.nll < fitted.before.nll
    assert fitted.abstention.clean_abstained is not None
    assert fitted.abstention.clean_abstained <= 0.1
    assert fitted.abstention.outliers == 6
    assert set(fitted.abstention.outliers_caught_by_kind) == {"hiss", "hum"}
    assert "30 clips (30 of them also degraded) of 6 speakers of tones" in fitted.calibration_set
    assert calibrate(scorer, corpus, budget=0.1) == fitted


def test_outliers_are_ranked_against_clean_voices(corpus: Path, scorer: Scorer) -> None:
    fitted = calibrate(scorer, corpus, budget=0.1)
    utterances = [u for u in read_manifest(corpus) if u.split == "calibration" and u.seconds > 1]
    logits = scorer.files(corpus, [u.path for u in utterances])
    voices, sounds = (
        [logits[u.path] for u in utterances if (u.label is None) is outlier] for outlier in (False, True)
    )
    voice, sound = fitted.serve(voices).uncertainty, fitted.serve(sounds).uncertainty
    pairs = np.mean(sound[:, np.newaxis] > voice)
    assert abs(pairs - 0.5) > 0.05
    assert fitted.abstention.auroc_entropy == pytest.approx(pairs)
    voice, sound = energy(voices, fitted.temperature), energy(sounds, fitted.temperature)
    assert fitted.abstention.auroc_energy == pytest.approx(np.mean(sound[:, np.newaxis] > voice))


def test_calibration_without_outliers_says_so(corpus: Path, scorer: Scorer, tmp_path: Path) -> None:
    for path in corpus.glob("calibration-*.wav"):
        (tmp_path / path.name).symlink_to(path)
    voices = [u for u in read_manifest(corpus) if u.label is not None and u.split == "calibration"]
    write_manifest(tmp_path, [u.model_copy(update={"degraded_path": None}) for u in voices])
    abstention = calibrate(scorer, tmp_path, budget=0.1).abstention
    assert (abstention.outliers, abstention.outliers_caught, abstention.auroc_energy) == (0, None, None)
    assert abstention.degraded_abstained is None

    write_manifest(tmp_path, [u for u in voices if u.label == LABELS[0]])
    with pytest.raises(CalibrationError, match="with and without stress"):
        calibrate(scorer, tmp_path, budget=0.1)


def test_calibration_is_read_back_only_beside_its_own_weights(
    corpus: Path, scorer: Scorer, tmp_path: Path
) -> None:
    with pytest.raises(CalibrationError, match="run `mindtrack-trainer calibrate` first"):
        Calibration.read(tmp_path)
    fitted = calibrate(scorer, corpus, budget=0.1)
    fitted.write(tmp_path)
    write_checkpoint(tmp_path)
    assert Calibration.read(tmp_path) == fitted
    with (tmp_path / WEIGHTS_NAME).open("ab") as weights:
        weights.write(b"retrained")
    with pytest.raises(CalibrationError, match="other weights"):
        Calibration.read(tmp_path)
    (tmp_path / CALIBRATION).write_text(json.dumps({"temperature": 1.2}))
    with pytest.raises(CalibrationError, match="not this release's"):
        Calibration.read(tmp_path)


def test_nothing_is_calibrated_by_default() -> None:
    logits, _ = honest(clips=4)
    neutral = served(recordings(logits), 1.0, StressCalibration())
    np.testing.assert_array_equal(served(recordings(logits)).probabilities, neutral.probabilities)
    np.testing.assert_allclose(neutral.probabilities, softmax(logits, axis=1), atol=1e-6)

"""Scores depend on the window and the bundle, and on nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import load_file, save_file

from mindtrack_inference.bundle import Bundle, load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.errors import ModelOutputError
from mindtrack_shared.bundles import BundleError, StressCalibration
from mindtrack_shared.domain.emotions import Emotion
from unit.inference.models import OWN_LABELS, deaf_model, listening_model, sha256, write_bundle

PACKAGED = Path(str(resources.files("mindtrack_inference"))) / "bundles"
BUNDLES = ["tiny", *sorted(manifest.parent.name for manifest in PACKAGED.glob("*/mindtrack.json"))]
#: One reading per emotion, none like another. They sum to one.
SHARES = {
    Emotion.NEUTRAL: 0.4,
    Emotion.HAPPY: 0.1,
    Emotion.SAD: 0.15,
    Emotion.ANXIOUS: 0.05,
    Emotion.STRESSED: 0.3,
}


def load(bundle: Bundle, threads: int | None = None) -> Classifier:
    """Open what scores alike on every machine."""
    return Classifier.load(bundle, engine="openvino", precision="fp32", threads=threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", listening_model())


@pytest.fixture(scope="module", params=BUNDLES)
def classifier(request: pytest.FixtureRequest, tiny: Path) -> Classifier:
    """The test model, and every bundle we ship."""
    return load(load_bundle(tiny if request.param == "tiny" else request.param))


def noise(windows: int, samples: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Windows of noise, each coloured and scaled differently. (windows, samples)"""
    rng = np.random.default_rng(seed)
    coloured = np.empty((windows, samples), np.float32)
    for row, width in enumerate(rng.integers(1, 8, windows)):
        coloured[row] = 0.1 * np.convolve(rng.standard_normal(samples), np.ones(width), "same")
    return coloured


def scores(bundle: Path, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    return load(load_bundle(bundle)).score(windows).probabilities


def test_rows_are_probabilities(classifier: Classifier) -> None:
    answer = classifier.score(noise(3, classifier.bundle.window_samples)).probabilities
    assert answer.shape == (3, 5)
    assert (answer >= 0).all()
    assert answer.sum(axis=1) == pytest.approx(1, abs=1e-12)


def test_windows_score_alike_alone_and_in_any_company(classifier: Classifier) -> None:
    windows = noise(6, classifier.bundle.window_samples)
    together = classifier.score(windows).probabilities
    assert np.ptp(together, axis=0).max() > 1e-6  # they do differ from each other

    alone = np.concatenate([classifier.score(window[np.newaxis]).probabilities for window in windows])
    shuffled = classifier.score(windows[::-1]).probabilities[::-1]
    assert np.abs(alone - together).max() <= 1e-5
    assert np.abs(shuffled - together).max() <= 1e-5


def test_threads_do_not_change_scores(classifier: Classifier) -> None:
    windows = noise(2, classifier.bundle.window_samples)
    single = load(classifier.bundle, threads=1)
    assert np.abs(single.logits(windows) - classifier.logits(windows)).max() <= 1e-5


def test_no_windows_no_scores(classifier: Classifier) -> None:
    scores = classifier.score(noise(0, classifier.bundle.window_samples))
    assert scores.probabilities.shape == (0, 5)
    assert scores.unmapped.shape == scores.uncertainty.shape == (0,)


def test_silence_has_finite_scores(classifier: Classifier) -> None:
    silence = np.zeros((1, classifier.bundle.window_samples), np.float32)
    assert np.isfinite(classifier.score(silence).probabilities).all()


@pytest.mark.parametrize("do_normalize", [True, False])
def test_scores_are_those_of_the_onnx_graph_in_float32(tmp_path: Path, *, do_normalize: bool) -> None:
    model = listening_model()
    windows = noise(4, 8_000)
    values = windows.astype(np.float64)
    if do_normalize:
        values -= values.mean(axis=1, keepdims=True)
        values /= np.sqrt(values.var(axis=1, keepdims=True) + 1e-7)
    (logits,) = ReferenceEvaluator(model).run(None, {"input_values": values.astype(np.float32)})
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    answer = scores(write_bundle(tmp_path / "tiny", model, do_normalize=do_normalize), windows)
    assert np.abs(answer - expected).max() <= 1e-5  # bfloat16 would be off by 1e-3


def test_normalised_windows_ignore_gain_and_offset(tmp_path: Path) -> None:
    windows = noise(3, 8_000)
    louder = 5 * windows + np.float32(0.2)
    normalised = write_bundle(tmp_path / "normalised", listening_model())
    raw = write_bundle(tmp_path / "raw", listening_model(), do_normalize=False)
    assert np.abs(scores(normalised, louder) - scores(normalised, windows)).max() <= 1e-4
    assert np.abs(scores(raw, louder) - scores(raw, windows)).max() > 1e-2


def test_labels_in_any_order_reach_their_emotion(tmp_path: Path) -> None:
    labels = ["Stressed", "Sad", "Neutral", "Anxious", "Happy"]
    logits = [np.log(SHARES[OWN_LABELS[label]]) for label in labels]
    answer = scores(write_bundle(tmp_path / "mixed", deaf_model(logits), labels=labels), noise(1, 8_000))
    assert answer[0] == pytest.approx([SHARES[emotion] for emotion in Emotion], abs=1e-6)


def test_labels_with_one_meaning_add_up(tmp_path: Path) -> None:
    mapping = OWN_LABELS | {"calm": Emotion.NEUTRAL}
    logits = np.log([0.1, *list(SHARES.values())[1:], 0.3]).tolist()
    answer = scores(write_bundle(tmp_path / "calm", deaf_model(logits), mapping=mapping), noise(1, 8_000))
    assert answer[0] == pytest.approx(list(SHARES.values()), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_divides_the_logits(tmp_path: Path, temperature: float) -> None:
    logits = [1.0, -2.0, 0.5, 3.0, 0.0]
    weights = np.exp(np.array(logits) / temperature)
    bundle = write_bundle(tmp_path / "warm", deaf_model(logits), temperature=temperature)
    assert scores(bundle, noise(1, 8_000))[0] == pytest.approx(weights / weights.sum(), abs=1e-6)


def test_large_logits_do_not_overflow(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "sure", deaf_model([3e4, -3e4, 3e4, 0, 0]))
    assert scores(bundle, noise(1, 8_000))[0] == pytest.approx([0.5, 0, 0.5, 0, 0], abs=1e-12)


def test_labels_without_meaning_leave_the_rest_and_are_counted(tmp_path: Path) -> None:
    mapping = {"dis": None, "neu": Emotion.NEUTRAL, "ang": Emotion.STRESSED, "sur": None}
    bundle = write_bundle(
        tmp_path / "part", deaf_model(np.log([0.4, 0.3, 0.1, 0.2]).tolist()), mapping=mapping
    )
    answer = load(load_bundle(bundle)).score(noise(2, 8_000))
    expected = np.array([0.75, np.nan, np.nan, np.nan, 0.25])
    np.testing.assert_allclose(answer.probabilities, np.tile(expected, (2, 1)), atol=1e-6)
    assert answer.unmapped == pytest.approx([0.6, 0.6], abs=1e-6)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(2)
    assert answer.uncertainty == pytest.approx([entropy, entropy], abs=1e-6)


def test_stress_calibration_moves_the_event_and_keeps_proportions(tmp_path: Path) -> None:
    logits = np.log([SHARES[emotion] for emotion in Emotion]).tolist()
    moved = write_bundle(
        tmp_path / "moved",
        deaf_model(logits),
        stress_calibration=StressCalibration(slope=2.0, intercept=-0.5),
    )
    event = 1 / (1 + np.exp(-(2.0 * np.log(0.35 / 0.65) - 0.5)))
    expected = [*(np.array([0.4, 0.1, 0.15]) / 0.65 * (1 - event)), *(np.array([0.05, 0.3]) / 0.35 * event)]
    assert scores(moved, noise(1, 8_000))[0] == pytest.approx(expected, abs=1e-6)


def test_logits_that_are_no_numbers_raise(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "raw", deaf_model([0] * 5), do_normalize=False)
    with pytest.raises(ModelOutputError, match="not finite"):
        scores(bundle, np.full((1, 8_000), 3e38, np.float32))  # their sum overflows


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_model_that_fails_on_the_golden_windows_is_not_served(tmp_path: Path, value: float) -> None:
    bundle = write_bundle(tmp_path / "broken", deaf_model([value, 0, 0, 0, 0]))
    with pytest.raises(BundleError, match=r"fails on the golden windows: .* not finite"):
        load(load_bundle(bundle))


@pytest.mark.parametrize(("offset", "served"), [(0.9e-4, True), (1.1e-4, False), (float("nan"), False)])
def test_golden_logits_must_be_met(tmp_path: Path, offset: float, *, served: bool) -> None:
    directory = write_bundle(tmp_path / "tiny", listening_model())
    path = directory / "golden.safetensors"
    tensors = load_file(path)
    tensors["logits"][-1, 2] += offset
    save_file(tensors, path)
    manifest = json.loads((directory / "mindtrack.json").read_text())
    manifest["checksums"][path.name] = sha256(path)
    (directory / "mindtrack.json").write_text(json.dumps(manifest))
    bundle = load_bundle(directory)
    if served:
        load(bundle)
        return
    with pytest.raises(
        BundleError, match=r"misses the golden logits by (1\.\de-04|nan), .* make the bundle again"
    ):
        load(bundle)


@pytest.mark.parametrize("shape", [(8_000,), (1, 7_999), (1, 1, 8_000)])
def test_windows_of_another_shape_raise(tiny: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected windows \(n, 8000\)"):
        scores(tiny, np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (listening_model(labels=4), r"answers with shape \(1, 4\), its labels ask for \(1, 5\)"),
        (listening_model(inputs="audio"), "cannot score 8000 samples"),
        (listening_model(outputs="scores"), "cannot score 8000 samples"),
    ],
    ids=["labels", "input", "output"],
)
def test_model_that_is_not_what_we_agreed_on(tmp_path: Path, model: onnx.ModelProto, message: str) -> None:
    bundle = load_bundle(write_bundle(tmp_path / "odd", model))
    with pytest.raises(BundleError, match=message):
        load(bundle)


def test_model_that_is_no_model(tmp_path: Path) -> None:
    directory = write_bundle(tmp_path / "junk", deaf_model([0] * 5))
    path = directory / "model.onnx"
    path.write_bytes(b"not a model")
    manifest = json.loads((directory / "mindtrack.json").read_text())
    manifest["checksums"][path.name] = sha256(path)
    (directory / "mindtrack.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="cannot score 8000 samples"):
        load(load_bundle(directory))


def test_provenance_names_bundle_and_engine(classifier: Classifier) -> None:
    manifest = classifier.bundle.manifest
    provenance = classifier.provenance
    assert manifest.id == classifier.bundle.directory.name
    assert (provenance.bundle_id, provenance.bundle_revision) == (manifest.id, manifest.revision)
    assert (provenance.engine, provenance.precision) == ("openvino", "fp32")
    assert provenance.temperature == manifest.temperature
    assert provenance.abstention_threshold == manifest.abstention_threshold
    assert provenance.calibration_set == manifest.calibration_set


def test_openvino_is_loaded_late_and_tells_nobody(tiny: Path, tmp_path: Path) -> None:
    """In a process of its own, with an empty home, and not in CI, where telemetry is off anyway."""
    script = """
import sys
from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
import mindtrack_inference.pipeline
assert "openvino" not in sys.modules
Classifier.load(load_bundle(sys.argv[1]), engine="openvino")
assert "openvino" in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
"""
    environment = {key: value for key, value in os.environ.items() if key not in {"CI", "TF_BUILD"}}
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(
        [sys.executable, "-c", script, str(tiny)], env=environment | {"HOME": str(home)}, check=True
    )
    assert list(home.iterdir()) == []

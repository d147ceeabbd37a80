"""A trained checkpoint becomes a bundle once it is measured, and the bundle says what was measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_shared.bundles import GOLDEN_TOLERANCE, BundleManifest, Head
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.calibration import Calibration, calibrate
from mindtrack_trainer.checkpoint import read_checkpoint
from mindtrack_trainer.errors import ExportError, TrainerError
from mindtrack_trainer.evaluation import Evaluation, evaluate
from mindtrack_trainer.export import export_bundle
from mindtrack_trainer.model_card import NOT_MEASURED, trained_card
from mindtrack_trainer.packaging import REPORT, engine_difference, golden_windows, package, score
from mindtrack_trainer.plots import write_plots
from mindtrack_trainer.report import report
from mindtrack_trainer.scoring import Scorer
from mindtrack_trainer.synthesis import CORPUS
from mindtrack_trainer.training import TrainingReport
from unit.trainer.checkpoints import sound
from unit.trainer.evaluations import HOP_SECONDS, WINDOW_SECONDS, write_checkpoint, write_corpus

WINDOW = round(16_000 * WINDOW_SECONDS)
TERMS = {"licence": "CC-BY-NC-4.0", "intended_use": "Research on tones."}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that `train`, `calibrate` and `evaluate` leave behind."""
    data, checkpoint = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("checkpoint")
    write_corpus(data)
    write_checkpoint(checkpoint)
    scorer = Scorer.read(checkpoint, lambda *_: None)
    calibration = calibrate(scorer, data, budget=0.1)
    calibration.write(checkpoint)
    evaluation = evaluate(scorer, data, calibration)
    evaluation.write(checkpoint)
    (checkpoint / REPORT).write_text(report(evaluation))
    write_plots(evaluation, checkpoint)
    return checkpoint


@pytest.fixture(scope="module")
def bundle(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle")
    export_bundle(measured, out, "toy", **TERMS)
    return out


@pytest.fixture
def copy(measured: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    return shutil.copytree(measured, tmp_path / "checkpoint")


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_manifest_holds_what_was_fitted_and_measured(measured: Path, bundle: Path) -> None:
    manifest, fitted = BundleManifest.read(bundle), Calibration.read(measured)
    assert (manifest.id, manifest.head, manifest.fitted_on) == ("toy", Head.STOCK, None)
    assert (manifest.window_seconds, manifest.hop_seconds) == (WINDOW_SECONDS, HOP_SECONDS)
    assert manifest.supported_labels == tuple(Emotion)
    assert manifest.temperature == fitted.temperature
    assert manifest.stress_calibration == fitted.stress_calibration
    assert manifest.abstention_threshold == fitted.abstention_threshold
    assert manifest.calibration_set == fitted.calibration_set
    report = json.loads((measured / "evaluation.json").read_text())
    for name in ("uar", "ece", "stress_auc", "recall"):
        assert manifest.evaluation[name] == report[name]
    assert float(str(manifest.evaluation["onnx_logit_difference"])) <= GOLDEN_TOLERANCE


def test_the_worker_serves_what_torch_says(bundle: Path) -> None:
    """Through transformers' own class and processor, on windows that nobody exported."""
    windows = sound(samples=WINDOW)
    model = Wav2Vec2ForSequenceClassification.from_pretrained(bundle)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(bundle)
    inputs = extractor(list(windows), sampling_rate=16_000, return_tensors="pt")["input_values"]
    with torch.inference_mode():
        expected = model(inputs).logits.numpy()
    classifier = Classifier.load(load_bundle(bundle), precision="fp32", threads=1)
    np.testing.assert_allclose(classifier.logits(windows), expected, atol=GOLDEN_TOLERANCE)
    assert classifier.provenance.abstention_threshold is not None


def test_the_reports_come_along(measured: Path, bundle: Path) -> None:
    names = {path.name for path in bundle.iterdir()}
    assert names == {
        *("README.md", "mindtrack.json", "config.json", "preprocessor_config.json", "model.safetensors"),
        *("model.onnx", "golden.safetensors", "evaluation.json", "evaluation.md"),
        *("reliability.png", "confusion.png", "risk-coverage.png"),
    }
    assert (bundle / "evaluation.json").read_bytes() == (measured / "evaluation.json").read_bytes()


def test_the_card_tells_figures_and_limits(measured: Path, bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    uar = Evaluation.read(measured).uar
    assert f"| UAR | {uar.value:.3f} ({uar.low:.3f} to {uar.high:.3f}) |" in card
    assert f"| {NOT_MEASURED} |" not in card
    for needle in (
        "trained from scratch on tones",
        "seed 3",
        "CC-BY-NC-4.0",
        "no diagnosis",
        "Research on tones",
    ):
        assert needle in card
    assert "never heard a person" not in card


def test_figures_that_nobody_measured_are_not_made_up(measured: Path, bundle: Path) -> None:
    manifest = BundleManifest.read(bundle).model_copy(update={"evaluation": {"uar": {"value": None}}})
    card = trained_card(manifest, TrainingReport.read(measured), 1_000_000, report=False)
    assert card.count(f"| {NOT_MEASURED} |") == 12
    assert "evaluation.md" not in card


def test_clips_that_fill_no_window_are_told_of(measured: Path, bundle: Path) -> None:
    manifest = BundleManifest.read(bundle)
    counts = {"train": 2, "calibration": 0, "test": 7}
    training = TrainingReport.read(measured).model_copy(update={"too_short": counts})
    card = trained_card(manifest, training, 1_000_000, report=False)
    told = "clips that do not fill a window of 1 s: 2 of train, 7 of test."
    assert f"\n\nNot counted are {told}\n\n| Epoch |" in card
    assert "Not counted" not in (bundle / "README.md").read_text()


def test_a_newer_bundle_takes_an_older_one_s_place_and_its_figures_go(
    copy: Path, bundle: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(bundle, tmp_path / "bundle")
    beside = {"evaluation.md", "reliability.png", "confusion.png", "risk-coverage.png"}
    for name in beside:
        (copy / name).unlink()
    export_bundle(copy, out, "newer", **TERMS)
    assert load_bundle(out).manifest.id == "newer"
    assert {path.name for path in out.iterdir()} == {path.name for path in bundle.iterdir()} - beside


def test_an_older_bundle_stays_whole_where_a_newer_one_cannot_be_made(bundle: Path, tmp_path: Path) -> None:
    def card(_: BundleManifest) -> str:
        raise ExportError("no card")

    out = shutil.copytree(bundle, tmp_path / "bundle")
    draft = BundleManifest.read(bundle).model_copy(update={"id": "newer"})
    with pytest.raises(ExportError, match="no card"):
        package(read_checkpoint(bundle), draft, out, card)
    for path in bundle.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert len(list(out.iterdir())) == len(list(bundle.iterdir()))


def test_a_model_of_synthetic_speech_claims_nothing_and_needs_no_terms(copy: Path, tmp_path: Path) -> None:
    log = [{"epoch": 0, "loss": 1.25, "uar": 0.5, "seconds": 61.0}]
    edit(copy / "training.json", data=[CORPUS], log=log, wall_seconds=7_440.0, versions={"torch": "2.13"})
    manifest = export_bundle(copy, tmp_path / "bundle", "toy")
    assert manifest.licence == "Apache-2.0"
    card = (tmp_path / "bundle" / "README.md").read_text()
    words = " ".join(card.split())
    for needle in ("never heard a person", "nothing about people is claimed", "2 h 4 min", "torch 2.13"):
        assert needle in words
    assert "| 1 | 1.2500 | 0.5000 | 61 |" in card


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("training.json", "run `mindtrack-trainer train` to its end"),
        ("calibration.json", "never calibrated: run `mindtrack-trainer calibrate` first"),
        ("evaluation.json", "never evaluated: run `mindtrack-trainer evaluate` first"),
    ],
)
def test_what_was_not_done_is_named(copy: Path, tmp_path: Path, name: str, message: str) -> None:
    (copy / name).unlink()
    with pytest.raises(TrainerError, match=message):
        export_bundle(copy, tmp_path / "bundle", "toy", **TERMS)
    assert not (tmp_path / "bundle").exists()


def test_figures_of_another_calibration_are_refused(copy: Path, tmp_path: Path) -> None:
    edit(copy / "calibration.json", temperature=0.9)
    with pytest.raises(ExportError, match="another calibration: run `mindtrack-trainer evaluate` again"):
        export_bundle(copy, tmp_path / "bundle", "toy", **TERMS)


def test_a_report_of_another_release_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "evaluation.json").write_text("{}")
    with pytest.raises(ExportError, match="not this release's: run `mindtrack-trainer evaluate` again"):
        export_bundle(copy, tmp_path / "bundle", "toy", **TERMS)


@pytest.mark.parametrize("terms", [{}, {**TERMS, "licence": ""}, {**TERMS, "intended_use": ""}])
def test_human_speech_has_terms_that_somebody_must_name(
    measured: Path, tmp_path: Path, terms: dict[str, str]
) -> None:
    with pytest.raises(ExportError, match="tones come with terms of their own: say with --licence"):
        export_bundle(measured, tmp_path / "bundle", "toy", **terms)


def test_an_id_that_is_none_is_refused_before_the_work(measured: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="id: String should match pattern"):
        export_bundle(measured, tmp_path / "bundle", "No Id", **TERMS)
    assert not (tmp_path / "bundle").exists()


def test_other_labels_are_not_exported(copy: Path, tmp_path: Path) -> None:
    names = {"0": "calm", "1": "angry", "2": "sad", "3": "happy", "4": "fearful"}
    edit(copy / "config.json", id2label=names)
    with pytest.raises(
        ExportError, match="has the labels calm, angry, sad, happy, fearful; expected Neutral"
    ):
        export_bundle(copy, tmp_path / "bundle", "toy", **TERMS)


def test_weights_that_were_changed_since_are_not_exported(copy: Path, tmp_path: Path) -> None:
    path = copy / "model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if not k.startswith("classifier.")}, path)
    with pytest.raises(
        TrainerError, match="fitted to other weights: run `mindtrack-trainer calibrate` again"
    ):
        export_bundle(copy, tmp_path / "bundle", "toy", **TERMS)


def test_onnx_has_one_free_axis_and_no_trace_of_where_it_was_made(bundle: Path) -> None:
    graph = onnx.load(bundle / "model.onnx").graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"input_values": ["batch", WINDOW], "logits": ["batch", 5]}
    assert str(Path(__file__).parents[3]).encode() not in (bundle / "model.onnx").read_bytes()


def test_the_difference_between_engines_is_noticed(bundle: Path) -> None:
    golden = load_file(bundle / "golden.safetensors")
    assert np.array_equal(golden["windows"], golden_windows(WINDOW))
    model = read_checkpoint(bundle).model()
    inputs = golden["windows"] / golden["windows"].std(axis=1, keepdims=True)
    logits = score(model, inputs)
    assert engine_difference(bundle / "model.onnx", inputs, logits) <= GOLDEN_TOLERANCE
    logits[2, 4] += 0.01
    assert engine_difference(bundle / "model.onnx", inputs, logits) == pytest.approx(0.01, abs=1e-4)

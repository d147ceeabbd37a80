from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from mindtrack_shared.bundles import BundleManifest
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.dataset import LABELS, WINDOW, Corpus, normalise
from mindtrack_trainer.errors import ExportError, ResumeError
from mindtrack_trainer.evaluation import Report, evaluate, stress_score
from mindtrack_trainer.export import TOLERANCE, export_bundle, parity
from mindtrack_trainer.model import load_model, make_config, make_model, save_model, score
from mindtrack_trainer.training import Progress, TrainingOptions, pair_loss, train

OPTIONS = TrainingOptions(epochs=2, batch=5, learning_rate=3e-3, seed=1, bf16=False)
CONFIG = make_config(hidden=32, layers=2)


def toy_corpus(clips: int = 15) -> Corpus:
    """Labels told apart by nothing but a tone's frequency: learnable in a few steps."""
    rng = np.random.default_rng(0)
    targets = np.arange(clips) % len(LABELS)
    time = np.arange(72_000) / 16_000
    clean = [
        (8_000 * np.sin(2 * np.pi * 150 * 2**target * time) + rng.normal(0, 50, len(time))).astype(np.int16)
        for target in targets
    ]
    return Corpus(clean, clean, targets, tuple(f"en+v{index}" for index in range(clips)))


def run(out: Path, options: TrainingOptions = OPTIONS, stop_after: int | None = None) -> list[Progress]:
    steps = []
    for progress in train(toy_corpus(), toy_corpus(5), CONFIG, options, out):
        steps.append(progress)
        if progress.epoch == stop_after and progress.uar is not None:
            break
    return steps


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("checkpoint")
    run(out)
    return out


@pytest.fixture(scope="module")
def bundle(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle")
    figures: Report = {"uar": 0.5, "temperature": 1.7, "calibration_clips": 10, "calibration_speakers": 5}
    export_bundle(trained, out, "toy", figures)
    return out


def test_training_lowers_the_loss_on_what_it_saw(tmp_path: Path) -> None:
    steps = run(tmp_path, replace(OPTIONS, epochs=6))
    losses = [step.loss for step in steps]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1
    assert [step.uar is not None for step in steps] == [False, False, True] * 6


def test_resumed_training_ends_with_the_same_weights(trained: Path, tmp_path: Path) -> None:
    run(tmp_path, stop_after=0)
    assert not (tmp_path / "model.safetensors").exists()
    resumed = run(tmp_path)
    assert {step.epoch for step in resumed} == {1}
    whole, pieced = load_model(trained).state_dict(), load_model(tmp_path).state_dict()
    for name, weights in whole.items():
        torch.testing.assert_close(pieced[name], weights, msg=name)


def test_resuming_with_other_options_is_refused(trained: Path) -> None:
    with pytest.raises(ResumeError, match="learning_rate"):
        run(trained, replace(OPTIONS, learning_rate=1e-3))


def test_pair_loss_grows_with_the_disagreement_of_the_two_views() -> None:
    targets = torch.tensor([0, 1])
    same = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(2, 1)
    swapped = torch.cat([same[:2], same[:2].flip(0)])
    assert pair_loss(same, targets, 1.0) == pair_loss(same, targets, 0.0)
    apart = pair_loss(swapped, targets, 1.0) - pair_loss(swapped, targets, 0.0)
    # p = (.731, .269) against its mirror image: 2 x .4621 x 1, the symmetric divergence by hand.
    assert apart.item() == pytest.approx(2 * 0.46212, rel=1e-4)


def test_exported_bundle_agrees_with_the_checkpoint(bundle: Path) -> None:
    manifest = BundleManifest.read(bundle)
    assert (manifest.id, manifest.temperature) == ("toy", 1.7)
    assert manifest.supported_labels == tuple(Emotion)
    assert manifest.calibration_set is not None
    digest = hashlib.sha256((bundle / "model.safetensors").read_bytes()).hexdigest()
    assert manifest.revision == digest[:12]
    assert "claimed" in (bundle / "README.md").read_text()

    model = Wav2Vec2ForSequenceClassification.from_pretrained(bundle)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(bundle)
    assert (extractor.sampling_rate, extractor.do_normalize) == (16_000, True)
    compiled = openvino.Core().compile_model(
        bundle / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    raw = np.random.default_rng(5).normal(0.01, 0.1, (2, WINDOW)).astype(np.float32)
    inputs = extractor(list(raw), sampling_rate=16_000, return_tensors="pt")["input_values"]
    with torch.inference_mode():
        expected = model(inputs).logits.numpy()
    np.testing.assert_allclose(compiled({"input_values": inputs.numpy()})["logits"], expected, atol=TOLERANCE)


def test_onnx_has_one_free_axis_and_no_trace_of_where_it_was_made(bundle: Path) -> None:
    graph = onnx.load(bundle / "model.onnx").graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"input_values": ["batch", WINDOW], "logits": ["batch", 5]}
    assert str(Path(__file__).parents[3]).encode() not in (bundle / "model.onnx").read_bytes()


def test_parity_notices_other_weights(bundle: Path) -> None:
    assert parity(load_model(bundle), bundle / "model.onnx") <= TOLERANCE
    assert parity(make_model(CONFIG, seed=9), bundle / "model.onnx") > TOLERANCE


def test_checkpoint_with_other_labels_is_not_exported(tmp_path: Path) -> None:
    config = make_config(hidden=32, layers=1)
    config.id2label = {0: "calm", 1: "angry", 2: "sad", 3: "happy", 4: "fearful"}
    save_model(make_model(config, seed=1), tmp_path / "checkpoint")
    with pytest.raises(ExportError, match="calm"):
        export_bundle(tmp_path / "checkpoint", tmp_path / "bundle", "toy", {})


def test_evaluation_is_json_and_counts_every_test_clip(trained: Path) -> None:
    report = evaluate(load_model(trained), toy_corpus(10), toy_corpus(20))
    assert json.loads(json.dumps(report)) == report
    assert (report["clips"], report["speakers"], report["calibration_clips"]) == (20, 20, 20)
    assert np.array(report["confusion_rows_true"]).sum() == 20


def test_stress_score_averages_the_windows(trained: Path) -> None:
    model = load_model(trained)
    samples = np.random.default_rng(2).normal(0, 0.1, 6 * 16_000).astype(np.float32)  # windows at 0 and 2 s
    windows = [normalise(samples[np.newaxis, start : start + WINDOW]) for start in (0, 32_000)]
    logits = score(model, windows)
    shares = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    assert stress_score(model, samples, temperature=2.0) == pytest.approx(
        shares[:, 3:].sum(axis=1).mean(), rel=1e-4
    )

"""A stock checkpoint becomes a bundle that the worker serves, or is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
)

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.importing import ImportOptions, import_checkpoint, parse_labels
from mindtrack_trainer.model import load_model

#: Seven labels of another's making, in an order of their own, two of which are one of ours.
LABELS = ("angry", "calm", "fear", "happy", "neutral", "sad", "tense")
PAIRS = [
    *("angry=Stressed", "calm=Neutral", "fear=Anxious", "happy=Happy"),
    *("neutral=Neutral", "sad=Sad", "tense=Stressed"),
]
OPTIONS = ImportOptions(
    bundle_id="theirs",
    licence="MIT",
    intended_use="tests",
    window_seconds=1.0,
    hop_seconds=0.5,
    labels=parse_labels(PAIRS),
)


def config() -> Wav2Vec2Config:
    """wav2vec2-base in miniature: group norm over time, post-norm transformer."""
    return Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        classifier_proj_size=8,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="group",
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(4)
    folder = tmp_path / "checkpoint"
    Wav2Vec2ForSequenceClassification(config()).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def test_the_worker_serves_what_torch_says(checkpoint: Path, tmp_path: Path) -> None:
    manifest = import_checkpoint(checkpoint, tmp_path / "bundle", OPTIONS)
    windows = np.random.default_rng(1).standard_normal((3, 16_000)).astype(np.float32)
    windows = (windows - windows.mean(axis=1, keepdims=True)) / windows.std(axis=1, keepdims=True)

    bundle = load_bundle(tmp_path / "bundle")
    served = Classifier.load(bundle, threads=1).probabilities(windows)

    model = load_model(checkpoint)
    with torch.no_grad():
        theirs = model(torch.from_numpy(windows)).logits.softmax(dim=-1).numpy()  # (3, 7)
    ours = np.zeros((3, 5))
    for column, pair in enumerate(PAIRS):
        ours[:, list(Emotion).index(Emotion(pair.split("=")[1]))] += theirs[:, column]
    np.testing.assert_allclose(served, ours, atol=1e-5)
    assert manifest.evaluation["onnx_logit_difference"] is not None
    assert "Nothing was measured" in (bundle.directory / "README.md").read_text()


def test_a_checkpoint_without_head_is_refused_by_its_keys(checkpoint: Path, tmp_path: Path) -> None:
    Wav2Vec2Model(config()).save_pretrained(checkpoint)

    with pytest.raises(ExportError, match=r"missing keys: .*classifier\.weight"):
        import_checkpoint(checkpoint, tmp_path / "bundle", OPTIONS)


def test_a_model_that_listens_at_another_rate_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    Wav2Vec2FeatureExtractor(sampling_rate=8_000).save_pretrained(checkpoint)  # type: ignore[no-untyped-call]

    with pytest.raises(ExportError, match="8000 Hz"):
        import_checkpoint(checkpoint, tmp_path / "bundle", OPTIONS)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (PAIRS[:-1], "what tense stand"),
        ([*PAIRS, "bored=Sad"], "no label bored"),
        ([pair.replace("=Anxious", "=Stressed") for pair in PAIRS], "stands for Anxious"),
        (["fear=Scared"], "not THEIRS=OURS"),
        (["fear"], "not THEIRS=OURS"),
    ],
)
def test_labels_that_do_not_add_up_are_refused(
    checkpoint: Path, tmp_path: Path, pairs: list[str], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        import_checkpoint(
            checkpoint,
            tmp_path / "bundle",
            ImportOptions(bundle_id="x", licence="MIT", intended_use="tests", labels=parse_labels(pairs)),
        )


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))

    with pytest.raises(ExportError, match="does not load"):
        import_checkpoint(tmp_path, tmp_path / "bundle", OPTIONS)

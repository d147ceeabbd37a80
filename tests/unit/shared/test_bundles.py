from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mindtrack_shared.bundles import MANIFEST_NAME, BundleError, BundleManifest, CheckpointConfig, Head
from mindtrack_shared.domain.emotions import Emotion


def manifest(**changes: object) -> BundleManifest:
    fields: dict[str, object] = {
        "id": "tiny",
        "revision": "0123456789ab",
        "window_seconds": 4.0,
        "hop_seconds": 2.0,
        "checksums": {"config.json": "0" * 64},
        "label_mapping": {"calm": "Neutral", "angry": "Stressed"},
        "licence": "Apache-2.0",
        "intended_use": "tests",
    }
    return BundleManifest.model_validate(fields | changes)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    manifest(temperature=1.5).write(tmp_path)

    assert BundleManifest.read(tmp_path) == manifest(temperature=1.5)


def test_supported_labels_follow_from_the_mapping() -> None:
    assert manifest().supported_labels == (Emotion.NEUTRAL, Emotion.STRESSED)


@pytest.mark.parametrize("name", ["", "nowhere", "file", "file/below"])
def test_a_place_without_manifest_is_no_bundle(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(BundleError, match=f"has no {MANIFEST_NAME}"):
        BundleManifest.read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 1}', "schema version 1, this release reads 2: make the bundle again with"),
        ('{"schema_version": 3}', "schema version 3, this release reads 2: upgrade the worker"),
        ("{}", "schema version None, this release reads 2: make the bundle again with"),
        ("[]", "schema version None, this release reads 2"),
        ('{"schema_version": 2}', "does not fit schema version 2"),
        ("schema: 2", "is not JSON"),
    ],
)
def test_a_manifest_of_another_schema_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text)

    with pytest.raises(BundleError, match=message):
        BundleManifest.read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"hop_seconds": 5.0},
        {"hop_seconds": 1e-5},
        {"temperature": 0.0},
        {"label_mapping": {"calm": "Bored"}},
        {"revision": "latest"},
        {"surprise": True},
        {"temperature": float("nan")},
        {"stress_calibration": {"slope": -1.0, "intercept": 0.0}},
        {"stress_calibration": {"slope": 1.0, "intercept": float("inf")}},
        {"abstention_threshold": 1.1},
        {"checksums": {"../config.json": "0" * 64}},
        {"checksums": {"config.json": "0123"}},
        {"head": "custom"},
        {"head": "dimensional"},
        {"fitted_on": "a corpus"},
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        manifest(**changes)


def config(**changes: object) -> CheckpointConfig:
    fields: dict[str, object] = {
        "model_type": "wav2vec2",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "classifier_proj_size": 256,
        "id2label": {"1": "b", "0": "a"},
    }
    return CheckpointConfig.model_validate(fields | changes)


def test_labels_come_in_the_order_of_the_logits() -> None:
    assert config().labels == ("a", "b")


@pytest.mark.parametrize(
    ("head", "weights"),
    [
        (Head.STOCK, {"projector": (256, 768), "classifier": (2, 256)}),
        (Head.MLP_RELU, {"classifier.0": (256, 768), "classifier.3": (2, 256)}),
        (Head.DENSE_TANH, {"classifier.dense": (768, 768), "classifier.output": (2, 768)}),
        (
            Head.DIMENSIONAL,
            {"classifier.dense": (768, 768), "classifier.out_proj": (3, 768), "emotions": (2, 3)},
        ),
    ],
)
def test_heads_of_wav2vec2_base(head: Head, weights: dict[str, tuple[int, int]]) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    for name, (outputs, inputs) in weights.items():
        expected |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}

    assert config().head_shapes(head) == expected


def test_a_weighted_layer_sum_weighs_every_layer_and_the_first_ones_input() -> None:
    assert config(use_weighted_layer_sum=True).head_shapes(Head.STOCK)["layer_weights"] == (13,)

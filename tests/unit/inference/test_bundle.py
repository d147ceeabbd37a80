"""A bundle loads whole or not at all, and the message says what is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from mindtrack_inference.bundle import load_bundle
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.domain.emotions import Emotion
from unit.inference.models import OWN_LABELS, deaf_model, write_bundle

#: A source corpus' labels, in an order of their own; two of them mean the same to us.
FOREIGN = {
    "fear": Emotion.ANXIOUS,
    "joy": Emotion.HAPPY,
    "anger": Emotion.STRESSED,
    "calm": Emotion.NEUTRAL,
    "sadness": Emotion.SAD,
    "neutral": Emotion.NEUTRAL,
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny", deaf_model([0] * 5))


def edit(path: Path, **changes: JsonValue) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def complaint(directory: Path | str) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(directory)
    return str(caught.value)


def test_whole_bundle(directory: Path) -> None:
    bundle = load_bundle(directory)
    assert bundle.manifest.id == "tiny"
    assert bundle.labels == tuple(OWN_LABELS)
    assert bundle.sampling_rate == 16_000
    assert bundle.do_normalize is True
    assert (bundle.window_samples, bundle.hop_samples) == (8_000, 4_000)
    assert bundle.onnx.is_file()
    assert np.array_equal(bundle.selection(), np.eye(5))


def test_a_path_may_be_a_string(directory: Path) -> None:
    assert load_bundle(str(directory)) == load_bundle(directory)


def test_foreign_labels_are_brought_into_our_order(tmp_path: Path) -> None:
    bundle = load_bundle(write_bundle(tmp_path / "foreign", deaf_model([0] * 6), mapping=FOREIGN))
    order = list(Emotion)
    for row, emotion in zip(bundle.selection(), FOREIGN.values(), strict=True):
        assert row.sum() == 1
        assert order[int(row.argmax())] is emotion


@pytest.mark.parametrize(
    "name", ["mindtrack.json", "config.json", "preprocessor_config.json", "model.safetensors", "model.onnx"]
)
def test_missing_file(directory: Path, name: str) -> None:
    (directory / name).unlink()
    assert complaint(directory) == f"{directory} is not a bundle: it has no {name}"


def test_missing_directory(tmp_path: Path) -> None:
    assert "is not a bundle: it has no mindtrack.json, config.json" in complaint(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["no-such-bundle", "..", "Demo", ""])
def test_unknown_id(name: str) -> None:
    message = complaint(name)
    assert message.startswith(f"no bundle {name!r} is packaged")
    assert message.endswith("a path needs a slash")


def test_other_sampling_rate(directory: Path) -> None:
    edit(directory / "preprocessor_config.json", sampling_rate=8_000)
    assert complaint(directory).endswith("preprocessor_config.json asks for 8000 Hz, not 16000")


@pytest.mark.parametrize(
    ("name", "text", "needle"),
    [
        ("preprocessor_config.json", '{"sampling_rate": 16000}', "do_normalize"),
        ("preprocessor_config.json", "not json", "Invalid JSON"),
        ("config.json", "{}", "id2label"),
    ],
)
def test_incomplete_configuration(directory: Path, name: str, text: str, needle: str) -> None:
    (directory / name).write_text(text)
    message = complaint(directory)
    assert message.startswith(f"{directory / name} lacks something we need")
    assert needle in message


@pytest.mark.parametrize(
    "id2label",
    [{"0": "a", "2": "b"}, {"1": "a", "2": "b"}, {"0": "a", "1": "a"}],
    ids=["gap", "from-one", "twice"],
)
def test_labels_that_do_not_number_the_logits(directory: Path, id2label: Mapping[str, JsonValue]) -> None:
    edit(directory / "config.json", id2label=dict(id2label))
    assert "id2label must number distinct labels from 0" in complaint(directory)


def test_label_without_a_mapping(tmp_path: Path) -> None:
    labels = [*OWN_LABELS, "disgust", "surprise"]
    directory = write_bundle(tmp_path / "more", deaf_model([0] * 7), labels=labels)
    assert complaint(directory).endswith("label_mapping says nothing about disgust, surprise")


def test_mapping_of_a_label_the_model_lacks(tmp_path: Path) -> None:
    mapping = OWN_LABELS | {"fear": Emotion.ANXIOUS}
    directory = write_bundle(tmp_path / "less", deaf_model([0] * 5), mapping=mapping, labels=list(OWN_LABELS))
    assert complaint(directory).endswith("label_mapping names fear, which the model lacks")


def test_emotion_that_the_model_cannot_express(tmp_path: Path) -> None:
    mapping = {"neu": Emotion.NEUTRAL, "hap": Emotion.HAPPY, "ang": Emotion.STRESSED, "sad": Emotion.SAD}
    directory = write_bundle(tmp_path / "superb", deaf_model([0] * 4), mapping=mapping)
    assert complaint(directory).endswith("the model cannot express Anxious; all five are needed")


def test_weights_of_another_revision(directory: Path) -> None:
    promised = load_bundle(directory).manifest.revision
    weights = directory / "model.safetensors"
    weights.write_bytes(b"other weights")
    found = hashlib.sha256(b"other weights").hexdigest()[:12]
    assert complaint(directory) == f"{weights} is revision {found}, the manifest says {promised}"

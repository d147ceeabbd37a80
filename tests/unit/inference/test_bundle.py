"""A bundle loads whole or not at all, and the message says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import JsonValue
from safetensors.numpy import load_file, save_file

from mindtrack_inference.bundle import load_bundle
from mindtrack_shared.bundles import BundleError, Head
from mindtrack_shared.domain.emotions import Emotion
from unit.inference.models import OWN_LABELS, deaf_model, head_weights, sha256, write_bundle

Tensors = dict[str, NDArray[np.float32]]

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
    """Change a JSON file, and have the manifest vouch for it as it is now."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    vouch(path)


def vouch(path: Path) -> None:
    manifest = path.parent / "mindtrack.json"
    document = json.loads(manifest.read_text())
    if path.name == "model.safetensors":
        document["revision"] = sha256(path)[:12]
    elif path != manifest:
        document["checksums"][path.name] = sha256(path)
    manifest.write_text(json.dumps(document))


def spoil_head(directory: Path, change: Callable[[Tensors], object]) -> str:
    """Rewrite the weights with another head, vouched for, and return what the loader says."""
    path = directory / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    vouch(path)
    return complaint(directory)


def complaint(directory: Path | str) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(directory)
    return str(caught.value)


def test_whole_bundle(directory: Path) -> None:
    bundle = load_bundle(directory)
    assert bundle.manifest.id == "tiny"
    assert bundle.labels == tuple(OWN_LABELS)
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
    "name",
    [
        *("config.json", "preprocessor_config.json"),
        *("model.safetensors", "model.onnx", "golden.safetensors"),
    ],
)
def test_missing_file(directory: Path, name: str) -> None:
    (directory / name).unlink()
    assert complaint(directory) == (
        f"{directory} is no whole bundle: it has no {name}; "
        "make the bundle again with `mindtrack-trainer export` or `import`"
    )


def test_missing_directory(tmp_path: Path) -> None:
    assert complaint(tmp_path / "nowhere").endswith("nowhere is not a bundle: it has no mindtrack.json")


@pytest.mark.parametrize("name", ["no-such-bundle", "..", "Demo", ""])
def test_unknown_id(name: str) -> None:
    message = complaint(name)
    assert message.startswith(f"no bundle {name!r} is packaged")
    assert message.endswith("a path needs a slash")


def test_other_sampling_rate(directory: Path) -> None:
    edit(directory / "preprocessor_config.json", sampling_rate=8_000)
    message = complaint(directory)
    assert "preprocessor_config.json asks for 8000 Hz, not 16000: choose a model" in message


@pytest.mark.parametrize(
    ("name", "text", "needle"),
    [
        ("preprocessor_config.json", '{"sampling_rate": 16000}', "do_normalize"),
        ("preprocessor_config.json", "not json", "Invalid JSON"),
        ("config.json", "{}", "id2label"),
        ("config.json", "{}", "hidden_size"),
    ],
)
def test_incomplete_configuration(directory: Path, name: str, text: str, needle: str) -> None:
    (directory / name).write_text(text)
    vouch(directory / name)
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
    assert "label_mapping says nothing about disgust, surprise: make" in complaint(directory)


def test_mapping_of_a_label_the_model_lacks(tmp_path: Path) -> None:
    mapping = OWN_LABELS | {"fear": Emotion.ANXIOUS}
    directory = write_bundle(tmp_path / "less", deaf_model([0] * 5), mapping=mapping, labels=list(OWN_LABELS))
    assert "label_mapping names fear, which the model lacks: make" in complaint(directory)


def test_renamed_labels(directory: Path) -> None:
    """Somebody gave the logits other names, so nobody knows which is which."""
    renamed = ["neutral", "happy", "sad", "anxious", "stressed"]
    edit(directory / "config.json", id2label={str(index): name for index, name in enumerate(renamed)})
    message = complaint(directory)
    assert "says nothing about neutral, happy, sad, anxious, stressed" in message
    assert (
        "names Neutral, Happy, Sad, Anxious, Stressed, which the model lacks: make the bundle again"
        in message
    )


def test_emotion_that_the_model_cannot_express_and_label_that_stands_for_none(tmp_path: Path) -> None:
    mapping = {"neu": Emotion.NEUTRAL, "hap": Emotion.HAPPY, "ang": Emotion.STRESSED, "dis": None}
    bundle = load_bundle(write_bundle(tmp_path / "part", deaf_model([0] * 4), mapping=mapping))
    assert bundle.manifest.supported_labels == (Emotion.NEUTRAL, Emotion.HAPPY, Emotion.STRESSED)
    assert np.array_equal(bundle.selection(), [*np.eye(5)[[0, 1, 4]], np.zeros(5)])


def test_one_emotion_is_no_choice(tmp_path: Path) -> None:
    mapping = {"sad": Emotion.SAD, "weepy": Emotion.SAD, "odd": None}
    directory = write_bundle(tmp_path / "sad", deaf_model([0] * 3), mapping=mapping)
    assert complaint(directory).endswith("the model expresses Sad of our emotions; 2 are the least")


@pytest.mark.parametrize(
    "name", ["config.json", "preprocessor_config.json", "model.onnx", "golden.safetensors"]
)
def test_changed_file(directory: Path, name: str) -> None:
    path = directory / name
    path.write_bytes(path.read_bytes() + b" ")
    message = complaint(directory)
    assert f"{name} changed since the manifest was written" in message
    assert "copy the bundle again" in message


def test_changed_weights(directory: Path) -> None:
    promised = load_bundle(directory).manifest.revision
    weights = directory / "model.safetensors"
    save_file({"other": np.zeros(1, np.float32)}, weights)
    assert complaint(directory).startswith(
        f"{weights} is revision {sha256(weights)[:12]}, the manifest says {promised}: copy the bundle again"
    )


def test_file_without_a_checksum(directory: Path) -> None:
    edit(directory / "mindtrack.json", checksums={"config.json": "0" * 64})
    assert (
        "has no checksum of preprocessor_config.json, model.onnx, golden.safetensors: make the bundle again"
        in complaint(directory)
    )


def test_listed_file_that_is_absent(directory: Path) -> None:
    checksums = load_bundle(directory).manifest.checksums
    edit(directory / "mindtrack.json", checksums={**checksums, "evaluation.json": "0" * 64})
    assert "lacks evaluation.json, which its manifest lists" in complaint(directory)


def test_checksum_of_a_file_elsewhere(directory: Path) -> None:
    edit(directory / "mindtrack.json", checksums={"../secret": "0" * 64})
    assert "does not fit schema version 2" in complaint(directory)


@pytest.mark.parametrize(
    "name", ["model.onnx.data", "model.onnx_data", "model.onnx_data_1", "sub/a.onnx.data"]
)
def test_weights_outside_the_graph_need_a_checksum(directory: Path, name: str) -> None:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"weights")
    message = complaint(directory)
    assert f"holds weights outside model.onnx that no checksum names ({name}): remove them" in message
    if path.parent == directory:
        vouch(path)
        assert load_bundle(directory).onnx.is_file()


def test_stripped_head(directory: Path) -> None:
    message = spoil_head(directory, lambda tensors: [tensors.pop(name) for name in [*tensors]])
    assert (
        "does not hold a stock head: missing: projector.weight, projector.bias, classifier.weight" in message
    )
    assert message.endswith("make the bundle again with `mindtrack-trainer export` or `import`")


def test_head_with_more_than_a_head(directory: Path) -> None:
    more = {
        "classifier.output.weight": np.zeros((5, 4), np.float32),
        "wav2vec2.some": np.zeros(1, np.float32),
    }
    message = spoil_head(directory, lambda tensors: tensors.update(more))
    assert "stock head: unexpected: classifier.output.weight; make" in message


def test_misshapen_head(directory: Path) -> None:
    other = {"classifier.weight": np.zeros((4, 3), np.float32)}
    message = spoil_head(directory, lambda tensors: tensors.update(other))
    assert "stock head: misshapen: classifier.weight (4, 3) instead of (5, 3); make" in message


def test_weights_that_are_none(directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"pickled, say")
    vouch(directory / "model.safetensors")
    assert "model.safetensors is not a safetensors file" in complaint(directory)


@pytest.mark.parametrize("head", list(Head))
def test_every_head_has_keys_of_its_own(directory: Path, head: Head) -> None:
    fitted = "a test" if head is Head.DIMENSIONAL else None
    edit(directory / "mindtrack.json", head=head, fitted_on=fitted)
    config = json.loads((directory / "config.json").read_text())
    save_file(head_weights(config, head), directory / "model.safetensors")
    vouch(directory / "model.safetensors")
    assert load_bundle(directory).manifest.head is head

    other = Head.STOCK if head is not Head.STOCK else Head.MLP_RELU
    edit(directory / "mindtrack.json", head=other, fitted_on=None)
    assert f"does not hold a {other} head: missing: " in complaint(directory)


def test_weighted_layer_sum_has_a_weight_per_layer(directory: Path) -> None:
    edit(directory / "config.json", use_weighted_layer_sum=True)
    assert "missing: layer_weights" in complaint(directory)
    weights = {"layer_weights": np.zeros(3, np.float32)}  # two layers and what enters the first
    config = json.loads((directory / "config.json").read_text())
    save_file(
        head_weights({**config, "use_weighted_layer_sum": False}) | weights, directory / "model.safetensors"
    )
    vouch(directory / "model.safetensors")
    assert load_bundle(directory).labels == tuple(OWN_LABELS)


def test_python_beside_the_weights(directory: Path) -> None:
    (directory / "sub").mkdir()
    (directory / "sub" / "modeling.py").write_text("raise SystemExit")
    assert "brings code (sub/modeling.py), and none is ever run" in complaint(directory)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_remote_code(directory: Path, name: str) -> None:
    edit(directory / name, auto_map={"AutoModel": "modeling.Model"})
    assert f"brings code (auto_map in {name}), and none is ever run" in complaint(directory)


def test_another_architecture(directory: Path) -> None:
    edit(directory / "config.json", model_type="hubert")
    assert complaint(directory).endswith("holds a model of type hubert; only wav2vec2 is served")


def test_first_schema(directory: Path) -> None:
    edit(directory / "mindtrack.json", schema_version=1)
    assert complaint(directory).endswith(
        "has schema version 1, this release reads 2: "
        "make the bundle again with `mindtrack-trainer export` or `import`"
    )


def test_golden_windows_are_read(directory: Path) -> None:
    golden = load_bundle(directory).golden()
    assert golden.windows.shape == (2, 8_000)
    assert np.array_equal(golden.logits, np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"windows": (2, 8_000)}, "does not hold windows and logits"),
        ({"windows": (2, 7_999), "logits": (2, 5)}, "asks for 8000 samples and 5 labels"),
        ({"windows": (2, 8_000), "logits": (1, 5)}, "asks for 8000 samples and 5 labels"),
        ({"windows": (0, 8_000), "logits": (0, 5)}, "asks for 8000 samples and 5 labels"),
        ({"windows": (), "logits": ()}, "asks for 8000 samples and 5 labels"),
        ({"windows": (2, 8_000), "logits": ()}, "asks for 8000 samples and 5 labels"),
    ],
)
def test_golden_windows_that_do_not_fit(
    directory: Path, tensors: Mapping[str, tuple[int, ...]], message: str
) -> None:
    path = directory / "golden.safetensors"
    save_file({name: np.zeros(shape, np.float32) for name, shape in tensors.items()}, path)
    vouch(path)
    with pytest.raises(BundleError, match=message):
        load_bundle(directory).golden()

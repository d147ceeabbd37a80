"""A published checkpoint becomes a bundle that the worker serves, or is refused with a word on what to do."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import Wav2Vec2ForSequenceClassification
from typer.testing import CliRunner

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_shared.bundles import Head
from mindtrack_shared.domain.emotions import Emotion, Probabilities
from mindtrack_trainer.__main__ import app
from mindtrack_trainer.checkpoint import read_checkpoint
from mindtrack_trainer.dataset import Framing
from mindtrack_trainer.emotion_map import EmotionMap, fit_map, regress
from mindtrack_trainer.errors import ExportError, TrainerError
from mindtrack_trainer.importing import ImportOptions, import_checkpoint, locate
from mindtrack_trainer.labels import map_labels, parse_labels
from mindtrack_trainer.manifest import Split, Utterance, write_manifest
from mindtrack_trainer.packaging import golden_windows
from mindtrack_trainer.sound import write_wav
from unit.trainer.checkpoints import (
    DIMENSIONS,
    IEMOCAP,
    LABELS,
    author,
    config,
    config_of,
    published,
    says,
    sound,
    write,
)

OPTIONS = ImportOptions(
    bundle_id="theirs",
    licence="MIT",
    intended_use="tests",
    framing=Framing(window_seconds=1.0, hop_seconds=0.5),
)
#: Fitted on nothing that anybody has.
OTHER_MAP = EmotionMap(
    labels=list(Emotion), weight=[[0.0] * 3] * 5, bias=[0.0] * 5, fitted_on="nothing", head_digest="0"
)
CATEGORICAL = [head for head in Head if head is not Head.DIMENSIONAL]


def checkpoint_of(head: Head, folder: Path) -> Path:
    """As its author publishes it; the tutorial's saves a pickle."""
    settings = config_of(head)
    return write(folder, settings, published(author(head, settings)), pickled=head is Head.MLP_RELU)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_of(Head.STOCK, tmp_path_factory.mktemp("stock"))


@pytest.fixture(scope="module")
def dimensional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_of(Head.DIMENSIONAL, tmp_path_factory.mktemp("dimensional"))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares


@pytest.mark.parametrize("head", CATEGORICAL)
def test_the_worker_serves_what_the_author_s_code_says(tmp_path: Path, head: Head) -> None:
    directory = checkpoint_of(head, tmp_path / "checkpoint")
    manifest = import_checkpoint(directory, tmp_path / "bundle", OPTIONS)
    assert (manifest.head, manifest.fitted_on) == (head, None)
    classifier = Classifier.load(load_bundle(tmp_path / "bundle"), precision="fp32", threads=1)
    theirs = author(head, config_of(head))

    logits = says(theirs, sound())  # (3, labels)
    np.testing.assert_allclose(classifier.logits(sound()), logits, atol=1e-4)

    scores = classifier.score(sound())
    shares = softmax(logits)
    meanings = map_labels(LABELS[head], {})
    ours = np.array([shares[:, [m is e for m in meanings.values()]].sum(axis=1) for e in Emotion]).T  # (3, 5)
    ours[:, [emotion not in meanings.values() for emotion in Emotion]] = np.nan
    kept = np.nansum(ours, axis=1)
    np.testing.assert_allclose(scores.probabilities, ours / kept[:, np.newaxis], atol=1e-5)
    np.testing.assert_allclose(scores.unmapped, 1 - kept, atol=1e-5)
    assert scores.unmapped.max() > (
        0.01 if head is Head.DENSE_TANH else -1
    )  # RAVDESS has disgust and surprise


def test_without_fear_anxious_and_the_stress_score_are_unknown(stock: Path, tmp_path: Path) -> None:
    manifest = import_checkpoint(stock, tmp_path / "bundle", OPTIONS)
    assert manifest.label_mapping == dict(
        zip(IEMOCAP, (Emotion.NEUTRAL, Emotion.HAPPY, Emotion.STRESSED, Emotion.SAD), strict=True)
    )
    row = Classifier.load(load_bundle(tmp_path / "bundle"), precision="fp32").score(sound(1)).probabilities[0]
    probabilities = Probabilities.from_sequence(row.tolist())
    assert (probabilities.anxious, probabilities.stress_score) == (None, None)
    assert "the model cannot express Anxious" in (tmp_path / "bundle" / "README.md").read_text()


def test_superb_s_weighted_layer_sum_is_served(tmp_path: Path) -> None:
    settings = config(IEMOCAP, use_weighted_layer_sum=True)
    theirs = author(Head.STOCK, settings)
    import_checkpoint(write(tmp_path / "in", settings, published(theirs)), tmp_path / "bundle", OPTIONS)
    classifier = Classifier.load(load_bundle(tmp_path / "bundle"), precision="fp32", threads=1)
    np.testing.assert_allclose(classifier.logits(sound()), says(theirs, sound()), atol=1e-4)


def test_a_bundle_is_still_its_author_s_checkpoint(stock: Path, tmp_path: Path) -> None:
    manifest = import_checkpoint(stock, tmp_path / "bundle", OPTIONS)
    tensors, theirs = (
        load_file(tmp_path / "bundle" / "model.safetensors"),
        load_file(stock / "model.safetensors"),
    )
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        name: tensor.tolist() for name, tensor in theirs.items()
    }
    loaded: Any = Wav2Vec2ForSequenceClassification.from_pretrained(
        tmp_path / "bundle", output_loading_info=True
    )
    assert not [keys for kind, keys in loaded[1].items() if kind.endswith("_keys") and keys]
    assert json.loads((tmp_path / "bundle" / "config.json").read_text())["architectures"] == [
        "Wav2Vec2ForSequenceClassification"
    ]
    assert (tmp_path / "bundle" / "model.safetensors").stat().st_mode & 0o044 == 0o044
    assert "Nothing was measured" in (tmp_path / "bundle" / "README.md").read_text()
    assert 0 <= float(str(manifest.evaluation["onnx_logit_difference"])) <= 1e-4
    # The checkpoint is a bundle, and a bundle a checkpoint: it can be imported again.
    again = import_checkpoint(tmp_path / "bundle", tmp_path / "again", OPTIONS)
    assert again == manifest


def test_golden_windows_are_the_same_everywhere_and_sound_like_something() -> None:
    windows = golden_windows(16_000)
    assert np.array_equal(windows, golden_windows(16_000))
    assert windows.shape == (3, 16_000)
    assert (windows.std(axis=1) > 0.05).all()
    assert np.abs(windows).max() < 1
    assert np.array_equal(windows * 32768, np.round(windows * 32768))


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (("LABEL_0", "LABEL_1"), OPTIONS, "does not say what LABEL_0, LABEL_1 are"),
        (("jolly", "sad"), OPTIONS, "say with --label what jolly stand for"),
        (("A", "F", "N"), OPTIONS, "what A, F, N stand for, .* or with --labels-of"),
        (IEMOCAP, replace(OPTIONS, labels=parse_labels(["fear=Anxious"])), "no label fear; it has neu, hap"),
        (IEMOCAP, replace(OPTIONS, labels_of="emodb"), "what neu, hap, ang stand for"),
        (IEMOCAP, replace(OPTIONS, head=Head.MLP_RELU), "missing: classifier.0.weight"),
        (IEMOCAP, replace(OPTIONS, bundle_id="No Such Id"), "id.*should match pattern"),
        (DIMENSIONS, OPTIONS, "what arousal, dominance, valence stand for"),
    ],
)
def test_doubt_is_refused(
    tmp_path: Path, labels: tuple[str, ...], options: ImportOptions, message: str
) -> None:
    settings = config(labels)
    directory = write(tmp_path / "in", settings, published(author(Head.STOCK, settings)))
    with pytest.raises(ExportError, match=message):
        import_checkpoint(directory, tmp_path / "bundle", options)
    assert not (tmp_path / "bundle" / "mindtrack.json").exists()


def corpus(folder: Path, clips: int = 40) -> Path:
    """Noise as loud and as dull as each emotion has it: three splits, unequal shares."""
    rng = np.random.default_rng(3)
    utterances = []
    folder.mkdir()
    for index in range(clips):
        emotion = [*Emotion, Emotion.SAD][index % 6]
        width = 1 + 8 * list(Emotion).index(emotion)
        samples = np.convolve(rng.standard_normal(12_000 + 400 * index), np.ones(width) / width, "same")
        split: Split = "test" if index >= clips - 10 else "train"
        write_wav(folder / f"{index}.wav", (0.05 * samples).astype(np.float32))
        utterances.append(
            Utterance(
                path=f"{index}.wav",
                seconds=len(samples) / 16_000,
                label=emotion,
                source_label="noise",
                speaker=f"{split}/{index % 3}",
                corpus="noises",
                split=split,
            )
        )
    write_manifest(folder, utterances)
    return folder


def test_dimensions_are_served_through_a_fitted_map(dimensional: Path, tmp_path: Path) -> None:
    fitted = fit_map(read_checkpoint(dimensional), corpus(tmp_path / "corpus"), window_seconds=1.0)
    assert fitted.labels == list(Emotion)
    assert fitted.fitted_on.startswith("30 clips of 3 speakers of noises (5 Anxious, 5 Happy,")
    (tmp_path / "map.json").write_text(fitted.model_dump_json())
    options = replace(OPTIONS, emotion_map=EmotionMap.read(tmp_path / "map.json"))

    manifest = import_checkpoint(dimensional, tmp_path / "bundle", options)
    assert (manifest.head, manifest.fitted_on) == (Head.DIMENSIONAL, fitted.fitted_on)
    assert fitted.fitted_on in (tmp_path / "bundle" / "README.md").read_text()
    outputs = says(author(Head.DIMENSIONAL, config_of(Head.DIMENSIONAL)), sound())  # (3, 3)
    expected = outputs @ np.array(fitted.weight).T + fitted.bias
    classifier = Classifier.load(load_bundle(tmp_path / "bundle"), precision="fp32", threads=1)
    np.testing.assert_allclose(classifier.logits(sound()), expected, atol=1e-3)


def clusters(counts: list[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Arousal, dominance and valence of emotions where Russell has them. (clips, 3), (clips,)"""
    centres = np.array([[0.4, 0.5, 0.5], [0.7, 0.6, 0.8], [0.2, 0.3, 0.3], [0.7, 0.2, 0.2], [0.8, 0.8, 0.2]])
    rng = np.random.default_rng(5)
    targets = np.repeat(np.arange(5), counts)
    return centres[targets] + rng.normal(0, 0.07, (len(targets), 3)), targets


def test_a_map_tells_the_quadrants_apart() -> None:
    weight, bias = regress(*clusters([40] * 5), 5)
    outputs, targets = clusters([60] * 5)
    assert ((outputs @ weight.T + bias).argmax(axis=1) == targets).mean() > 0.95


def test_a_map_does_not_learn_how_often_an_emotion_was_recorded() -> None:
    outputs, targets = clusters([40] * 5)
    weight, bias = regress(outputs, targets, 5)
    sad = outputs[targets == 2]
    more = regress(np.vstack([outputs, sad, sad]), np.concatenate([targets, np.full(80, 2)]), 5)
    probe = outputs @ weight.T + bias
    again = outputs @ more[0].T + more[1]
    np.testing.assert_allclose(softmax(again), softmax(probe), atol=1e-3)


def test_a_map_does_not_depend_on_the_model_s_scales() -> None:
    outputs, targets = clusters([40] * 5)
    weight, bias = regress(outputs, targets, 5)
    other = regress(100 * outputs - 7, targets, 5)
    expected = softmax(outputs @ weight.T + bias)
    np.testing.assert_allclose(softmax((100 * outputs - 7) @ other[0].T + other[1]), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            OPTIONS,
            "no threshold turns these into emotions. Fit a map .*`mindtrack-trainer fit-map CHECKPOINT",
        ),
        (replace(OPTIONS, labels=parse_labels(["arousal=Stressed"])), "are no labels: leave --label"),
        (replace(OPTIONS, emotion_map=OTHER_MAP), "fitted on another checkpoint"),
    ],
)
def test_dimensions_without_their_map_are_refused(
    dimensional: Path, tmp_path: Path, options: ImportOptions, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        import_checkpoint(dimensional, tmp_path / "bundle", options)


def test_a_classifier_needs_no_map(stock: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="a stock head needs no map"):
        import_checkpoint(stock, tmp_path / "bundle", replace(OPTIONS, emotion_map=OTHER_MAP))


def test_an_out_proj_that_does_not_answer_with_dimensions_is_refused(tmp_path: Path) -> None:
    settings = config(("anger", "fear", "sadness"))
    directory = write(tmp_path / "in", settings, published(author(Head.DIMENSIONAL, settings)))
    with pytest.raises(ExportError, match="but the labels are anger, fear, sadness"):
        import_checkpoint(directory, tmp_path / "bundle", OPTIONS)


def test_a_map_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text("{}")
    with pytest.raises(ExportError, match="is no map written by `mindtrack-trainer fit-map`"):
        EmotionMap.read(tmp_path / "map.json")


def test_a_map_needs_emotions_to_tell_apart(dimensional: Path, tmp_path: Path) -> None:
    folder = corpus(tmp_path / "corpus")
    lines = [
        Utterance.model_validate_json(line) for line in (folder / "manifest.jsonl").read_text().splitlines()
    ]
    write_manifest(folder, [line for line in lines if line.label is Emotion.SAD])
    with pytest.raises(TrainerError, match="fewer than 2 emotions"):
        fit_map(read_checkpoint(dimensional), folder, window_seconds=1.0)


def test_what_is_on_disk_is_taken_from_there(stock: Path) -> None:
    assert locate(str(stock), None) == stock
    with pytest.raises(ExportError, match="is a directory; --revision names a commit on the hub"):
        locate(str(stock), "0" * 40)


@pytest.mark.parametrize(
    ("source", "revision", "message"),
    [
        ("/no/such/place", None, "neither a directory nor the id"),
        ("wav2vec2-base", None, "neither a directory nor the id"),
        ("superb/wav2vec2-base-superb-er", None, "say which commit with --revision and all forty digits"),
        ("some--body/emotions", "0" * 40, r"could not be downloaded \(HFValidationError\)"),
        ("superb/wav2vec2-base-superb-er", "main", "a branch or tag may be another model tomorrow"),
    ],
)
def test_a_hub_checkpoint_is_pinned(source: str, revision: str | None, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        locate(source, revision)


def test_a_hub_that_cannot_be_reached_is_a_plain_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_OFFLINE", True
    )  # without it, twenty seconds of retries
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ExportError, match=r"could not be downloaded .*: check the id, the commit"):
        locate("superb/wav2vec2-base-superb-er", "0" * 40)


def test_a_downloaded_commit_is_found_by_its_name(
    stock: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the hub's own cache, as a download leaves it."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--somebody--emotions" / "snapshots" / commit
    shutil.copytree(stock, snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert locate("somebody/emotions", commit) == snapshot
    assert read_checkpoint(locate("somebody/emotions", commit)).head is Head.STOCK


def test_the_command_line_imports_and_refuses(stock: Path, tmp_path: Path) -> None:
    told = [
        "--out",
        str(tmp_path / "bundle"),
        "--id",
        "theirs",
        "--licence",
        "MIT",
        "--intended-use",
        "tests",
    ]
    short = ["--window-seconds", "1", "--hop-seconds", "0.5", "--label", "sad=none"]
    result = CliRunner().invoke(app, ["import", str(stock), *told, *short])
    assert result.exit_code == 0, result.output
    mapping = load_bundle(tmp_path / "bundle").manifest.label_mapping
    assert (mapping["sad"], mapping["ang"]) == (None, Emotion.STRESSED)

    refused = CliRunner().invoke(app, ["import", "superb/wav2vec2-base-superb-er", *told])
    assert refused.exit_code == 1
    assert "--revision" in refused.stderr
    assert "Traceback" not in refused.output


def test_the_command_line_fits_a_map(dimensional: Path, tmp_path: Path) -> None:
    data, out = str(corpus(tmp_path / "corpus")), tmp_path / "map.json"
    result = CliRunner().invoke(
        app, ["fit-map", str(dimensional), data, "--out", str(out), "--window-seconds", "1"]
    )
    assert result.exit_code == 0, result.output
    assert EmotionMap.read(out).fitted_on in result.stdout

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2ForSequenceClassification

from mindtrack_trainer.dataset import LABELS, OUTLIER, Corpus, Framing
from mindtrack_trainer.errors import DatasetError, ResumeError, TrainerError
from mindtrack_trainer.model import fresh_model, load_model, make_config, make_model, save_model
from mindtrack_trainer.options import Freeze, TrainingOptions
from mindtrack_trainer.training import TRAINING, Progress, TrainingReport, pair_loss, soft_targets, train

FRAMING = Framing(4.0, 2.0)
OPTIONS = TrainingOptions(epochs=2, batch=5, learning_rate=3e-3, seed=1, mixed_precision=False)
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
    return Corpus(clean, clean, targets, tuple(f"en+v{index}" for index in range(clips)), FRAMING)


def run(
    out: Path,
    options: TrainingOptions = OPTIONS,
    model: Wav2Vec2ForSequenceClassification | None = None,
    stop_after: int | None = None,
) -> list[Progress]:
    steps = []
    model = model or make_model(CONFIG, options.seed)
    for progress in train(model, toy_corpus(), toy_corpus(5), options, out, ["toy"]):
        steps.append(progress)
        if progress.epoch == stop_after and progress.uar is not None:
            break
    return steps


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("checkpoint")
    run(out)
    return out


def test_training_lowers_the_loss_on_what_it_saw(tmp_path: Path) -> None:
    steps = run(tmp_path, replace(OPTIONS, epochs=6, patience=6))
    losses = [step.loss for step in steps]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1
    assert [step.uar is not None for step in steps] == [False, False, True] * 6


def test_report_says_how_the_checkpoint_came_about(trained: Path) -> None:
    report = TrainingReport.read(trained)
    assert (report.seed, report.data, report.framing, report.base) == (1, ["toy"], FRAMING, None)
    assert report.clips["train"] == {**dict.fromkeys(sorted(map(str, LABELS)), 3), "speakers": 15}
    assert report.speakers["train"] == sorted(toy_corpus().speakers)
    assert report.speakers["calibration"] == sorted(toy_corpus(5).speakers)
    assert [entry.epoch for entry in report.log] == [0, 1]
    assert report.best_epoch == max(report.log, key=lambda entry: entry.uar).epoch
    assert report.wall_seconds == pytest.approx(sum(entry.seconds for entry in report.log))
    with pytest.raises(TrainerError, match="run `mindtrack-trainer train`"):
        TrainingReport.read(trained.parent)


def test_report_of_another_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / TRAINING).write_text('{"seed": 1}')
    with pytest.raises(TrainerError, match=r"not this release's \(.*framing|window_seconds: Field required"):
        TrainingReport.read(tmp_path)


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


@pytest.mark.parametrize(("clips", "validation"), [(20, 5), (15, 10)])
def test_resuming_with_other_clips_is_refused(trained: Path, clips: int, validation: int) -> None:
    model = make_model(CONFIG, OPTIONS.seed)
    corpora = toy_corpus(clips), toy_corpus(validation)
    with pytest.raises(ResumeError, match=r"with other clips, .*choose another directory"):
        list(train(model, *corpora, OPTIONS, trained, ["toy"]))


def test_a_label_that_no_training_clip_has_is_refused_before_the_work(tmp_path: Path) -> None:
    whole = toy_corpus()
    corpus = replace(whole, targets=np.where(np.isin(whole.targets, [2, 4]), OUTLIER, whole.targets))
    steps = train(make_model(CONFIG, OPTIONS.seed), corpus, toy_corpus(5), OPTIONS, tmp_path / "out", ["toy"])
    with pytest.raises(DatasetError, match="no training clip of Sad, Stressed fills a window of 4 s"):
        list(steps)
    assert not (tmp_path / "out").exists()


def test_training_stops_when_uar_no_longer_rises_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    still = replace(
        OPTIONS, epochs=6, patience=2, learning_rate=1e-12
    )  # nothing is learnt, so no UAR is better
    steps = run(tmp_path, still)
    assert {step.epoch for step in steps} == {0, 1, 2}
    assert TrainingReport.read(tmp_path).best_epoch == 0
    assert run(tmp_path, still) == []  # finished: nothing left to do


def test_pair_loss_grows_with_the_disagreement_of_the_two_views() -> None:
    targets, weights = torch.eye(2), torch.ones(2)
    same = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(2, 1)
    swapped = torch.cat([same[:2], same[:2].flip(0)])
    assert pair_loss(same, targets, weights, 1.0) == pair_loss(same, targets, weights, 0.0)
    apart = pair_loss(swapped, targets, weights, 1.0) - pair_loss(swapped, targets, weights, 0.0)
    # p = (.731, .269) against its mirror image: 2 x .4621 x 1, the symmetric divergence by hand.
    assert apart.item() == pytest.approx(2 * 0.46212, rel=1e-4)
    # Cross-entropy of p = .731 is .3133; the second clip's counts three times as much.
    heavy = pair_loss(same, targets, torch.tensor([1.0, 3.0]), 0.0)
    assert heavy.item() == pytest.approx(2 * 0.31326, rel=1e-4)


def test_outliers_are_trained_towards_knowing_nothing() -> None:
    targets = soft_targets(torch.tensor([2, OUTLIER]))
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(2))
    assert targets[0].argmax() == 2
    torch.testing.assert_close(targets[1], torch.full((5,), 0.2))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretrained encoder as published ones are: group norm, no classifier."""
    config = make_config(hidden=32, layers=2)
    config.feat_extract_norm, config.do_stable_layer_norm = "group", False
    out = tmp_path_factory.mktemp("base")
    save_model(make_model(config, seed=5), out)
    weights = load_file(out / "model.safetensors")
    encoder = {name: value for name, value in weights.items() if name.startswith("wav2vec2.")}
    save_file(encoder, out / "model.safetensors", metadata={"format": "pt"})
    return out


@pytest.mark.parametrize(
    ("freeze", "still"),
    [("nothing", ()), ("features", ("feature_extractor",)), ("encoder", ("feature_extractor", "encoder"))],
)
def test_fine_tuning_moves_what_is_not_frozen(
    base: Path, tmp_path: Path, freeze: Freeze, still: tuple[str, ...]
) -> None:
    options = replace(OPTIONS, base=base, freeze=freeze, epochs=1, speed=0.05)
    run(tmp_path, options, fresh_model(options))
    before, after = load_file(base / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    moved = {name.split(".")[1] for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved.isdisjoint(still)
    assert ("encoder" in moved) == (freeze != "encoder")
    assert load_model(tmp_path).config.id2label == {n: str(label) for n, label in enumerate(LABELS)}
    assert TrainingReport.read(tmp_path).base == base.name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"add_adapter": True}, "does not support the use of Wav2Vec2 adapters"),
        ({"intermediate_size": 24}, r"lacks parts of the encoder: .*intermediate_dense\.weight"),
        ({"hidden_size": "big"}, "holds no wav2vec2 checkpoint"),
        ({"hidden_act": "no-such"}, "holds no wav2vec2 checkpoint"),
    ],
)
def test_base_that_is_no_plain_encoder_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    save_model(make_model(make_config(hidden=32, layers=1), seed=5), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(TrainerError, match=message):
        fresh_model(replace(OPTIONS, base=tmp_path))


def test_base_that_lacks_part_of_the_encoder_is_refused(base: Path, tmp_path: Path) -> None:
    for file in base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["wav2vec2.encoder.layer_norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainerError, match=r"encoder\.layer_norm\.weight"):
        fresh_model(replace(OPTIONS, base=tmp_path))
    with pytest.raises(TrainerError, match="holds no wav2vec2 checkpoint"):
        fresh_model(replace(OPTIONS, base=tmp_path / "nowhere"))

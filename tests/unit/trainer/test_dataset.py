from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer import augmentation, dataset
from mindtrack_trainer.dataset import WINDOW, Corpus
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.synthesis import MANIFEST


def write_manifest(folder: Path, **changes: object) -> None:
    clip = {"path": "a.wav", "degraded_path": "b.wav", "label": "Sad", "speaker": "en+f1", "split": "train"}
    lines = [{**clip, "seconds": 5.5}, {**clip, "seconds": 5.5, **changes}]
    (folder / MANIFEST).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def noise(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 0.1 + 0.02


def test_split_that_shares_a_speaker_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, split="test")
    with pytest.raises(DatasetError, match=r"en\+f1"):
        dataset.read_manifest(tmp_path)
    write_manifest(tmp_path, split="test", speaker="en+f2")
    assert len(dataset.read_manifest(tmp_path)) == 2


@pytest.mark.parametrize(
    "changes", [{"label": "Bored"}, {"split": "dev"}, {"seconds": 3.9}, {"colour": "red"}], ids=str
)
def test_malformed_manifest_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    write_manifest(tmp_path, **changes)
    with pytest.raises(DatasetError):
        dataset.read_manifest(tmp_path)


def test_directory_without_manifest_and_split_without_a_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=MANIFEST):
        dataset.read_manifest(tmp_path)
    write_manifest(tmp_path)
    with pytest.raises(DatasetError, match="Neutral, Happy, Anxious, Stressed"):
        dataset.load(tmp_path, "train")


def test_normalisation_is_the_published_feature_extractor_s() -> None:
    windows = noise(2, WINDOW)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)  # type: ignore[no-untyped-call]
    expected = extractor(list(windows), sampling_rate=16_000, return_tensors="np")["input_values"]
    np.testing.assert_allclose(dataset.normalise(windows), expected, atol=1e-5)
    np.testing.assert_allclose(augmentation.normalise(torch.from_numpy(windows)).numpy(), expected, atol=1e-5)


def test_last_window_is_anchored_to_the_end() -> None:
    samples = noise(9 * 16_000)  # 9 s: windows at 0, 2, 4 and 5 s
    windows = dataset.cut(samples)
    assert windows.shape == (4, WINDOW)
    np.testing.assert_allclose(windows[-1], dataset.normalise(samples[np.newaxis, -WINDOW:])[0], atol=1e-5)
    with pytest.raises(DatasetError, match="shorter than a window"):
        dataset.cut(samples[: WINDOW - 1])


def test_pair_shows_one_clip_at_almost_one_place() -> None:
    ramp = np.arange(88_000, dtype=np.float64) / 4  # a sample's value tells its place
    clips = [ramp.astype(np.int16), -ramp.astype(np.int16)]
    corpus = Corpus(clips, clips, np.array([0, 1]), ("en+f1", "en+f2"))
    rng = np.random.default_rng(0)
    for _ in range(20):
        clean, other = dataset.paired_windows(corpus, np.array([0, 1]), rng)
        assert clean.shape == other.shape == (2, WINDOW)
        places = [np.abs(view[:, 0]) * 32768 * 4 for view in (clean, other)]
        assert np.all(np.abs(places[0] - places[1]) <= 800 + 4)


def test_augmentation_is_seeded_band_limits_and_normalises() -> None:
    windows = torch.from_numpy(noise(64, WINDOW))
    first, again, other = (
        augmentation.augment(windows, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other)
    torch.testing.assert_close(first.mean(dim=1), torch.zeros(64), atol=1e-4, rtol=0)
    torch.testing.assert_close(first.square().mean(dim=1), torch.ones(64), atol=1e-3, rtol=0)
    power = torch.fft.rfft(first).abs().square()  # (64, bins of 0.25 Hz)
    above_telephone = power[:, 4 * 4_000 :].sum(dim=1) / power.sum(dim=1)
    assert above_telephone.min() < 0.1 < above_telephone.max()


def test_labels_are_the_emotions_in_their_order() -> None:
    assert tuple(Emotion) == dataset.LABELS

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import Wav2Vec2FeatureExtractor

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer import augmentation, dataset
from mindtrack_trainer.dataset import OUTLIER, Corpus, Framing
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Utterance, read_manifest, write_manifest
from mindtrack_trainer.sound import write_wav

FRAMING = Framing(4.0, 2.0)
WINDOW = FRAMING.window


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 0.1 + 0.02


def write_corpus(folder: Path, *clips: tuple[Emotion | None, float]) -> None:
    utterances = []
    for number, (label, seconds) in enumerate(clips):
        write_wav(folder / f"{number}.wav", noise(round(seconds * SAMPLE_RATE)))
        utterances.append(
            Utterance(
                path=f"{number}.wav",
                seconds=seconds,
                label=label,
                source_label=str(label),
                speaker=f"toy/{number}",
                corpus="toy",
                split="train",
            )
        )
    write_manifest(folder, utterances)


def test_loading_keeps_what_fills_a_window_and_counts_the_rest(tmp_path: Path) -> None:
    write_corpus(tmp_path, (Emotion.SAD, 5), (Emotion.HAPPY, 4), (Emotion.SAD, 3.9), (None, 5))
    corpus = dataset.load(tmp_path, "train", FRAMING, outliers=False)
    assert (corpus.targets.tolist(), corpus.too_short) == ([2, 1], 1)
    assert corpus.speakers == ("toy/0", "toy/1")
    with_outliers = dataset.load(tmp_path, "train", FRAMING, outliers=True)
    assert with_outliers.targets.tolist() == [2, 1, OUTLIER]
    assert with_outliers.describe() == {"Happy": 1, "Sad": 1, "outliers": 1, "speakers": 2}
    np.testing.assert_array_equal(corpus.clean[0], corpus.degraded[0])  # nobody made a twin
    shorter = dataset.load(tmp_path, "train", Framing(2.0, 1.0), outliers=False)
    assert (len(shorter), shorter.too_short) == (3, 0)


def test_a_split_with_a_single_label_is_refused(tmp_path: Path) -> None:
    write_corpus(tmp_path, (Emotion.SAD, 5), (Emotion.HAPPY, 3))
    with pytest.raises(DatasetError, match=r"4 s or more for Sad; at least two"):
        dataset.load(tmp_path, "train", FRAMING, outliers=True)
    with pytest.raises(DatasetError, match="no label"):
        dataset.load(tmp_path, "test", FRAMING, outliers=True)


def test_windows_that_leave_gaps_are_refused() -> None:
    assert Framing(4.0, 4.0).window == WINDOW
    with pytest.raises(DatasetError, match=r"windows of 4 s every 4\.5 s .* choose a hop no longer"):
        Framing(4.0, 4.5)


@pytest.mark.parametrize(("seconds", "twin"), [(3.0, 3.0), (4.5, 5.0), (5.0, 4.5)])
def test_files_that_are_not_what_the_manifest_says_are_refused(
    tmp_path: Path, seconds: float, twin: float
) -> None:
    write_corpus(tmp_path, (Emotion.SAD, 5), (Emotion.HAPPY, 5))
    write_wav(tmp_path / "1.wav", noise(round(seconds * SAMPLE_RATE)))
    write_wav(tmp_path / "twin.wav", noise(round(twin * SAMPLE_RATE)))
    sad, happy = read_manifest(tmp_path)
    write_manifest(tmp_path, [sad, happy.model_copy(update={"degraded_path": "twin.wav"})])
    lengths = f"{seconds * SAMPLE_RATE:.0f} samples and its twin {twin * SAMPLE_RATE:.0f}"
    with pytest.raises(DatasetError, match=rf"1\.wav has {lengths}.*prepare the corpus again"):
        dataset.load(tmp_path, "train", FRAMING, outliers=False)


def test_digest_tells_labels_speakers_and_lengths_apart() -> None:
    one = ramps()
    others = [
        replace(one, targets=np.array([1, 0])),
        replace(one, speakers=("en+f1", "en+f3")),
        replace(one, clean=[one.clean[0], one.clean[1][:-1]]),
    ]
    assert one.digest() == ramps().digest()
    assert len({corpus.digest() for corpus in (one, *others)}) == 4


def test_class_weights_let_every_label_count_the_same() -> None:
    clips = [np.zeros(WINDOW, np.int16)] * 7
    targets = np.array([0, 0, 0, 2, 3, 3, OUTLIER])
    weights = Corpus(clips, clips, targets, ("en+f1",) * 7, FRAMING).class_weights()
    np.testing.assert_allclose(weights, [6 / 9, 0, 2, 1, 0])
    known = targets[targets != OUTLIER]
    assert weights[known].mean() == pytest.approx(1)
    assert weights[0] * 3 == pytest.approx(weights[2] * 1) == pytest.approx(weights[3] * 2)


def test_normalisation_is_the_published_feature_extractor_s() -> None:
    windows = noise(2, WINDOW)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)  # type: ignore[no-untyped-call]
    expected = extractor(list(windows), sampling_rate=16_000, return_tensors="np")["input_values"]
    np.testing.assert_allclose(dataset.normalise(windows), expected, atol=1e-5)
    np.testing.assert_allclose(augmentation.normalise(torch.from_numpy(windows)).numpy(), expected, atol=1e-5)


def test_last_window_is_anchored_to_the_end() -> None:
    samples = noise(9 * SAMPLE_RATE)  # 9 s: windows at 0, 2, 4 and 5 s
    windows = dataset.cut(samples, FRAMING)
    assert windows.shape == (4, WINDOW)
    np.testing.assert_allclose(windows[-1], dataset.normalise(samples[np.newaxis, -WINDOW:])[0], atol=1e-5)
    with pytest.raises(DatasetError, match="shorter than a window of 4 s"):
        dataset.cut(samples[: WINDOW - 1], FRAMING)


def ramps() -> Corpus:
    """Clips whose samples tell their place."""
    ramp = np.arange(88_000, dtype=np.float64) / 4
    clips = [ramp.astype(np.int16), -ramp.astype(np.int16)]
    return Corpus(clips, clips, np.array([0, 1]), ("en+f1", "en+f2"), FRAMING)


def test_pair_shows_one_clip_at_almost_one_place() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        clean, other = dataset.paired_windows(ramps(), np.array([0, 1]), rng)
        assert clean.shape == other.shape == (2, WINDOW)
        places = [np.abs(view[:, 0]) * 32768 * 4 for view in (clean, other)]
        assert np.all(np.abs(places[0] - places[1]) <= 800 + 4)


def test_speed_changes_how_much_of_a_clip_fills_a_window() -> None:
    rng = np.random.default_rng(0)
    spans = []
    for _ in range(40):
        clean, other = dataset.paired_windows(ramps(), np.array([0]), rng, speed=0.1)
        assert clean.shape == other.shape == (1, WINDOW)
        spans.append(float(clean[0, -1] - clean[0, 0]) * 32768 * 4 / WINDOW)
    assert 0.9 <= min(spans) < 0.93
    assert 1.07 < max(spans) <= 1.1


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


def test_augmentation_reverberates_some_windows_and_overloads_some() -> None:
    """A burst's echo is still there 50 ms later; overload flattens the peaks of a tone."""
    burst = torch.zeros(64, WINDOW)
    burst[:, 16_000:16_800] = torch.from_numpy(noise(64, 800))
    heard = augmentation.augment(burst, torch.Generator().manual_seed(3)).square()
    # Noise is white to brown at 8 to 50 dB below the burst; an echo stands out against the time before it.
    echo = heard[:, 17_600:20_800].mean(dim=1) / heard[:, 9_600:12_800].mean(dim=1)
    assert 5 < int((echo > 3).sum()) < 40

    tone = torch.sin(torch.arange(WINDOW) * 0.1).repeat(64, 1)
    peaks = augmentation.augment(tone, torch.Generator().manual_seed(3)).abs()
    flat = (peaks > 0.999 * peaks.amax(dim=1, keepdim=True)).float().mean(dim=1)
    assert 1 <= int((flat > 0.05).sum()) < 16


def test_labels_are_the_emotions_in_their_order() -> None:
    assert tuple(Emotion) == dataset.LABELS

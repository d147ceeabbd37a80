"""One recording's windows, shared out over processes that know nothing of each other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.pipeline import Analyzer
from mindtrack_inference.settings import QualitySettings
from unit.inference.recordings import voice_log

BUNDLE = "demo-synthetic"
TESTS = Path(__file__).parents[2]
#: How far the same window's scores may lie apart, whichever process gives them.
INVARIANCE = 1e-4


def start(windows: NDArray[np.float32], scores: Path) -> subprocess.Popen[bytes]:
    """Have a new interpreter score windows (n, window_samples) with a model of its own."""
    source = scores.with_suffix(".npy")
    np.save(source, windows)
    command = [sys.executable, "-m", "unit.inference.shards", BUNDLE, str(source), str(scores)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(TESTS)})


def test_two_processes_score_as_one(tmp_path: Path) -> None:
    classifier = Classifier.load(load_bundle(BUNDLE), precision="fp32", threads=1)
    analyzer = Analyzer(classifier, max_seconds=12, thresholds=QualitySettings())
    windows = analyzer.preprocess(voice_log()).windows
    expected = classifier.score(windows)
    assert np.ptp(expected.probabilities, axis=0).max() > 20 * INVARIANCE  # windows could be told apart

    shards = {
        tmp_path / "odd.npz": np.arange(len(windows))[1::2],
        tmp_path / "even.npz": np.arange(len(windows))[::2],
    }
    processes = [start(windows[shard], scores) for scores, shard in shards.items()]

    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    for scores, shard in shards.items():
        with np.load(scores) as found:
            assert np.abs(found["probabilities"] - expected.probabilities[shard]).max() <= INVARIANCE
            assert np.abs(found["uncertainty"] - expected.uncertainty[shard]).max() <= INVARIANCE

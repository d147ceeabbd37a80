"""`python -m unit.inference.shards BUNDLE WINDOWS SCORES`: what another process does with its windows.

Reads windows (n, window_samples) from one file and writes what the bundle's model says of them to another.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier


def main(bundle: str, windows: Path, scores: Path) -> None:
    found = Classifier.load(load_bundle(bundle), precision="fp32", threads=1).score(np.load(windows))
    np.savez(scores, probabilities=found.probabilities, uncertainty=found.uncertainty)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))

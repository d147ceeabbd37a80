"""The endpoint this system grew out of, done as its tutorial writes it, in one process.

`python -m bench.tutorial CHECKPOINT RECORDING` is its cold start: import, load, answer once.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import librosa
import torch

_RATE = 16_000  # Hz
#: In the tutorial's order of labels: Anxious and Stressed.
_STRESS = (3, 4)


@dataclass(frozen=True, slots=True)
class Answer:
    emotion: str
    confidence: float
    stress_score: float
    #: (5,); not in the tutorial's answer, which keeps one of them.
    probabilities: tuple[float, ...]


class Tutorial:
    """Loaded once, like the tutorial's globals."""

    def __init__(self, checkpoint: Path) -> None:
        transformers: Any = import_module("transformers")  # its types do not fit what it does
        self._processor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(checkpoint)
        self._model = transformers.Wav2Vec2ForSequenceClassification.from_pretrained(
            checkpoint, dtype=torch.float32
        )
        self._model.eval()

    def analyze(self, body: bytes) -> Answer:
        waveform, _ = librosa.load(io.BytesIO(body), sr=_RATE)
        inputs = self._processor(waveform, sampling_rate=_RATE, return_tensors="pt", padding=True)
        with torch.no_grad():
            logits = self._model(**inputs).logits
        shares = torch.softmax(logits, dim=-1)[0]
        likeliest = int(shares.argmax())
        return Answer(
            emotion=self._model.config.id2label[likeliest],
            confidence=float(shares[likeliest]),
            stress_score=float(sum(shares[label] for label in _STRESS)),
            probabilities=tuple(shares.tolist()),
        )


if __name__ == "__main__":
    answer = Tutorial(Path(sys.argv[1])).analyze(Path(sys.argv[2]).read_bytes())
    sys.stdout.write(json.dumps([answer.emotion, answer.confidence, answer.stress_score]) + "\n")

"""What a checkpoint is worth: on voices it never heard, and on the same words in other formats."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from scipy.special import softmax
from transformers import Wav2Vec2ForSequenceClassification

from mindtrack_trainer import metrics
from mindtrack_trainer.dataset import LABELS, WINDOW_SECONDS, Corpus, cut, middle_windows
from mindtrack_trainer.model import score
from mindtrack_trainer.sound import SAMPLE_RATE, Encoding, Samples, decode, encode

Report = dict[str, JsonValue]

EVALUATION = "evaluation.json"
_BATCH = 16
_STRESS = [index for index, label in enumerate(LABELS) if label in ("Anxious", "Stressed")]

#: What phones and browsers send, at common and at low bit rates.
FORMATS: dict[str, Encoding] = {
    "wav": Encoding("wav", "pcm_s16le", None, SAMPLE_RATE),
    "m4a 64k": Encoding("ipod", "aac", 64_000, 44_100),
    "m4a 24k": Encoding("ipod", "aac", 24_000, 16_000),
    "webm 32k": Encoding("webm", "libopus", 32_000, 48_000),
    "webm 16k": Encoding("webm", "libopus", 16_000, 16_000),
    "mp3 64k": Encoding("mp3", "libmp3lame", 64_000, 44_100),
    "mp3 24k": Encoding("mp3", "libmp3lame", 24_000, 16_000),
}


def evaluate(model: Wav2Vec2ForSequenceClassification, calibration: Corpus, test: Corpus) -> Report:
    """Fit the temperature on the calibration voices, then measure everything on the test voices.

    "degraded" figures are of the same clips after a phone's codec.
    """
    held_out = [_logits(model, clips) for clips in (calibration.clean, calibration.degraded)]
    temperature = metrics.fit_temperature(np.concatenate(held_out), np.tile(calibration.targets, 2))
    clean, degraded = (_logits(model, clips) for clips in (test.clean, test.degraded))
    return {
        "data": "rule-synthesised speech only; says nothing about people",
        "split": "test, no voice variant shared with training or calibration",
        "clips": len(test),
        "speakers": len(set(test.speakers)),
        "uar": round(metrics.unweighted_average_recall(clean, test.targets), 4),
        "uar_degraded": round(metrics.unweighted_average_recall(degraded, test.targets), 4),
        "recall": {
            str(k): round(float(v), 4)
            for k, v in zip(LABELS, metrics.recalls(clean, test.targets), strict=True)
        },
        "confusion_rows_true": metrics.confusion(clean, test.targets).tolist(),
        "ece_uncalibrated": round(metrics.expected_calibration_error(clean, test.targets), 4),
        "ece": round(metrics.expected_calibration_error(clean, test.targets, temperature), 4),
        "ece_degraded": round(metrics.expected_calibration_error(degraded, test.targets, temperature), 4),
        "temperature": round(temperature, 4),
        "calibration_clips": 2 * len(calibration),
        "calibration_speakers": len(set(calibration.speakers)),
    }


def stress_score(model: Wav2Vec2ForSequenceClassification, samples: Samples, temperature: float) -> float:
    """P(Anxious) + P(Stressed), averaged over a recording's windows."""
    probabilities = softmax(score(model, [cut(samples)]) / temperature, axis=1)  # (windows, 5)
    return float(probabilities[:, _STRESS].sum(axis=1).mean())


def codec_robustness(
    model: Wav2Vec2ForSequenceClassification, recordings: Path, temperature: float, shortest: float = 5.0
) -> Report:
    """How far a recording's stress score moves with the format it is stored in.

    Takes every WAV file under `recordings` of at least `shortest` seconds; differences are absolute, from
    the score of the WAV itself.
    """
    scores = np.array(
        [
            [stress_score(model, _through(samples, encoding), temperature) for encoding in FORMATS.values()]
            for path in sorted(recordings.rglob("*.wav"))
            for samples in (decode(path),)
            if len(samples) >= max(shortest, WINDOW_SECONDS) * SAMPLE_RATE
        ]
    )  # (recordings, formats)
    if not len(scores):
        return {"recordings": 0}
    moved: NDArray[np.float64] = np.abs(scores - scores[:, :1])
    return {
        "recordings": len(scores),
        "stress_score_difference": {
            name: {"mean": round(float(column.mean()), 4), "max": round(float(column.max()), 4)}
            for name, column in zip(FORMATS, moved.T, strict=True)
            if name != "wav"
        },
        "largest_difference": round(float(moved.max()), 4),
        "within_0.1": round(float((moved.max(axis=1) <= 0.1).mean()), 4),  # noqa: PLR2004 - named by the key
        "stress_score_range": [round(float(scores[:, 0].min()), 4), round(float(scores[:, 0].max()), 4)],
    }


def _through(samples: Samples, encoding: Encoding) -> Samples:
    buffer = io.BytesIO()
    encode(samples, buffer, encoding)
    buffer.seek(0)
    return decode(buffer)


def _logits(model: Wav2Vec2ForSequenceClassification, clips: list[NDArray[np.int16]]) -> NDArray[np.float32]:
    return score(model, middle_windows(clips, _BATCH))

"""A tiny corpus and an untrained checkpoint: everything that calibrating and evaluating reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.manifest import Split, Utterance, write_manifest
from mindtrack_trainer.model import make_config, make_model, save_model
from mindtrack_trainer.probes import Probe, write_probes
from mindtrack_trainer.sound import write_wav
from mindtrack_trainer.training import TRAINING, TrainingReport

WINDOW_SECONDS, HOP_SECONDS = 1.0, 0.5
SPEAKERS = 6  # per split
KINDS = ("hiss", "hum")

#: Random weights hardly tell one sound from another; these do, wrongly.
_OPINION = 50.0


def write_checkpoint(folder: Path) -> None:
    model = make_model(make_config(hidden=32, layers=1), seed=3)
    with torch.no_grad():
        model.classifier.weight.mul_(_OPINION)
    save_model(model, folder)
    report = TrainingReport(
        base=None,
        data=["tones"],
        clips={},
        too_short={},
        window_seconds=WINDOW_SECONDS,
        hop_seconds=HOP_SECONDS,
        seed=3,
        options={},
        log=[],
        best_epoch=0,
        wall_seconds=0.0,
        device="CPU",
        versions={},
        finished_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    (folder / TRAINING).write_text(report.model_dump_json())


def write_corpus(folder: Path) -> None:
    """Per split: a tone per label and speaker, with a duller twin; outliers; one clip below a window."""
    splits: tuple[Split, ...] = ("calibration", "test")
    utterances = [u for split in splits for u in (*_voices(folder, split), *_outliers(folder, split))]
    write_manifest(folder, utterances)
    references = [u for u in utterances if u.split == "test" and u.label == "Neutral" and u.seconds > 1]
    probes = []
    for reference in references:
        path = reference.path.replace(".wav", "-raised.wav")
        _write_tone(folder / path, 180.0, seconds=1.2)
        probes.append(
            Probe(
                probe="f0 +20 %",
                group="monotonicity",
                path=path,
                reference_path=reference.path,
                speaker=reference.speaker,
                label=reference.label,
            )
        )
    write_probes(folder, probes)


def _voices(folder: Path, split: Split) -> list[Utterance]:
    voices = []
    for speaker in range(SPEAKERS):
        for column, label in enumerate(LABELS):
            path, twin = (f"{split}-{speaker}-{column}{suffix}.wav" for suffix in ("", "-twin"))
            seconds = 1.2 + 0.1 * speaker  # one, two and three windows
            _write_tone(folder / path, 150 * 1.5**column + speaker, seconds)
            _write_tone(folder / twin, 140 * 1.5**column + speaker, seconds)
            voices.append(
                Utterance(
                    path=path,
                    degraded_path=twin,
                    seconds=seconds,
                    label=label,
                    source_label=label.lower(),
                    speaker=f"tones/{split}-{speaker}",
                    corpus="tones",
                    split=split,
                    sex="female" if speaker % 2 else "male",
                    age=25 if speaker else 61,
                )
            )
    return [*voices, _short(folder, voices[0])]


def _short(folder: Path, voice: Utterance) -> Utterance:
    path = voice.path.replace(".wav", "-short.wav")
    _write_tone(folder / path, 150.0, seconds=0.9)
    return voice.model_copy(update={"path": path, "degraded_path": None, "seconds": 0.9})


def _outliers(folder: Path, split: Split) -> list[Utterance]:
    outliers = []
    for number in range(6):
        kind = KINDS[number % len(KINDS)]
        path = f"{split}-{kind}-{number}.wav"
        rng = np.random.default_rng(number)
        write_wav(folder / path, rng.normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32))
        outliers.append(
            Utterance(
                path=path,
                seconds=2.0,
                label=None,
                source_label=kind,
                speaker=f"outliers-{split}",
                corpus="tones",
                split=split,
            )
        )
    return outliers


def _write_tone(path: Path, frequency: float, seconds: float) -> None:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hiss = np.random.default_rng(round(frequency)).normal(0, 0.01, len(time))
    write_wav(path, (0.3 * np.sin(2 * np.pi * frequency * time) + hiss).astype(np.float32))

"""A bundle as large as wav2vec2-base, its weights random: what it answers is noise, how fast is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from bench import corpus
from bench.outcome import ROOT
from bench.sides import progress
from mindtrack_inference.bundle import Bundle, load_bundle
from mindtrack_shared.bundles import MANIFEST_NAME
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.dataset import Framing
from mindtrack_trainer.importing import ImportOptions, import_checkpoint
from mindtrack_trainer.manifest import Utterance, write_manifest
from mindtrack_trainer.quantization import ANY, quantize
from mindtrack_trainer.sound import write_wav

FOLDER = ROOT / "var" / "bench"
#: Seconds: the tutorial's recordings have this length.
WINDOW = 5.0
_SEED = 2
#: For int8's ranges. The weights being noise, nothing is asked of its agreement here.
_CLIPS = {"train": 12, "test": 4}


def base() -> Bundle:
    """Return the bundle, made on first use: some 830 MB, its int8 variant included, in `var/bench`."""
    out = FOLDER / "wav2vec2-base"
    if not (out / MANIFEST_NAME).is_file():
        progress(f"making {out}")
        _make(out)
    return load_bundle(out)


def _make(out: Path) -> None:
    labels = [str(emotion) for emotion in Emotion]
    torch.manual_seed(_SEED)
    model = Wav2Vec2ForSequenceClassification(
        Wav2Vec2Config(
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as checkpoint:
        model.save_pretrained(checkpoint)
        extractor: Any = Wav2Vec2FeatureExtractor
        extractor(return_attention_mask=False).save_pretrained(checkpoint)
        options = ImportOptions(
            bundle_id="wav2vec2-base",
            licence="Apache-2.0",
            intended_use="Benchmarks; the weights are random.",
            framing=Framing(window_seconds=WINDOW, hop_seconds=WINDOW),
        )
        import_checkpoint(Path(checkpoint), out, options)
    with TemporaryDirectory(dir=out.parent) as data:
        write_manifest(Path(data), _utterances(Path(data)))
        quantize(out, Path(data), tolerance=ANY)


def _utterances(data: Path) -> Iterator[Utterance]:
    splits = [split for split, count in _CLIPS.items() for _ in range(count)]
    for number, split in enumerate(splits):
        name = f"{number}.wav"
        write_wav(data / name, (32767 * corpus.speech(WINDOW, 0.5 * number)).astype(np.int16))
        yield Utterance.model_validate(
            {
                "path": name,
                "seconds": WINDOW,
                "label": Emotion.NEUTRAL,
                "source_label": "neutral",
                "speaker": f"bench/{number}",
                "corpus": "bench",
                "split": split,
            }
        )

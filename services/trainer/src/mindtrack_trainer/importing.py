"""Makes a bundle of a local Hugging Face checkpoint: a stock `Wav2Vec2ForSequenceClassification`.

A checkpoint whose head does not fit would load with random weights in its place and answer with confidence,
so any key that is missing, unexpected or misshapen stops the import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from mindtrack_shared.bundles import BundleManifest
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.export import ONNX, WEIGHTS, check_parity, revision, write_onnx
from mindtrack_trainer.sound import SAMPLE_RATE

_CARD = """# {id}, revision {revision}

Imported from a Hugging Face checkpoint. Nothing was measured on the way: what it is worth, its own card has
to say.

**Intended use.** {intended_use}

**Labels.** {labels}

**Licence.** {licence}.
"""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    bundle_id: str
    licence: str
    intended_use: str
    window_seconds: float = 5.0
    hop_seconds: float = 2.5
    #: The checkpoint's labels that are not named like ours.
    labels: Mapping[str, Emotion] = field(default_factory=dict)


def parse_labels(pairs: Sequence[str]) -> dict[str, Emotion]:
    """Read `theirs=Ours` pairs.

    Raises:
        ExportError: a pair has another form, or names no emotion of ours.

    """
    labels: dict[str, Emotion] = {}
    for pair in pairs:
        theirs, _, ours = pair.partition("=")
        if not theirs or ours not in set(Emotion):
            raise ExportError(f"{pair!r} is not THEIRS=OURS with one of {', '.join(Emotion)}")
        labels[theirs] = Emotion(ours)
    return labels


def import_checkpoint(checkpoint: Path, out: Path, options: ImportOptions) -> BundleManifest:
    """Write a bundle directory and return its manifest.

    Raises:
        ExportError: the checkpoint does not fit a stock classifier, listens at another rate than 16 kHz, has
            a label that stands for none of ours, or lacks one of the five.

    """
    model, extractor = _load(checkpoint)
    mapping = _mapping(model, options.labels)
    window = round(options.window_seconds * SAMPLE_RATE)
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    extractor.save_pretrained(out)
    (out / WEIGHTS).chmod(0o644)  # safetensors writes 0600, and the service may be another user
    write_onnx(model, out / ONNX, window)
    difference = check_parity(model, out / ONNX, window)
    try:
        manifest = BundleManifest(
            id=options.bundle_id,
            revision=revision(out),
            window_seconds=options.window_seconds,
            hop_seconds=options.hop_seconds,
            label_mapping=mapping,
            evaluation={"onnx_logit_difference": float(f"{difference:.1e}")},
            licence=options.licence,
            intended_use=options.intended_use,
        )
    except ValidationError as error:
        raise ExportError(str(error)) from error
    manifest.write(out)
    (out / "README.md").write_text(_card(manifest))
    return manifest


def _load(checkpoint: Path) -> tuple[Wav2Vec2ForSequenceClassification, Wav2Vec2FeatureExtractor]:
    try:
        loaded: Any = Wav2Vec2ForSequenceClassification.from_pretrained(
            checkpoint, local_files_only=True, output_loading_info=True
        )
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(checkpoint, local_files_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ExportError(f"{checkpoint} does not load: {error}") from error
    model: Wav2Vec2ForSequenceClassification
    report: dict[str, Any]
    model, report = loaded
    wrong = {kind: sorted(map(str, keys)) for kind, keys in report.items() if kind.endswith("_keys") and keys}
    if wrong:
        said = "; ".join(f"{kind.replace('_', ' ')}: {', '.join(keys)}" for kind, keys in wrong.items())
        raise ExportError(f"{checkpoint} is no stock wav2vec2 classifier: {said}")
    if extractor.sampling_rate != SAMPLE_RATE:
        raise ExportError(f"{checkpoint} listens at {extractor.sampling_rate} Hz, not {SAMPLE_RATE}")
    model.train(mode=False)
    return model, extractor


def _mapping(model: Wav2Vec2ForSequenceClassification, named: Mapping[str, Emotion]) -> dict[str, Emotion]:
    theirs = list((model.config.id2label or {}).values())
    same = {str(emotion): emotion for emotion in Emotion}
    mapping = {label: found for label in theirs if (found := named.get(label, same.get(label)))}
    if strange := [label for label in named if label not in theirs]:
        raise ExportError(f"the model has no label {', '.join(strange)}; it has {', '.join(theirs)}")
    if unmapped := [label for label in theirs if label not in mapping]:
        raise ExportError(f"say with --label what {', '.join(unmapped)} stand for")
    if absent := [emotion for emotion in Emotion if emotion not in mapping.values()]:
        raise ExportError(f"no label stands for {', '.join(absent)}; all five are needed")
    return mapping


def _card(manifest: BundleManifest) -> str:
    return _CARD.format(
        id=manifest.id,
        revision=manifest.revision,
        intended_use=manifest.intended_use,
        licence=manifest.licence,
        labels=", ".join(f"{theirs} stands for {ours}" for theirs, ours in manifest.label_mapping.items()),
    )

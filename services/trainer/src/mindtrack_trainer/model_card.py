"""The bundle's README, written from its manifest so that the two cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from pydantic import JsonValue

from mindtrack_shared.bundles import BundleManifest
from mindtrack_trainer.dataset import LABELS

_CARD = Template(
    """---
license: apache-2.0
library_name: transformers
pipeline_tag: audio-classification
tags: [wav2vec2, synthetic-speech, demo]
---

# $id, revision $revision

A Wav2Vec2 sequence classifier with $parameters parameters, trained from scratch on speech that espeak-ng
synthesised by rule. It exists so that MindTrack runs end to end without downloading anything.

**Intended use.** $intended_use

**What it learnt.** One prosody rule per label (F0 mean and range, syllable duration, pauses), after the
percentages of SyntAct and Emofilt; see `prosody.py` in the trainer. It never heard a person. On human speech
its scores follow pitch, tempo and pauses, and say nothing about how the speaker feels.

**Input.** $window s windows every $hop s, 16 kHz mono, zero mean and unit variance per window. `model.onnx`
takes `input_values` (batch, samples) and returns `logits` (batch, 5) in the order $labels.
Divide the logits by $temperature before the softmax.

**Licence.** $licence. The weights contain no recording of anyone.

## Measured

On $speakers synthetic voices whose timbre is in no other split, $clips clips, one window each:

| Figure | Value |
| --- | --- |
| UAR | $uar |
| UAR after lossy codecs, half of them at telephone bandwidth | $uar_degraded |
| ECE before and after temperature scaling | $ece_uncalibrated, $ece |
$recall

Rows are what was synthesised, columns what was recognised:

| | $columns |
| --- | $rule |
$confusion

Temperature fitted on: $calibration.
$robustness
How it was made, with seeds: the trainer's README.
"""
)

_ROBUSTNESS = Template(
    """
## The same words in another format

$recordings recordings ($about) of at least 5 s, each encoded in every format. The table holds the absolute
difference between the stress score of the encoded file and that of the WAV. It tests the software's
steadiness, not the score's truth.

| Format | Mean | Largest |
| --- | --- | --- |
$rows

All formats within 0.1: $within of the recordings.
"""
)


def model_card(manifest: BundleManifest, parameters: int) -> str:
    """Markdown with a Hugging Face front matter; figures not measured read "not measured"."""
    figures = manifest.evaluation
    names = ("speakers", "clips", "uar", "uar_degraded", "ece", "ece_uncalibrated")
    return _CARD.substitute(
        {name: figures.get(name, "not measured") for name in names},
        id=manifest.id,
        revision=manifest.revision,
        parameters=f"{parameters / 1e6:.1f} million",
        intended_use=manifest.intended_use,
        window=f"{manifest.window_seconds:g}",
        hop=f"{manifest.hop_seconds:g}",
        labels=", ".join(LABELS),
        temperature=manifest.temperature,
        licence=manifest.licence,
        recall="\n".join(
            f"| Recall of {label} | {value} |" for label, value in _table(figures, "recall").items()
        ),
        columns=" | ".join(LABELS),
        rule=" | ".join("---" for _ in LABELS),
        confusion=_confusion(figures.get("confusion_rows_true")),
        calibration=manifest.calibration_set or "nothing; the scores are uncalibrated",
        robustness=_robustness(_table(figures, "codec_robustness")),
    )


def _table(figures: Mapping[str, JsonValue], name: str) -> Mapping[str, JsonValue]:
    value = figures.get(name)
    return value if isinstance(value, dict) else {}


def _confusion(rows: JsonValue) -> str:
    if not isinstance(rows, list):
        return "| not measured |"
    return "\n".join(
        f"| {label} | {' | '.join(str(count) for count in row)} |"
        for label, row in zip(LABELS, rows, strict=True)
        if isinstance(row, list)
    )


def _robustness(figures: Mapping[str, JsonValue]) -> str:
    formats = {name: _table(_table(figures, _DIFFERENCE), name) for name in _table(figures, _DIFFERENCE)}
    if not formats:
        return ""
    rows = "\n".join(f"| {name} | {row['mean']} | {row['max']} |" for name, row in formats.items())
    within = figures["within_0.1"]
    share = f"{within:.1%}" if isinstance(within, float) else str(within)
    return _ROBUSTNESS.substitute(
        recordings=figures["recordings"], about=figures["about"], rows=rows, within=share
    )


_DIFFERENCE = "stress_score_difference"

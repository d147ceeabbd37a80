"""The bundle's README, written from its manifest and reports so that they cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from pydantic import JsonValue

from mindtrack_shared.bundles import BundleManifest, Head, Quantization
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.synthesis import CORPUS as SYNTHETIC
from mindtrack_trainer.training import TrainingReport

NOT_MEASURED = "not measured"
_INT8 = "\n## int8"

_TRAINED = Template(
    """---
license: $licence_tag
library_name: transformers
pipeline_tag: audio-classification
tags: [wav2vec2, speech-emotion-recognition]
---

# $id, revision $revision

A Wav2Vec2 sequence classifier with $parameters million parameters, $origin.

**Intended use.** $intended_use

**What it learnt.** $learnt

$common
## Measured

On test speakers who are in neither training nor calibration; in parentheses 95 % intervals of a bootstrap
over speakers. All figures, and how they were taken, are in `evaluation.json`$report.

| Figure | Value |
| --- | --- |
$figures

## How it was made

Trained with seed $seed on $device, $wall of wall time. Epoch $best, with the best UAR on the calibration
speakers, was kept.

| Split | Clips |
| --- | --- |
$clips
$short
| Epoch | Loss | UAR, calibration | Seconds |
| --- | --- | --- | --- |
$log

Versions: $versions.

## Limits

$limits
"""
)

_IMPORTED = Template(
    """# $id, revision $revision

Imported from $source, with a $head head. Nothing was measured on the way: what it is worth, its own card has
to say.

**Intended use.** $intended_use

$common
## Limits

$limits
"""
)

_COMMON = Template(
    """**Input.** $window s windows every $hop s, 16 kHz mono, normalised as `preprocessor_config.json` says.
`model.onnx` takes `input_values` (batch, samples) and returns `logits` (batch, $labels). Every engine must
answer to the windows in `golden.safetensors` with the logits there, within 1e-4.

**Labels.** $meanings.
They are proxies: high arousal with negative valence is called Stressed where it confronts (anger) and Anxious
where it avoids (fear). $labelled
$map
**Calibration.** $calibration

**Licence.** $licence.
"""
)

_NOBODY = "Nobody was ever labelled as being under stress."
_SOMEBODY = "Whether anybody was labelled as being under stress is for the model's makers to say."

_SYNTHETIC_DATA = """One prosody rule per label (F0 mean and range, tempo, pauses, voice quality), after the
percentages of SyntAct and Emofilt, applied to voices of espeak-ng; see `prosody.py` in the trainer."""

_SYNTHETIC_LIMITS = """It never heard a person. On human speech its scores follow pitch, tempo, pauses and the
brightness of voice and microphone, and say nothing about how the speaker feels: nothing about people was
measured with it, and nothing about people is claimed. The weights contain no recording of anyone.

The voices were brought to a common neutral (F0, its range, tempo, spectral balance) before the rules applied
(`neutral.py`), and the figures hold for unheard voices of that kind only. The table of probes in
`evaluation.md` says what moves the stress score, and where it moves against expectation."""

_HUMAN_LIMITS = """The figures hold for speakers recorded as those of the corpora were. Acted speech is easier
than everyday speech, and other languages, ages, rooms and devices were not measured. A score describes how a
voice sounded to a model; it is no diagnosis."""

_IMPORTED_LIMITS = """Scores are uncalibrated, and how often they are right is unknown. A score describes how
a voice sounded to a model; it is no diagnosis."""

_FIGURES = {
    "uar": "UAR",
    "ece": "ECE after calibration",
    "ece_uncalibrated": "ECE before calibration",
    "brier": "Brier score",
    "stress_auc": "AUC of Anxious-or-Stressed",
    "stress_ece": "ECE of Anxious-or-Stressed",
    "abstained": "Voices left undecided",
}


def trained_card(manifest: BundleManifest, training: TrainingReport, parameters: int, *, report: bool) -> str:
    """Card of a model that this trainer made; figures that are not in the manifest read "not measured"."""
    synthetic = is_synthetic(training)
    corpora = "rule-synthesised speech" if synthetic else ", ".join(training.data)
    return _TRAINED.substitute(
        id=manifest.id,
        revision=manifest.revision,
        licence_tag=manifest.licence.lower(),
        parameters=f"{parameters / 1e6:.1f}",
        origin=f"fine-tuned from {training.base} on {corpora}"
        if training.base
        else f"trained from scratch on {corpora}",
        intended_use=manifest.intended_use,
        learnt=_SYNTHETIC_DATA
        if synthetic
        else f"The labels of {corpora}, as the trainer's table maps them.",
        common=_common(manifest, _NOBODY),
        report=", in words and plots in `evaluation.md`" if report else "",
        figures="\n".join(f"| {title} | {value} |" for title, value in _figures(manifest.evaluation).items()),
        seed=training.seed,
        device=training.device,
        wall=_duration(training.wall_seconds),
        best=training.best_epoch + 1,
        clips="\n".join(
            f"| {split} | {', '.join(f'{count} {name}' for name, count in counts.items())} |"
            for split, counts in training.clips.items()
        ),
        short=_too_short(training),
        log="\n".join(
            f"| {epoch.epoch + 1} | {epoch.loss:.4f} | {epoch.uar:.4f} | {epoch.seconds:.0f} |"
            for epoch in training.log
        ),
        versions=", ".join(f"{name} {version}" for name, version in training.versions.items()),
        limits=_SYNTHETIC_LIMITS if synthetic else _HUMAN_LIMITS,
    )


def imported_card(manifest: BundleManifest) -> str:
    """Card of somebody else's model."""
    return _IMPORTED.substitute(
        id=manifest.id,
        revision=manifest.revision,
        source=manifest.source or "a Hugging Face checkpoint",
        head=manifest.head,
        intended_use=manifest.intended_use,
        common=_common(manifest, _SOMEBODY),
        limits=_IMPORTED_LIMITS,
    )


def is_synthetic(training: TrainingReport) -> bool:
    """Whether the model heard rule-synthesised speech and nobody's voice."""
    return training.base is None and set(training.data) == {SYNTHETIC}


def _common(manifest: BundleManifest, labelled: str) -> str:
    meanings = [
        theirs if theirs == ours else f"{theirs} stands for {ours or 'nothing'}"
        for theirs, ours in manifest.label_mapping.items()
    ]
    absent = [str(emotion) for emotion in Emotion if emotion not in manifest.supported_labels]
    if absent:
        meanings.append(f"the model cannot express {', '.join(absent)}")
    fitted = f"\n**Map.** From arousal, dominance and valence, fitted on {manifest.fitted_on}.\n"
    return _COMMON.substitute(
        window=f"{manifest.window_seconds:g}",
        hop=f"{manifest.hop_seconds:g}",
        labels=len(manifest.label_mapping),
        meanings=", ".join(meanings),
        labelled=labelled,
        map=fitted if manifest.head is Head.DIMENSIONAL else "",
        calibration=_calibration(manifest),
        licence=manifest.licence,
    )


def _calibration(manifest: BundleManifest) -> str:
    if manifest.calibration_set is None:
        return "None: probabilities are the plain softmax, and none is too uncertain to be given."
    stress = manifest.stress_calibration
    platt = f", stress by slope {stress.slope:.4g} and intercept {stress.intercept:.4g}" if stress else ""
    limit = manifest.abstention_threshold
    undecided = f"; undecided above an uncertainty of {limit:.4g}" if limit is not None else ""
    return f"Temperature {manifest.temperature:.4g}{platt}{undecided}. Fitted on {manifest.calibration_set}."


def _figures(evaluation: Mapping[str, JsonValue]) -> dict[str, str]:
    recall = evaluation.get("recall")
    recalls: Mapping[str, JsonValue] = recall if isinstance(recall, dict) else {}
    return {
        **{title: _shown(evaluation.get(name)) for name, title in _FIGURES.items()},
        **{f"Recall of {label}": _shown(recalls.get(label)) for label in LABELS},
    }


def _shown(figure: JsonValue) -> str:
    """A value with its interval."""
    if not isinstance(figure, dict):
        return NOT_MEASURED
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    if not isinstance(value, float | int):
        return NOT_MEASURED
    interval = f" ({low:.3f} to {high:.3f})" if isinstance(low, float) and isinstance(high, float) else ""
    return f"{value:.3f}{interval}"


def _too_short(training: TrainingReport) -> str:
    """A paragraph, where clips had to be left out."""
    left_out = [f"{clips} of {split}" for split, clips in training.too_short.items() if clips]
    if not left_out:
        return ""
    window = f"a window of {training.window_seconds:g} s"
    return f"\nNot counted are clips that do not fill {window}: {', '.join(left_out)}.\n"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes else f"{seconds:.0f} s"


def with_int8(card: str, quantization: Quantization) -> str:
    """Append the section about the int8 variant, in place of an earlier one."""
    kept = "".join(f", every {kind} left in float32" for kind in quantization.ignored_scope)
    calibrated = f"{quantization.calibration_windows} windows of {quantization.calibration_speakers}"
    versions = ", ".join(f"{name} {version}" for name, version in quantization.versions.items())
    rows = [
        f"| {name} | {a.windows} | {a.labels:.2%} | {a.mean_difference:.4f} | {a.max_difference:.4f} |"
        for name, a in (
            (f"{quantization.agreement.speakers} unseen speakers", quantization.agreement),
            ("golden", quantization.golden),
        )
    ]
    return "\n".join(
        [
            card.partition(_INT8)[0].rstrip("\n"),
            _INT8,
            "",
            f"`model.int8.xml` and `model.int8.bin`: {quantization.method}; calibrated on",
            f"{calibrated} training speakers{kept}.",
            "Weights use half of the int8 range, so that CPUs without VNNI do not saturate.",
            "Against float32, after the temperature:",
            "",
            "| Windows of | Windows | Same label | Mean difference | Largest difference |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Versions: {versions}.",
            "",
        ]
    )

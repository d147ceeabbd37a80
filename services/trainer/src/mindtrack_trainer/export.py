"""Makes a bundle of what `train` wrote, once it is calibrated and evaluated."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from mindtrack_shared.bundles import BundleManifest, Head
from mindtrack_trainer.calibration import Calibration
from mindtrack_trainer.checkpoint import read_checkpoint
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.errors import ExportError, reasons
from mindtrack_trainer.evaluation import Evaluation
from mindtrack_trainer.model_card import is_synthetic, trained_card
from mindtrack_trainer.packaging import BESIDE, EVALUATION, NO_REVISION, REPORT, package
from mindtrack_trainer.training import TrainingReport

DEMO_LICENCE = "Apache-2.0"
DEMO_USE = (
    "Demonstration of the MindTrack software only. Trained on rule-synthesised speech; "
    "no accuracy on people is claimed, and no decision about a person may rest on it."
)

#: What the manifest repeats of `evaluation.json`.
_HEADLINES = {
    *("clips", "speakers", "uar", "recall", "ece", "ece_uncalibrated", "brier"),
    *("stress_auc", "stress_ece", "abstained"),
}


def export_bundle(
    checkpoint: Path,
    out: Path,
    bundle_id: str,
    *,
    licence: str | None = None,
    intended_use: str | None = None,
) -> BundleManifest:
    """Write a bundle directory and return its manifest.

    Licence and intended use need not be named for a model that heard nothing but synthetic speech.

    Raises:
        TrainerError: the training is not finished, or its checkpoint was never calibrated.
        ExportError: it was never evaluated with that calibration; its labels are not the five emotions; or
            human speech went into it and nobody says what may be done with it.

    """
    training = TrainingReport.read(checkpoint)
    calibration = Calibration.read(checkpoint)
    evaluation = _evaluation(checkpoint, calibration)
    if is_synthetic(training):
        licence, intended_use = licence or DEMO_LICENCE, intended_use or DEMO_USE
    if not licence or not intended_use:
        raise ExportError(
            f"{', '.join(training.data)} come with terms of their own: say with --licence and --intended-use "
            "what may be done with weights that learnt from them"
        )
    parts = read_checkpoint(checkpoint, Head.STOCK)
    if parts.labels != tuple(map(str, LABELS)):
        raise ExportError(
            f"{checkpoint} has the labels {', '.join(parts.labels)}; expected {', '.join(LABELS)}"
        )
    try:
        draft = BundleManifest(
            id=bundle_id,
            revision=NO_REVISION,
            checksums={},
            head=parts.head,
            window_seconds=training.window_seconds,
            hop_seconds=training.hop_seconds,
            label_mapping={str(label): label for label in LABELS},
            temperature=calibration.temperature,
            stress_calibration=calibration.stress_calibration,
            abstention_threshold=calibration.abstention_threshold,
            calibration_set=calibration.calibration_set,
            evaluation=evaluation.model_dump(mode="json", include=_HEADLINES),
            licence=licence,
            intended_use=intended_use,
        )
    except ValidationError as error:
        raise ExportError(reasons(error, "manifest")) from error
    beside = [path for name in BESIDE if (path := checkpoint / name).is_file()]
    report = checkpoint / REPORT in beside
    parameters = sum(tensor.numel() for tensor in parts.tensors.values())
    return package(
        parts,
        draft,
        out,
        lambda manifest: trained_card(manifest, training, parameters, report=report),
        beside,
    )


def _evaluation(checkpoint: Path, calibration: Calibration) -> Evaluation:
    try:
        evaluation = Evaluation.read(checkpoint)
    except FileNotFoundError as error:
        raise ExportError(
            f"{checkpoint} was never evaluated: run `mindtrack-trainer evaluate` first"
        ) from error
    except ValidationError as error:
        raise ExportError(
            f"{checkpoint / EVALUATION} is not this release's: run `mindtrack-trainer evaluate` again"
        ) from error
    if evaluation.calibration != calibration:
        raise ExportError(
            f"{checkpoint} was evaluated with another calibration: run `mindtrack-trainer evaluate` again"
        )
    return evaluation

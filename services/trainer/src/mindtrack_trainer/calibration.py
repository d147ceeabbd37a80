"""Fits what turns a checkpoint's logits into probabilities, and when it should rather say nothing.

Everything is fitted on what is served, the mean over a recording's windows, and on the calibration split,
whose speakers are in no other: clean clips and their degraded twins alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.optimize import minimize
from scipy.special import logsumexp

from mindtrack_shared.bundles import WEIGHTS_NAME, StressCalibration
from mindtrack_trainer import metrics
from mindtrack_trainer.errors import CalibrationError
from mindtrack_trainer.manifest import Utterance
from mindtrack_trainer.packaging import sha256
from mindtrack_trainer.scoring import STRESS, Logits, Scorer, Scores, paths, served, targets

CALIBRATION = "calibration.json"

_LOG_BOUNDS = (-3.0, 3.0)  # of temperature and slope: a factor of 20 either way
_INTERCEPTS = (-10.0, 10.0)  # logits


class Fit(BaseModel):
    """How well probabilities agree with the labels they were fitted on: an optimistic figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nll: float  # nats per recording
    ece: float
    #: The same for the one event Anxious-or-Stressed.
    stress_nll: float
    stress_ece: float


class Abstention(BaseModel):
    """What the threshold does on the calibration split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clean_abstained: float | None  # shares; that of clean voices is within the budget
    degraded_abstained: float | None
    outliers: int
    #: Shares of the outliers above the threshold, in all and by kind.
    outliers_caught: float | None
    outliers_caught_by_kind: dict[str, float]
    #: How often an outlier scores higher than a clean voice: what abstains (entropy), and the alternative,
    #: -log of the summed exponentials of the logits (energy, Liu et al. 2020).
    auroc_entropy: float | None
    auroc_energy: float | None


class Calibration(BaseModel):
    """`calibration.json`: goes into the bundle's manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: SHA-256 in hex of the weights that it was fitted to.
    weights: str
    temperature: Annotated[float, Field(gt=0)]
    stress_calibration: StressCalibration
    #: Recordings whose uncertainty is above it are indeterminate.
    abstention_threshold: Annotated[float, Field(ge=0, le=1)]
    budget: Annotated[float, Field(ge=0, lt=1)]
    #: A sentence for the model card.
    calibration_set: str
    before: Fit
    after: Fit
    abstention: Abstention

    @classmethod
    def read(cls, checkpoint: Path) -> Self:
        """Read what `calibrate` wrote.

        Raises:
            CalibrationError: the checkpoint was never calibrated, by another release, or with other weights.

        """
        path = checkpoint / CALIBRATION
        try:
            found = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise CalibrationError(
                f"{checkpoint} was never calibrated: run `mindtrack-trainer calibrate` first"
            ) from error
        except ValidationError as error:
            raise CalibrationError(
                f"{path} is not this release's: run `mindtrack-trainer calibrate` again"
            ) from error
        if found.weights != sha256(checkpoint / WEIGHTS_NAME):
            raise CalibrationError(
                f"{path} was fitted to other weights: run `mindtrack-trainer calibrate` again"
            )
        return found

    def write(self, checkpoint: Path) -> None:
        (checkpoint / CALIBRATION).write_text(self.model_dump_json(indent=2) + "\n")

    def serve(self, recordings: Sequence[Logits]) -> Scores:
        return served(recordings, self.temperature, self.stress_calibration)


def calibrate(scorer: Scorer, data: Path, budget: float) -> Calibration:
    """Fit temperature, stress calibration and abstention threshold on the calibration split.

    `budget` is the largest share of its clean clips that may be left unanswered.

    Raises:
        DatasetError: `data` is no corpus, or one of the split's speakers was trained on.
        CalibrationError: the split has no recording with the event Anxious-or-Stressed, or none without.

    """
    utterances = scorer.split(data, "calibration")
    logits = scorer.files(data, paths(utterances))
    voices = [u for u in utterances if u.label is not None and u.path in logits]
    twins = [voice for voice in voices if voice.degraded_path in logits]
    outliers = [u for u in utterances if u.label is None and u.path in logits]
    if len(set(STRESS[targets(voices)])) < 2:  # noqa: PLR2004 - the event, and its absence
        raise CalibrationError(
            f"the calibration split of {data} needs clips that fill a window both with and without stress"
        )

    clean, sounds = ([logits[u.path] for u in group] for group in (voices, outliers))
    degraded = [logits[str(twin.degraded_path)] for twin in twins]
    recordings, truth = [*clean, *degraded], targets([*voices, *twins])
    temperature, stress = fit(recordings, truth)
    spoken, spoilt, strange = (served(r, temperature, stress).uncertainty for r in (clean, degraded, sounds))
    limit = threshold(spoken, budget)
    return Calibration(
        weights=scorer.weights,
        temperature=temperature,
        stress_calibration=stress,
        abstention_threshold=limit,
        budget=budget,
        calibration_set=_sentence(voices, len(twins), len(outliers)),
        before=_fit(served(recordings), truth),
        after=_fit(served(recordings, temperature, stress), truth),
        abstention=Abstention(
            clean_abstained=_share(spoken > limit),
            degraded_abstained=_share(spoilt > limit),
            outliers=len(outliers),
            outliers_caught=_share(strange > limit),
            outliers_caught_by_kind=_by_kind(outliers, strange > limit),
            auroc_entropy=_auroc(spoken, strange),
            auroc_energy=_auroc(energy(clean, temperature), energy(sounds, temperature)),
        ),
    )


def fit(recordings: Sequence[Logits], truth: metrics.Targets) -> tuple[float, StressCalibration]:
    """Find the temperature and the stress calibration that minimise the negative log-likelihood.

    Temperature scaling (Guo et al. 2017) and Platt scaling of the event Anxious-or-Stressed (Platt 1999),
    both at once. Fitted first and alone, the temperature would be a compromise between telling the event and
    telling the labels apart within it and without; correcting the event would then leave these uncalibrated.
    """

    def loss(parameters: NDArray[np.float64]) -> float:
        return metrics.log_loss(served(recordings, *_unpacked(parameters)).probabilities, truth)

    start = np.zeros(3)  # nothing is calibrated
    options = {"initial_simplex": np.stack([start, *np.eye(3) / 2]), "xatol": 1e-4, "fatol": 1e-8}
    bounds = [_LOG_BOUNDS, _LOG_BOUNDS, _INTERCEPTS]
    return _unpacked(minimize(loss, start, method="Nelder-Mead", bounds=bounds, options=options).x)


def _unpacked(parameters: NDArray[np.float64]) -> tuple[float, StressCalibration]:
    temperature, slope = np.exp(parameters[:2]).tolist()
    return temperature, StressCalibration(slope=slope, intercept=float(parameters[2]))


def threshold(uncertainty: metrics.Values, budget: float) -> float:
    """The lowest threshold that at most a share of `budget` of the recordings exceeds."""
    allowed = int(budget * len(uncertainty))
    return float(np.sort(uncertainty)[len(uncertainty) - 1 - allowed])


def energy(recordings: Sequence[Logits], temperature: float) -> metrics.Values:
    """Free energy of the logits (Liu et al. 2020), mean over windows; higher is stranger. (recordings,)"""
    return np.array([-temperature * logsumexp(r / temperature, axis=1).mean() for r in recordings])


def _fit(scores: Scores, truth: metrics.Targets) -> Fit:
    right = scores.probabilities.argmax(axis=1) == truth
    event = STRESS[truth]
    return Fit(
        nll=metrics.log_loss(scores.probabilities, truth),
        ece=metrics.calibration_error(scores.probabilities.max(axis=1), right),
        stress_nll=metrics.log_loss(
            np.stack([1 - scores.stress, scores.stress], axis=1), event.astype(np.int64)
        ),
        stress_ece=metrics.calibration_error(scores.stress, event),
    )


def _sentence(voices: list[Utterance], twins: int, outliers: int) -> str:
    speakers = len({voice.speaker for voice in voices})
    corpora = ", ".join(sorted({voice.corpus for voice in voices}))
    return (
        f"{len(voices)} clips ({twins} of them also degraded) of {speakers} speakers of {corpora} "
        f"who are in neither training nor test; {outliers} outliers"
    )


def _by_kind(outliers: list[Utterance], caught: metrics.Flags) -> dict[str, float]:
    kinds = np.array([outlier.source_label for outlier in outliers])
    return {str(kind): float(caught[kinds == kind].mean()) for kind in np.unique(kinds)}


def _share(flags: metrics.Flags) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _auroc(voices: metrics.Values, outliers: metrics.Values) -> float | None:
    """How often an outlier scores higher than a voice."""
    if not len(outliers):
        return None
    values = np.concatenate([voices, outliers])
    return metrics.area_under_roc(values, np.arange(len(values)) >= len(voices))

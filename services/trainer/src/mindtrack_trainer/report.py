"""The evaluation as Markdown, for people; the numbers are those of `evaluation.json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from mindtrack_trainer.bootstrap import CONFIDENCE, FEWEST_SPEAKERS, RESAMPLES, Interval
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.evaluation import FALL, Caught, Evaluation, Figures, ProbeFigures, Slice
from mindtrack_trainer.packaging import CONFUSION, RELIABILITY, RISK_COVERAGE

_CONDITIONS = ("Clean clips", "After a lossy codec")

_FIGURES = {
    "uar": "UAR: unweighted average recall",
    "ece": "ECE of the most probable label",
    "ece_uncalibrated": "… before calibration",
    "brier": "Brier score (0 to 2)",
    "aurc": "AURC: error rate, averaged over coverages",
    "stress_auc": "AUC of Anxious-or-Stressed by the stress score",
    "stress_ece": "ECE of Anxious-or-Stressed",
    "stress_ece_uncalibrated": "… before calibration",
    "abstained": "Voices abstained from",
}


def report(evaluation: Evaluation) -> str:
    """Everything that was measured; sections without a measurement are left out."""
    sections = (
        _headline(evaluation),
        _confusion(evaluation),
        _calibration(evaluation),
        _abstention(evaluation),
        _slices(evaluation.slices),
        _probes(evaluation.probes),
        _robustness(evaluation.codec_robustness),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _headline(evaluation: Evaluation) -> str:
    corpora = ", ".join(f"{clips} of {corpus}" for corpus, clips in evaluation.corpora.items())
    columns = [evaluation, *_degraded(evaluation)]
    figures = [(title, *(getattr(c, name) for c in columns)) for name, title in _FIGURES.items()]
    recalls = [(f"Recall of {label}", *(c.recall[label] for c in columns)) for label in LABELS]
    return f"""# Evaluation

{evaluation.clips} labelled clips of {evaluation.speakers} speakers who are in neither training nor
calibration ({corpora}), scored as they would be served: every window, calibrated, then the mean over
the windows. {evaluation.too_short} clips of the split are shorter than a window and left out.

In parentheses: {CONFIDENCE:.0%} percentile intervals of {RESAMPLES} bootstrap resamples of speakers, none
where there are fewer than {FEWEST_SPEAKERS}. They say how a figure varies with the speakers drawn from these
corpora, and nothing about other ways of recording. Resampling makes a calibration error look larger,
so its interval leans upwards; where every resample agrees, an interval has no width and still proves nothing.

{_table(["Figure", *_CONDITIONS[: len(columns)]], [*figures, *recalls])}"""


def _confusion(evaluation: Evaluation) -> str:
    tables = [
        f"{condition}:\n\n{_table(['', *LABELS], _rows(figures.confusion_rows_true))}"
        for condition, figures in zip(_CONDITIONS, (evaluation, *_degraded(evaluation)), strict=False)
    ]
    text = "## Confusion\n\nRows are the truth, columns what was recognised."
    return "\n\n".join([text, *tables, f"![Confusion]({CONFUSION})"])


def _rows(counts: list[list[int]]) -> list[tuple[object, ...]]:
    return [(label, *row) for label, row in zip(LABELS, counts, strict=True)]


def _calibration(evaluation: Evaluation) -> str:
    fitted = evaluation.calibration
    platt = fitted.stress_calibration
    fits = (fitted.before, fitted.after)
    rows = [(title, *(getattr(fit, name) for fit in fits)) for name, title in _FIT.items()]
    return f"""## Calibration

Fitted on {fitted.calibration_set}: temperature {fitted.temperature:.3f},
then slope {platt.slope:.3f} and intercept {platt.intercept:.3f} for the event Anxious-or-Stressed. On the
clips they were fitted on, which flatters them:

{_table(["Figure", "Before", "After"], rows)}

![Reliability]({RELIABILITY})"""


_FIT = {
    "nll": "Negative log-likelihood, nats",
    "ece": "ECE",
    "stress_nll": "Negative log-likelihood of Anxious-or-Stressed, nats",
    "stress_ece": "ECE of Anxious-or-Stressed",
}


def _abstention(evaluation: Evaluation) -> str:
    fitted = evaluation.calibration
    chosen = fitted.abstention
    text = f"""## Abstention

A recording whose normalised entropy exceeds {fitted.abstention_threshold:.3f} is indeterminate. The
threshold leaves at most {fitted.budget:.0%} of the clean calibration clips unanswered."""
    if chosen.auroc_entropy is not None:
        text += f""" On that split, entropy ranks an outlier above a voice
with AUROC {_shown(chosen.auroc_entropy)}, energy (Liu et al. 2020) with {_shown(chosen.auroc_energy)}."""
    if evaluation.outliers is not None:
        rows = [_caught_row(each) for each in (evaluation.outliers, *evaluation.outliers_by_kind)]
        text += f"""

Outliers of the test split that the model alone abstains from, before any quality gate; intervals are over
clips:

{_table(["Kind", "Clips", "Caught", "Caught after a lossy codec"], rows)}"""
    return f"{text}\n\n![Risk and coverage]({RISK_COVERAGE})"


def _caught_row(caught: Caught) -> tuple[object, ...]:
    return caught.kind, caught.clips, caught.caught, caught.caught_degraded


def _slices(slices: Sequence[Slice]) -> str:
    if not slices:
        return ""
    rows = [(s.field, s.value, s.clips, s.speakers, s.uar, s.ece, s.stress_auc, s.abstained) for s in slices]
    head = ["Field", "Value", "Clips", "Speakers", "UAR", "ECE", "Stress AUC", "Abstained"]
    few = any(s.speakers < FEWEST_SPEAKERS for s in slices)
    note = f"\n\nFewer than {FEWEST_SPEAKERS} speakers: no interval, and little to conclude." if few else ""
    return f"## Slices\n\nClean clips.\n\n{_table(head, rows)}{note}"


def _probes(probes: Sequence[ProbeFigures]) -> str:
    if not probes:
        return ""
    head = ["Group", "Change", "Clips", "Reference", "Changed", "Difference", "Fell"]
    return f"""## What moves the stress score

The same words by the same test speakers with one thing changed: mean stress score of the reference and of
the changed clip, the mean difference, the share of clips whose score fell by more than {FALL}, and the mean
probabilities of the changed clips.

{_table([*head, *(f"P({label})" for label in LABELS)], map(_probe_row, probes))}"""


def _probe_row(p: ProbeFigures) -> tuple[object, ...]:
    stress = (p.reference, p.changed, p.difference, f"{p.fell:.1%}")
    return p.group, p.probe, p.clips, *stress, *p.probabilities.values()


def _robustness(figures: dict[str, JsonValue] | None) -> str:
    differences = (figures or {}).get("stress_score_difference")
    if figures is None or not isinstance(differences, dict):
        return ""
    rows = [(name, *row.values()) for name, row in differences.items() if isinstance(row, dict)]
    return f"""## The same words in another format

{figures["recordings"]} recordings ({figures["about"]}), each encoded in every format: absolute difference
from the stress score of the WAV. It tests the software's steadiness, not the score's truth.

{_table(["Format", "Mean", "Largest"], rows)}

All formats within 0.1 for a share of {figures["within_0.1"]} of the recordings."""


def _degraded(evaluation: Evaluation) -> list[Figures]:
    return [evaluation.degraded] if evaluation.degraded else []


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([_shown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(cell: object) -> str:
    if isinstance(cell, Interval):
        bounds = "" if cell.low is None else f" ({_shown(cell.low)} to {_shown(cell.high)})"
        return _shown(cell.value) + bounds
    if cell is None:
        return "n/a"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)

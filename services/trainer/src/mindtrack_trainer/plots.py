"""The evaluation as pictures, drawn from `evaluation.json` alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.evaluation import Bin, Evaluation
from mindtrack_trainer.packaging import CONFUSION, RELIABILITY, RISK_COVERAGE

_DPI = 80
_DARK = 0.5  # of a cell's shade, above which its number is white


def write_plots(evaluation: Evaluation, folder: Path) -> None:
    """Write the three PNGs that the report shows."""
    for name, figure in (
        (RELIABILITY, _reliability(evaluation)),
        (CONFUSION, _confusion(evaluation)),
        (RISK_COVERAGE, _risk_coverage(evaluation)),
    ):
        # Without a version in the file, equal figures are equal bytes.
        figure.savefig(folder / name, dpi=_DPI, metadata={"Software": None})


def _reliability(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _bins(left, evaluation.reliability, f"Most probable label: ECE {evaluation.ece.value:.3f}")
    _bins(right, evaluation.stress_reliability, f"Anxious or Stressed: ECE {evaluation.stress_ece.value:.3f}")
    return figure


def _bins(axes: Axes, bins: list[Bin], title: str) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([each.predicted for each in bins], [each.observed for each in bins], marker="o")
    axes.set(
        title=title, xlabel="predicted", ylabel="observed", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal"
    )


def _confusion(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    counts = np.array(evaluation.confusion_rows_true)  # (labels, labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > _DARK else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    ticks = range(len(LABELS))
    axes.set(title="Clean clips", xlabel="recognised", ylabel="truth", xticks=ticks, yticks=ticks)
    axes.set_xticklabels(LABELS)
    axes.set_yticklabels(LABELS)
    return figure


def _risk_coverage(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    points = evaluation.risk_coverage
    axes.plot([point.coverage for point in points], [point.risk for point in points], marker=".")
    answered = 1 - (evaluation.abstained.value or 0.0)
    axes.axvline(answered, color="grey", linewidth=1, label="threshold")
    axes.set(xlabel="share of clips answered", ylabel="error rate", xlim=(0, 1.02), ylim=(0, None))
    axes.set_title(f"Clean clips: AURC {evaluation.aurc.value:.3f}")
    axes.legend()
    return figure

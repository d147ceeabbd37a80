from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mindtrack_trainer.calibration import calibrate
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.evaluation import Evaluation, evaluate
from mindtrack_trainer.packaging import CONFUSION, RELIABILITY, RISK_COVERAGE
from mindtrack_trainer.plots import write_plots
from mindtrack_trainer.report import report
from mindtrack_trainer.scoring import Scorer
from unit.trainer.evaluations import write_checkpoint, write_corpus


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    corpus, checkpoint = (tmp_path_factory.mktemp(name) for name in ("corpus", "checkpoint"))
    write_corpus(corpus)
    write_checkpoint(checkpoint)
    scorer = Scorer.read(checkpoint)
    return evaluate(scorer, corpus, calibrate(scorer, corpus, budget=0.1))


def test_report_shows_the_figures_of_the_json(evaluation: Evaluation) -> None:
    text = report(evaluation)
    figure = evaluation.uar
    assert f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})" in text
    for heading in ("Confusion", "Calibration", "Abstention", "Slices", "What moves the stress score"):
        assert f"## {heading}" in text
    for label, counts in zip(LABELS, evaluation.confusion_rows_true, strict=True):
        assert f"| {label} | {' | '.join(map(str, counts))} |" in text
    assert "1 clips of the split are shorter than a window" in text
    assert "Fewer than 5 speakers" in text
    assert "another format" not in text  # not measured


def test_report_of_codecs_names_the_recordings(evaluation: Evaluation) -> None:
    robustness = {
        "about": "prompts",
        "recordings": 2,
        "stress_score_difference": {"mp3 24k": {"mean": 0.01, "max": 0.02}},
        "within_0.1": 1.0,
    }
    text = report(evaluation.model_copy(update={"codec_robustness": robustness}))
    assert "2 recordings (prompts)" in text
    assert "| mp3 24k | 0.010 | 0.020 |" in text


def test_tables_have_as_many_cells_in_every_row(evaluation: Evaluation) -> None:
    for block in report(evaluation).split("\n\n"):
        rows = [line.count("|") for line in block.splitlines() if line.startswith("|")]
        assert len(set(rows)) <= 1, block


def test_evaluation_is_read_back_as_written(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.write(tmp_path)
    assert Evaluation.read(tmp_path) == evaluation


def test_plots_are_small_pictures_and_the_same_again(evaluation: Evaluation, tmp_path: Path) -> None:
    names = (RELIABILITY, CONFUSION, RISK_COVERAGE)
    assert all(f"]({name})" in report(evaluation) for name in names)
    write_plots(evaluation, tmp_path)
    first = {name: (tmp_path / name).read_bytes() for name in names}
    write_plots(evaluation, tmp_path)
    for name in names:
        assert (tmp_path / name).read_bytes() == first[name]
        assert len(first[name]) < 60_000
        with Image.open(tmp_path / name) as picture:
            colours = picture.convert("RGB").getcolors(maxcolors=1_000_000)
        assert len(colours or []) > 10

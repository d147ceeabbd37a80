from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from mindtrack_trainer import metrics
from mindtrack_trainer.bootstrap import FEWEST_SPEAKERS, Indices, Interval, intervals


def one_hot(predictions: list[int], labels: int = 3) -> metrics.Scores:
    return 10 * np.eye(labels, dtype=np.float32)[predictions]


def simulated(clips: int = 999, seed: int = 0) -> tuple[metrics.Scores, metrics.Targets]:
    rng = np.random.default_rng(seed)
    probabilities = softmax(rng.normal(0, 2, (clips, 5)), axis=1)
    return probabilities, np.array([rng.choice(5, p=p) for p in probabilities])


def test_uar_counts_every_label_the_same() -> None:
    targets = np.array([0, 0, 0, 0, 1, 2])
    logits = one_hot([0, 0, 0, 1, 1, 0])
    assert metrics.confusion(logits, targets).tolist() == [[3, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert metrics.recalls(logits, targets).tolist() == [0.75, 1.0, 0.0]
    assert metrics.unweighted_average_recall(logits, targets) == pytest.approx(1.75 / 3)


def test_uar_leaves_out_a_label_that_does_not_occur() -> None:
    assert metrics.unweighted_average_recall(one_hot([0, 1]), np.array([0, 1])) == 1.0


def test_ece_is_the_gap_between_confidence_and_accuracy() -> None:
    confident = np.full(10, 0.9)
    assert metrics.calibration_error(confident, np.arange(10) < 5) == pytest.approx(0.4)
    assert metrics.calibration_error(confident, np.arange(10) < 9) == pytest.approx(0.0)


def test_reliability_bins_have_equal_mass_and_keep_ties_together() -> None:
    rng = np.random.default_rng(0)
    distinct = rng.permutation(30) / 30
    bins = metrics.reliability(distinct, distinct > 0.5)
    assert bins.clips.tolist() == [2] * 15
    np.testing.assert_allclose(bins.predicted, np.arange(30).reshape(15, 2).mean(axis=1) / 30)
    np.testing.assert_allclose(bins.observed, [0] * 8 + [1] * 7)
    tied = metrics.reliability(np.array([0.2] * 3 + [0.8] * 27), np.arange(30) == 0)
    assert tied.clips.tolist() == [3, 27]
    np.testing.assert_allclose(tied.observed, [1 / 3, 0])


def test_ece_agrees_with_a_loop_over_sorted_bins() -> None:
    probabilities, targets = simulated(clips=1005)  # 67 clips in each of the fifteen bins
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    order = np.argsort(confidence)
    gaps = [abs(np.sum(confidence[part]) - np.sum(right[part])) for part in np.split(order, 15)]
    assert metrics.calibration_error(confidence, right) == pytest.approx(sum(gaps) / len(targets))


def test_brier_score_and_log_loss_by_hand() -> None:
    probabilities, targets = np.array([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]]), np.array([0, 1])
    first, second = 0.3**2 + 0.2**2 + 0.1**2, 0.5**2 + 0.75**2 + 0.25**2
    assert metrics.brier_score(probabilities, targets) == pytest.approx((first + second) / 2)
    assert metrics.log_loss(probabilities, targets) == pytest.approx(-(np.log(0.7) + np.log(0.25)) / 2)
    assert metrics.brier_score(np.eye(3)[[1]], np.array([0])) == 2.0


def test_risk_grows_with_coverage_as_errors_join() -> None:
    uncertainty = np.array([0.3, 0.1, 0.4, 0.2])
    wrong = np.array([False, False, True, True])  # by certainty: right, wrong, right, wrong
    risks = [0, 1 / 2, 1 / 3, 2 / 4]
    np.testing.assert_allclose(metrics.selective_risks(uncertainty, wrong), risks)
    assert metrics.area_under_risk_coverage(uncertainty, wrong) == pytest.approx(sum(risks) / 4)
    assert metrics.area_under_risk_coverage(uncertainty, uncertainty > 0.3) < sum(risks) / 4


def test_auc_counts_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    happened = rng.random(80) < 0.4
    values = (rng.random(80) + 0.3 * happened).round(1)  # with ties
    ahead, behind = values[happened][:, None], values[~happened]
    pairs = (ahead > behind) + 0.5 * (ahead == behind)
    assert len(np.unique(values)) < 20
    assert metrics.area_under_roc(values, happened) == pytest.approx(pairs.mean())
    assert np.isnan(metrics.area_under_roc(values, np.ones(80, dtype=bool)))


def simulated_interval(rng: np.random.Generator, *, by_speaker: bool) -> Interval:
    """The mean of 20 speakers' clips, ten each, that share most of their deviation from zero."""
    values = np.repeat(rng.normal(0, 1, 20), 10) + rng.normal(0, 0.3, 200)
    speakers = [str(clip // 10 if by_speaker else clip) for clip in range(200)]

    def mean(clips: Indices) -> dict[str, float]:
        return {"mean": float(values[clips].mean())}

    return intervals(speakers, mean, resamples=200)["mean"]


def test_interval_over_speakers_covers_the_truth_where_one_over_clips_does_not() -> None:
    def covered(*, by_speaker: bool) -> float:
        rng = np.random.default_rng(0)
        found = [simulated_interval(rng, by_speaker=by_speaker) for _ in range(100)]
        assert all(each.low is not None and each.high is not None for each in found)
        return float(np.mean([(each.low or 0) <= 0 <= (each.high or 0) for each in found]))

    assert covered(by_speaker=True) >= 0.88
    assert covered(by_speaker=False) <= 0.6


def test_interval_is_the_same_again_and_brackets_the_figure() -> None:
    first, again = (simulated_interval(np.random.default_rng(3), by_speaker=True) for _ in range(2))
    assert first == again
    assert first.low is not None
    assert first.high is not None
    assert first.value is not None
    assert first.low < first.value < first.high


def test_few_speakers_and_undefined_figures_have_no_interval() -> None:
    def figures(clips: Indices) -> dict[str, float]:
        return {"clips": float(len(clips)), "undefined": float("nan")}

    few = [str(index) for index in range(FEWEST_SPEAKERS - 1)]
    assert intervals(few, figures)["clips"] == Interval(value=4.0)
    found = intervals([*few, "another"], figures, resamples=10)
    assert found == {"clips": Interval(value=5.0, low=5.0, high=5.0), "undefined": Interval(value=None)}

"""What a checkpoint is worth: on unheard voices, on no voices at all, and on one voice in many formats."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer import metrics
from mindtrack_trainer.bootstrap import Indices, Interval, intervals
from mindtrack_trainer.calibration import Calibration
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Utterance
from mindtrack_trainer.packaging import EVALUATION
from mindtrack_trainer.probes import Probe, read_probes
from mindtrack_trainer.scoring import STRESS, Logits, Scorer, Scores, paths, served, targets
from mindtrack_trainer.sound import Encoding, Samples, decode, encode

#: What phones and browsers send, at common and at low bit rates.
FORMATS: dict[str, Encoding] = {
    "wav": Encoding("wav", "pcm_s16le", None, SAMPLE_RATE),
    "m4a 64k": Encoding("ipod", "aac", 64_000, 44_100),
    "m4a 24k": Encoding("ipod", "aac", 24_000, 16_000),
    "webm 32k": Encoding("webm", "libopus", 32_000, 48_000),
    "webm 16k": Encoding("webm", "libopus", 16_000, 16_000),
    "mp3 64k": Encoding("mp3", "libmp3lame", 64_000, 44_100),
    "mp3 24k": Encoding("mp3", "libmp3lame", 24_000, 16_000),
}

#: A stress score that falls by less has not moved.
FALL = 0.01
_AGES = {30: "under 30", 45: "30 to 44", 60: "45 to 59"}  # years, by upper bound
_COVERAGES = np.arange(1, 21) / 20
_DECIMALS = 4


class _Figures(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(_Figures):
    """The error rate among the most certain share of the clips."""

    coverage: float
    risk: float


class Bin(_Figures):
    """One point of a reliability diagram."""

    predicted: float
    observed: float
    clips: int


class Figures(_Figures):
    """One set of clips of test speakers, as served; intervals are over speakers."""

    clips: int
    speakers: int
    uar: Interval
    #: By label.
    recall: dict[str, Interval]
    #: Of the most probable label, fifteen bins of equal mass.
    ece: Interval
    ece_uncalibrated: Interval
    brier: Interval
    #: With the most uncertain clips left out first.
    aurc: Interval
    #: The event Anxious-or-Stressed by the stress score.
    stress_auc: Interval
    stress_ece: Interval
    stress_ece_uncalibrated: Interval
    #: Share of the clips whose uncertainty exceeds the threshold.
    abstained: Interval
    confusion_rows_true: list[list[int]]


class Slice(_Figures):
    """The clean clips for which a field of the manifest has one value."""

    field: str
    value: str
    clips: int
    speakers: int
    uar: Interval
    ece: Interval
    stress_auc: Interval
    abstained: Interval


class Caught(_Figures):
    """The share of one kind of outlier that the model abstains from, without any help by a quality gate.

    Intervals are over clips: there are no speakers.
    """

    kind: str
    clips: int
    caught: Interval
    #: The same clips after a codec.
    caught_degraded: Interval | None


class ProbeFigures(_Figures):
    """What one change does to the stress score."""

    group: str
    probe: str
    clips: int
    speakers: int
    #: Mean stress scores.
    reference: float
    changed: float
    difference: Interval
    #: Share of the clips whose score fell by more than `FALL`.
    fell: float
    #: Mean probabilities of the changed clips, by label.
    probabilities: dict[str, float]


class Evaluation(Figures):
    """`evaluation.json`. The figures at its top are those of clean clips."""

    #: The same clips after a lossy codec.
    degraded: Figures | None
    #: Labelled clips by corpus.
    corpora: dict[str, int]
    #: Clips of the split that do not fill a window, which nobody can be served.
    too_short: int
    risk_coverage: list[Point]
    reliability: list[Bin]
    stress_reliability: list[Bin]
    outliers: Caught | None
    outliers_by_kind: list[Caught]
    slices: list[Slice]
    probes: list[ProbeFigures]
    codec_robustness: dict[str, JsonValue] | None = None
    calibration: Calibration

    @classmethod
    def read(cls, checkpoint: Path) -> Self:
        return cls.model_validate_json((checkpoint / EVALUATION).read_bytes())

    def write(self, checkpoint: Path) -> None:
        (checkpoint / EVALUATION).write_text(self.model_dump_json(indent=2) + "\n")


def evaluate(scorer: Scorer, data: Path, calibration: Calibration) -> Evaluation:
    """Measure the test split, whose speakers are in no other.

    Raises:
        DatasetError: `data` is no corpus, no labelled test clip fills a window, or the training heard one of
            the split's speakers.

    """
    utterances = scorer.split(data, "test")
    probes = read_probes(data)
    compared = [path for probe in probes for path in (probe.path, probe.reference_path)]
    logits = scorer.files(data, [*paths(utterances), *compared])
    voices = [u for u in utterances if u.label is not None and u.path in logits]
    twins = [voice for voice in voices if voice.degraded_path in logits]
    if not voices:
        raise DatasetError(f"the test split of {data} has no labelled clip that fills a window")
    clean = _Sample(voices, [logits[voice.path] for voice in voices], calibration)
    degraded = _Sample(twins, [logits[str(twin.degraded_path)] for twin in twins], calibration)
    outliers = [u for u in utterances if u.label is None and u.path in logits]
    kinds = sorted({outlier.source_label for outlier in outliers})
    return Evaluation(
        **dict(clean.figures()),
        degraded=degraded.figures() if twins else None,
        corpora=dict(sorted(Counter(voice.corpus for voice in voices).items())),
        too_short=sum(u.path not in logits for u in utterances),
        risk_coverage=clean.risk_coverage(),
        reliability=_bins(clean.confidence, clean.right),
        stress_reliability=_bins(clean.scores.stress, clean.event),
        outliers=_caught("all", outliers, logits, calibration) if outliers else None,
        outliers_by_kind=[
            _caught(kind, [o for o in outliers if o.source_label == kind], logits, calibration)
            for kind in kinds
        ],
        slices=clean.slices(),
        probes=_probes(
            [p for p in probes if {p.path, p.reference_path} <= logits.keys()], logits, calibration
        ),
        calibration=calibration,
    )


class _Sample:
    """Scored clips with everything that figures are made of, each array (clips,)."""

    def __init__(
        self, utterances: Sequence[Utterance], recordings: Sequence[Logits], calibration: Calibration
    ) -> None:
        self.utterances = utterances
        self.speakers = [utterance.speaker for utterance in utterances]
        self.truth = targets(utterances)
        self.event = STRESS[self.truth]
        self.scores, self.raw = calibration.serve(recordings), served(recordings)
        self.confidence, self.right = self._top(self.scores)
        self.raw_confidence, self.raw_right = self._top(self.raw)
        self.abstained = self.scores.uncertainty > calibration.abstention_threshold

    def _top(self, scores: Scores) -> tuple[metrics.Values, metrics.Flags]:
        return scores.probabilities.max(axis=1), scores.probabilities.argmax(axis=1) == self.truth

    def measure(self, clips: Indices) -> dict[str, float]:
        """Every figure that gets an interval."""
        probabilities, truth, event = self.scores.probabilities[clips], self.truth[clips], self.event[clips]
        stress, right = self.scores.stress[clips], self.right[clips]
        return {
            "uar": metrics.unweighted_average_recall(probabilities, truth),
            "ece": metrics.calibration_error(self.confidence[clips], right),
            "ece_uncalibrated": metrics.calibration_error(self.raw_confidence[clips], self.raw_right[clips]),
            "brier": metrics.brier_score(probabilities, truth),
            "aurc": metrics.area_under_risk_coverage(self.scores.uncertainty[clips], ~right),
            "stress_auc": metrics.area_under_roc(stress, event),
            "stress_ece": metrics.calibration_error(stress, event),
            "stress_ece_uncalibrated": metrics.calibration_error(self.raw.stress[clips], event),
            "abstained": float(self.abstained[clips].mean()),
            **dict(zip(LABELS, metrics.recalls(probabilities, truth).tolist(), strict=True)),
        }

    def figures(self) -> Figures:
        found = intervals(self.speakers, self.measure)
        return Figures(
            clips=len(self.speakers),
            speakers=len(set(self.speakers)),
            recall={str(label): found.pop(label) for label in LABELS},
            confusion_rows_true=metrics.confusion(self.scores.probabilities, self.truth).tolist(),
            **found,
        )

    def risk_coverage(self) -> list[Point]:
        risks = metrics.selective_risks(self.scores.uncertainty, ~self.right)
        kept = np.ceil(_COVERAGES * len(risks)).astype(np.intp)
        return [
            Point(coverage=float(coverage), risk=_rounded(risks[count - 1]))
            for coverage, count in zip(_COVERAGES, kept, strict=True)
        ]

    def slices(self) -> list[Slice]:
        """Every value of every field that only some of the clips have."""
        fields: dict[str, Callable[[Utterance], str | None]] = {
            "sex": lambda u: u.sex,
            "age": lambda u: None if u.age is None else age_band(u.age),
            "device": lambda u: u.device,
            "noise": lambda u: u.noise,
            "corpus": lambda u: u.corpus,
        }
        found = []
        for field, read in fields.items():
            values = np.array([read(utterance) or "" for utterance in self.utterances])
            for value in sorted(set(values.tolist()) - {""}):
                chosen = np.flatnonzero(values == value)
                if len(chosen) < len(values):
                    found.append(self._slice(field, value, chosen))
        return found

    def _slice(self, field: str, value: str, chosen: Indices) -> Slice:
        speakers = [self.speakers[clip] for clip in chosen]
        found = intervals(speakers, lambda clips: self.measure(chosen[clips]))
        return Slice(
            field=field,
            value=value,
            clips=len(speakers),
            speakers=len(set(speakers)),
            **{name: found[name] for name in ("uar", "ece", "stress_auc", "abstained")},
        )


def age_band(age: int) -> str:
    return next((band for bound, band in _AGES.items() if age < bound), "60 and over")


def _bins(predicted: metrics.Values, happened: metrics.Flags) -> list[Bin]:
    bins = metrics.reliability(predicted, happened)
    return [
        Bin(predicted=_rounded(predicted), observed=_rounded(observed), clips=int(clips))
        for predicted, observed, clips in zip(bins.predicted, bins.observed, bins.clips, strict=True)
    ]


def _caught(
    kind: str, outliers: list[Utterance], logits: dict[str, Logits], calibration: Calibration
) -> Caught:
    def share(names: list[str]) -> Interval:
        above = calibration.serve([logits[n] for n in names]).uncertainty > calibration.abstention_threshold
        return intervals(names, lambda clips: {"caught": float(above[clips].mean())})["caught"]

    twins = [o.degraded_path for o in outliers if o.degraded_path in logits]
    return Caught(
        kind=kind,
        clips=len(outliers),
        caught=share([outlier.path for outlier in outliers]),
        caught_degraded=share(twins) if twins else None,
    )


def _probes(probes: list[Probe], logits: dict[str, Logits], calibration: Calibration) -> list[ProbeFigures]:
    def name(probe: Probe) -> tuple[str, str]:
        return probe.group, probe.probe

    return [
        _probe(list(members), logits, calibration)
        for _, members in groupby(sorted(probes, key=name), key=name)
    ]


def _probe(probes: list[Probe], logits: dict[str, Logits], calibration: Calibration) -> ProbeFigures:
    changed = calibration.serve([logits[probe.path] for probe in probes])
    reference = calibration.serve([logits[probe.reference_path] for probe in probes]).stress
    moved: NDArray[np.float64] = changed.stress - reference  # (clips,)
    speakers = [probe.speaker for probe in probes]
    means = changed.probabilities.mean(axis=0)
    return ProbeFigures(
        group=probes[0].group,
        probe=probes[0].probe,
        clips=len(probes),
        speakers=len(set(speakers)),
        reference=_rounded(reference.mean()),
        changed=_rounded(changed.stress.mean()),
        difference=intervals(speakers, lambda clips: {"mean": float(moved[clips].mean())})["mean"],
        fell=_rounded((moved < -FALL).mean()),
        probabilities={str(label): _rounded(mean) for label, mean in zip(LABELS, means, strict=True)},
    )


def codec_robustness(
    scorer: Scorer, recordings: Path, calibration: Calibration, shortest: float = 5.0
) -> dict[str, JsonValue]:
    """How far a recording's stress score moves with the format it is stored in.

    Takes every WAV file under `recordings` of at least `shortest` seconds; differences are absolute, from
    the score of the WAV itself.

    Raises:
        DatasetError: there is no such file, or one cannot be read.

    """

    def stress(samples: Samples) -> float:
        return float(calibration.serve([scorer.recording(samples)]).stress[0])

    scores = np.array(
        [
            [stress(_through(samples, encoding)) for encoding in FORMATS.values()]
            for path in sorted(recordings.rglob("*.wav"))
            for samples in (decode(path),)
            if len(samples) >= max(shortest, scorer.framing.window_seconds) * SAMPLE_RATE
        ]
    )  # (recordings, formats)
    if not len(scores):
        raise DatasetError(f"{recordings} has no WAV file of at least {shortest:g} s and a window")
    moved: NDArray[np.float64] = np.abs(scores - scores[:, :1])
    return {
        "recordings": len(scores),
        "stress_score_difference": {
            name: {"mean": _rounded(column.mean()), "max": _rounded(column.max())}
            for name, column in zip(FORMATS, moved.T, strict=True)
            if name != "wav"
        },
        "largest_difference": _rounded(moved.max()),
        "within_0.1": _rounded((moved.max(axis=1) <= 0.1).mean()),  # noqa: PLR2004 - named by the key
        "stress_score_range": [_rounded(scores[:, 0].min()), _rounded(scores[:, 0].max())],
    }


def _through(samples: Samples, encoding: Encoding) -> Samples:
    buffer = io.BytesIO()
    encode(samples, buffer, encoding)
    buffer.seek(0)
    return decode(buffer)


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)

"""What a worker found out about one recording."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.quality import Quality


class IndeterminateReason(StrEnum):
    """Why an analysis keeps its numbers but says nothing: it never enters a trend."""

    #: The model is too unsure: its entropy exceeds the bundle's abstention threshold.
    UNCERTAIN = "uncertain"
    #: Too much of the model's answer went to labels that stand for none of the five emotions.
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class WindowScore:
    """The classifier's answer for one fixed-length slice of the recording."""

    #: Seconds from the start of the recording.
    start_seconds: float
    end_seconds: float
    probabilities: Probabilities
    #: What the model gave to labels that stand for none of the five emotions, in [0, 1].
    unmapped_mass: float
    #: Entropy of the probabilities over its largest possible value, in [0, 1].
    uncertainty: float
    indeterminate_reason: IndeterminateReason | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which model said so, and how it ran."""

    bundle_id: str
    bundle_revision: str
    engine: str
    precision: str
    #: What the logits were divided by.
    temperature: float
    #: `uncertainty` above this is indeterminate; None when the bundle has no such threshold.
    abstention_threshold: float | None
    #: What temperature and threshold were fitted on; None when nothing was.
    calibration_set: str | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of one job. Indices follow from it and from the person's own history (`indices`)."""

    #: Means over the windows.
    probabilities: Probabilities
    unmapped_mass: float
    uncertainty: float
    indeterminate_reason: IndeterminateReason | None
    #: Those that hold speech; silence is not scored.
    windows: tuple[WindowScore, ...]
    quality: Quality
    biomarkers: Biomarkers
    audio_seconds: float
    processing_seconds: float
    provenance: Provenance

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError("an analysis needs at least one window")

    @property
    def indeterminate(self) -> bool:
        return self.indeterminate_reason is not None

    @property
    def countable_stress(self) -> float | None:
        """The stress score as trends may use it: unknown for what is indeterminate, too."""
        return None if self.indeterminate else self.probabilities.stress_score

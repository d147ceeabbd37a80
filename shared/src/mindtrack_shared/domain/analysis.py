"""What a worker found out about one recording."""

from __future__ import annotations

from dataclasses import dataclass

from mindtrack_shared.domain.emotions import Probabilities


@dataclass(frozen=True, slots=True)
class WindowScore:
    """The classifier's answer for one fixed-length slice of the recording."""

    #: Seconds from the start of the recording.
    start_seconds: float
    end_seconds: float
    probabilities: Probabilities


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which model said so, and how it ran."""

    bundle_id: str
    bundle_revision: str
    engine: str
    precision: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of one job. Indices follow from the pooled probabilities (`Probabilities`)."""

    probabilities: Probabilities
    windows: tuple[WindowScore, ...]
    audio_seconds: float
    processing_seconds: float
    provenance: Provenance

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError("an analysis needs at least one window")

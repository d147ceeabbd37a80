"""The five labels, their probabilities, and the indices that follow from them by definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Self

#: Slack for probabilities that were summed in float32.
SUM_TOLERANCE = 1e-3


class Emotion(StrEnum):
    """What the classifier can say about a window of speech, in the order every vector uses."""

    NEUTRAL = "Neutral"
    HAPPY = "Happy"
    SAD = "Sad"
    ANXIOUS = "Anxious"
    STRESSED = "Stressed"


@dataclass(frozen=True, slots=True)
class Probabilities:
    """One probability per emotion; together they sum to one."""

    neutral: float
    happy: float
    sad: float
    anxious: float
    stressed: float

    def __post_init__(self) -> None:
        values = self.as_tuple()
        if not all(0.0 <= value <= 1.0 for value in values):
            raise ValueError(f"probabilities must lie in [0, 1], got {values}")
        if abs(sum(values) - 1.0) > SUM_TOLERANCE:
            raise ValueError(f"probabilities must sum to 1, got {sum(values)}")

    @classmethod
    def from_sequence(cls, values: Sequence[float]) -> Self:
        """Take values in the order of `Emotion`, clipping float32 round-off at both ends of [0, 1]."""
        if len(values) != len(Emotion):
            raise ValueError(f"expected {len(Emotion)} probabilities, got {len(values)}")
        return cls(*(min(1.0, max(0.0, float(value))) for value in values))

    def as_tuple(self) -> tuple[float, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def as_dict(self) -> dict[Emotion, float]:
        return dict(zip(Emotion, self.as_tuple(), strict=True))

    @property
    def emotion(self) -> Emotion:
        """The most probable emotion; the first one on a tie."""
        return max(self.as_dict().items(), key=lambda item: item[1])[0]

    @property
    def confidence(self) -> float:
        return max(self.as_tuple())

    @property
    def stress_score(self) -> float:
        """P(Anxious) + P(Stressed)."""
        return min(1.0, self.anxious + self.stressed)

    @property
    def anxiety_index(self) -> float:
        return self.anxious

    @property
    def depressive_index(self) -> float:
        return self.sad

    @property
    def baseline_index(self) -> float:
        """How much of the voice sounds settled: P(Neutral) + P(Happy)."""
        return min(1.0, self.neutral + self.happy)

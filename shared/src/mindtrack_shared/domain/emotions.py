"""The five labels and their probabilities. What a model cannot express is unknown (None), never zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Self

#: Slack for probabilities that were summed in float32.
SUM_TOLERANCE = 1e-3
#: With one emotion there is nothing to tell apart.
MIN_EMOTIONS = 2


class Emotion(StrEnum):
    """What the classifier can say about a window of speech, in the order every vector uses."""

    NEUTRAL = "Neutral"
    HAPPY = "Happy"
    SAD = "Sad"
    ANXIOUS = "Anxious"
    STRESSED = "Stressed"


@dataclass(frozen=True, slots=True)
class Probabilities:
    """One probability per emotion; those the model can express sum to one, the others are None."""

    neutral: float | None
    happy: float | None
    sad: float | None
    anxious: float | None
    stressed: float | None

    def __post_init__(self) -> None:
        values = list(self.known().values())
        if not values:
            raise ValueError("at least one emotion must have a probability")
        if not all(0.0 <= value <= 1.0 for value in values):
            raise ValueError("probabilities must lie in [0, 1]")  # without them: an error ends up in a log
        if abs(sum(values) - 1.0) > SUM_TOLERANCE:
            raise ValueError(f"probabilities must sum to 1, got {sum(values)}")

    @classmethod
    def from_sequence(cls, values: Sequence[float | None]) -> Self:
        """Take values in the order of `Emotion`, clipping float32 round-off at both ends of [0, 1].

        None and NaN stand for what the model cannot express.
        """
        if len(values) != len(Emotion):
            raise ValueError(f"expected {len(Emotion)} probabilities, got {len(values)}")
        return cls(*map(_clipped, values))

    def as_tuple(self) -> tuple[float | None, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def as_dict(self) -> dict[Emotion, float | None]:
        return dict(zip(Emotion, self.as_tuple(), strict=True))

    def known(self) -> dict[Emotion, float]:
        """The emotions the model can express, with their probabilities."""
        return {emotion: value for emotion, value in self.as_dict().items() if value is not None}

    @property
    def emotion(self) -> Emotion:
        """The most probable emotion; the first one on a tie."""
        return max(self.known().items(), key=lambda item: item[1])[0]

    @property
    def confidence(self) -> float:
        return max(self.known().values())

    @property
    def stress_score(self) -> float | None:
        """P(Anxious) + P(Stressed); unknown unless the model can express both."""
        return _sum(self.anxious, self.stressed)

    @property
    def settled(self) -> float | None:
        """P(Neutral) + P(Happy); unknown unless the model can express both."""
        return _sum(self.neutral, self.happy)


def _clipped(value: float | None) -> float | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    return min(1.0, max(0.0, float(value)))


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else min(1.0, first + second)

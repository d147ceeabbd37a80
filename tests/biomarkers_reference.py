"""Writes docs/biomarkers.md from the biomarkers' definitions, so that it cannot drift."""

from __future__ import annotations

import sys
from collections.abc import Callable

from mindtrack_shared.domain.biomarkers import DEFINITIONS, Definition, Direction, Evidence

HEAD = """# Biomarkers

What every analysis measures beside the model's answer. All but those of the clock are measured below 4 kHz,
which every phone and telephone line carries, and none depends on the recording's level. A marker is `null`
where the recording does not hold what it takes. Written by `make biomarkers`.

The directions are those of groups in published studies. They are no norms: up to a third of people sound
calmer under stress (Harnsberger 2011), and a change of phone, codec or headset moves some markers as much as
a mood does. Compare a person with that person's own baseline only, over at least three recordings.
"""

GRADES = {
    Evidence.A: "meta-analyses, or replications in large samples",
    Evidence.B: "several independent studies that agree",
    Evidence.C: "a single study, or studies that disagree",
    Evidence.D: "descriptive: nothing is known about its direction",
}
SIGNS = {
    Direction.UP: "↑",
    Direction.DOWN: "↓",
    Direction.MIXED: "mixed",
    Direction.NONE: "none",
    Direction.UNKNOWN: "-",
}


def reference() -> str:
    return "\n".join(
        [
            HEAD,
            "## Measures\n",
            _table(("Marker", "Unit", "What it is", "Measured after"), _measure),
            "## Evidence\n",
            f"Grades: {'; '.join(f'**{grade}** {meaning}' for grade, meaning in GRADES.items())}.",
            "Directions: ↑ rises, ↓ falls, *mixed* studies disagree, *none* no change found, - unknown.\n",
            _table(("Marker", "Stress", "Anxiety", "Low mood", "Grade", "Studies"), _evidence),
            "## On phones\n",
            _table(("Marker", "Robustness", "What is known"), _phones),
        ]
    )


def _table(head: tuple[str, ...], row: Callable[[Definition], tuple[str, ...]]) -> str:
    rows = [head, ("---",) * len(head)]
    rows += [(f"`{name}`", *row(definition)) for name, definition in DEFINITIONS.items()]
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in rows] + [""])


def _measure(definition: Definition) -> tuple[str, ...]:
    return definition.unit, definition.description, definition.reference


def _evidence(definition: Definition) -> tuple[str, ...]:
    way = definition.direction
    signs = (SIGNS[way.stress], SIGNS[way.anxiety], SIGNS[way.low_mood])
    return *signs, definition.evidence, definition.studies


def _phones(definition: Definition) -> tuple[str, ...]:
    return definition.robustness, definition.on_phones


if __name__ == "__main__":
    sys.stdout.write(reference())

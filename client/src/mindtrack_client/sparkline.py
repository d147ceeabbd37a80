from __future__ import annotations

from collections.abc import Iterable

BLOCKS = "▁▂▃▄▅▆▇█"
#: For terminals and pipes whose encoding lacks the blocks.
DIGITS = "12345678"
GAP = " "


def sparkline(values: Iterable[float | None], levels: str = BLOCKS) -> str:
    """One character per value in [0, 1] on a fixed scale, so that two lines compare. None is a gap."""
    return "".join(GAP if value is None else _level(value, levels) for value in values)


def _level(value: float, levels: str) -> str:
    step = int(value * len(levels))
    return levels[min(max(step, 0), len(levels) - 1)]

"""Writes tables into README.md and docs/capacity.md, and draws the ratios, from `results/*.json` alone."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from bench import capacity
from bench.marked import fill
from bench.outcome import RESULTS, Outcome

README = Path(__file__).parent / "README.md"
PLOT = "ratios.png"
_DPI = 100


def outcomes() -> list[Outcome]:
    return [Outcome.model_validate_json(path.read_bytes()) for path in sorted(RESULTS.glob("*.json"))]


def table(found: list[Outcome]) -> str:
    lines = ["| | ours | theirs | ratio (95 %) | target | met | threads |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {each.name} | {each.ours} | {each.theirs} | {each.ratio:.2f} ({each.low:.2f} to {each.high:.2f}) "
        f"| {'≤' if each.at_most else '≥'} {each.target:g} | {'yes' if each.met else 'no'} | {each.threads} |"
        for each in found
    ]
    return "\n".join(lines) + "\n"


def machines(found: list[Outcome]) -> str:
    """Say where and with what the figures were taken, once for all that share it."""
    lines: dict[str, list[str]] = {}
    for each in found:
        host = each.host
        parts = [
            f"{host.cores} cores of {host.cpu} ({', '.join(host.flags)})",
            f"Python {host.python}",
            *(f"{name} {version}" for name, version in host.versions.items()),
            f"commit {host.git}, {each.rounds} rounds",
        ]
        lines.setdefault(", ".join(parts), []).append(each.name)
    return "\n".join(f"- {', '.join(names)}: {line}" for line, names in lines.items()) + "\n"


def figure(found: list[Outcome]) -> Figure:
    """Each ratio over its target, or the other way round for those of at most: right of the line is met."""
    drawn = Figure(figsize=(8, 0.6 * len(found) + 1.2), layout="constrained")
    axes = drawn.subplots()
    for row, each in enumerate(reversed(found)):
        sign = -1 if each.at_most else 1
        low, middle, high = sorted(
            (value / each.target) ** sign for value in (each.low, each.ratio, each.high)
        )
        spread = [[middle - low], [high - middle]]
        colour = "tab:blue" if each.met else "tab:red"
        axes.errorbar(middle, row, xerr=spread, fmt="o", color=colour, capsize=4)
    axes.axvline(1, color="grey", linewidth=1)
    axes.set(xscale="log", xlabel="ratio over target, 95 % interval", yticks=range(len(found)))
    axes.set_yticklabels([f"{each.name} ({each.ratio:.2f})" for each in reversed(found)])
    return drawn


def main() -> int:
    found = outcomes()
    if not found:
        sys.stderr.write(f"{RESULTS} holds no results: run `make bench` first\n")
        return 1
    figure(found).savefig(RESULTS / PLOT, dpi=_DPI, metadata={"Software": None})
    fill(README, "results", f"{table(found)}\n![ratios](results/{PLOT})\n\n{machines(found)}")
    capacity.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

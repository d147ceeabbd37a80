"""What a benchmark found: one line of JSON, and a file that `bench.report` reads."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, Field, JsonValue

from bench.sides import Ratio, progress

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
#: Of the CPU's, those that decide which arithmetic is quick.
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")
_PACKAGES = ("av", "librosa", "numpy", "openvino", "scipy", "soxr", "torch", "transformers")


class Host(BaseModel):
    """Where figures were taken."""

    cpu: str
    #: Those of interest that the CPU has.
    flags: list[str]
    #: That this process may use.
    cores: int
    python: str
    versions: dict[str, str]
    #: `+` follows where files differ from that commit.
    git: str

    @classmethod
    def here(cls) -> Host:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
        info = {
            key.strip(): told.strip() for key, _, told in (line.partition(":") for line in first.splitlines())
        }
        flags = info.get("flags", "").split()
        return cls(
            cpu=info.get("model name", platform.machine()),
            flags=[flag for flag in _FLAGS if flag in flags],
            cores=len(os.sched_getaffinity(0)),
            python=platform.python_version(),
            versions={name: found for name in _PACKAGES if (found := _version(name))},
            git=_commit(),
        )


class Outcome(BaseModel):
    """One benchmark's result. The ratio is ours over theirs: above 1 we are the quicker, unless `at_most`."""

    name: str
    ratio: float
    #: Bounds of the median's 95 % bootstrap interval over the rounds.
    low: float
    high: float
    #: The least that `low` should be, or where the ratio counts what something costs, the most for `high`.
    target: float
    at_most: bool
    met: bool
    ours: str
    theirs: str
    rounds: int
    threads: int
    details: dict[str, JsonValue] = Field(default_factory=dict)
    host: Host


def report(  # noqa: PLR0913 - each names one field of the line
    name: str,
    found: Ratio,
    target: float,
    *,
    ours: str,
    theirs: str,
    rounds: int,
    threads: int,
    details: dict[str, JsonValue],
    at_most: bool = False,
) -> None:
    """Print an outcome and keep it in `results/`."""
    outcome = Outcome(
        name=name,
        ratio=round(found.median, 3),
        low=round(found.low, 3),
        high=round(found.high, 3),
        target=target,
        at_most=at_most,
        met=found.high <= target if at_most else found.low >= target,
        ours=ours,
        theirs=theirs,
        rounds=rounds,
        threads=threads,
        details=details,
        host=Host.here(),
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(outcome.model_dump_json(indent=2) + "\n")
    sys.stdout.write(json.dumps(outcome.model_dump(mode="json")) + "\n")


def require(holds: bool, what: str) -> None:  # noqa: FBT001 - it is the only thing asked
    """End the benchmark if its sides do not do the same work.

    Raises:
        SystemExit: they do not.

    """
    if not holds:
        progress(f"not correct, nothing is timed: {what}")
        raise SystemExit(1)
    progress(f"correct: {what}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    changed = _git("status", "--porcelain", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""  # an unpacked archive

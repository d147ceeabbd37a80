"""Give every bomb and lie to the cage, and write down what became of it: `make hostile`.

Writes the table in docs/hostile-audio.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from hostile.corpus import CASES, Case
from mindtrack_inference.cage import Cage
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.preparation import Terms
from mindtrack_inference.settings import InferenceSettings, QualitySettings
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.jobs import RejectionCode
from unit.inference.recordings import voice_log

#: As workers have them with the packaged bundle.
TERMS = Terms(
    window_samples=4 * SAMPLE_RATE,
    hop_samples=2 * SAMPLE_RATE,
    max_seconds=InferenceSettings().max_recording_seconds,
    thresholds=QualitySettings(),
)
DOCUMENT = Path(__file__).parents[2] / "docs" / "hostile-audio.md"
BEGIN, END = "<!-- written by `make hostile` -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Outcome:
    case: Case
    size: int
    #: The code, or the seconds that were analysed.
    end: RejectionCode | float
    #: Of the decoder's time on the processor: a busy machine does not stretch it.
    cpu_seconds: float
    #: The most memory that the decoder has had so far.
    peak_mib: float
    #: Whether it lives on.
    is_alive: bool

    @property
    def is_as_expected(self) -> bool:
        if isinstance(self.end, float) and isinstance(self.case.end, float):
            return abs(self.end - self.case.end) < 0.1
        return self.end == self.case.end


def outcome(cage: Cage, case: Case) -> Outcome:
    """Give a case to a cage whose child is ready."""
    source, child = case.make(), cage.pid
    before = cpu_seconds(child)
    try:
        prepared = cage.prepare([source])
        end: RejectionCode | float = prepared.audio_seconds
        for _ in prepared.chunks():
            pass
    except RecordingRejectedError as error:
        end = error.code
    is_alive = cage.pid == child
    spent = cpu_seconds(child) - before if is_alive else 0.0
    return Outcome(case, len(source), end, spent, peak_mib(cage), is_alive)


def cpu_seconds(pid: int | None) -> float:
    """Time that a process has spent on the processor."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def peak_mib(cage: Cage) -> float:
    """The most memory that a cage's child has had."""
    for line in Path(f"/proc/{cage.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the child has gone")


@contextmanager
def ready() -> Iterator[Cage]:
    """A cage whose child has proved that it works."""
    with Cage(TERMS) as cage:
        warm_up(cage)
        yield cage


def warm_up(cage: Cage) -> None:
    assert sum(map(len, cage.prepare([voice_log()]).chunks())) > 0


def table(outcomes: list[Outcome]) -> str:
    head = "| File | Bytes | Claims | Is | Ends | CPU, s |\n| --- | ---: | --- | --- | --- | ---: |\n"
    return head + "".join(map(_row, outcomes))


def _row(found: Outcome) -> str:
    case = found.case
    end = f"{_end(found)} | {found.cpu_seconds:.2f}"
    return f"| {case.name} | {found.size:,} | {case.claims} | {case.truth} | {end} |\n"


def _end(found: Outcome) -> str:
    return f"`{found.end}`" if isinstance(found.end, RejectionCode) else f"analysed: {found.end:.1f} s"


def summary(outcomes: list[Outcome]) -> str:
    right = sum(found.is_as_expected and found.is_alive for found in outcomes)
    slowest = max(found.cpu_seconds for found in outcomes)
    peak = max(found.peak_mib for found in outcomes)
    return (
        f"On {time.strftime('%d %B %Y')}, {right} of {len(outcomes)} ended as they should, in one decoder. "
        f"The slowest took {slowest:.1f} s of its time on the processor; its memory came to {peak:.0f} MiB.\n"
    )


def main() -> None:
    with ready() as cage:
        found = [outcome(cage, case) for case in track(CASES, "Decoding", console=Console(stderr=True))]
        warm_up(cage)
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    written = f"{BEGIN}\n{summary(found)}\n{table(found)}\n{END}"
    DOCUMENT.write_text(before + written + after, encoding="utf-8")
    raise SystemExit(not all(one.is_as_expected and one.is_alive for one in found))


if __name__ == "__main__":
    main()

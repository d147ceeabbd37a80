"""One fault, tried: what is injected, what must hold, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from faults.campaign import checker, history
from faults.campaign.checker import Violation
from faults.campaign.journal import Erased, Journal
from faults.campaign.load import Crowd
from faults.campaign.rig import QUICK, Rig, until
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import new_id

#: For how long after a fault a backlog may be worked off; what is left then is lost. What must be quicker has
#: a check of its own: a busy machine is no lost job.
BACKLOG = 600.0  # seconds


class SkippedError(Exception):
    """The fault cannot be injected here; the message says why."""


@dataclass(frozen=True)
class Check:
    """A figure, and whether it is what it must be."""

    figure: str
    holds: bool
    #: Whether it depends on how fast the machine is.
    timed: bool = False


@dataclass(frozen=True)
class Fault:
    name: str
    #: What is done, as the table says it.
    injected: str
    try_it: Callable[[Trial], None]
    pace: Mapping[str, str]

    @property
    def order(self) -> int:
        return int(self.name[1:])


#: Every fault of the matrix, by name.
MATRIX: dict[str, Fault] = {}


def fault(
    name: str, injected: str, *, pace: Mapping[str, str] = QUICK
) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Enter a function into the matrix."""

    def enter(try_it: Callable[[Trial], None]) -> Callable[[Trial], None]:
        MATRIX[name] = Fault(name, injected, try_it, pace)
        return try_it

    return enter


@dataclass
class Result:
    fault: Fault
    accepted: int = 0
    lost: int = 0
    checks: list[Check] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    skipped: str | None = None
    #: What went wrong with the trial itself.
    broken: str | None = None
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        return not self.violations and not self.broken and all(check.holds for check in self.checks)


@dataclass
class Trial:
    """What a fault's function works with."""

    rig: Rig
    crowd: Crowd
    journal: Journal
    fault: Fault
    #: 1 for the whole campaign; less for the short form, where few rounds must do.
    share: float = 1.0
    checks: list[Check] = field(default_factory=list)
    #: Objects that were taken or changed on purpose.
    harmed: list[str] = field(default_factory=list)

    def rounds(self, count: int) -> int:
        return max(1, round(count * self.share))

    def note(self, what: str) -> None:
        self.journal.note(self.fault.name, what)

    def check(self, what: str, *, holds: bool, timed: bool = False) -> None:
        self.checks.append(Check(what, holds, timed))
        self.note(f"{'holds' if holds else 'DOES NOT HOLD'}: {what}")

    def within(self, what: str, seconds: float, limit: float) -> None:
        """Hold a length of time against its limit."""
        digits = 0 if seconds >= 10 else 2
        self.check(f"{what} {seconds:.{digits}f} s (≤ {limit:g} s)", holds=seconds <= limit, timed=True)

    def posts(self, first: int = 0) -> None:
        """Hold the answers to POST since the so-manieth against what every client may expect."""
        accepted, refused = self.crowd.accepted()[first:], self.crowd.refused()
        share = len(accepted) / (len(accepted) + len(refused))
        self.check(f"{share:.0%} of {len(accepted) + len(refused)} POSTs promised", holds=not refused)
        self.within("p99", percentile([entry.seconds for entry in accepted], 99), 1.0)

    def settled(self, within: float = BACKLOG) -> float:
        """Wait until every promised job has its end; return the seconds that took."""
        return until(lambda: not self.crowd.unfinished(), within=within, what="an end for every job")

    def ended(self, jobs: set[str], within: float) -> None:
        """Wait until some jobs have their ends."""
        until(lambda: not jobs & set(self.crowd.unfinished()), within=within, what="their ends")

    def all_succeeded(self) -> None:
        rows = self.rig.rows(
            "select status::text, count(*) from jobs where id::text = any(:ids) group by 1",
            ids=list(self.crowd.jobs),
        )
        told = ", ".join(f"{count} {status}" for status, count in rows)
        self.check(told, holds={status for status, _ in rows} <= {JobStatus.SUCCEEDED.value})


def percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return max(values, default=0.0)
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def run(fault: Fault, rig: Rig, journal: Journal, share: float = 1.0) -> Result:
    """Try a fault, have its traces judged, and leave the stack as it was."""
    crowd = Crowd(rig, journal, fault.name, canary=f"canary-{new_id()}")
    trial = Trial(rig, crowd, journal, fault, share)
    result, began = Result(fault), time.monotonic()
    journal.note(fault.name, fault.injected)
    try:
        with crowd.looking():
            fault.try_it(trial)
            rig.heal()
            trial.settled()
    except SkippedError as reason:
        result.skipped = str(reason)
    except Exception as error:  # noqa: BLE001 - one broken trial must not end the campaign
        result.broken = f"{type(error).__name__}: {error}"
        journal.note(fault.name, result.broken)
    finally:
        rig.heal()
    result.checks = trial.checks
    result.accepted = len(set(crowd.jobs))
    result.violations = judged(trial)
    result.lost = len({each.where for each in result.violations if each.invariant is LOST})
    result.seconds = time.monotonic() - began
    return result


LOST = checker.Invariant.NOTHING_LOST


def judged(trial: Trial) -> list[Violation]:
    """Judge what a trial left behind: its own jobs by the journal and the tables, objects, and files."""
    rig, jobs = trial.rig, set(trial.crowd.jobs)
    entries = [entry for entry in trial.journal.entries if entry.fault == trial.fault.name]
    whole = history.dump(rig.engine)
    own = history.History(
        moves=tuple(move for move in whole.moves if move.job in jobs),
        jobs=tuple(job for job in whole.jobs if job.job in jobs),
    )
    erased = {entry.job for entry in entries if isinstance(entry, Erased)}
    keys = [job.object_key for job in own.jobs if job.job not in erased]
    rows = {job.object_key for job in whole.jobs}
    objects = {key: age for key, age in rig.objects().items() if key in keys or key not in rows}
    return [
        *checker.judge(entries, own),
        *checker.judge_objects(keys, objects, harmed=trial.harmed),
        *checker.judge_canaries([trial.crowd.canary], _told(rig)),
    ]


def _told(rig: Rig) -> dict[str, bytes]:
    """What processes wrote where people's data has no business: logs, and what Valkey keeps."""
    layout = rig.infrastructure.layout
    files = [path for folder in (layout.logs, layout.valkey) for path in folder.rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in files}

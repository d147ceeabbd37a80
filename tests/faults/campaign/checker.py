"""Judges a campaign by what was written down. Pure: no stack, no clock, and no idea of what was injected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise

from faults.campaign.history import Ended, History, Move
from faults.campaign.journal import UNKNOWN, Accepted, Entry, Erased, Seen
from mindtrack_shared.domain.jobs import TERMINAL, TRANSITIONS, JobStatus

#: A younger object may be an upload in progress.
ORPHAN_AGE = timedelta(hours=24)


class Invariant(StrEnum):
    """What holds whatever happens."""

    NOTHING_LOST = "I1"
    ONE_ANALYSIS = "I2"
    FORWARD_ONLY = "I3"
    FENCES_RISE = "I4"
    ATTEMPTS_BOUNDED = "I5"
    OBJECTS_MATCH_ROWS = "I6"
    NOTHING_TOLD = "I7"


@dataclass(frozen=True)
class Violation:
    invariant: Invariant
    #: A job, a key, an object or a file.
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.where}: {self.what}"


def judge(entries: Sequence[Entry], history: History) -> list[Violation]:
    """Hold what clients were told against what the tables went through (I1 to I5)."""
    ended = {job.job: job for job in history.jobs}
    erased = {entry.job for entry in entries if isinstance(entry, Erased)}
    accepted = [entry for entry in entries if isinstance(entry, Accepted)]
    return [
        *_lost(accepted, ended, erased),
        *_shared_keys(accepted),
        *_analyses(history.jobs),
        *_moves(history.moves),
        *_attempts(history.moves),
        *_seen(entries, ended, erased),
    ]


def _lost(accepted: Iterable[Accepted], ended: Mapping[str, Ended], erased: set[str]) -> Iterator[Violation]:
    for job in dict.fromkeys(entry.job for entry in accepted):
        if job in erased:
            continue
        if job not in ended:
            yield Violation(Invariant.NOTHING_LOST, job, "was accepted, and has no row")
        elif ended[job].status not in TERMINAL:
            yield Violation(Invariant.NOTHING_LOST, job, f"was accepted, and is still {ended[job].status}")


def _shared_keys(accepted: Iterable[Accepted]) -> Iterator[Violation]:
    """Look for requests that became several jobs, and jobs that stand for several requests."""
    jobs_by_key, keys_by_job = defaultdict(set), defaultdict(set)
    for entry in accepted:
        jobs_by_key[entry.key].add(entry.job)
        keys_by_job[entry.job].add(entry.key)
    for key, jobs in jobs_by_key.items():
        if len(jobs) > 1:
            yield Violation(Invariant.ONE_ANALYSIS, key, f"one request became {len(jobs)} jobs")
    for job, keys in keys_by_job.items():
        if len(keys) > 1:
            yield Violation(Invariant.NOTHING_LOST, job, f"stands for {len(keys)} different recordings")


def _analyses(jobs: Iterable[Ended]) -> Iterator[Violation]:
    for job in jobs:
        attempts = job.analysed_attempts
        if len(attempts) > 1:
            yield Violation(Invariant.ONE_ANALYSIS, job.job, f"has {len(attempts)} analyses")
        if bool(attempts) is not (job.status == JobStatus.SUCCEEDED):
            yield Violation(Invariant.ONE_ANALYSIS, job.job, f"is {job.status} with {len(attempts)} analyses")
        if attempts and set(attempts) != {job.attempt}:
            what = f"attempt {job.attempt} succeeded, the analysis is of attempt {attempts[0]}"
            yield Violation(Invariant.ONE_ANALYSIS, job.job, what)


def _moves(moves: Iterable[Move]) -> Iterator[Violation]:
    by_job: dict[str, list[Move]] = defaultdict(list)
    for move in moves:
        by_job[move.job].append(move)
    for job, chain in by_job.items():
        yield from _chain(job, chain)


def _chain(job: str, chain: Sequence[Move]) -> Iterator[Violation]:
    for move in chain:
        before, after = move.before, move.after
        if before not in {None, after} and JobStatus(after) not in TRANSITIONS[JobStatus(before)]:
            yield Violation(Invariant.FORWARD_ONLY, job, f"went from {before} to {after}")
        if move.fence_before is None:
            continue
        is_claim = before != JobStatus.RUNNING and after == JobStatus.RUNNING
        if move.fence_after < move.fence_before:
            what = f"its fence went from {move.fence_before} down to {move.fence_after}"
            yield Violation(Invariant.FENCES_RISE, job, what)
        if is_claim and move.fence_after <= move.fence_before:
            yield Violation(Invariant.FENCES_RISE, job, f"was claimed twice with fence {move.fence_after}")
        if not is_claim and move.fence_after > move.fence_before:
            what = f"its fence rose to {move.fence_after} without a claim"
            yield Violation(Invariant.FENCES_RISE, job, what)
    for earlier, later in pairwise(chain):
        if (earlier.after, earlier.fence_after) != (later.before, later.fence_before):
            what = f"was left {earlier.after} and found {later.before}: a move is missing"
            yield Violation(Invariant.FORWARD_ONLY, job, what)


def _attempts(moves: Iterable[Move]) -> Iterator[Violation]:
    for move in moves:
        if move.attempt > move.max_attempts:
            what = f"attempt {move.attempt} of {move.max_attempts}"
            yield Violation(Invariant.ATTEMPTS_BOUNDED, move.job, what)


def _seen(entries: Iterable[Entry], ended: Mapping[str, Ended], erased: set[str]) -> Iterator[Violation]:
    """Look at jobs as clients did: an end is an end, and the one that the tables know."""
    ends: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, Seen):
            continue
        if entry.status == UNKNOWN:
            if entry.job not in erased:
                yield Violation(Invariant.NOTHING_LOST, entry.job, "was accepted, and seen to be unknown")
            continue
        known = ends.get(entry.job)
        if known is not None and entry.status != known:
            yield Violation(Invariant.FORWARD_ONLY, entry.job, f"was seen {known}, then {entry.status}")
        elif entry.status in TERMINAL:
            ends[entry.job] = entry.status
    for job, status in ends.items():
        if job in ended and job not in erased and ended[job].status != status:
            what = f"was seen {status}, and is {ended[job].status}"
            yield Violation(Invariant.FORWARD_ONLY, job, what)


def judge_objects(
    rows: Iterable[str], objects: Mapping[str, timedelta], *, harmed: Iterable[str] = ()
) -> list[Violation]:
    """Hold objects (keys and ages) against the rows' keys (I6); what was `harmed` was so on purpose."""
    known = set(rows)
    missing = known - set(objects) - set(harmed)
    stale = {key for key, age in objects.items() if key not in known and age > ORPHAN_AGE}
    return [
        *(
            Violation(Invariant.OBJECTS_MATCH_ROWS, key, "a row without its object")
            for key in sorted(missing)
        ),
        *(Violation(Invariant.OBJECTS_MATCH_ROWS, key, "an object without a row") for key in sorted(stale)),
    ]


def judge_canaries(canaries: Iterable[str], texts: Mapping[str, bytes]) -> list[Violation]:
    """Look for what people said about themselves in what nobody should find it in (I7), by file name."""
    return [
        Violation(Invariant.NOTHING_TOLD, name, f"tells {canary!r}")
        for name, content in texts.items()
        for canary in canaries
        if canary.encode() in content
    ]

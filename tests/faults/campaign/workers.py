"""F1 to F4, F17, F20, F21: what happens to workers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from uuid import UUID

import psutil

from faults.campaign.load import recording
from faults.campaign.rig import DEPLOYED, PATIENCE, until
from faults.campaign.trial import BACKLOG, SkippedError, Trial, fault, percentile
from mindtrack_local.part import Part
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.observability import events
from mindtrack_shared.queue.celery import celery_app
from mindtrack_shared.queue.doorbell import CeleryDoorbell, Ring
from mindtrack_shared.settings import QueueSettings

LATE_WRITES = (events.JOB_STALE_WRITE_REFUSED, events.JOB_LEASE_LOST)
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
#: Seconds of audio that keep a worker busy for long enough to be caught at it.
LONG = 20.0
#: Seconds in which a worker must be gone after SIGTERM; the manifests allow more.
GRACE = 30.0


@fault("F1", "SIGKILL of a pool child in the middle of a job", pace=DEPLOYED)
def child_killed(trial: Trial) -> None:
    rounds = trial.rounds(6)
    recoveries: list[Recovery] = []
    with trial.rig.more_workers(4) as extra:
        crew = [*trial.rig.workers(), *extra]
        while len(recoveries) < rounds:
            recoveries += _kill_all(trial, crew, lambda worker: trial.rig.working_child(worker).kill())
    _recovered(trial, recoveries)


@fault("F2", "SIGKILL of a whole worker", pace=DEPLOYED)
def worker_killed(trial: Trial) -> None:
    rounds = trial.rounds(30)
    recoveries: list[Recovery] = []
    with trial.rig.more_workers(8 if rounds > 8 else 0) as extra:
        crew = [*trial.rig.workers(), *extra]
        while len(recoveries) < rounds:
            recoveries += _kill_all(trial, crew, Part.kill)
    _recovered(trial, recoveries)


class Recovery(NamedTuple):
    """For how many seconds a killed worker's jobs had nobody, and no end."""

    taken_up: float
    done: float


def _kill_all(trial: Trial, crew: Sequence[Part], kill: Callable[[Part], None]) -> list[Recovery]:
    """Kill workers at their work; return for each how long what it held took to recover.

    Each is stopped as soon as it holds a job, and killed when all are: silent it is from the stop on.
    """
    sender = Thread(target=trial.crowd.send_many, args=(len(crew) * 2,), kwargs={"seconds": LONG})
    sender.start()
    caught = _catch(trial, crew, within=60.0)
    sender.join()
    for worker, _, _ in caught:
        kill(worker)
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            worker.resume()
    trial.note(f"{len(caught)} workers killed")
    trial.settled()
    until(lambda: all(worker.running for worker in crew), within=PATIENCE, what="workers starting again")
    rows = trial.rig.rows(
        "select id::text, extract(epoch from started_at), extract(epoch from finished_at) from jobs"
    )
    times = {job: (float(started), float(ended)) for job, started, ended in rows if ended is not None}
    return [
        Recovery(*(max(times[job][index] for job in jobs) - since for index in range(2)))
        for _, since, jobs in caught
    ]


def _catch(trial: Trial, workers: Iterable[Part], within: float) -> list[tuple[Part, float, list[str]]]:
    """Stop workers, each as soon as it holds a job; say since when it is silent, and what it held."""
    free, caught = list(workers), []
    deadline = time.monotonic() + within
    while free and time.monotonic() < deadline:
        running = trial.rig.running()
        for worker in list(free):
            if not worker.running or not trial.rig.held(worker, running):
                continue
            worker.pause()
            since, held = time.time(), trial.rig.held(worker)
            if held:
                free.remove(worker)
                caught.append((worker, since, held))
            else:
                worker.resume()
        time.sleep(0.02)
    return caught


def _recovered(trial: Trial, recoveries: Sequence[Recovery]) -> None:
    limit = trial.rig.lease + trial.rig.tick + 5
    taken_up = [recovery.taken_up for recovery in recoveries]
    done = [recovery.done for recovery in recoveries]
    trial.within(f"{len(recoveries)} rounds: taken up again p95", percentile(taken_up, 95), limit)
    trial.within("done p95", percentile(done, 95), limit)
    trial.within("longest", max(done), limit + 25)
    trial.all_succeeded()


@fault("F3", "SIGSTOP of a worker until others did its work, then SIGCONT")
def zombies(trial: Trial) -> None:
    """Only rounds count in which somebody else had claimed the job before its first worker went on."""
    rounds, effective = trial.rounds(200), 0
    rig = trial.rig
    with rig.more_workers(8 if rounds > 16 else 2) as victims:
        before = _late_writes(trial, victims)
        with trial.crowd.sending(per_second=5, at_once=3):
            while effective < rounds:
                effective += _freeze_and_thaw(trial, victims)
        trial.settled()
        refused = _late_writes(trial, victims) - before
    trial.check(f"{effective} rounds, {refused} late writes refused", holds=refused >= effective)
    trial.all_succeeded()


def _freeze_and_thaw(trial: Trial, victims: Sequence[Part]) -> int:
    rig = trial.rig
    for worker in rig.workers():
        worker.pause()
    try:
        caught = _catch(trial, victims, within=10.0)
    finally:
        for worker in rig.workers():
            worker.resume()
    held = {job for _, _, jobs in caught for job in jobs}
    fences = _fences(trial, held)
    with suppress(AssertionError):
        until(lambda: _passed_on(trial, fences) == held, within=20, what="others doing the work")
    passed_on = _passed_on(trial, fences)
    for worker, _, _ in caught:
        worker.resume()
    return sum(any(job in passed_on for job in jobs) for _, _, jobs in caught)


def _fences(trial: Trial, jobs: Iterable[str]) -> dict[str, int]:
    rows = trial.rig.rows("select id::text, fence from jobs where id::text = any(:ids)", ids=list(jobs))
    return {job: int(fence) for job, fence in rows}


def _passed_on(trial: Trial, fences: dict[str, int]) -> set[str]:
    """Jobs that somebody else has claimed since, and ended."""
    now = _fences(trial, fences)
    ended = set(now) - set(trial.rig.running())
    return {job for job in ended if now[job] > fences[job]}


def _late_writes(trial: Trial, workers: Iterable[Part]) -> int:
    said = [trial.rig.log(worker.name) for worker in workers]
    return sum(text.count(event) for text in said for event in LATE_WRITES)


@fault("F4", "a job that kills whoever works on it, at every attempt")
def poison(trial: Trial) -> None:
    rig = trial.rig
    before = _neighbours(trial)
    with trial.crowd.client() as client:
        poisoned = trial.crowd.insist(client, recording(60.0))
    over: list[bool] = []
    killer = Thread(target=_kill_whoever_holds, args=(trial, poisoned, over))
    killer.start()
    try:
        during = _neighbours(trial)
        until(
            lambda: poisoned not in trial.crowd.unfinished(),
            within=PATIENCE,
            what="an end of the poison",
        )
    finally:
        over.append(True)
        killer.join()
    ((status, code, attempt),) = rig.rows(
        "select status::text, code, attempt from jobs where id::text = :id", id=poisoned
    )
    trial.check(f"{status} ({code}) after {attempt} attempts", holds=(status, attempt) == ("failed", 3))
    neighbours = [job for job in trial.crowd.jobs if job != poisoned]
    ends = rig.rows(
        "select status::text, count(*) from jobs where id::text = any(:ids) group by 1", ids=neighbours
    )
    told = ", ".join(f"{count} {status}" for status, count in ends)
    trial.check(f"neighbours: {told}", holds={status for status, _ in ends} <= {"succeeded"})
    grown = during / before - 1
    trial.check(f"their p95 {during:.2g} s, {grown:+.0%} (≤ +20 %)", holds=grown <= 0.2)


def _neighbours(trial: Trial) -> float:
    """Send what others send for a while; return the 95th percentile of their seconds to the end."""
    known = set(trial.crowd.jobs)
    with trial.crowd.sending(per_second=2):
        time.sleep(20 if trial.share == 1 else 8)
    jobs = [job for job in trial.crowd.jobs if job not in known]
    trial.ended(set(jobs), within=BACKLOG)
    rows = trial.rig.rows(
        "select extract(epoch from finished_at - created_at) from jobs where id::text = any(:ids)", ids=jobs
    )
    return percentile([float(seconds) for (seconds,) in rows], 95)


def _kill_whoever_holds(trial: Trial, job: str, over: list[bool]) -> None:
    rig = trial.rig
    while not over:
        holder = rig.running().get(job)
        for worker in rig.workers():
            if holder and worker.running and holder in rig.log(worker.name):
                with suppress(psutil.NoSuchProcess, ProcessLookupError, ValueError):
                    rig.working_child(worker).kill()
                    _await_rescue(trial, job, holder)
        time.sleep(0.02)


def _await_rescue(trial: Trial, job: str, holder: str) -> None:
    until(lambda: trial.rig.running().get(job) != holder, within=PATIENCE, what="a rescue")


@fault("F17", "workers whose clocks are an hour fast and an hour slow (libfaketime)")
def wrong_clocks(trial: Trial) -> None:
    if not FAKETIME.exists():
        raise SkippedError("libfaketime is not installed")
    with trial.rig.without_workers():
        parts = [
            trial.rig.add_worker(
                f"clock{offset}",
                {
                    "LD_PRELOAD": str(FAKETIME),
                    "FAKETIME": f"{offset}h",
                    # Waits stay as long as they are told to be; only the time of day is wrong.
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    # S3 refuses whose clock is a quarter of an hour off; the files are the same.
                    "MINDTRACK_STORAGE_URL": trial.rig.infrastructure.recordings.as_uri(),
                    "MINDTRACK_KEYS_URL": trial.rig.infrastructure.keys.as_uri(),
                },
            )
            for offset in ("+1", "-1")
        ]
        trial.crowd.send_many(trial.rounds(60))
        trial.settled()
        for part in parts:
            part.stop()
    trial.all_succeeded()
    told = [trial.rig.log(part.name).count(events.JOB_CLAIMED) for part in parts]
    trial.check(f"{told[0]} done an hour fast, {told[1]} an hour slow", holds=all(told))
    attempts = trial.rig.number(
        "select max(attempt) from jobs where id::text = any(:ids)", ids=list(trial.crowd.jobs)
    )
    trial.check(f"{attempts} attempt each", holds=attempts == 1)


@fault("F20", "every message delivered three times, to three workers")
def delivered_thrice(trial: Trial) -> None:
    rig = trial.rig
    app = celery_app("campaign", rig.infrastructure.settings(QueueSettings))
    doorbell = CeleryDoorbell(app)
    with rig.more_workers(1) as extra:
        del extra
        for _ in range(trial.rounds(10)):
            jobs = trial.crowd.send_many(10)
            doorbell.ring(_rings(jobs) * 3)
        trial.settled()
    app.close()
    trial.all_succeeded()
    claims = rig.number("select max(fence) from jobs where id::text = any(:ids)", ids=list(trial.crowd.jobs))
    trial.check(f"{claims} claim each", holds=claims == 1)


def _rings(jobs: Iterable[str]) -> list[Ring]:
    return [Ring(UUID(job), Priority.INTERACTIVE) for job in jobs]


@fault("F21", "SIGTERM of workers under load, as deployments and scaling in do", pace=DEPLOYED)
def terminated(trial: Trial) -> None:
    rounds = trial.rounds(100)
    leaving: list[float] = []
    with trial.rig.more_workers(2) as extra, trial.crowd.sending(per_second=4):
        crew = [*trial.rig.workers(), *extra]
        while len(leaving) < rounds:
            for worker in crew[:: 2 if len(leaving) % 4 else 1]:
                leaving.append(_see_off(worker))
                worker.start()
            for worker in crew:
                worker.wait_ready()
    trial.settled()
    trial.within(f"{len(leaving)} SIGTERMs: longest exit", max(leaving), GRACE)
    trial.all_succeeded()
    wasted = trial.rig.number(
        "select count(*) from jobs where id::text = any(:ids) and attempt > 1", ids=list(trial.crowd.jobs)
    )
    share = wasted / len(trial.crowd.jobs)
    trial.check(f"{share:.1%} of attempts wasted (≤ 1 %)", holds=share <= 0.01)


def _see_off(worker: Part) -> float:
    began = time.monotonic()
    worker.stop()
    return time.monotonic() - began


def tool(name: str) -> str:
    """Find a program.

    Raises:
        SkippedError: it is not there.

    """
    found = shutil.which(name)
    if found is None:
        raise SkippedError(f"{name} is not installed")
    return found

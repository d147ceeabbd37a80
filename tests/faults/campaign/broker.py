"""F5 to F10, F22: Valkey dies, forgets, freezes, fills up, or is far away."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError

from faults.campaign.rig import DEPLOYED, PATIENCE, until
from faults.campaign.trial import Trial, fault
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.queue.names import DRAIN_QUEUES

POSTS = 200
QUEUE = f"mt:{DRAIN_QUEUES[Priority.INTERACTIVE]}"


@fault("F5", "Valkey SIGKILLed while jobs come in, started again after 200 POSTs")
def killed(trial: Trial) -> None:
    valkey = trial.rig.process("valkey")
    trial.crowd.send_many(10)
    first = len(trial.crowd.accepted())
    valkey.kill()
    valkey.ask_to_stop()  # or it would be started again at once
    try:
        trial.crowd.send_many(trial.rounds(POSTS), at_once=4)
    finally:
        valkey.stop()
        valkey.start()
        valkey.wait_ready()
    trial.posts(first)
    _worked_off(trial)


@fault("F6", "Valkey wiped (FLUSHALL) with 500 jobs queued", pace=DEPLOYED)
def wiped(trial: Trial) -> None:
    rig = trial.rig
    with rig.without_workers():
        trial.crowd.send_many(trial.rounds(500))
        until(lambda: not _unrung(trial), within=PATIENCE, what="a ring for every job")
        with rig.broker() as broker:
            waiting = broker.llen(QUEUE)
            broker.flushall()
        wiped_at = _now(trial)
    trial.note(f"{waiting} messages wiped")
    limit = rig.lease + 2 * rig.tick
    trial.settled()
    trial.within("all rung again or claimed after", _silence(trial, wiped_at), limit)
    ((took,),) = rig.rows(
        "select extract(epoch from max(finished_at) - cast(:since as timestamptz)) from jobs"
        " where id::text = any(:ids)",
        since=wiped_at,
        ids=list(trial.crowd.jobs),
    )
    trial.within("all done after", float(took), limit + 60)
    trial.all_succeeded()


def _silence(trial: Trial, since: str) -> float:
    """For how many seconds a job at most had neither another ring nor a claim: a drain takes others along."""
    ((seconds,),) = trial.rig.rows(
        "select max(extract(epoch from least(m.claimed, case when j.dispatched_at > s.wiped"
        " then j.dispatched_at end) - s.wiped)) from (select cast(:since as timestamptz) as wiped) s, jobs j"
        " join (select job_id, min(at) as claimed from campaign.moves where status_after = 'running'"
        " group by 1) m on m.job_id = j.id where j.id::text = any(:ids)",
        since=since,
        ids=list(trial.crowd.jobs),
    )
    return float(seconds)


def _unrung(trial: Trial) -> int:
    return trial.rig.number("select count(*) from jobs where status = 'queued' and dispatched_at is null")


@fault("F7", "Valkey frozen (SIGSTOP) for 40 s and 200 POSTs", pace=DEPLOYED)
def frozen(trial: Trial) -> None:
    valkey = trial.rig.process("valkey")
    trial.crowd.send_many(10)
    first, began = len(trial.crowd.accepted()), time.monotonic()
    valkey.pause()
    try:
        trial.crowd.send_many(trial.rounds(POSTS), at_once=4)
        time.sleep(max(0.0, 40 * min(1, trial.share * 2) - (time.monotonic() - began)))
    finally:
        valkey.resume()
    trial.posts(first)
    _worked_off(trial)


@fault("F10", "Valkey full (maxmemory 1mb) for 200 POSTs")
def full(trial: Trial) -> None:
    first = len(trial.crowd.accepted())
    with trial.rig.broker() as broker:
        broker.config_set("maxmemory", "1mb")
        try:
            trial.crowd.send_many(trial.rounds(POSTS), at_once=4)
            with suppress(RedisError):
                broker.set("campaign", "x" * 1024)
                trial.check("Valkey took a write: it was not full", holds=False)
        finally:
            broker.config_set("maxmemory", "0")
    trial.posts(first)
    _worked_off(trial)


def _worked_off(trial: Trial) -> None:
    trial.note(f"worked off in {trial.settled():.0f} s")
    trial.all_succeeded()


@fault("F8", "connections between workers and Valkey half open: swallowed without a word", pace=DEPLOYED)
def half_open(trial: Trial) -> None:
    limit = 30.0
    with trial.crowd.sending(per_second=1, at_once=1):
        until(lambda: len(trial.crowd.jobs) >= 3, within=PATIENCE, what="jobs")
        trial.settled()
        trial.rig.link("inference", "broker").half_open()
        began, since = time.monotonic(), _now(trial)
        until(lambda: _claimed_of(trial, since) > 0, within=limit + 60, what="a claim")
        trial.within("consuming again after", time.monotonic() - began, limit)
        time.sleep(20 * trial.share)
    trial.note(f"worked off in {trial.settled():.0f} s")
    trial.all_succeeded()


def _now(trial: Trial) -> str:
    ((moment,),) = trial.rig.rows("select clock_timestamp()::text")
    return str(moment)


def _claimed_of(trial: Trial, since: str) -> int:
    """Claims of jobs that were made since then."""
    return trial.rig.number(
        "select count(*) from jobs where id::text = any(:ids) and attempt > 0"
        " and created_at > cast(:since as timestamptz)",
        ids=list(trial.crowd.jobs),
        since=since,
    )


@fault("F9", "20 storms of RST between workers and Valkey")
def reset(trial: Trial) -> None:
    resets = 0
    with trial.crowd.sending(per_second=4):
        for _ in range(trial.rounds(20)):
            resets += trial.rig.link("inference", "broker").reset()
            time.sleep(0.5)
    trial.check(f"{resets} connections reset", holds=resets >= trial.rounds(20))
    _worked_off(trial)


@fault("F22", "the relay SIGKILLed between publishing and stamping")
def relay_killed(trial: Trial) -> None:
    """Its way to the database is slow, so that what it published lies in Valkey before it is stamped."""
    rig, between = trial.rig, 0
    rounds = trial.rounds(10)
    for worker in rig.workers():
        worker.pause()
    try:
        for _ in range(rounds):
            between += _kill_before_stamp(trial)
    finally:
        for worker in rig.workers():
            worker.resume()
    trial.settled()
    trial.check(f"{between} of {rounds} kills between the two", holds=between >= rounds / 2)
    trial.all_succeeded()


def _kill_before_stamp(trial: Trial) -> bool:
    rig = trial.rig
    link, relay = rig.link("relay", "database"), rig.process("relay")
    until(lambda: relay.running, within=PATIENCE, what="the relay starting again")
    until(lambda: not _unrung(trial), within=PATIENCE, what="the relay ringing")
    with rig.broker() as broker:
        before = broker.llen(QUEUE)
        link.latency = 0.5
        jobs = trial.crowd.send_many(3, at_once=1)
        _soon(lambda: broker.llen(QUEUE) > before)
        relay.kill()
        link.heal()
    time.sleep(0.2)  # for the server to see the end of that connection, and roll back
    unstamped = rig.number(
        "select count(*) from jobs where id::text = any(:ids) and dispatched_at is null", ids=jobs
    )
    return unstamped > 0


def _soon(condition: Callable[[], bool]) -> None:
    until(condition, within=PATIENCE, what="a message")
